//! Reading a bundle's `config.json`, and saying what is wrong with it.

mod names;
mod unknown;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use oci_spec::runtime::{Process, Spec};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use self::unknown::Unknown;
use crate::error::{Context, Error, Result};
use crate::sys::fd;

/// More than any real bundle; less than it takes to exhaust memory.
const LONGEST: u64 = 16 << 20;

/// The versions of the specification that rcon understands.
pub const VERSION: &str = "1.2.0";

/// A `config.json`.
#[derive(Debug)]
pub struct Config {
    /// What it says.
    pub spec: Spec,
    /// Its very bytes.
    pub bytes: Vec<u8>,
    /// What it says and was left out.
    pub warnings: Vec<String>,
}

/// Reads `config.json` of a bundle.
pub fn load(bundle: &Path) -> Result<Config> {
    check_folder(bundle)?;
    let path = bundle.join("config.json");
    let bytes = read_bounded(&path).map_err(|e| {
        if path.exists() {
            e
        } else {
            e.hint(WHICH_BUNDLE)
        }
    })?;
    let required: Required = parse(&bytes, "config.json")?;
    let (spec, mut warnings) = parse_spec(&bytes)?;
    warnings.extend(required.warnings());
    check_version(spec.version())?;
    Ok(Config {
        spec,
        bytes,
        warnings,
    })
}

/// Parses a `config.json`, with warnings for what it names and nobody knows.
pub fn parse_spec(bytes: &[u8]) -> Result<(Spec, Vec<String>)> {
    parse_lenient(bytes, "config.json", |config| config.get_mut("process"))
}

/// Most texts can be read at once. One that cannot gets the names in its
/// `process` object set right, and a second reading.
fn parse_lenient<T: DeserializeOwned>(
    bytes: &[u8],
    name: &str,
    process: impl FnOnce(&mut Value) -> Option<&mut Value>,
) -> Result<(T, Vec<String>)> {
    let failure = match parse_noting(bytes, name) {
        Ok(parsed) => return Ok(parsed),
        Err(failure) => failure,
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else {
        return Err(failure);
    };
    let Some(process) = process(&mut value) else {
        return Err(failure);
    };
    let odd = names::translate(process);
    let (parsed, mut warnings) = parse_noting(value.to_string().as_bytes(), name)?;
    warnings.extend(odd.iter().map(|w| format!("{name}: {w}")));
    Ok((parsed, warnings))
}

const WHICH_BUNDLE: &str =
    "name the bundle with --bundle DIR; `rcon oci spec` writes a config.json to start from";

fn check_folder(bundle: &Path) -> Result<()> {
    let wrong = |why| Error::user(format!("the bundle {} {why}", bundle.display()));
    match std::fs::metadata(bundle) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(wrong("is not a folder").hint(WHICH_BUNDLE)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(wrong("does not exist").hint(WHICH_BUNDLE))
        }
        // Whatever it is, reading the file in it runs into the same.
        Err(_) => Ok(()),
    }
}

/// What must be there. The full types fill gaps with defaults of their own,
/// and a container started by accident is worse than none.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only whether the fields are there is of interest")]
struct Required {
    #[serde(rename = "ociVersion")]
    version: IgnoredAny,
    process: Option<RequiredProcess>,
    root: Option<RequiredRoot>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "as above")]
struct RequiredProcess {
    args: IgnoredAny,
    cwd: IgnoredAny,
    user: Option<RequiredUser>,
}

#[derive(Deserialize)]
struct RequiredUser {
    uid: Option<IgnoredAny>,
    username: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "as above")]
struct RequiredRoot {
    path: IgnoredAny,
}

impl Required {
    /// The specification has names of users for Windows alone; without a
    /// number the program would be root.
    fn warnings(&self) -> Option<String> {
        let user = self.process.as_ref()?.user.as_ref()?;
        let alone = user.username.is_some() && user.uid.is_none();
        alone.then(|| {
            "config.json: process.user.username: ignored on Linux: give uid and gid".to_owned()
        })
    }
}

/// Reads a process object, as `exec --process` takes it.
pub fn load_process(path: &Path) -> Result<(Process, Vec<String>)> {
    let bytes = read_stream(path)?;
    if let Some(number) = descriptor(path).filter(|n| *n > 2) {
        nix::unistd::close(number).map_err(|e| Error::internal(e.desc()))?;
    }
    parse_lenient(&bytes, &path.display().to_string(), |process| {
        // As runc reads it: nobody named is root.
        if process.is_object() && process.get("user").is_none() {
            process["user"] = serde_json::json!({"uid": 0, "gid": 0});
        }
        Some(process)
    })
}

