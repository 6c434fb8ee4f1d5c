//! A plan as a shell script that makes the same container with plain tools.
//!
//! Each step is a comment and, below it, what it comes to: commands, a command
//! that wraps all that follows (`unshare`, `nsenter`, `prlimit`), or nothing
//! with the reason why. Wrapping commands meet at the next plain one: there a
//! shell is started inside them, and the script goes on in that.
//!
//! The script resolves paths by name, as shells do, where rcon goes by
//! descriptor. So it is a lesson, not a tool for images one does not trust.

mod cgroups;
mod commands;
mod enter;
mod mounts;
mod network;
mod quote;

use commands::{Shell, Writer};

use crate::plan::{Action, Actor, Namespace, OnFailure, Plan, Step};
use crate::render::words;

/// The whole script.
pub fn script(plan: &Plan) -> String {
    let mut script = Script {
        writer: Writer::new(plan),
        launcher: Part::default(),
        child: Part::default(),
        started: false,
    };
    for (i, step) in plan.steps.iter().enumerate() {
        script.add(i + 1, step);
    }
    script.finish()
}

/// Whether the launcher still has to do something once there is a second
/// process: then both run at once, and tell each other how far they are.
fn is_talking(plan: &Plan) -> bool {
    let steps = plan.steps.iter();
    let after = steps.skip_while(|s| !matches!(s.action, Action::StartProcess { .. }));
    let mut own = after.skip(1).filter(|s| s.actor == Actor::Launcher);
    joins_user(plan) || own.any(|s| !matches!(s.action, Action::Tell { .. } | Action::Wait { .. }))
}

fn joins_user(plan: &Plan) -> bool {
    plan.steps.iter().any(|s| {
        let kind = Namespace::User;
        matches!(s.action, Action::EnterNamespace { kind: k } if k == kind)
    })
}

/// The text of one process, in the order in which it runs.
#[derive(Default)]
struct Part {
    lines: Vec<String>,
    /// Wrapping commands that wait for the next plain one.
    pending: Vec<String>,
    /// How many shells inside shells there are to close.
    depth: usize,
}

impl Part {
    fn tell(&mut self, number: usize, step: &Step) {
        let what = words::action(&step.action);
        self.lines.push(String::new());
        self.lines.push(format!("# {number}. {what}"));
        self.lines.push(format!("#     {}", step.why));
    }

    fn note(&mut self, text: &str) {
        self.lines.push(format!("#     ({text})"));
    }

    /// Starts the shell that the wrapping commands run.
    fn open(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        // The very first belongs to whoever starts this part.
        let exec = if self.depth == 0 { "" } else { "exec " };
        self.depth += 1;
        let wraps = std::mem::take(&mut self.pending).join(" \\\n  ");
        self.lines.push(format!(
            "{exec}{wraps} \\\n  sh -euc \"$(cat <<'STAGE_{}'",
            self.depth
        ));
    }

    /// Ends all shells but the first, whose end is up to its starter.
    fn close(&mut self) {
        for depth in (1..=self.depth).rev() {
            self.lines.push(format!("STAGE_{depth}\n)\""));
        }
    }
}

struct Script<'a> {
    writer: Writer<'a>,
    launcher: Part,
    child: Part,
    /// The first child has been started: what the launcher does from here on
    /// stands below the child's text.
    started: bool,
}

/// The launcher's part before the child, for `split_off`.
const HERE: &str = "\0child";

