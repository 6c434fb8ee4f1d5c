//! What an instruction means for a stage: either it changes how the image
//! wants to be run, and that is all, or there is work to do. Pure.

use std::time::Duration;

use serde_json::{Map, Value};

use super::history;
use super::language::{
    Add, Argument, Check, Copy, Diagnostic, Expander, Healthcheck, Instruction, MountSpec, Pair,
    Run, RunCommand, RunNetwork, RunSecurity, Span, Step, Transfer, TransferSource, Word,
};
use super::scope::Globals;
use super::state::State;
use crate::container::image::parse_exposed;
use crate::image::config;
use crate::image::instruction::{below, set_variable};

type Result<T> = std::result::Result<T, Diagnostic>;

/// What is left to do.
#[derive(Debug)]
pub enum Task {
    /// Run a program.
    Run(Box<RunTask>),
    /// Bring files.
    Copy(Box<CopyTask>),
    /// Make a directory, if it is not there; and what history says of it.
    Workdir(String, String),
}

/// A program that is to be run.
#[derive(Debug)]
pub struct RunTask {
    /// It and its arguments.
    pub argv: Vec<String>,
    /// Instead: a file, by name and text.
    pub script: Option<(String, String)>,
    /// Arguments of the build that it gets.
    pub args: Vec<(String, String)>,
    /// What is mounted, and where that is said.
    pub mounts: Vec<(MountSpec, Span)>,
    /// `--network`.
    pub network: Option<RunNetwork>,
    /// `--security`.
    pub security: Option<RunSecurity>,
    /// What history says of it.
    pub history: String,
}

/// Files that are to be brought.
#[derive(Debug)]
pub struct CopyTask {
    /// Which.
    pub sources: Vec<CopySource>,
    /// `--from`.
    pub from: Option<Word>,
    /// Absolute, but for a `/` at the end.
    pub destination: String,
    /// It is a directory, even if it is not there.
    pub is_dir: bool,
    /// `--chown`.
    pub owner: Option<String>,
    /// `--chmod`.
    pub mode: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// What only `ADD` has.
    pub add: Option<AddTask>,
    /// What history says of it.
    pub history: String,
}

/// A source of files.
#[derive(Debug)]
pub enum CopySource {
    /// A path, a pattern or an address, and where it is said.
    Path(String, Span),
    /// A file: name and text.
    Inline(String, String),
}

