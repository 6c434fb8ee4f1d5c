//! What holds for every text, however odd; and files that are made up, of
//! which it is known what they say, read by this and by another parser.

use std::collections::BTreeMap;
use std::str::FromStr;

use dockerfile_parser_rs as other;
use proptest::prelude::*;

use super::*;

/// Pieces that mean something, in any order.
const PIECES: &[&str] = &[
    "FROM ",
    "from a AS b\n",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "ARG ",
    "LABEL ",
    "CMD ",
    "ENTRYPOINT ",
    "HEALTHCHECK ",
    "ONBUILD ",
    "SHELL ",
    "EXPOSE ",
    "VOLUME ",
    "USER ",
    "WORKDIR ",
    "STOPSIGNAL ",
    "MAINTAINER ",
    "# escape=`\n",
    "# syntax=x\n",
    "#",
    "\n",
    "\r\n",
    "\\\n",
    "\\",
    "`",
    "`\n",
    " ",
    "\t",
    "<<EOF",
    "<<-'E F'",
    "EOF\n",
    "E F\n",
    "<<<",
    "$",
    "${",
    "}",
    ":-",
    "##",
    "%%",
    "//",
    "/",
    "\"",
    "'",
    "[",
    "]",
    ",",
    "[\"a\", \"b\"]",
    "--from=",
    "--mount=type=cache,target=/",
    "--chmod=",
    "--link",
    "--exclude=*",
    "--",
    "=",
    "a",
    "b=c",
    "é",
    "日本",
    "\u{feff}",
    "\u{a0}",
    "\u{2028}",
    "NONE",
    "CMD x",
    "--interval=1s ",
    "0",
    "1",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    let start = prop::sample::select(&["", "FROM a\n", "FROM a\nRUN x\n"][..]);
    let rest = prop::collection::vec(piece, 0..60).prop_map(|all| all.concat());
    (start, rest).prop_map(|(start, rest)| start.to_owned() + &rest)
}

/// Every place that a file tells of.
fn spans(file: &Dockerfile) -> Vec<Span> {
    let mut spans: Vec<Span> = file.warnings.iter().map(|w| w.span).collect();
    for stage in &file.stages {
        spans.extend([stage.span, stage.base.span]);
        for step in &stage.steps {
            spans.push(step.span);
            spans.extend(words(&step.instruction).iter().map(|word| word.span));
        }
    }
    spans
}

fn words(instruction: &Instruction) -> Vec<&Word> {
    match instruction {
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            pairs.iter().flat_map(|p| [&p.name, &p.value]).collect()
        }
        Instruction::Arg(args) => args.iter().map(|a| &a.name).collect(),
        Instruction::Copy(copy) => transfer_words(&copy.files).collect(),
        Instruction::Add(add) => transfer_words(&add.files).collect(),
        Instruction::Workdir(word) | Instruction::User(word) => vec![word],
        Instruction::Volume(words) | Instruction::Expose(words) => words.iter().collect(),
        Instruction::Onbuild(onbuild) => self::words(&onbuild.instruction),
        _ => Vec::new(),
    }
}

fn transfer_words(files: &Transfer) -> impl Iterator<Item = &Word> {
    let paths = files.sources.iter().filter_map(|source| match source {
        TransferSource::Path(word) => Some(word),
        TransferSource::Inline(_) => None,
    });
    paths.chain([&files.destination])
}

