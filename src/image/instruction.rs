//! The instructions of a Dockerfile that only say how an image wants to be
//! run: `CMD`, `ENV`, `USER` and so on, as `--change` of commit and import
//! takes them. Pure.

use serde_json::{Map, Value};

use super::config::{Execution, Healthcheck};
use crate::container::image::parse_exposed;
use crate::error::{Error, Result};
use crate::format::units::duration;

/// What a command given as text is run by.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Applies one instruction.
pub fn apply(to: &mut Execution, text: &str) -> Result<()> {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let word = word.to_ascii_uppercase();
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(Error::user(format!("{word} says nothing: {text:?}"))
            .hint("an instruction is like CMD [\"/bin/sh\"] or ENV NAME=value"));
    }
    set(to, &word, rest).map_err(|e| e.context(format!("{text:?}")))
}

fn set(to: &mut Execution, word: &str, rest: &str) -> Result<()> {
    match word {
        "CMD" => to.cmd = command(to, rest),
        "ENTRYPOINT" => to.entrypoint = command(to, rest),
        "ENV" => {
            for (name, value) in pairs(rest)? {
                set_variable(&mut to.env, &name, &value);
            }
        }
        "LABEL" => to.labels.extend(pairs(rest)?),
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                expose(&mut to.exposed_ports, port)?;
            }
        }
        "USER" => rest.clone_into(&mut to.user),
        "WORKDIR" => to.working_dir = below(&to.working_dir, &word_of(rest)?),
        "VOLUME" => {
            for path in list(rest)? {
                to.volumes.insert(path, Value::Object(Map::new()));
            }
        }
        "STOPSIGNAL" => {
            crate::signal::parse(rest)?;
            rest.clone_into(&mut to.stop_signal);
        }
        "SHELL" => {
            to.shell = json_list(rest).ok_or_else(|| {
                Error::user("SHELL needs a JSON list").hint("as in SHELL [\"/bin/bash\", \"-c\"]")
            })?;
        }
        "ONBUILD" => to.on_build.push(rest.to_owned()),
        "HEALTHCHECK" => to.healthcheck = Some(healthcheck(rest)?),
        _ => {
            return Err(Error::user(format!("{word} cannot be set this way")).hint(
                "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, \
                 STOPSIGNAL, USER, VOLUME and WORKDIR can",
            ));
        }
    }
    Ok(())
}

fn json_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// A list of arguments as it is, anything else for the shell.
fn command(to: &Execution, text: &str) -> Vec<String> {
    json_list(text).unwrap_or_else(|| {
        let shell = match to.shell.as_slice() {
            [] => SHELL.map(str::to_owned).to_vec(),
            shell => shell.to_vec(),
        };
        shell.into_iter().chain([text.to_owned()]).collect()
    })
}

/// A JSON list, or words.
fn list(text: &str) -> Result<Vec<String>> {
    match json_list(text) {
        Some(list) => Ok(list),
        None => words(text),
    }
}

fn word_of(text: &str) -> Result<String> {
    Ok(words(text)?.join(" "))
}

fn expose(ports: &mut Map<String, Value>, text: &str) -> Result<()> {
    let (first, last, protocol) = parse_exposed(text)?;
    for port in first..=last {
        ports.insert(
            format!("{port}/{}", protocol.word()),
            Value::Object(Map::new()),
        );
    }
    Ok(())
}

/// Sets a variable in a list of `NAME=value`.
pub fn set_variable(env: &mut Vec<String>, name: &str, value: &str) {
    let is = |v: &&mut String| v.split_once('=').is_some_and(|(n, _)| n == name);
    let text = format!("{name}={value}");
    match env.iter_mut().find(is) {
        Some(known) => *known = text,
        None => env.push(text),
    }
}

/// A path from the one before on.
pub fn below(before: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { before };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `A=1 B="two words"`, or `A all the rest`.
fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let Some((name, value)) = text.split_once(char::is_whitespace) else {
            return Err(Error::user(format!("{text} has no value")).hint("as in NAME=value"));
        };
        return Ok(vec![(name.to_owned(), value.trim_start().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::user(format!("{word:?} is no NAME=value"))),
    };
    words(text)?.into_iter().map(pair).collect()
}

/// Words as a shell has them: quotes hold together, a backslash takes the
/// next character as it is.
fn words(text: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', Some('"') | None) => match rest.next() {
                // Within quotes only these need it.
                Some(next) if quote.is_some() && !"\"\\$".contains(next) => {
                    word.get_or_insert_default().extend(['\\', next]);
                }
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(Error::user("a backslash stands at the end")),
            },
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => all.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(Error::user("a quote is not closed"));
    }
    all.extend(word);
    Ok(all)
}

