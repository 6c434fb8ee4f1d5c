//! What a Dockerfile says, as a tree.
//!
//! A [`Word`] is unexpanded. Which words a builder expands is said at each
//! field with one of these:
//!
//! - *expanded*: variables, quotes and escapes are worked out as one word.
//! - *split*: the same, and the outcome is cut at unquoted blanks.
//! - *literal*: taken as it stands (a `String` is always that).
//!
//! What a shell runs (`RUN`, `CMD`, `ENTRYPOINT`, a health check) is literal:
//! the shell in the container expands it, with the arguments and variables of
//! the build in its environment.

use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::span::{Span, Word};

/// A whole Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// Its text, to show lines of it.
    pub source: String,
    /// What its first comments ask for.
    pub directives: Directives,
    /// The `ARG` lines before the first `FROM`; only `FROM` lines see them,
    /// and those stages that name them again.
    pub global_args: Vec<GlobalArg>,
    /// At least one.
    pub stages: Vec<Stage>,
    /// What is allowed but most likely not meant so.
    pub warnings: Vec<Diagnostic>,
}

/// Comments at the very top that say how the rest is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the language's edition. rcon knows one.
    pub syntax: Option<Word>,
    /// `# escape=`: `\` or a backtick.
    pub escape: char,
    /// `# check=`: what a linter is told.
    pub check: Option<Word>,
}

/// An `ARG` line before the first `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalArg {
    /// What it declares.
    pub args: Vec<Argument>,
    /// The whole instruction.
    pub span: Span,
}

/// A `FROM` line, and what follows up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Which one it is, from 0.
    pub index: usize,
    /// What it begins with: an image, an earlier stage, or `scratch`; see
    /// [`Dockerfile::base`]. Expanded, with global arguments only.
    pub base: Word,
    /// `--platform`. Expanded, with global arguments only.
    pub platform: Option<Word>,
    /// `AS name`, in small letters. Literal.
    pub alias: Option<Word>,
    /// What is done in it.
    pub steps: Vec<Step>,
    /// The `FROM` line.
    pub span: Span,
    /// The `FROM` line as one line.
    pub text: String,
}

/// What the name in `FROM`, in `--from` or in a mount's `from` leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nothing at all: an empty root.
    Scratch,
    /// A stage of this file, by its index.
    Stage(usize),
    /// An image of that name.
    Image(String),
}

/// An instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is to be done.
    pub instruction: Instruction,
    /// All its lines, here-documents included.
    pub span: Span,
    /// It as one line: continuations joined, comments and the bodies of
    /// here-documents left out, the keyword in capitals.
    pub text: String,
}

/// All that can stand below a `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `ARG NAME[=default] …`
    Arg(Vec<Argument>),
    /// `ENV NAME=value …` or `ENV NAME the rest`. All see the variables as
    /// they were before this line.
    Env(Vec<Pair>),
    /// `LABEL name=value …`
    Label(Vec<Pair>),
    /// `RUN`
    Run(Run),
    /// `COPY`
    Copy(Copy),
    /// `ADD`
    Add(Add),
    /// `WORKDIR path`. Expanded.
    Workdir(Word),
    /// `USER name[:group]`. Expanded.
    User(Word),
    /// `VOLUME path …`. Each expanded; an empty outcome is an error.
    Volume(Vec<Word>),
    /// `EXPOSE port[-port][/protocol] …`. Each split.
    Expose(Vec<Word>),
    /// `ENTRYPOINT`; an empty one takes back that of the base.
    Entrypoint(Command),
    /// `CMD`; an empty one takes back that of the base.
    Cmd(Command),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `SHELL ["program", "argument"…]`; at least one. Literal.
    Shell(Vec<String>),
    /// `STOPSIGNAL name-or-number`. Expanded.
    Stopsignal(Word),
    /// `ONBUILD instruction`
    Onbuild(Onbuild),
    /// `MAINTAINER text`. Literal.
    Maintainer(String),
}

/// `NAME` or `NAME=default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Expanded.
    pub name: Word,
    /// Expanded; those before it on the line count already.
    pub default: Option<Word>,
}

