//! The Dockerfiles in `tests/dockerfiles`, and what is understood of them.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;

/// The names of one kind, in order, with their texts.
pub(super) fn files(kind: &str) -> Vec<(String, String)> {
    let dir = folder().join(kind);
    let mut names: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "Dockerfile"))
        .collect();
    names.sort();
    assert!(names.len() > 4, "{dir:?} has lost its files");
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    names.iter().map(|path| (name(path), text(path))).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfiles")
}

fn compare(kind: &str, name: &str, text: &str) {
    let path = folder().join(kind).join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == text,
        "{kind}/{name} is understood otherwise (UPDATE_GOLDEN=1 accepts):\n{text}"
    );
}

#[test]
fn what_is_right_is_understood() {
    for (name, text) in files("good") {
        let file = parse(&text).unwrap_or_else(|e| panic!("{}", e.render(&name, &text)));
        compare("good", &name, &dump(&file));
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (name, text) in files("bad") {
        let e = parse(&text).expect_err(&name);
        compare("bad", &name, &e.render("Dockerfile", &text));
    }
}

/// A file in a few words for each instruction.
fn dump(file: &Dockerfile) -> String {
    let mut out = String::new();
    let directives = &file.directives;
    for (name, value) in [("syntax", &directives.syntax), ("check", &directives.check)] {
        if let Some(word) = value {
            let _ = writeln!(out, "# {name}={word}");
        }
    }
    let _ = writeln!(out, "# escape={}", directives.escape);
    for global in &file.global_args {
        line(
            &mut out,
            global.span,
            &format!("ARG {}", arguments(&global.args)),
        );
    }
    for stage in &file.stages {
        let mut said = format!("FROM {}", quoted(&stage.base));
        flag(&mut said, "platform", stage.platform.as_ref());
        flag(&mut said, "as", stage.alias.as_ref());
        line(&mut out, stage.span, &said);
        for step in &stage.steps {
            line(&mut out, step.span, &instruction(&step.instruction));
        }
    }
    for warning in &file.warnings {
        line(&mut out, warning.span, &format!("! {}", warning.message));
    }
    out
}

fn line(out: &mut String, span: Span, text: &str) {
    let place = format!("{}:{}", span.line, span.column);
    let _ = writeln!(out, "{place:>5} {text}");
}

fn quoted(word: &Word) -> String {
    format!("{:?}", word.text)
}

fn all<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    items.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn flag(out: &mut String, name: &str, word: Option<&Word>) {
    if let Some(word) = word {
        let _ = write!(out, " {name}={:?}", word.text);
    }
}

fn arguments(args: &[Argument]) -> String {
    all(args, |arg| match &arg.default {
        Some(default) => format!("{}={}", arg.name, quoted(default)),
        None => arg.name.text.clone(),
    })
}

fn command(command: &Command) -> String {
    match command {
        Command::Shell(text) => format!("shell {text:?}"),
        Command::Exec(list) => format!("exec {list:?}"),
    }
}

fn document(heredoc: &Heredoc) -> String {
    let how = if heredoc.expand { "" } else { " raw" };
    format!("<<{}{how} {:?}", heredoc.name, heredoc.text)
}

fn transfer(files: &Transfer) -> String {
    let mut out = all(&files.sources, |source| match source {
        TransferSource::Path(word) => quoted(word),
        TransferSource::Inline(heredoc) => document(heredoc),
    });
    let _ = write!(out, " -> {}", quoted(&files.destination));
    flag(&mut out, "chown", files.chown.as_ref());
    flag(&mut out, "chmod", files.chmod.as_ref());
    for word in &files.exclude {
        flag(&mut out, "exclude", Some(word));
    }
    if files.link {
        out += " link";
    }
    out
}

fn run(run: &Run) -> String {
    let mut out = match &run.command {
        RunCommand::Shell(text) => format!("shell {text:?}"),
        RunCommand::Exec(list) => format!("exec {list:?}"),
        RunCommand::Script(heredoc) => document(heredoc),
    };
    if let Some(network) = run.network {
        let _ = write!(out, " network={network:?}");
    }
    if let Some(security) = run.security {
        let _ = write!(out, " security={security:?}");
    }
    for mount in &run.mounts {
        let options = all(&mount.options, |(key, value)| match value {
            Some(word) => format!("{key}={:?}", word.text),
            None => key.clone(),
        });
        let _ = write!(out, "\n          mount {options}");
    }
    out
}

fn health(check: &Healthcheck) -> String {
    let Healthcheck::Check(check) = check else {
        return "none".to_owned();
    };
    format!(
        "{} interval={:?} timeout={:?} start-period={:?} start-interval={:?} retries={:?}",
        command(&check.command),
        check.interval,
        check.timeout,
        check.start_period,
        check.start_interval,
        check.retries
    )
}

fn instruction(instruction: &Instruction) -> String {
    let pair = |pair: &Pair| format!("{}={}", quoted(&pair.name), quoted(&pair.value));
    let rest = match instruction {
        Instruction::Arg(args) => arguments(args),
        Instruction::Env(pairs) | Instruction::Label(pairs) => all(pairs, pair),
        Instruction::Run(run) => self::run(run),
        Instruction::Copy(copy) => {
            let mut out = transfer(&copy.files);
            flag(&mut out, "from", copy.from.as_ref());
            out + if copy.parents { " parents" } else { "" }
        }
        Instruction::Add(add) => {
            let mut out = transfer(&add.files);
            flag(&mut out, "checksum", add.checksum.as_ref());
            let _ = write!(out, " git={} unpack={:?}", add.keep_git_dir, add.unpack);
            out
        }
        Instruction::Workdir(word) | Instruction::User(word) | Instruction::Stopsignal(word) => {
            quoted(word)
        }
        Instruction::Volume(words) | Instruction::Expose(words) => all(words, quoted),
        Instruction::Entrypoint(command) | Instruction::Cmd(command) => self::command(command),
        Instruction::Healthcheck(check) => health(check),
        Instruction::Shell(list) => format!("{list:?}"),
        Instruction::Onbuild(onbuild) => {
            let inner = self::instruction(&onbuild.instruction);
            format!("{:?}: {inner}", onbuild.text)
        }
        Instruction::Maintainer(text) => format!("{text:?}"),
    };
    format!("{} {rest}", instruction.keyword())
}
