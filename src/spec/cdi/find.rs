//! Looks names up in the files of this host.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{DeviceNode, Edits, File, yaml};
use crate::error::{Context, Error, Result};

/// Where files are. What a later directory says of a name counts.
const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// Other directories, with colons between them.
const VARIABLE: &str = "RCON_CDI_DIRS";
/// What their names end with.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];
/// A file of a vendor's is not larger.
const LARGEST: u64 = 4 << 20;

/// What containers get that use these devices, in this order.
pub fn find(names: &[String]) -> Result<Vec<Edits>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let directories = match std::env::var(VARIABLE) {
        Ok(list) => list.split(':').map(PathBuf::from).collect(),
        Err(_) => DIRECTORIES.map(PathBuf::from).to_vec(),
    };
    let mut edits = look_up(names, &read_all(&directories)?, &directories)?;
    for node in edits.iter_mut().flat_map(|e| &mut e.device_nodes) {
        node.complete()?;
    }
    Ok(edits)
}

/// The files of all directories, the last directory's first.
fn read_all(directories: &[PathBuf]) -> Result<Vec<(PathBuf, File)>> {
    let mut files = Vec::new();
    for directory in directories.iter().rev() {
        for path in names_in(directory)? {
            let what = || format!("{}", path.display());
            let text = read(&path).context(what)?;
            let is_json = path.extension().is_some_and(|ending| ending == "json");
            let file = if is_json {
                File::parse(&text)
            } else {
                File::parse_yaml(&text)
            };
            let named = |e: Error| e.context(path.display().to_string());
            files.push((path.clone(), file.map_err(named)?));
        }
    }
    Ok(files)
}

/// Reads a file that is one; nothing that never ends, or that one waits for.
pub(super) fn read(path: &Path) -> Result<String> {
    let mut options = fs::File::options();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(Error::user("it is no regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(Error::user("it is too large"));
    }
    Ok(text)
}

fn names_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).context(|| directory.display().to_string()),
    };
    let paths = entries.map(|entry| entry.map(|e| e.path()));
    let paths: std::io::Result<Vec<PathBuf>> = paths.collect();
    let mut paths = paths.context(|| directory.display().to_string())?;
    let wanted = |path: &PathBuf| {
        let ending = path.extension().and_then(OsStr::to_str);
        ending.is_some_and(|ending| ENDINGS.contains(&ending))
    };
    paths.retain(wanted);
    paths.sort();
    Ok(paths)
}

impl File {
    /// Reads a vendor's file in JSON.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text).map_err(no_file)?;
        Self::check(value)
    }

    /// Reads one in YAML.
    pub(super) fn parse_yaml(text: &str) -> Result<Self> {
        Self::check(yaml::parse(text)?)
    }

    fn check(value: Value) -> Result<Self> {
        refuse_lists(&value, None)?;
        let file: Self = serde_json::from_value(value).map_err(no_file)?;
        if !matches!(file.cdi_version.split('.').next(), Some("0" | "1")) {
            return Err(
                Error::user(format!("cdiVersion {:?} is not known", file.cdi_version))
                    .hint("0.3.0 to 1.0.0 are"),
            );
        }
        Ok(file)
    }
}

fn no_file(why: impl std::fmt::Display) -> Error {
    Error::user(format!("no file of the Container Device Interface: {why}"))
}

/// Fields that are lists: of texts and numbers, and of what has names.
const LISTS: [&str; 8] = [
    "env",
    "additionalGids",
    "options",
    "args",
    "devices",
    "deviceNodes",
    "mounts",
    "hooks",
];

/// Refuses a list in any other place. What reads a file would take its items
/// for the fields of what belongs there, by their order alone.
fn refuse_lists(value: &Value, field: Option<&str>) -> Result<()> {
    match value {
        Value::Array(items) if field.is_some_and(|field| LISTS.contains(&field)) => {
            items.iter().try_for_each(|item| refuse_lists(item, None))
        }
        Value::Array(_) => Err(no_file(match field {
            Some(field) => format!("{field} is no list"),
            None => "a list stands where names and values belong".to_owned(),
        })),
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(field, value)| refuse_lists(value, Some(field))),
        _ => Ok(()),
    }
}

/// What files say of each name: that of the whole kind, and that of the device.
pub(super) fn look_up(
    names: &[String],
    files: &[(PathBuf, File)],
    directories: &[PathBuf],
) -> Result<Vec<Edits>> {
    let mut found = Vec::new();
    let mut kinds: Vec<&Path> = Vec::new();
    for name in names {
        let (kind, device) = name.split_once('=').unwrap_or((name, ""));
        let mut of_kind = files.iter().filter(|(_, file)| file.kind == kind);
        let hit = of_kind.find_map(|(path, file)| {
            let device = file.devices.iter().find(|d| d.name == device)?;
            Some((path, file, device))
        });
        let Some((path, file, device)) = hit else {
            return Err(unknown(name, files, directories));
        };
        if !kinds.contains(&path.as_path()) {
            kinds.push(path);
            found.push(file.container_edits.clone());
        }
        found.push(device.container_edits.clone());
    }
    Ok(found)
}

fn unknown(name: &str, files: &[(PathBuf, File)], directories: &[PathBuf]) -> Error {
    let shown: Vec<String> = directories
        .iter()
        .map(|d| d.display().to_string())
        .collect();
    let error = Error::user(format!(
        "--device {name}: no file in {} names it",
        shown.join(" or ")
    ));
    let all = files.iter().flat_map(|(_, file)| {
        let kind = &file.kind;
        file.devices
            .iter()
            .map(move |d| format!("{kind}={}", d.name))
    });
    let all: Vec<String> = all.take(8).collect();
    if !all.is_empty() {
        return error.hint(format!("there are {}", all.join(", ")));
    }
    error.hint(
        "a vendor's tool makes such a file; without one, --device takes a path, as /dev/dri/card0",
    )
}

impl DeviceNode {
    /// Finds out on the host what the file does not say.
    fn complete(&mut self) -> Result<()> {
        let source = self.host_path.as_ref().unwrap_or(&self.path);
        let is_told =
            self.kind.is_some() && (self.major.is_some() || self.kind.as_deref() == Some("p"));
        let meta = match fs::metadata(source) {
            Ok(meta) => meta,
            Err(_) if is_told => return Ok(()),
            Err(e) => return Err(e).context(|| format!("the device {}", source.display())),
        };
        let kind = meta.file_type();
        let letter = if kind.is_block_device() {
            "b"
        } else if kind.is_char_device() {
            "c"
        } else if kind.is_fifo() {
            "p"
        } else {
            return Err(Error::user(format!("{}: no device", source.display())));
        };
        self.kind.get_or_insert_with(|| letter.to_owned());
        self.major
            .get_or_insert(i64::from(libc::major(meta.rdev())));
        self.minor
            .get_or_insert(i64::from(libc::minor(meta.rdev())));
        self.file_mode.get_or_insert(meta.mode() & 0o777);
        self.uid.get_or_insert(meta.uid());
        self.gid.get_or_insert(meta.gid());
        Ok(())
    }
}