/// `NONE`, or options and then `CMD …`.
fn healthcheck(text: &str) -> Result<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let time = || duration::parse(value).map(|d| d.as_nanos() as i64);
        match name {
            "interval" => check.interval = time()?,
            "timeout" => check.timeout = time()?,
            "start-period" => check.start_period = time()?,
            "start-interval" => check.start_interval = time()?,
            "retries" => {
                let number = value.parse().ok().filter(|n: &u32| *n > 0);
                check.retries = number.map(i64::from).ok_or_else(|| {
                    Error::user(format!("--retries={value}: not a number above 0"))
                })?;
            }
            _ => return Err(Error::user(format!("HEALTHCHECK has no --{name}"))),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = match (kind.to_ascii_uppercase().as_str(), command) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", command) if !command.is_empty() => match json_list(command) {
            Some(list) => [vec!["CMD".to_owned()], list].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        _ => {
            return Err(Error::user("HEALTHCHECK needs NONE, or CMD and a command"));
        }
    };
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(all: &[&str]) -> Execution {
        let mut to = Execution::default();
        for text in all {
            apply(&mut to, text).unwrap();
        }
        to
    }

    #[test]
    fn commands_as_lists_and_as_text() {
        let to = applied(&["CMD [\"a\", \"b c\"]", "entrypoint echo  $HOME"]);
        assert_eq!(to.cmd, ["a", "b c"]);
        assert_eq!(to.entrypoint, ["/bin/sh", "-c", "echo  $HOME"]);
        let to = applied(&["SHELL [\"/bin/bash\",\"-c\"]", "CMD x"]);
        assert_eq!(to.cmd, ["/bin/bash", "-c", "x"]);
    }

    #[test]
    fn variables_and_labels() {
        let to = applied(&[
            "ENV A=1 B=\"two words\" C=a\\ b D='$x'",
            "ENV A 3 and more",
            "LABEL x=y \"z\"=",
        ]);
        assert_eq!(to.env, ["A=3 and more", "B=two words", "C=a b", "D=$x"]);
        assert_eq!(to.labels["x"], "y");
        assert_eq!(to.labels["z"], "");
    }

    #[test]
    fn places_and_ports() {
        let to = applied(&[
            "WORKDIR /a/b",
            "WORKDIR ../c",
            "EXPOSE 80 53/udp 3000-3001",
            "VOLUME [\"/x y\"]",
            "VOLUME /p /q",
            "USER 1000:50",
            "STOPSIGNAL SIGINT",
        ]);
        assert_eq!(to.working_dir, "/a/c");
        let ports: Vec<&String> = to.exposed_ports.keys().collect();
        assert_eq!(ports, ["3000/tcp", "3001/tcp", "53/udp", "80/tcp"]);
        let volumes: Vec<&String> = to.volumes.keys().collect();
        assert_eq!(volumes, ["/p", "/q", "/x y"]);
        assert_eq!(
            (to.user.as_str(), to.stop_signal.as_str()),
            ("1000:50", "SIGINT")
        );
    }

    #[test]
    fn health() {
        let check = applied(&["HEALTHCHECK --interval=5s --retries=3 CMD curl -f x"]).healthcheck;
        let check = check.unwrap();
        assert_eq!(check.test, ["CMD-SHELL", "curl -f x"]);
        assert_eq!((check.interval, check.retries), (5_000_000_000, 3));
        let none = applied(&["HEALTHCHECK NONE"]).healthcheck.unwrap();
        assert_eq!(none.test, ["NONE"]);
    }

    #[test]
    fn what_cannot_be_said() {
        for text in [
            "",
            "CMD",
            "RUN make",
            "ENV A",
            "ENV A=\"x",
            "EXPOSE 70000",
            "STOPSIGNAL SIGWHAT",
            "HEALTHCHECK CMD",
            "HEALTHCHECK --nope=1 CMD x",
            "SHELL /bin/sh",
        ] {
            assert!(apply(&mut Execution::default(), text).is_err(), "{text:?}");
        }
    }
}