fn check_place(text: &str, span: Span) {
    let Span {
        start,
        end,
        line,
        column,
    } = span;
    assert!(start <= end && end <= text.len(), "{span:?} of {text:?}");
    assert!(
        text.is_char_boundary(start) && text.is_char_boundary(end),
        "{span:?} of {text:?}"
    );
    let before = &text[..start];
    let lines = before.matches('\n').count() as u32;
    assert_eq!(line, lines + 1, "{span:?} of {text:?}");
    let from = before.rfind('\n').map_or(0, |at| at + 1);
    let mark = usize::from(from == 0 && text.starts_with('\u{feff}'));
    let characters = before[from..].chars().count().saturating_sub(mark);
    assert_eq!(column as usize, characters + 1, "{span:?} of {text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_text_is_too_odd(text in soup()) {
        match parse(&text) {
            Ok(file) => {
                for span in spans(&file) {
                    check_place(&text, span);
                    let _ = excerpt(&text, span);
                }
            }
            Err(e) => {
                check_place(&text, e.span);
                let shown = e.render("f", &text);
                prop_assert!(!shown.contains(['\x1b', '\r']));
            }
        }
        let _ = parse_trigger(&text);
    }

    #[test]
    fn any_bytes_can_be_worked_out_or_refused(text in soup(), escape in prop::sample::select(&['\\', '`'][..])) {
        let lookup = |name: &str| (name.len() % 2 == 1).then(|| format!("<{name} {name}>"));
        let expander = Expander { escape, lookup: &lookup };
        let word = Word { text: text.clone(), span: Span::default() };
        let one = expander.word(&word);
        let many = expander.words(&word);
        prop_assert_eq!(one.is_ok(), many.is_ok());
        if let (Ok(one), Ok(many)) = (one, many) {
            // The same characters, but for blanks.
            let bare = |text: &str| text.replace(char::is_whitespace, "");
            prop_assert_eq!(bare(&one), bare(&many.concat()));
        }
    }

    #[test]
    fn what_has_no_meaning_stays_as_it_is(text in "[a-z0-9 /.:,+-]{0,40}") {
        let expander = Expander { escape: '\\', lookup: &|_| None };
        prop_assert_eq!(expander.text(&text).unwrap(), text.clone());
        // And in quotes anything does.
        let quoted = format!("'{text}${{x}}\\'");
        prop_assert_eq!(expander.text(&quoted).unwrap(), format!("{text}${{x}}\\"));
    }

    #[test]
    fn made_up_files_say_what_they_were_made_of(made in files(), ends in prop::bool::ANY) {
        let text = written(&made, ends);
        let file = parse(&text).map_err(|e| TestCaseError::fail(e.render("f", &text)))?;
        let got: Vec<String> = said(&file);
        let wanted: Vec<String> = made.iter().map(|one| one.meaning.clone()).collect();
        prop_assert_eq!(&got, &wanted, "{}", text);
        let read = other::Dockerfile::from_str(&text);
        let read = read.map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(said_otherwise(&read), wanted, "{}", text);
    }
}

/// An instruction that is made up: its words as they are written, and what it
/// means in a form of the test's own.
#[derive(Debug, Clone)]
struct Made {
    words: Vec<String>,
    meaning: String,
}

fn made(keyword: &str, written: &[String], meaning: &[String]) -> Made {
    let keyword = keyword.to_owned();
    Made {
        meaning: format!("{keyword} {}", meaning.join("|")),
        words: std::iter::once(keyword)
            .chain(written.iter().cloned())
            .collect(),
    }
}

/// One that means what is written.
fn same(keyword: &str, text: String) -> Made {
    let text = [text];
    made(keyword, &text, &text)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{1,6}"
}

fn path() -> impl Strategy<Value = String> {
    "/?[a-z]{2,5}(/[a-z.]{1,4}x){0,2}"
}

fn several(one: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(one, 1..4)
}

/// Names, each once, and values.
fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map(name(), "[a-zA-Z0-9/.:]{1,8}", 1..4)
        .prop_map(|map| map.into_iter().collect())
}

fn json(list: &[String]) -> String {
    serde_json::to_string(list)
        .unwrap()
        .replace("\",\"", "\", \"")
}

fn plain(keyword: &'static str, one: impl Strategy<Value = String>) -> impl Strategy<Value = Made> {
    one.prop_map(move |text| same(keyword, text))
}

fn paired(keyword: &'static str) -> impl Strategy<Value = Made> {
    (pairs(), any::<bool>()).prop_map(move |(pairs, quotes)| {
        let written: Vec<String> = pairs
            .iter()
            .map(|(n, v)| {
                if quotes {
                    format!("{n}=\"{v}\"")
                } else {
                    format!("{n}={v}")
                }
            })
            .collect();
        let meaning: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        made(keyword, &written, &meaning)
    })
}

fn copied(keyword: &'static str) -> impl Strategy<Value = Made> {
    let flags = (
        prop::option::of("[1-9][0-9]{1,3}:[a-z]{1,3}"),
        prop::option::of("0[4-7]{3}"),
    );
    (several(path()), path(), flags).prop_map(move |(sources, to, (chown, chmod))| {
        let mut written = Vec::new();
        written.extend(chown.as_ref().map(|v| format!("--chown={v}")));
        written.extend(chmod.as_ref().map(|v| format!("--chmod={v}")));
        written.extend(sources.iter().cloned());
        written.push(to.clone());
        let meaning = [
            chown.unwrap_or_default(),
            chmod.unwrap_or_default(),
            sources.join(" "),
            to,
        ];
        made(keyword, &written, &meaning)
    })
}

fn commanded(keyword: &'static str) -> impl Strategy<Value = Made> {
    several("[a-z]{1,6}").prop_map(move |list| made(keyword, &[json(&list)], &[list.join(" ")]))
}

