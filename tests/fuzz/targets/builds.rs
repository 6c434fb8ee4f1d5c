//! What a build is made from: Dockerfiles, what is ignored, contexts.

use std::collections::BTreeMap;

use rcon::build::context::{Arrived, Context, Repository, Which};
use rcon::build::files::pattern;
use rcon::build::graph::Search;
use rcon::build::ignore::{Ignore, Verdict};
use rcon::build::language::{Dockerfile, Expander, Span, Word, excerpt, parse, parse_trigger};
use rcon::build::scope::Globals;
use rcon::build::trouble::Trouble;
use rcon::error::Error;
use rcon::image::platform::Platform;

use super::{bed, check_error, text};

/// Words of Dockerfiles.
pub const WORDS: &[&str] = &[
    "FROM a\n",
    "FROM a AS b\n",
    "FROM $X AS b\n",
    "RUN ",
    "COPY --from=b ",
    "COPY --from=0 ",
    "ADD ",
    "ENV ",
    "ARG X=",
    "LABEL ",
    "HEALTHCHECK --interval=1s CMD ",
    "ONBUILD ",
    "SHELL [\"a\"]\n",
    "EXPOSE ",
    "VOLUME ",
    "USER ",
    "WORKDIR ",
    "STOPSIGNAL ",
    "# escape=`\n",
    "# syntax=x\n",
    "<<EOF",
    "<<-'E F'",
    "\nEOF\n",
    "\\\n",
    "`\n",
    "${X:-",
    "${X//a/b}",
    "${X##*/}",
    "${",
    "}",
    "\"",
    "'",
    "[\"a\", \"b\"]",
    "--mount=type=cache,target=/",
    "--mount=type=bind,from=b,target=/x",
    "--mount=type=secret,id=x",
    "--exclude=*",
    "--chmod=",
    "\u{feff}",
    "\u{2028}",
    "\r\n",
];

/// Pieces of patterns.
pub const PATTERNS: &[&str] = &[
    "**", "*", "?", "[a-z]", "[^a]", "[", "]", "\\", "!", "/", "../", "./", "#", "a/b", "\n",
    "\u{feff}",
];

/// Pieces of addresses.
pub const ADDRESSES: &[&str] = &[
    "https://",
    "git@",
    "ssh://",
    "git://",
    "file://",
    "ext::",
    ".git",
    "#",
    ":",
    "..",
    "-",
    "--upload-pack=x",
    "github.com/",
    "refs/heads/",
];

/// What is wrong is told with its place; what is right can be searched for
/// what it needs.
pub fn dockerfile(bytes: &[u8]) {
    let text = text(bytes);
    match parse(&text) {
        Ok(file) => {
            let steps = file.stages.iter().flat_map(|s| &s.steps).map(|s| s.span);
            let stages = file.stages.iter().map(|s| s.span);
            let warnings = file.warnings.iter().map(|w| w.span);
            for span in steps.chain(stages).chain(warnings) {
                check_place(&text, span);
            }
            search(&file);
        }
        Err(e) => {
            check_place(&text, e.span);
            assert!(!e.render("f", &text).contains(['\x1b', '\r']));
        }
    }
    let _ = parse_trigger(&text);
    expand(&text);
}

fn check_place(text: &str, span: Span) {
    assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
    assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
    let lines = text[..span.start].matches('\n').count() as u32;
    assert_eq!(span.line, lines + 1, "{span:?}");
    let _ = excerpt(text, span);
}

/// Looks for what each stage needs, where there are no images at all.
fn search(file: &Dockerfile) {
    let platform = Platform::parse("linux/amd64").expect("a platform");
    let globals = Globals::new(file, &BTreeMap::new(), &platform, &platform, "default");
    let Ok(globals) = globals else { return };
    let search = Search {
        file,
        globals: &globals,
        platform,
        chosen: false,
    };
    let mut asked = 0;
    for target in 0..file.stages.len() {
        let mut bring = |_: &str, _: Option<&Platform>| {
            asked += 1;
            Err(Error::user("there are no images here"))
        };
        match search.needed(target, &mut bring) {
            Ok(graph) => assert!(graph.nodes.keys().all(|stage| *stage <= target)),
            Err(Trouble::Plain(e)) => check_error(&e),
            Err(_) => {}
        }
    }
    assert!(
        asked <= file.stages.len(),
        "asked again for what is not there"
    );
}

