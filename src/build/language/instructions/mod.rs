//! The instructions: what may stand behind each keyword.

mod flags;
mod pairs;
mod run;
mod simple;
mod transfer;

use self::flags::Flags;
use super::ast::{Instruction, Onbuild};
use super::diagnostic::{Diagnostic, near};
use super::expand;
use super::heredoc::Document;
use super::span::Word;
use super::text::Part;
use super::words::{self, Flag};

pub(super) use self::simple::from;

pub(super) type Result<T> = std::result::Result<T, Diagnostic>;

/// All keywords.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction, cut where all are cut alike.
pub(super) struct Node<'a> {
    pub(super) keyword: Part<'a>,
    /// All behind the keyword.
    behind: Part<'a>,
    flags: Vec<Flag>,
    /// All behind the flags.
    rest: Part<'a>,
    documents: Vec<Document>,
    escape: char,
}

impl<'a> Node<'a> {
    pub(super) fn new(all: Part<'a>, documents: Vec<Document>, escape: char) -> Self {
        let (keyword, behind) = words::first(all);
        let (flags, rest) = words::flags(behind, escape);
        Self {
            keyword,
            behind,
            flags,
            rest,
            documents,
            escape,
        }
    }

    pub(super) fn is(&self, keyword: &str) -> bool {
        self.keyword.text().eq_ignore_ascii_case(keyword)
    }

    /// It in one line, its keyword in capitals.
    pub(super) fn text(&self) -> String {
        let text = self.name() + " " + self.behind.text();
        text.trim_end().to_owned()
    }

    fn name(&self) -> String {
        self.keyword.text().to_ascii_uppercase()
    }

    fn flags(&self, known: &[&str]) -> Result<Flags<'_>> {
        Flags::new(&self.name(), &self.flags, known)
    }

    /// What is wrong with all of it.
    fn wrong(&self, message: impl Into<String>) -> Diagnostic {
        let place = if self.rest.is_empty() {
            self.keyword
        } else {
            self.rest
        };
        Diagnostic::new(place.span(), message)
    }

    /// There must be something behind the keyword.
    fn needs(&self, what: &str) -> Result<()> {
        if self.rest.is_empty() {
            return Err(self.wrong(format!("{} needs {what}", self.name())));
        }
        Ok(())
    }

    /// A word that will be expanded.
    fn word(&self, part: Part<'_>) -> Result<Word> {
        let word = part.word();
        expand::check(&word, self.escape)?;
        Ok(word)
    }

    /// A list in JSON, or words between blanks; each will be expanded.
    fn list(&self) -> Result<Vec<Word>> {
        let words = match words::json(self.rest)? {
            Some(list) => list,
            None => words::plain(self.rest)
                .into_iter()
                .map(Part::word)
                .collect(),
        };
        for word in &words {
            expand::check(word, self.escape)?;
        }
        Ok(words)
    }
}

/// Reads an instruction that is not `FROM`.
pub(super) fn parse(node: &Node<'_>) -> Result<Instruction> {
    Ok(match node.name().as_str() {
        "ADD" => Instruction::Add(transfer::add(node)?),
        "ARG" => Instruction::Arg(pairs::arguments(node)?),
        "CMD" => Instruction::Cmd(simple::command(node)?),
        "COPY" => Instruction::Copy(transfer::copy(node)?),
        "ENTRYPOINT" => Instruction::Entrypoint(simple::command(node)?),
        "ENV" => Instruction::Env(pairs::pairs(node)?),
        "EXPOSE" => Instruction::Expose(simple::expose(node)?),
        "HEALTHCHECK" => Instruction::Healthcheck(simple::healthcheck(node)?),
        "LABEL" => Instruction::Label(pairs::pairs(node)?),
        "MAINTAINER" => Instruction::Maintainer(simple::maintainer(node)?),
        "ONBUILD" => Instruction::Onbuild(onbuild(node)?),
        "RUN" => Instruction::Run(run::parse(node)?),
        "SHELL" => Instruction::Shell(simple::shell(node)?),
        "STOPSIGNAL" => Instruction::Stopsignal(simple::one(node, "a signal")?),
        "USER" => Instruction::User(simple::one(node, "a user")?),
        "VOLUME" => Instruction::Volume(simple::volumes(node)?),
        "WORKDIR" => Instruction::Workdir(simple::one(node, "a path")?),
        _ => return Err(unknown(node)),
    })
}