/// The number in the path of one of our own descriptors.
pub fn descriptor(path: &Path) -> Option<i32> {
    let dirs = ["/dev/fd", "/proc/self/fd"];
    let name = dirs.iter().find_map(|dir| path.strip_prefix(dir).ok())?;
    name.to_str()?.parse().ok()
}

/// Reads a file that the caller names on the command line and that may well
/// be a pipe, as of a shell's `<(…)`: they know what they wait for.
fn read_stream(path: &Path) -> Result<Vec<u8>> {
    let named = || format!("cannot read {}", path.display());
    let file = File::open(path).context(named)?;
    let meta = file.metadata().context(named)?;
    if !meta.is_file() && !meta.file_type().is_fifo() {
        return Err(Error::user("neither a regular file nor a pipe").context(named()));
    }
    bounded(file, path)
}

/// Reads a regular file that is not too long. Anything else could block, or
/// never end.
pub fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let named = || format!("cannot read {}", path.display());
    let file = File::from(
        fd::open(path, libc::O_RDONLY | libc::O_NONBLOCK)
            .map_err(|e| Error::user(e.errno.desc()).context(named()))?,
    );
    let meta = file.metadata().context(named)?;
    if !meta.is_file() {
        return Err(Error::user("not a regular file").context(named()));
    }
    bounded(file, path)
}

fn bounded(file: File, path: &Path) -> Result<Vec<u8>> {
    let named = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .context(named)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::user(format!("longer than {} MiB", LONGEST >> 20)).context(named()));
    }
    Ok(bytes)
}

/// Parses JSON; an error names the field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    parse_noting(bytes, name).map(|(parsed, _)| parsed)
}

/// The same, with a warning for each field that `T` does not know.
pub fn parse_noting<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<(T, Vec<String>)> {
    // A list would do for a structure, field by field. Nobody means that.
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    if first.is_some_and(|b| *b == b'[') {
        return Err(Error::user(format!(
            "{name}: a list where an object must be"
        )));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut unknown = Unknown::default();
    let mut note = |path: serde_ignored::Path<'_>| unknown.note(&path);
    let noting = serde_ignored::Deserializer::new(&mut json, &mut note);
    let parsed = serde_path_to_error::deserialize(noting).map_err(|e| {
        let field = e.path().to_string();
        // Where no name could be read there is a line and a column.
        let field = match field.trim_end_matches(['?', '.']) {
            "" => String::new(),
            field => format!("{field}: "),
        };
        Error::user(format!("{name}: {field}{}", e.inner()))
    })?;
    Ok((parsed, unknown.warnings(name)))
}

fn check_version(version: &str) -> Result<()> {
    let mut parts = version.split('.');
    let number = |part: Option<&str>| part.and_then(|p| p.parse::<u32>().ok());
    let (major, minor) = (number(parts.next()), number(parts.next()));
    if major == Some(1) && minor.is_some() && parts.next().is_some() {
        return Ok(());
    }
    Err(Error::user(format!(
        "config.json: ociVersion: {version:?} is not supported"
    ))
    .hint(format!("rcon understands versions 1.0.0 to {VERSION}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_first_major_are_taken() {
        for good in ["1.0.0", "1.0.2-dev", "1.2.0", "1.3.0"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["", "2.0.0", "1", "1.x.0", "0.9.9", "one"] {
            assert!(check_version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_the_field() {
        let e = parse::<Spec>(
            br#"{"ociVersion":"1.0.0","process":{"cwd":7}}"#,
            "config.json",
        );
        let e = e.unwrap_err().to_string();
        assert!(e.contains("config.json: process"), "{e}");
    }

    #[test]
    fn where_no_field_can_be_named_the_place_is() {
        for (text, wanted) in [
            (
                "{\n oops }",
                "config.json: key must be a string at line 2 column 2",
            ),
            (
                "{\"process\": {\n oops }}",
                "config.json: process: key must be a string at line 2",
            ),
        ] {
            let e = parse::<Spec>(text.as_bytes(), "config.json");
            let e = e.unwrap_err().to_string();
            assert!(e.starts_with(wanted), "{e}");
        }
    }

    #[test]
    fn a_user_by_name_alone_is_told_to_be_nobody() {
        let warning = |user: &str| {
            let text = format!(
                r#"{{"ociVersion":"1.2.0","process":{{"args":[],"cwd":"/","user":{user}}}}}"#
            );
            let required: Required = parse(text.as_bytes(), "config.json").unwrap();
            required.warnings()
        };
        let told = warning(r#"{"username": "www"}"#).unwrap();
        assert!(told.contains("process.user.username"), "{told}");
        assert_eq!(warning(r#"{"uid": 3, "gid": 3, "username": "www"}"#), None);
        assert_eq!(warning("{}"), None);
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let deep = "[".repeat(100_000);
        assert!(parse::<Spec>(deep.as_bytes(), "config.json").is_err());
    }
}
