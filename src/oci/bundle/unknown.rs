//! Fields that the specification does not know, by their paths. It wants them
//! passed over; a person who mistyped one wants to be told.

use serde_ignored::Path;

/// More of them are counted and not named.
const NAMED: usize = 20;

/// What is passed over while a text is read.
#[derive(Default)]
pub(super) struct Unknown {
    paths: Vec<String>,
    more: usize,
}

impl Unknown {
    pub(super) fn note(&mut self, path: &Path<'_>) {
        if self.paths.len() < NAMED {
            self.paths.push(shown(path));
        } else {
            self.more += 1;
        }
    }

    /// A warning for each; `name` is the file's.
    pub(super) fn warnings(self, name: &str) -> Vec<String> {
        let paths = self.paths.iter();
        let mut all: Vec<String> = paths
            .map(|path| format!("{name}: {path}: unknown, ignored"))
            .collect();
        if self.more > 0 {
            all.push(format!(
                "{name}: {} more unknown fields, ignored",
                self.more
            ));
        }
        all
    }
}

/// `linux.devices[2].pth`
fn shown(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", shown(parent)),
        Path::Map { parent, key } => match shown(parent) {
            top if top.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => shown(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_noting;
    use oci_spec::runtime::Spec;

    fn warnings(text: &str) -> Vec<String> {
        parse_noting::<Spec>(text.as_bytes(), "config.json")
            .unwrap()
            .1
    }

    #[test]
    fn each_unknown_field_is_told_by_its_path() {
        let told = warnings(
            r#"{"ociVersion": "1.2.0", "hostnam": "x",
                "mounts": [{"destination": "/a"}, {"destination": "/b", "optoins": ["ro"]}],
                "linux": {"resources": {"memory": {"limti": 1, "limit": 2}}}}"#,
        );
        let wanted = [
            "config.json: hostnam: unknown, ignored",
            "config.json: mounts[1].optoins: unknown, ignored",
            "config.json: linux.resources.memory.limti: unknown, ignored",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_rcon_itself_writes_has_none() {
        assert_eq!(
            warnings(&crate::oci::spec::config::text(None).unwrap()),
            [""; 0]
        );
    }

    #[test]
    fn free_names_are_not_fields() {
        let told = warnings(
            r#"{"ociVersion": "1.2.0", "annotations": {"a.b": "c"},
                "linux": {"sysctl": {"x": "1"}, "resources": {"unified": {"y": "2"}}}}"#,
        );
        assert_eq!(told, [""; 0]);
    }

    #[test]
    fn very_many_are_counted() {
        let fields: Vec<String> = (0..100).map(|n| format!("\"x{n}\": 1")).collect();
        let told = warnings(&format!(
            "{{\"ociVersion\": \"1.2.0\", {}}}",
            fields.join(",")
        ));
        assert_eq!(told.len(), 21);
        assert!(told[20].contains("80 more"), "{}", told[20]);
    }
}