fn ran() -> impl Strategy<Value = Made> {
    let word = prop_oneof![
        4 => "[a-z][a-z/.-]{0,5}",
        1 => prop::sample::select(&["&&", "||", "$HOME", "${x:-y}", ">", "{", "}", "*.c"][..])
            .prop_map(str::to_owned),
    ];
    several(word).prop_map(|words| {
        let first = std::iter::once("do".to_owned());
        let words: Vec<String> = first.chain(words).collect();
        made("RUN", &words, &[words.join(" ")])
    })
}

fn one() -> impl Strategy<Value = Made> {
    prop_oneof![
        paired("ENV"),
        paired("LABEL"),
        copied("COPY"),
        copied("ADD"),
        commanded("CMD"),
        commanded("ENTRYPOINT"),
        commanded("SHELL"),
        commanded("RUN"),
        ran(),
        plain("WORKDIR", path()),
        plain("USER", name()),
        plain("STOPSIGNAL", "SIG[A-Z]{3}"),
        several("[1-9][0-9]{1,3}(/tcp|/udp)?").prop_map(|ports| made(
            "EXPOSE",
            &ports,
            &[ports.join(" ")]
        )),
        several(path()).prop_map(|paths| made("VOLUME", &[json(&paths)], &[paths.join(" ")])),
        (name(), prop::option::of("[a-z0-9.]{1,5}")).prop_map(|(name, value)| {
            let text = match value {
                Some(value) => format!("{name}={value}"),
                None => name,
            };
            same("ARG", text)
        }),
    ]
}

fn from() -> impl Strategy<Value = Made> {
    let platform = prop::option::of(prop::sample::select(&["linux/amd64", "$P"][..]));
    (platform, "[a-z]{2,6}(:[a-z0-9.]{1,5})?").prop_map(|(platform, image)| {
        let mut written = Vec::new();
        written.extend(platform.map(|v| format!("--platform={v}")));
        written.push(image.clone());
        let meaning = [
            platform.unwrap_or_default().to_owned(),
            image,
            String::new(),
        ];
        made("FROM", &written, &meaning)
    })
}

fn files() -> impl Strategy<Value = Vec<Made>> {
    (from(), prop::collection::vec(one(), 0..12))
        .prop_map(|(from, rest)| std::iter::once(from).chain(rest).collect())
}

/// A file of them, with comments, empty lines, and lines that go on.
fn written(made: &[Made], ends: bool) -> String {
    let mut out = String::from("# made up\n");
    for (n, one) in made.iter().enumerate() {
        let gap = if ends && one.words.len() > 2 {
            " \\\n    "
        } else {
            " "
        };
        out += &one.words[0];
        out += " ";
        out += &one.words[1..].join(gap);
        out += if n % 3 == 2 { "\n\n# between\n" } else { "\n" };
    }
    out
}

/// Blanks are one, and quotes none: how much the other parser keeps of them
/// differs.
fn bare(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(['"', '\''], "")
}

fn joined(words: &[Word]) -> String {
    texts(words).join(" ")
}

fn option(word: Option<&Word>) -> String {
    word.map(|word| word.text.clone()).unwrap_or_default()
}

fn command(command: &Command) -> String {
    match command {
        Command::Shell(text) => bare(text),
        Command::Exec(list) => list.join(" "),
    }
}

fn copy(files: &Transfer) -> String {
    let mut words: Vec<&str> = transfer_words(files)
        .map(|word| word.text.as_str())
        .collect();
    let to = words.pop().unwrap_or_default();
    let (chown, chmod) = (option(files.chown.as_ref()), option(files.chmod.as_ref()));
    [&chown, &chmod, &words.join(" "), to].join("|")
}

/// A file in the form of [`Made::meaning`].
fn said(file: &Dockerfile) -> Vec<String> {
    let mut out = Vec::new();
    for stage in &file.stages {
        let platform = option(stage.platform.as_ref());
        let alias = option(stage.alias.as_ref());
        out.push(format!("FROM {platform}|{}|{alias}", stage.base));
        for step in &stage.steps {
            let rest = said_of(&step.instruction);
            out.push(format!("{} {rest}", step.instruction.keyword()));
        }
    }
    out
}