fn unknown(node: &Node<'_>) -> Diagnostic {
    let name = node.keyword.text();
    let wrong = Diagnostic::new(node.keyword.span(), format!("unknown instruction {name}"));
    match near(name, &KEYWORDS) {
        Some(known) => wrong.hint(format!("did you mean {known}?")),
        None => wrong.hint(format!(
            "if this belongs to the instruction above, end the line before with {}",
            node.escape
        )),
    }
}

/// What follows an `ONBUILD`, which not all may.
pub(super) fn trigger(node: &Node<'_>) -> Result<Instruction> {
    if ["ONBUILD", "FROM", "MAINTAINER"].iter().any(|k| node.is(k)) {
        let message = format!("{} cannot stand behind ONBUILD", node.name());
        return Err(Diagnostic::new(node.keyword.span(), message));
    }
    parse(node)
}

fn behind_onbuild<'a>(node: &Node<'a>) -> Node<'a> {
    Node::new(node.rest, node.documents.clone(), node.escape)
}

fn onbuild(node: &Node<'_>) -> Result<Onbuild> {
    node.flags(&[])?;
    node.needs("an instruction, as in: ONBUILD RUN make")?;
    let instruction = Box::new(trigger(&behind_onbuild(node))?);
    let text = with_documents(node.rest.text(), &node.documents);
    Ok(Onbuild { text, instruction })
}

/// A line and the documents below it, as they were.
fn with_documents(line: &str, documents: &[Document]) -> String {
    let mut text = line.to_owned();
    for document in documents {
        text += "\n";
        text += &document.raw;
        text += &document.announced.name;
    }
    text
}

/// What is allowed but most likely not meant so.
pub(super) fn warnings(node: &Node<'_>) -> Vec<Diagnostic> {
    if node.is("ONBUILD") {
        return warnings(&behind_onbuild(node));
    }
    let all = [no_list, no_comment, windows_lines, old_form];
    all.iter().filter_map(|doubt| doubt(node)).collect()
}

/// What others have replaced.
fn old_form(node: &Node<'_>) -> Option<Diagnostic> {
    let name = node.name();
    if node.is("MAINTAINER") {
        let warning = Diagnostic::new(node.keyword.span(), "MAINTAINER is the old form of a label");
        return Some(warning.hint("write LABEL org.opencontainers.image.authors=\"…\""));
    }
    let first = words::first(node.rest).0;
    let old = (node.is("ENV") || node.is("LABEL")) && !first.text().contains('=');
    old.then(|| {
        let message = format!(
            "this is the old form of {name}: all behind {} is its value",
            first.text()
        );
        node.wrong(message).hint(format!(
            "write {name} NAME=value, with quotes around a value that has blanks"
        ))
    })
}

fn no_list(node: &Node<'_>) -> Option<Diagnostic> {
    let is = |keywords: &[&str]| keywords.iter().any(|keyword| node.is(keyword));
    let list = if node.is("HEALTHCHECK") {
        words::first(node.rest).1
    } else {
        node.rest
    };
    let looks_so = if is(&["RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"]) {
        words::looks_like_json_of_words(list.text())
    } else {
        is(&["VOLUME", "COPY", "ADD"]) && words::looks_like_json(list.text())
    };
    let bad = looks_so && words::json(list) == Ok(None);
    bad.then(|| {
        let message = "this looks like a list in JSON but is none, and is taken as text";
        Diagnostic::new(list.span(), message)
            .hint("strings in JSON are in double quotes and divided by commas")
    })
}

/// A shell knows comments behind a command; a Dockerfile does not.
fn no_comment(node: &Node<'_>) -> Option<Diagnostic> {
    let of_a_shell = [
        "RUN",
        "CMD",
        "ENTRYPOINT",
        "HEALTHCHECK",
        "ONBUILD",
        "MAINTAINER",
    ];
    if of_a_shell.iter().any(|keyword| node.is(keyword)) {
        return None;
    }
    let words = words::quoted(node.rest, node.escape);
    let hash = words.iter().skip(1).find(|word| word.text() == "#")?;
    Some(
        Diagnostic::new(
            hash.span(),
            "this # begins no comment, but is part of the instruction",
        )
        .hint(COMMENT_ABOVE),
    )
}

/// What to do where a comment stands behind an instruction.
const COMMENT_ABOVE: &str = "a comment needs a line of its own: put it above";

/// A shell takes the carriage return at the end of a line for a part of it.
fn windows_lines(node: &Node<'_>) -> Option<Diagnostic> {
    let of_windows = |document: &Document| document.text().contains("\r\n");
    let is_run = node.is("RUN") && node.documents.iter().any(of_windows);
    is_run.then(|| {
        node.wrong("the lines of this document end as on Windows, which no shell expects")
            .hint("save the file with Unix line endings")
    })
}
