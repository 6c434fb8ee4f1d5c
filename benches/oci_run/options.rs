//! What was asked for on the command line.

/// One table of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// `run` of a program that ends at once.
    Plain,
    /// The same with what Docker asks of a runtime by default.
    Docker,
    /// A program that ends at once, in a container that already runs.
    Exec,
    /// `create`, `start` and `delete` as three commands.
    Lifecycle,
}

impl Case {
    const ALL: [Case; 4] = [Case::Plain, Case::Docker, Case::Exec, Case::Lifecycle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Case::Plain => "plain",
            Case::Docker => "docker",
            Case::Exec => "exec",
            Case::Lifecycle => "lifecycle",
        }
    }

    pub(crate) fn explained(self) -> &'static str {
        match self {
            Case::Plain => {
                "`run` of `true`: all namespaces, the usual mounts and masked paths, no seccomp"
            }
            Case::Docker => {
                "`run` of `true` with the capabilities, seccomp profile, mounts and device rules \
                 that Docker asks for"
            }
            Case::Exec => "`exec` of `true` in a running container",
            Case::Lifecycle => {
                "`create`, `start` and `delete --force` of `true`, one after another"
            }
        }
    }
}

/// The command line, understood.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) warm_up: usize,
    pub(crate) cases: Vec<Case>,
}

const USAGE: &str =
    "usage: oci_run [--rounds N] [--warm-up N] [--case plain|docker|exec|lifecycle]…";

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            rounds: 50,
            warm_up: 3,
            cases: Vec::new(),
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo passes this to every benchmark.
                "--bench" => {}
                "--rounds" => options.rounds = number(args.next())?.max(1),
                "--warm-up" => options.warm_up = number(args.next())?.max(1),
                "--case" => options.cases.push(case(args.next())?),
                other => return Err(format!("unknown argument `{other}`\n{USAGE}")),
            }
        }
        if options.cases.is_empty() {
            options.cases = Case::ALL.to_vec();
        }
        Ok(options)
    }
}

fn number(text: Option<String>) -> Result<usize, String> {
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|_| format!("`{text}` is not a number\n{USAGE}"))
}

fn case(text: Option<String>) -> Result<Case, String> {
    let text = text.unwrap_or_default();
    let found = Case::ALL.into_iter().find(|case| case.name() == text);
    found.ok_or_else(|| format!("no case `{text}`\n{USAGE}"))
}