impl Script<'_> {
    fn add(&mut self, number: usize, step: &Step) {
        let by_launcher = step.actor == Actor::Launcher;
        let starts = matches!(step.action, Action::StartProcess { .. });
        let shell = self.writer.step(step);
        let part = if by_launcher && !starts {
            &mut self.launcher
        } else {
            &mut self.child
        };
        if matches!(shell, Shell::Lines(_)) {
            part.open();
        }
        part.tell(number, step);
        match shell {
            Shell::Lines(lines) => {
                let lines = lines.into_iter().map(|l| soften(l, step));
                part.lines.extend(lines);
            }
            Shell::Wrap(command) => part.pending.push(command),
            Shell::Option(option, lost) => {
                if let Some(command) = part.pending.last_mut() {
                    command.push(' ');
                    command.push_str(&option);
                }
                if let Some(lost) = lost {
                    part.note(lost);
                }
            }
            Shell::Last => part.note("a part of the last command"),
            Shell::None(because) => part.note(&format!("nothing to type: {because}")),
        }
        if let Action::StartProcess { child, .. } = step.action {
            self.start(child);
        }
    }

    fn start(&mut self, child: Actor) {
        let first = !std::mem::replace(&mut self.started, true);
        if first {
            self.launcher.lines.push(HERE.to_owned());
        }
        if !self.writer.talking {
            return;
        }
        let (name, variable) = match child {
            Actor::Joiner => ("joiner", "child"),
            Actor::Init | Actor::Launcher => ("init", "init"),
        };
        self.child.open();
        self.child
            .lines
            .push("# (says which process it is, as the host counts)".to_owned());
        self.child
            .lines
            .push("read -r self rest < /proc/self/stat".to_owned());
        self.child
            .lines
            .push(format!("echo \"$self\" > \"$run/{name}\""));
        self.launcher
            .lines
            .push(format!("{variable}=$(hear {name})"));
        if first && variable == "init" {
            self.launcher.lines.push("child=$init".to_owned());
        }
        if first {
            self.launcher.lines.extend(self.writer.join_from_outside());
        }
    }

    fn finish(mut self) -> String {
        self.child.open();
        self.child.close();
        let at = self.launcher.lines.iter().position(|l| l == HERE);
        let after = self
            .launcher
            .lines
            .split_off(at.unwrap_or(self.launcher.lines.len()));
        let mut body = self.launcher.lines;
        body.extend(self.child.lines);
        // What runs in the background would lose its standard input.
        let end = if self.writer.talking {
            " <&3 3<&- &\nstarted=$!"
        } else {
            " || status=$?"
        };
        if let Some(last) = body.last_mut() {
            last.push_str(end);
        }
        body.extend(after.into_iter().filter(|l| l != HERE));
        if self.writer.talking {
            body.push("wait \"$started\" || status=$?\nstarted=".to_owned());
        }
        body.push("exit \"$status\"".to_owned());
        let body = body.join("\n");
        format!("{}{body}\n", header(&body, self.writer.talking))
    }
}

/// A step that may fail.
fn soften(line: String, step: &Step) -> String {
    match step.on_failure {
        OnFailure::Stop => line,
        OnFailure::Warn => format!("{line} || echo \"that failed; going on\" >&2"),
    }
}

/// Tools the script may need, as found in its text.
const TOOLS: &[&str] = &[
    "awk",
    "capsh",
    "chown",
    "chrt",
    "cp",
    "domainname",
    "env",
    "findmnt",
    "hostname",
    "ionice",
    "ip",
    "ln",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mount",
    "nft",
    "nice",
    "nsenter",
    "prlimit",
    "setarch",
    "setpriv",
    "setsid",
    "tail",
    "taskset",
    "tee",
    "timeout",
    "unshare",
];

fn header(body: &str, talking: bool) -> String {
    let used = |tool: &&&str| {
        body.lines().filter(|l| !l.starts_with('#')).any(|l| {
            l.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|w| w == **tool)
        })
    };
    let mut tools: Vec<_> = TOOLS.iter().filter(used).copied().collect();
    if talking {
        tools.extend(["mkfifo", "mktemp", "tee", "timeout"]);
    }
    tools.sort_unstable();
    tools.dedup();
    let mut text = format!("{INTRODUCTION}{}{START}", tools.join(" "));
    if body.contains("\"$nl\"") {
        text.push_str("nl='\n'\nexport nl\n");
    }
    if talking {
        text.push_str(CHANNEL);
        let pipes = [
            "joiner",
            "init",
            "mapped",
            "prepared",
            "assembled",
            "hooks-done",
            "network-made",
            "connected",
        ];
        for pipe in pipes.map(|p| format!("\"$run/{p}\"")) {
            if body.contains(&pipe) {
                text += &["mkfifo -m 666 ", &pipe, "\n"].concat();
            }
        }
    }
    text
}

const INTRODUCTION: &str = "\
#!/bin/sh
# A container by hand: the steps of the plan, in order, with plain tools.
# Run it as root, from a file, in the bundle's directory.
#
# It resolves paths by name, where rcon goes by descriptor. An image can make
# any of its paths a link to somewhere else: this is a lesson, not a tool for
# images you do not trust.
#
# A shell that pivots into a root without tools could not go on. So the root is
# moved over / instead, as an initramfs does it, and entered by the last
# command.
set -eu
for tool in ";

const START: &str = "\
; do
  command -v \"$tool\" > /dev/null || { echo \"this script needs $tool\" >&2; exit 127; }
done
capsh=$(command -v capsh)
export capsh
status=0
started=
run=

# Takes back what was made, however the script ends. The cgroups that it made
# are its positional parameters.
clean() {
  [ -z \"$started\" ] || kill -KILL \"$started\" 2> /dev/null || :
  [ -z \"$run\" ] || rm -r \"$run\"
  for dir in \"$@\"; do
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      if rmdir \"$dir\" 2> /dev/null; then break; else sleep 0.1; fi
    done
  done
}
set --
trap 'clean \"$@\"' EXIT
";

const CHANNEL: &str = "
# The two processes tell each other how far they are through pipes.
run=$(mktemp -d)
chmod 711 \"$run\"
export run
tell() { echo | timeout 30 tee \"$run/$1\" > /dev/null; }
hear() { timeout 30 cat \"$run/$1\"; }
exec 3<&0
";
