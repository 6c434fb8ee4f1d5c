//! The options of `ps`, as far as they choose columns. Which processes are
//! shown is not theirs to say: those of the container. Pure.

use super::columns::{self, ALL, Column};
use crate::error::{Error, Result};

/// A column, and the title it was given.
pub struct Chosen {
    /// Which.
    pub column: &'static Column,
    /// Above it.
    pub title: String,
}

/// As `ps -ef`; the first and last have other titles there.
const FULL: &[(&str, &str)] = &[
    ("user", "UID"),
    ("pid", "PID"),
    ("ppid", "PPID"),
    ("c", "C"),
    ("stime", "STIME"),
    ("tty", "TTY"),
    ("time", "TIME"),
    ("args", "CMD"),
];
/// As `ps aux`.
const USER: &[(&str, &str)] = &[
    ("user", "USER"),
    ("pid", "PID"),
    ("pcpu", "%CPU"),
    ("pmem", "%MEM"),
    ("vsz", "VSZ"),
    ("rss", "RSS"),
    ("tty", "TTY"),
    ("stat", "STAT"),
    ("stime", "START"),
    ("bsdtime", "TIME"),
    ("args", "COMMAND"),
];
/// As `ps ax`.
const BSD: &[(&str, &str)] = &[
    ("pid", "PID"),
    ("tty", "TTY"),
    ("stat", "STAT"),
    ("bsdtime", "TIME"),
    ("args", "COMMAND"),
];
/// As `ps -e`.
const SHORT: &[(&str, &str)] = &[
    ("pid", "PID"),
    ("tty", "TTY"),
    ("time", "TIME"),
    ("comm", "CMD"),
];

/// Reads the options.
pub fn columns(args: &[String]) -> Result<Vec<Chosen>> {
    let mut usual = FULL;
    let mut chosen = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (letters, dash) = match arg.strip_prefix('-') {
            Some(letters) if !letters.is_empty() => (letters, true),
            _ => (arg.as_str(), false),
        };
        let (letters, list) = match letters.find('o') {
            Some(at) => (&letters[..at], Some(&letters[at + 1..])),
            None => (letters, None),
        };
        if let Some(columns) = group(letters, dash).ok_or_else(|| unknown(arg))? {
            usual = columns;
        }
        let Some(list) = list else { continue };
        let list = match list {
            "" => args.next().ok_or_else(|| unknown(arg))?,
            list => list,
        };
        read_list(list, &mut chosen)?;
    }
    if chosen.is_empty() {
        return usual
            .iter()
            .map(|(word, title)| named(word, title))
            .collect();
    }
    Ok(chosen)
}

/// The columns that a group of letters stands for, if it says so. `None`: a
/// letter is not known.
#[allow(
    clippy::option_option,
    reason = "not known, known without columns, and known with columns"
)]
fn group(letters: &str, dash: bool) -> Option<Option<&'static [(&'static str, &'static str)]>> {
    let has = |c: char| letters.contains(c);
    let known = if dash { "eAfaxuw" } else { "axuwe" };
    if !letters.chars().all(|c| known.contains(c)) {
        return None;
    }
    Some(if dash && has('f') {
        Some(FULL)
    } else if has('u') {
        Some(USER)
    } else if has('x') || (has('a') && !dash) {
        Some(BSD)
    } else if dash && (has('e') || has('A') || has('a')) {
        Some(SHORT)
    } else {
        None
    })
}

/// `pid,comm=WHAT IT IS`: a title goes to the end.
fn read_list(list: &str, chosen: &mut Vec<Chosen>) -> Result<()> {
    let mut rest = list;
    while !rest.is_empty() {
        let end = rest.find([',', ' ', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(title) = after.strip_prefix('=') {
            // With commas behind it that are columns, too: `pid=,comm=`.
            let (title, next) = match title.strip_prefix(',') {
                Some(next) => ("", next),
                None => (title, ""),
            };
            chosen.push(named(word, title)?);
            rest = next;
            continue;
        }
        if !word.is_empty() {
            let column = find(word)?;
            chosen.push(named(word, column.title)?);
        }
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(())
}

fn find(word: &str) -> Result<&'static Column> {
    columns::find(word).ok_or_else(|| {
        let known: Vec<_> = ALL.iter().map(|column| column.words[0]).collect();
        Error::user(format!("unknown column {word:?}"))
            .hint(format!("known are {}", known.join(", ")))
    })
}

fn named(word: &str, title: &str) -> Result<Chosen> {
    Ok(Chosen {
        column: find(word)?,
        title: title.to_owned(),
    })
}

fn unknown(arg: &str) -> Error {
    Error::user(format!("unknown option of ps: {arg:?}"))
        .hint("known are -e, -A, -f, -ef, aux, ax, and -o with columns, as in -eo pid,user,args")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(line: &str) -> Result<String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let titles: Vec<_> = columns(&args)?.into_iter().map(|c| c.title).collect();
        Ok(titles.join(" "))
    }

    #[test]
    fn the_options_of_ps_choose_columns() {
        const FULL: &str = "UID PID PPID C STIME TTY TIME CMD";
        const AUX: &str = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND";
        for (line, want) in [
            ("", FULL),
            ("-ef", FULL),
            ("-f", FULL),
            ("-e -f", FULL),
            ("aux", AUX),
            ("-aux", AUX),
            ("auxww", AUX),
            ("ax", "PID TTY STAT TIME COMMAND"),
            ("-e", "PID TTY TIME CMD"),
            ("-A", "PID TTY TIME CMD"),
            ("-o pid,comm", "PID COMMAND"),
            ("-opid", "PID"),
            ("o pid,user", "PID USER"),
            ("-eo pid,args -o ppid", "PID COMMAND PPID"),
            ("-o pid=ID", "ID"),
            ("-o pid=A,B", "A,B"),
            ("-o pid=,comm=", " "),
        ] {
            assert_eq!(titles(line).unwrap(), want, "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for (line, word) in [
            ("-Z", "-ef, aux"),
            ("--forest", "-ef, aux"),
            ("-o", "-o with columns"),
            ("-o nope", "known are pid, ppid"),
            ("-o pid=X=,nope=", ""),
            ("1", "-ef, aux"),
        ] {
            match titles(line) {
                Err(e) => assert!(e.to_string().contains(word), "{line}: {e}"),
                Ok(titles) => assert!(word.is_empty(), "{line}: {titles}"),
            }
        }
    }
}