/// `NAME=value`, of `ENV` and `LABEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Expanded.
    pub name: Word,
    /// Expanded.
    pub value: Word,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Text for the shell (the one `SHELL` has set, or `/bin/sh -c`).
    Shell(String),
    /// A program and its arguments; may be empty for `CMD` and `ENTRYPOINT`.
    Exec(Vec<String>),
}

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is run.
    pub command: RunCommand,
    /// `--mount`, as many as were given.
    pub mounts: Vec<Mount>,
    /// `--network`
    pub network: Option<RunNetwork>,
    /// `--security`
    pub security: Option<RunSecurity>,
}

/// What a `RUN` runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunCommand {
    /// Text for the shell. Here-documents within a longer command
    /// (`RUN cat <<E > /f`) are in it with their bodies, for the shell.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
    /// `RUN <<EOF`: the body is the program. With `#!` in front it is a file
    /// to be executed, otherwise text for the shell.
    Script(Heredoc),
}

/// `--network` of `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunNetwork {
    /// The build's own.
    Default,
    /// None.
    None,
    /// The host's.
    Host,
}

/// `--security` of `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunSecurity {
    /// As every container.
    Sandbox,
    /// With all capabilities and no filter.
    Insecure,
}

/// `--mount` of `RUN`: names and values, checked as far as can be before its
/// variables are known. `Mount::resolve` gives the [`MountSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The keys (small letters) and their values, in order. Expanded, but for
    /// `from`.
    pub options: Vec<(String, Option<Word>)>,
    /// `from`: a stage's name or number, or an image. Literal, so that the
    /// graph is known before anything is run.
    pub from: Option<Word>,
    /// All of it.
    pub span: Span,
}

/// A mount whose variables are worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSpec {
    /// `type=bind`: a part of the context, of a stage or of an image.
    Bind {
        /// A stage or an image; the context if none.
        from: Option<String>,
        /// A path in it, `/` if none was said.
        source: String,
        /// Where it is seen.
        target: String,
        /// Whether it may be written to; what is written is thrown away.
        writable: bool,
    },
    /// `type=cache`: a directory that stays from build to build.
    Cache {
        /// Its name; the target if none was said.
        id: String,
        /// Where it is seen.
        target: String,
        /// Whether it may not be written to.
        read_only: bool,
        /// What happens when two want it.
        sharing: Sharing,
        /// What it is first filled with.
        from: Option<String>,
        /// A path in that.
        source: Option<String>,
        /// Its mode when it is made.
        mode: u32,
        /// Its owner when it is made.
        uid: u32,
        /// Its group when it is made.
        gid: u32,
    },
    /// `type=tmpfs`
    Tmpfs {
        /// Where it is seen.
        target: String,
        /// The most it may hold, in bytes.
        size: Option<u64>,
    },
    /// `type=secret`: a file that is never in a layer.
    Secret {
        /// Which one.
        id: String,
        /// Where it is seen; `None`: only in the variable `env`.
        target: Option<String>,
        /// The variable whose value it is.
        env: Option<String>,
        /// Whether the build fails without it.
        required: bool,
        /// The file's mode.
        mode: u32,
        /// The file's owner.
        uid: u32,
        /// The file's group.
        gid: u32,
    },
    /// `type=ssh`: the socket of an agent; `SSH_AUTH_SOCK` says where.
    Ssh {
        /// Which one, `default` if none was said.
        id: String,
        /// Where it is seen, if it matters.
        target: Option<String>,
        /// Whether the build fails without it.
        required: bool,
        /// The socket's mode.
        mode: u32,
        /// The socket's owner.
        uid: u32,
        /// The socket's group.
        gid: u32,
    },
}

/// What happens when two `RUN`s want one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Both have it.
    #[default]
    Shared,
    /// The second gets another one.
    Private,
    /// The second waits.
    Locked,
}