/// One word or many: the same characters, but for blanks.
fn expand(text: &str) {
    let lookup = |name: &str| (name.len() % 2 == 1).then(|| format!("<{name} {name}>"));
    for escape in ['\\', '`'] {
        let expander = Expander {
            escape,
            lookup: &lookup,
        };
        let word = Word {
            text: text.to_owned(),
            span: Span::default(),
        };
        let (one, many) = (expander.word(&word), expander.words(&word));
        assert_eq!(one.is_ok(), many.is_ok());
        if let (Ok(one), Ok(many)) = (one, many) {
            let bare = |text: &str| text.replace(char::is_whitespace, "");
            assert_eq!(bare(&one), bare(&many.concat()));
        }
        let _ = expander.document(text);
    }
}

/// What is ignored does not depend on what was asked before, and what is
/// dropped is dropped with all in it.
pub fn ignore(bytes: &[u8]) {
    let text = text(bytes);
    let (rules, paths) = text.split_once("\n\n").unwrap_or((&text, &text));
    let ignore = match Ignore::parse(rules) {
        Ok(ignore) => ignore,
        Err(e) => return check_error(&e),
    };
    let lines = paths.lines().take(20);
    let mut paths: Vec<&str> = lines.map(|l| l.trim_matches('/')).collect();
    paths.retain(|p| !p.split('/').any(|part| matches!(part, "" | "." | "..")));
    for path in &paths {
        let fresh = || Ignore::parse(rules).expect("it was read before");
        for is_dir in [true, false] {
            let verdict = ignore.verdict(path.as_bytes(), is_dir);
            assert_eq!(
                verdict,
                fresh().verdict(path.as_bytes(), is_dir),
                "{path:?}"
            );
            if is_dir && verdict == Verdict::Drop {
                let below = format!("{path}/x");
                assert_eq!(
                    fresh().verdict(below.as_bytes(), false),
                    Verdict::Drop,
                    "{path:?}"
                );
            }
        }
    }
    if let [pattern, name, ..] = paths[..] {
        let _ = pattern::fits(pattern.as_bytes(), name.as_bytes());
        let plain = pattern::plain(pattern.as_bytes());
        if !pattern::is_pattern(pattern.as_bytes()) {
            assert!(pattern::fits(pattern.as_bytes(), &plain), "{pattern:?}");
        }
    }
}

/// What arrives as a context stays in its own folder, which goes with it.
pub fn context(bytes: &[u8]) {
    bed::within(|dir, _| {
        match Context::arriving(bytes, dir) {
            Ok(Arrived::Files(mut context)) => {
                if let Err(e) = context.recipe(Which::Usual) {
                    check_error(&e);
                }
                context.close().expect("a context can be removed");
            }
            Ok(Arrived::Dockerfile(_)) => {}
            Err(e) => check_error(&e),
        }
        let mut left = dir.read_dir().expect("our own directory");
        assert!(left.next().is_none(), "something is left of the context");
    });
}

/// An address is no option, and its folder leads nowhere else.
pub fn address(bytes: &[u8]) {
    let text = text(bytes);
    match Repository::parse(&text) {
        Ok(Some(repository)) => {
            assert!(!repository.remote.starts_with('-'), "{repository:?}");
            assert!(!repository.reference.is_some_and(|r| r.starts_with('-')));
            let folder = repository.folder.unwrap_or_default();
            assert!(!folder.starts_with('/') && !folder.split('/').any(|p| p == ".."));
        }
        Ok(None) => {}
        Err(e) => check_error(&e),
    }
}