fn said_of(instruction: &Instruction) -> String {
    let pair = |p: &Pair| format!("{}={}", p.name, bare(&p.value.text));
    match instruction {
        Instruction::Arg(args) => {
            let one = |a: &Argument| match &a.default {
                Some(default) => format!("{}={default}", a.name),
                None => a.name.text.clone(),
            };
            args.iter().map(one).collect::<Vec<_>>().join("|")
        }
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            pairs.iter().map(pair).collect::<Vec<_>>().join("|")
        }
        Instruction::Run(run) => match &run.command {
            RunCommand::Shell(text) => bare(text),
            RunCommand::Exec(list) => list.join(" "),
            RunCommand::Script(heredoc) => heredoc.text.clone(),
        },
        Instruction::Copy(one) => copy(&one.files),
        Instruction::Add(one) => copy(&one.files),
        Instruction::Workdir(word) | Instruction::User(word) | Instruction::Stopsignal(word) => {
            word.text.clone()
        }
        Instruction::Volume(words) | Instruction::Expose(words) => joined(words),
        Instruction::Entrypoint(one) | Instruction::Cmd(one) => command(one),
        Instruction::Shell(list) => list.join(" "),
        Instruction::Maintainer(text) => text.clone(),
        Instruction::Healthcheck(_) | Instruction::Onbuild(_) => "?".to_owned(),
    }
}

/// The same of what the other parser has read.
fn said_otherwise(file: &other::Dockerfile) -> Vec<String> {
    file.instructions.iter().filter_map(other_said).collect()
}

fn or_empty(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

fn other_pairs(map: &BTreeMap<String, String>) -> String {
    let pairs = map
        .iter()
        .map(|(name, value)| format!("{name}={}", bare(value)));
    pairs.collect::<Vec<_>>().join("|")
}

fn other_copy(
    (chown, chmod): (Option<&String>, Option<&String>),
    sources: &[String],
    destination: &str,
) -> String {
    let sources = sources.join(" ");
    [or_empty(chown), or_empty(chmod), &sources, destination].join("|")
}

fn other_said(instruction: &other::Instruction) -> Option<String> {
    use other::Instruction as I;
    let (keyword, rest) = match instruction {
        I::Comment(_) | I::Empty {} => return None,
        I::From {
            platform,
            image,
            alias,
        } => {
            let alias = or_empty(alias.as_ref()).to_ascii_lowercase();
            (
                "FROM",
                format!("{}|{image}|{alias}", or_empty(platform.as_ref())),
            )
        }
        I::Arg(args) => {
            let one = |(name, value): (&String, &Option<String>)| match value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            };
            ("ARG", args.iter().map(one).collect::<Vec<_>>().join("|"))
        }
        I::Env(map) => ("ENV", other_pairs(map)),
        I::Label(map) => ("LABEL", other_pairs(map)),
        I::Copy {
            chown,
            chmod,
            sources,
            destination,
            ..
        } => (
            "COPY",
            other_copy((chown.as_ref(), chmod.as_ref()), sources, destination),
        ),
        I::Add {
            chown,
            chmod,
            sources,
            destination,
            ..
        } => (
            "ADD",
            other_copy((chown.as_ref(), chmod.as_ref()), sources, destination),
        ),
        I::Run { command, .. } => ("RUN", bare(&command.join(" "))),
        I::Cmd(list) => ("CMD", bare(&list.join(" "))),
        I::Entrypoint(list) => ("ENTRYPOINT", bare(&list.join(" "))),
        I::Shell(list) => ("SHELL", list.join(" ")),
        I::Expose { ports } => ("EXPOSE", ports.join(" ")),
        I::Stopsignal { signal } => ("STOPSIGNAL", signal.clone()),
        I::User { user, group } => match group {
            Some(group) => ("USER", format!("{user}:{group}")),
            None => ("USER", user.clone()),
        },
        I::Volume { mounts } => ("VOLUME", mounts.join(" ")),
        I::Workdir { path } => ("WORKDIR", path.clone()),
    };
    Some(format!("{keyword} {rest}"))
}

/// The files that people might write, as far as the other parser reads them:
/// it knows neither ONBUILD nor HEALTHCHECK nor small keywords.
#[test]
fn the_corpus_is_read_as_by_another_parser() {
    let mut read = 0;
    for (name, text) in super::corpus::files("good") {
        let Ok(theirs) = other::Dockerfile::from_str(&text) else {
            continue;
        };
        let ours = said(&parse(&text).unwrap());
        let kinds = |all: &[String]| -> Vec<String> {
            let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
            all.iter().map(first).filter(|k| k != "ARG").collect()
        };
        assert_eq!(kinds(&ours), kinds(&said_otherwise(&theirs)), "{name}");
        read += 1;
    }
    assert!(read > 0, "the other parser has read none of them");
}