/// What `COPY` and `ADD` have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// At least one.
    pub sources: Vec<TransferSource>,
    /// Expanded; a trailing `/` says that it is a directory, and so do several
    /// sources.
    pub destination: Word,
    /// `--chown`. Expanded.
    pub chown: Option<Word>,
    /// `--chmod`. Expanded.
    pub chmod: Option<Word>,
    /// `--link`: the layer is made without looking at what is below.
    pub link: bool,
    /// `--exclude`, as many as were given. Each a pattern as in a
    /// `.dockerignore`. Literal, as Docker has it.
    pub exclude: Vec<Word>,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferSource {
    /// A path or a pattern of paths; for `ADD` also a URL or a git repository.
    /// Expanded.
    Path(Word),
    /// A here-document: a file of that name and content.
    Inline(Heredoc),
}

/// `COPY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// From what to where.
    pub files: Transfer,
    /// `--from`: a stage's name or number, or an image; see
    /// [`Dockerfile::from`]. Literal.
    pub from: Option<Word>,
    /// `--parents`: the directories of a source are made too, from `/./` on
    /// if that is in it.
    pub parents: bool,
}

/// `ADD`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// From what to where.
    pub files: Transfer,
    /// `--checksum=sha256:…` of a URL. Expanded.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`
    pub keep_git_dir: bool,
    /// `--unpack`: whether archives are unpacked; if not said, local ones are
    /// and fetched ones are not.
    pub unpack: Option<bool>,
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// What ends it; in `COPY` and `ADD` the file's name.
    pub name: String,
    /// Its lines, each with its newline; for `<<-` without leading tabs.
    pub text: String,
    /// Whether `COPY` and `ADD` expand it: not if the name was quoted. Quotes
    /// in it are kept: see `Expander::document`.
    pub expand: bool,
    /// Its body, without the line that ends it.
    pub span: Span,
}

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: not even that of the base.
    None,
    /// `[options] CMD command`
    Check(Check),
}

/// How health is looked at. What is `None` is as the base has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is run.
    pub command: Command,
    /// Between two.
    pub interval: Option<Duration>,
    /// For one.
    pub timeout: Option<Duration>,
    /// During which a failure does not count.
    pub start_period: Option<Duration>,
    /// Between two during that.
    pub start_interval: Option<Duration>,
    /// Failures in a row before it counts as ill.
    pub retries: Option<u32>,
}

/// `ONBUILD`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// What the config of the image holds, and a later build will parse with
    /// `parse_trigger`.
    pub text: String,
    /// What it is.
    pub instruction: Box<Instruction>,
}

impl Instruction {
    /// Its keyword.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Arg(_) => "ARG",
            Self::Env(_) => "ENV",
            Self::Label(_) => "LABEL",
            Self::Run(_) => "RUN",
            Self::Copy(_) => "COPY",
            Self::Add(_) => "ADD",
            Self::Workdir(_) => "WORKDIR",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Expose(_) => "EXPOSE",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Cmd(_) => "CMD",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::Onbuild(_) => "ONBUILD",
            Self::Maintainer(_) => "MAINTAINER",
        }
    }
}

impl Dockerfile {
    /// What the base of stage `index` is, its name being expanded: an earlier
    /// stage of that name, nothing, or an image.
    pub fn base(&self, index: usize, name: &str) -> Source {
        if name == "scratch" {
            return Source::Scratch;
        }
        match self.named(index, name) {
            Some(stage) => Source::Stage(stage),
            None => Source::Image(name.to_owned()),
        }
    }

    /// What `--from` in stage `index` leads to: an earlier stage by its name
    /// or number, or an image.
    pub fn from(&self, index: usize, name: &str) -> Source {
        let number = name.parse().ok().filter(|n| *n < index);
        match number.or_else(|| self.named(index, name)) {
            Some(stage) => Source::Stage(stage),
            None => self.base(index, name),
        }
    }

    /// The stage that `--target` means: by its name, else by its number.
    pub fn target(&self, name: &str) -> Option<usize> {
        let number = || name.parse().ok().filter(|n| *n < self.stages.len());
        self.named(self.stages.len(), name).or_else(number)
    }

    fn named(&self, before: usize, name: &str) -> Option<usize> {
        let is = |stage: &Stage| {
            let alias = stage.alias.as_ref();
            alias.is_some_and(|alias| alias.text.eq_ignore_ascii_case(name))
        };
        self.stages[..before].iter().rposition(is)
    }
}