/// What only `ADD` has.
#[derive(Debug)]
pub struct AddTask {
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--unpack`.
    pub unpack: Option<bool>,
}

/// Applies instructions to a stage.
#[derive(Clone, Copy)]
pub struct Applier<'a> {
    /// The arguments of the build.
    pub globals: &'a Globals,
    /// The escape character.
    pub escape: char,
}

impl Applier<'_> {
    /// Applies one; what is left to do, if anything is.
    pub fn apply(&self, state: &mut State, step: &Step) -> Result<Option<Task>> {
        let text = match &step.instruction {
            Instruction::Run(run) => return self.run(state, run).map(Some),
            Instruction::Copy(copy) => return self.copy(state, copy).map(Some),
            Instruction::Add(add) => return self.add(state, add).map(Some),
            Instruction::Workdir(word) => {
                let path = self.word(state, word)?;
                let path = below(&state.config.config.working_dir, &path);
                state.config.config.working_dir.clone_from(&path);
                return Ok(Some(Task::Workdir(path.clone(), format!("WORKDIR {path}"))));
            }
            Instruction::Arg(args) => self.arg(state, args)?,
            Instruction::Env(pairs) => self.env(state, pairs)?,
            Instruction::Label(pairs) => self.label(state, pairs)?,
            _ => self.setting(state, step)?,
        };
        state.note(text);
        Ok(None)
    }

    fn setting(&self, state: &mut State, step: &Step) -> Result<String> {
        let shell = state.config.config.shell.clone();
        Ok(match &step.instruction {
            Instruction::User(word) => {
                let user = self.word(state, word)?;
                state.config.config.user.clone_from(&user);
                format!("USER {user}")
            }
            Instruction::Volume(words) => self.volume(state, words)?,
            Instruction::Expose(words) => self.expose(state, words)?,
            Instruction::Entrypoint(command) => {
                let argv = history::argv(command, &shell);
                if !state.own_cmd {
                    state.config.config.cmd.clear();
                }
                state.config.config.entrypoint.clone_from(&argv);
                format!("ENTRYPOINT {}", history::quoted(&argv))
            }
            Instruction::Cmd(command) => {
                let argv = history::argv(command, &shell);
                state.own_cmd = true;
                state.config.config.cmd.clone_from(&argv);
                format!("CMD {}", history::quoted(&argv))
            }
            Instruction::Healthcheck(check) => {
                state.config.config.healthcheck = Some(healthcheck(check));
                step.text.clone()
            }
            Instruction::Shell(words) => {
                state.config.config.shell.clone_from(words);
                format!("SHELL {}", history::plain(words))
            }
            Instruction::Stopsignal(word) => {
                let signal = self.word(state, word)?;
                crate::signal::parse(&signal).map_err(|e| Diagnostic::about(word, &e))?;
                state.config.config.stop_signal.clone_from(&signal);
                format!("STOPSIGNAL {signal}")
            }
            Instruction::Onbuild(onbuild) => {
                state.config.config.on_build.push(onbuild.text.clone());
                format!("ONBUILD {}", onbuild.text)
            }
            Instruction::Maintainer(text) => {
                state.config.author = Some(text.clone());
                format!("MAINTAINER {text}")
            }
            _ => step.text.clone(),
        })
    }

    /// A word, with the variables that this stage has by now.
    fn word(&self, state: &State, word: &Word) -> Result<String> {
        self.with(state, |expander| expander.word(word))
    }

    fn maybe(&self, state: &State, word: Option<&Word>) -> Result<Option<String>> {
        word.map(|word| self.word(state, word)).transpose()
    }

    fn with<T>(&self, state: &State, act: impl FnOnce(Expander<'_>) -> Result<T>) -> Result<T> {
        let lookup = |name: &str| state.scope.get(&state.config.config.env, name);
        act(Expander {
            escape: self.escape,
            lookup: &lookup,
        })
    }

    fn arg(&self, state: &mut State, args: &[Argument]) -> Result<String> {
        let mut said = Vec::new();
        for arg in args {
            let name = self.word(state, &arg.name)?;
            let default = self.maybe(state, arg.default.as_ref())?;
            state.scope.declare(self.globals, &name, default);
            let value = state.scope.get(&[], &name);
            said.push(match value {
                Some(value) => format!("{name}={value}"),
                None => name,
            });
        }
        Ok(format!("ARG {}", said.join(" ")))
    }

    fn pairs(&self, state: &State, pairs: &[Pair]) -> Result<Vec<(String, String)>> {
        let pair = |pair: &Pair| {
            let name = self.word(state, &pair.name)?;
            if name.is_empty() {
                return Err(Diagnostic::new(pair.name.span, "the name is empty"));
            }
            Ok((name, self.word(state, &pair.value)?))
        };
        pairs.iter().map(pair).collect()
    }

    fn env(&self, state: &mut State, pairs: &[Pair]) -> Result<String> {
        let pairs = self.pairs(state, pairs)?;
        for (name, value) in &pairs {
            set_variable(&mut state.config.config.env, name, value);
        }
        Ok(format!("ENV {}", joined(&pairs)))
    }

    fn label(&self, state: &mut State, pairs: &[Pair]) -> Result<String> {
        let pairs = self.pairs(state, pairs)?;
        let text = format!("LABEL {}", joined(&pairs));
        state.config.config.labels.extend(pairs);
        Ok(text)
    }

    fn volume(&self, state: &mut State, words: &[Word]) -> Result<String> {
        let mut all = Vec::new();
        for word in words {
            let path = self.word(state, word)?;
            if path.is_empty() {
                return Err(Diagnostic::new(word.span, "the path is empty"));
            }
            let volumes = &mut state.config.config.volumes;
            volumes.insert(path.clone(), Value::Object(Map::new()));
            all.push(path);
        }
        Ok(format!("VOLUME {}", history::plain(&all)))
    }

    fn expose(&self, state: &mut State, words: &[Word]) -> Result<String> {
        let mut all = Vec::new();
        for word in words {
            for text in self.with(state, |expander| expander.words(word))? {
                let (first, last, protocol) =
                    parse_exposed(&text).map_err(|e| Diagnostic::about(word, &e))?;
                let ports = (first..=last).map(|port| format!("{port}/{}", protocol.word()));
                all.extend(ports);
            }
        }
        all.sort();
        for port in &all {
            let ports = &mut state.config.config.exposed_ports;
            ports.insert(port.clone(), Value::Object(Map::new()));
        }
        Ok(format!("EXPOSE {}", history::plain(&all)))
    }

    fn run(&self, state: &State, run: &Run) -> Result<Task> {
        let execution = &state.config.config;
        let argv = history::run_argv(&run.command, &execution.shell);
        let args = state.scope.of_program(&execution.env);
        let mounts = run.mounts.iter().map(|mount| {
            let spec = self.with(state, |expander| mount.resolve(&expander))?;
            Ok((spec, mount.span))
        });
        let script = match &run.command {
            RunCommand::Script(document) if document.text.starts_with("#!") => {
                Some((document.name.clone(), document.text.clone()))
            }
            _ => None,
        };
        Ok(Task::Run(Box::new(RunTask {
            history: history::run(&args, &argv),
            argv,
            script,
            mounts: mounts.collect::<Result<Vec<_>>>()?,
            args,
            network: run.network,
            security: run.security,
        })))
    }

    fn copy(&self, state: &State, copy: &Copy) -> Result<Task> {
        let mut task = self.transfer(state, &copy.files)?;
        task.from.clone_from(&copy.from);
        task.parents = copy.parents;
        task.history = said("COPY", &task);
        Ok(Task::Copy(Box::new(task)))
    }

    fn add(&self, state: &State, add: &Add) -> Result<Task> {
        let mut task = self.transfer(state, &add.files)?;
        task.add = Some(AddTask {
            checksum: self.maybe(state, add.checksum.as_ref())?,
            keep_git_dir: add.keep_git_dir,
            unpack: add.unpack,
        });
        task.history = said("ADD", &task);
        Ok(Task::Copy(Box::new(task)))
    }

    fn transfer(&self, state: &State, files: &Transfer) -> Result<CopyTask> {
        let mut sources = Vec::new();
        for source in &files.sources {
            sources.push(match source {
                TransferSource::Path(word) => {
                    let path = self.word(state, word)?;
                    if path.is_empty() {
                        return Err(Diagnostic::new(word.span, "the path is empty"));
                    }
                    CopySource::Path(path, word.span)
                }
                TransferSource::Inline(document) => {
                    let text = if document.expand {
                        self.with(state, |expander| {
                            let text = expander.document(&document.text);
                            text.map_err(|why| Diagnostic::new(document.span, why))
                        })?
                    } else {
                        document.text.clone()
                    };
                    CopySource::Inline(document.name.clone(), text)
                }
            });
        }
        let typed = self.word(state, &files.destination)?;
        if typed.is_empty() {
            return Err(Diagnostic::new(
                files.destination.span,
                "the destination is empty",
            ));
        }
        let exclude = files.exclude.iter().map(|word| self.word(state, word));
        let last = typed.rsplit('/').next().unwrap_or_default();
        Ok(CopyTask {
            is_dir: matches!(last, "" | "." | "..") || sources.len() > 1,
            destination: destination(&state.config.config.working_dir, &typed),
            sources,
            from: None,
            owner: self.maybe(state, files.chown.as_ref())?,
            mode: self.maybe(state, files.chmod.as_ref())?,
            link: files.link,
            parents: false,
            exclude: exclude.collect::<Result<Vec<_>>>()?,
            add: None,
            history: String::new(),
        })
    }
}

/// From the working directory on; a `/` at the end stays.
fn destination(workdir: &str, typed: &str) -> String {
    let path = below(workdir, typed);
    let last = typed.rsplit('/').next().unwrap_or_default();
    if path != "/" && matches!(last, "" | ".") {
        return path + "/";
    }
    path
}

fn said(word: &str, task: &CopyTask) -> String {
    let mut words = vec![word.to_owned()];
    if task.parents {
        words.push("--parents".to_owned());
    }
    words.extend(task.owner.iter().map(|owner| format!("--chown={owner}")));
    words.extend(task.mode.iter().map(|mode| format!("--chmod={mode}")));
    words.extend(task.sources.iter().map(|source| match source {
        CopySource::Path(path, _) => path.clone(),
        CopySource::Inline(name, _) => name.clone(),
    }));
    words.push(task.destination.clone());
    words.join(" ")
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(" ")
}

fn healthcheck(check: &Healthcheck) -> config::Healthcheck {
    let Healthcheck::Check(check) = check else {
        return config::Healthcheck {
            test: vec!["NONE".to_owned()],
            ..config::Healthcheck::default()
        };
    };
    let Check {
        command,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    } = check;
    let nanos = |time: &Option<Duration>| time.map_or(0, |time| time.as_nanos() as i64);
    config::Healthcheck {
        test: match command {
            super::language::Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.clone()],
            super::language::Command::Exec(words) => {
                [&["CMD".to_owned()], words.as_slice()].concat()
            }
        },
        interval: nanos(interval),
        timeout: nanos(timeout),
        start_period: nanos(start_period),
        start_interval: nanos(start_interval),
        retries: retries.map_or(0, i64::from),
        ..config::Healthcheck::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::language::parse;
    use crate::image::platform::Platform;
    use std::collections::BTreeMap;

    /// The state after all instructions of the first stage that need no work.
    fn applied(text: &str, typed: &[(&str, &str)]) -> State {
        let file = parse(text).unwrap();
        let typed = typed
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let typed: BTreeMap<String, String> = typed.collect();
        let host = Platform::host();
        let globals = Globals::new(&file, &typed, &host, &host, "").unwrap();
        let applier = Applier {
            globals: &globals,
            escape: file.directives.escape,
        };
        let mut state = State::scratch(&host);
        for step in &file.stages[0].steps {
            applier.apply(&mut state, step).unwrap();
        }
        state
    }

    #[test]
    fn destinations_are_seen_from_the_working_directory() {
        for (workdir, typed, want) in [
            ("", "a", "/a"),
            ("/w", "a/", "/w/a/"),
            ("/w", ".", "/w/"),
            ("/w", "..", "/"),
            ("/w", "/", "/"),
            ("/w", "/x/../y", "/y"),
            ("/w", "./", "/w/"),
        ] {
            assert_eq!(destination(workdir, typed), want, "{workdir} {typed}");
        }
    }

    #[test]
    fn all_variables_of_a_line_are_those_before_it() {
        let state = applied("FROM scratch\nENV A=1\nENV A=2 B=$A\n", &[]);
        assert_eq!(state.config.config.env, ["A=2", "B=1"]);
    }

    #[test]
    fn what_was_typed_comes_before_a_default_and_that_before_the_global_one() {
        let text = "ARG A=global\nARG B=global\nARG C=global\nFROM scratch\n\
                    ARG A\nARG B=own\nARG C=own\nENV X=$A.$B.$C.$D\n";
        let state = applied(text, &[("C", "typed"), ("D", "undeclared")]);
        assert_eq!(state.config.config.env, ["X=global.own.typed."]);
    }

    #[test]
    fn each_instruction_has_its_line_of_history() {
        let state = applied(
            "FROM scratch\nENV A=b\nEXPOSE 80\nCMD echo $A\nUSER a:b\nVOLUME /x /y\n",
            &[],
        );
        let lines = state.config.history.iter().map(|h| h.created_by.as_str());
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "ENV A=b",
                "EXPOSE [80/tcp]",
                "CMD [\"/bin/sh\" \"-c\" \"echo $A\"]",
                "USER a:b",
                "VOLUME [/x /y]"
            ]
        );
        assert!(state.config.history.iter().all(|h| h.empty_layer));
    }
}
