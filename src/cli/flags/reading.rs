//! Reads the files that flags name, and no more of them than anybody wrote.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Context, Error, Result};

/// Longer than any that a person wrote.
const LONGEST: u64 = 1 << 20;

/// The whole text of a small file. A pipe is fine, as in `--env-file <(…)`.
pub fn text(flag: &str, path: &Path) -> Result<String> {
    let doing = || format!("{flag} {}", path.display());
    let bytes = read(path).context(doing)?;
    if bytes.len() as u64 > LONGEST {
        let e = Error::user(format!("the file is longer than {} KiB", LONGEST >> 10));
        return Err(e.context(doing()));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = good.split(|b| *b == b'\n').count();
        Error::user(format!("line {line}: invalid utf8 bytes")).context(doing())
    })
}

/// Without the number, which says the same again.
fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e: &std::io::Error| Error::user(plain(e));
    let file = File::open(path).map_err(|e| failed(&e))?;
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|e| failed(&e))?;
    Ok(bytes)
}
