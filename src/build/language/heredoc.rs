//! Here-documents: which ones a line announces, and their bodies.
//!
//! Found as Docker finds them: a word that begins with `<<` (and maybe a
//! number before, a `-` behind), is not in quotes, and has one word behind it.
//! `cat<<EOF` is none, and neither is `<<<`.

use super::diagnostic::Diagnostic;
use super::expand::{self, Mode};
use super::lines::Lines;
use super::span::{Span, Word};
use super::text::Part;

/// Instructions that may have here-documents.
const WITH: [&str; 3] = ["RUN", "COPY", "ADD"];

/// What a word like `<<-EOF` announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) name: String,
    pub(super) expand: bool,
    /// `<<-`: tabs in front of lines do not count.
    pub(super) tabs: bool,
}

/// One with its body.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) announced: Announced,
    /// As it stands in the file.
    pub(super) raw: String,
    pub(super) span: Span,
}

impl Document {
    /// Its lines without the tabs that do not count.
    pub(super) fn text(&self) -> String {
        if !self.announced.tabs {
            return self.raw.clone();
        }
        let lines = self.raw.split_inclusive('\n');
        lines.map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// What this word announces, if it does.
pub(super) fn announced(word: &str) -> Option<Announced> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix("<<")?;
    let (tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let plain = words(rest, false, false)?;
    let kept = words(rest, true, false)?;
    let ([name], [kept]) = (plain.as_slice(), kept.as_slice()) else {
        return None;
    };
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    Some(Announced {
        name: name.clone(),
        expand: quotes(name) == quotes(kept),
        tabs,
    })
}

fn words(text: &str, keep_quotes: bool, keep_escapes: bool) -> Option<Vec<String>> {
    let mode = Mode {
        keep_quotes,
        keep_escapes,
        plain_quotes: false,
        keep_unset: true,
    };
    expand::split(text, '\\', &|_| None, mode).ok()
}

/// Whether an instruction may have here-documents, one behind `ONBUILD` too.
fn may_have(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let is = |word: Option<&str>, known: &[&str]| {
        word.is_some_and(|word| known.iter().any(|k| word.eq_ignore_ascii_case(k)))
    };
    let mut word = words.next();
    if is(word, &["ONBUILD"]) {
        word = words.next();
    }
    is(word, &WITH)
}

/// The here-documents of an instruction, read from the lines below it.
pub(super) fn read(line: Part<'_>, lines: &mut Lines<'_>) -> Result<Vec<Document>, Diagnostic> {
    if !line.text().contains("<<") || !may_have(line.text()) {
        return Ok(Vec::new());
    }
    let words = words(line.text(), true, true).unwrap_or_default();
    let announced = words.iter().filter_map(|word| announced(word));
    announced.map(|one| body(one, line, lines)).collect()
}

fn body(
    announced: Announced,
    line: Part<'_>,
    lines: &mut Lines<'_>,
) -> Result<Document, Diagnostic> {
    let name = &announced.name;
    let Some(bytes) = lines.document(name, announced.tabs) else {
        let at = line.text().find("<<").unwrap_or_default();
        let place = line.within(at..at + 2).span();
        let message = format!("the here-document has no end: no line is {name:?}");
        return Err(Diagnostic::new(place, message).hint(
            "end it with a line of just that; if << is for the shell, put quotes around the word",
        ));
    };
    let source = lines.source();
    Ok(Document {
        announced,
        raw: source.text[bytes.clone()].to_owned(),
        span: source.span(bytes),
    })
}

/// The document that a word of `COPY` or `ADD` stands for.
pub(super) fn find<'a>(word: &Word, documents: &'a [Document]) -> Option<&'a Document> {
    let announced = announced(&word.text)?;
    // Of two with one name the later one counts.
    let same = |document: &&Document| document.announced.name == announced.name;
    documents.iter().rev().find(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_announces_a_document() {
        for (word, want) in [
            ("<<EOF", Some(("EOF", true, false))),
            ("<<-EOF", Some(("EOF", true, true))),
            ("<< EOF", Some(("EOF", true, false))),
            ("3<<EOF", Some(("EOF", true, false))),
            ("<<'EOF'", Some(("EOF", false, false))),
            ("<<\"E F\"", Some(("E F", false, false))),
            ("<<-\"EOF\"", Some(("EOF", false, true))),
            ("<<file.txt", Some(("file.txt", true, false))),
            ("<<<x", None),
            ("<<", None),
            ("<<-", None),
            ("cat<<EOF", None),
            ("\"<<EOF\"", None),
            ("<<A<<B", None),
            ("<<a b", None),
            ("<<'a", None),
        ] {
            let got = announced(word);
            let got = got.as_ref().map(|a| (a.name.as_str(), a.expand, a.tabs));
            assert_eq!(got, want, "{word}");
        }
    }

    #[test]
    fn only_some_instructions_have_them() {
        for (line, want) in [
            ("RUN <<E", true),
            ("copy <<E /x", true),
            ("ADD x", true),
            ("ONBUILD run <<E", true),
            ("ENV x=<<E", false),
            ("ONBUILD CMD x", false),
        ] {
            assert_eq!(may_have(line), want, "{line}");
        }
    }
}
