//! What is wrong is said, with its place and a hint.

use super::*;

/// The text, the place (line and column), a part of the message, and of the
/// hint.
const WRONG: &[(&str, (u32, u32), &str, &str)] = &[
    ("", (1, 1), "there is no FROM", "starts with"),
    ("# only\n", (2, 1), "there is no FROM", ""),
    ("ARG a", (1, 6), "there is no FROM", ""),
    (
        "RUN a\nFROM b",
        (1, 1),
        "RUN stands before the first FROM",
        "only ARG",
    ),
    (
        "FORM a",
        (1, 1),
        "unknown instruction FORM",
        "did you mean FROM?",
    ),
    (
        "FROM a\nRUN b\n  && c",
        (3, 3),
        "unknown instruction &&",
        "end the line before with \\",
    ),
    (
        "FROM a\nCPOY b c",
        (2, 1),
        "unknown instruction CPOY",
        "COPY",
    ),
    ("FROM", (1, 1), "needs an image", ""),
    ("FROM a b", (1, 6), "takes one image", "AS build"),
    ("FROM a AS", (1, 6), "takes one image", ""),
    ("FROM a AS 1x", (1, 11), "cannot be the name", "a letter"),
    ("FROM a AS x/y", (1, 11), "cannot be the name", ""),
    (
        "FROM --platfrom=x a",
        (1, 6),
        "no flag --platfrom",
        "did you mean --platform?",
    ),
    (
        "FROM --platform a",
        (1, 6),
        "--platform needs a value",
        "--platform=value",
    ),
    ("FROM ${a", (1, 6), "not closed", ""),
    (
        "FROM a AS scratch",
        (1, 11),
        "cannot be named scratch",
        "reserved",
    ),
    (
        "FROM a AS context",
        (1, 11),
        "cannot be named context",
        "reserved",
    ),
    (
        "FROM a AS b\nFROM c AS B",
        (2, 11),
        "named b already, on line 1",
        "",
    ),
    (
        "FROM a AS b\nCOPY --from=b x y",
        (2, 13),
        "b needs itself",
        "",
    ),
    (
        "FROM a AS b\nCOPY --from=c x y\nFROM d AS c",
        (2, 13),
        "c comes only later",
        "move it up",
    ),
    ("FROM a\nCOPY --from=0 x y", (2, 13), "0 needs itself", ""),
    (
        "FROM a\nCOPY --from=1 x y\nFROM b",
        (2, 13),
        "1 comes only later",
        "",
    ),
    (
        "FROM a\nCOPY --from=7 x y",
        (2, 13),
        "no stage 7",
        "the file has 1",
    ),
    (
        "FROM a AS b\nRUN --mount=from=b,target=/x y",
        (2, 13),
        "b needs itself",
        "",
    ),
    (
        "FROM a\nCOPY --from=$x y z",
        (2, 13),
        "cannot hold a variable",
        "FROM $IMAGE",
    ),
    (
        "FROM a\nCOPY --form=x y z",
        (2, 6),
        "no flag --form",
        "--from",
    ),
    (
        "FROM a\nCOPY --link --link a b",
        (2, 13),
        "--link is there twice",
        "",
    ),
    ("FROM a\nCOPY --link=yes a b", (2, 6), "true or false", ""),
    (
        "FROM a\nCOPY a",
        (2, 6),
        "needs a source and a destination",
        "as in: COPY a /",
    ),
    (
        "FROM a\nCOPY",
        (2, 1),
        "needs a source and a destination",
        "",
    ),
    (
        "FROM a\nCOPY []",
        (2, 6),
        "needs a source and a destination",
        "",
    ),
    (
        "FROM a\nCOPY [\"a\", 1]",
        (2, 6),
        "only hold strings",
        "double quotes",
    ),
    ("FROM a\nCOPY a \"b", (2, 8), "double quote", ""),
    (
        "FROM a\nCOPY a <<E\nE",
        (2, 8),
        "cannot be the destination",
        "",
    ),
    (
        "FROM a AS b\nFROM c\nCOPY --from=b <<E x\nE",
        (3, 15),
        "cannot come from a stage",
        "",
    ),
    (
        "FROM a\nCOPY --checksum=x a b",
        (2, 6),
        "no flag --checksum",
        "",
    ),
    ("FROM a\nADD --from=x a b", (2, 5), "no flag --from", ""),
    (
        "FROM a\nRUN <<E\nx\n",
        (2, 5),
        "no line is \"E\"",
        "quotes around",
    ),
    ("FROM a\nRUN", (2, 1), "needs a command", ""),
    ("FROM a\nRUN []", (2, 5), "needs a program", ""),
    (
        "FROM a\nRUN --network=lan x",
        (2, 15),
        "no network \"lan\"",
        "none or host",
    ),
    (
        "FROM a\nRUN --security=lax x",
        (2, 16),
        "no security \"lax\"",
        "",
    ),
    (
        "FROM a\nRUN --mount=type=cache x",
        (2, 13),
        "needs a target",
        "",
    ),
    ("FROM a\nRUN --device=x y", (2, 5), "no flag --device", ""),
    (
        "FROM a\nCMD",
        (2, 1),
        "needs a command",
        "CMD [] takes back",
    ),
    ("FROM a\nCMD --x", (2, 5), "no flag --x", "no flags at all"),
    ("FROM a\nENTRYPOINT [1]", (2, 12), "only hold strings", ""),
    ("FROM a\nENV", (2, 1), "needs a name and a value", ""),
    ("FROM a\nENV a", (2, 5), "a has no value", "ENV a=value"),
    ("FROM a\nENV a=b c", (2, 9), "\"c\" has no value", "quotes"),
    ("FROM a\nENV =b", (2, 5), "without a name", ""),
    ("FROM a\nENV a='b", (2, 7), "single quote", ""),
    ("FROM a\nENV a=\"${b\"", (2, 7), "is not known", ""),
    ("FROM a\nARG", (2, 1), "needs a name", ""),
    ("FROM a\nARG =b", (2, 5), "without a name", ""),
    ("FROM a\nWORKDIR", (2, 1), "needs a path", ""),
    ("FROM a\nUSER", (2, 1), "needs a user", ""),
    ("FROM a\nVOLUME", (2, 1), "needs a path", ""),
    ("FROM a\nVOLUME [\"\"]", (2, 9), "needs a path", ""),
    ("FROM a\nVOLUME []", (2, 8), "needs a path", ""),
    ("FROM a\nEXPOSE", (2, 1), "needs a port", ""),
    ("FROM a\nSHELL /bin/sh", (2, 7), "list in JSON", "as in"),
    ("FROM a\nSHELL []", (2, 7), "needs a program", ""),
    ("FROM a\nSTOPSIGNAL", (2, 1), "needs a signal", ""),
    ("FROM a\nMAINTAINER", (2, 1), "needs a name", ""),
    ("FROM a\nHEALTHCHECK", (2, 1), "needs NONE", ""),
    (
        "FROM a\nHEALTHCHECK NONE x",
        (2, 18),
        "nothing may follow",
        "",
    ),
    (
        "FROM a\nHEALTHCHECK CMD",
        (2, 13),
        "CMD needs a command",
        "",
    ),
    (
        "FROM a\nHEALTHCHECK CMD []",
        (2, 13),
        "CMD needs a command",
        "",
    ),
    ("FROM a\nHEALTHCHECK RUN x", (2, 13), "knows no RUN", ""),
    (
        "FROM a\nHEALTHCHECK --interval=x CMD y",
        (2, 24),
        "invalid duration",
        "units",
    ),
    (
        "FROM a\nHEALTHCHECK --interval=1us CMD y",
        (2, 24),
        "too short",
        "",
    ),
    (
        "FROM a\nHEALTHCHECK --retries=-1 CMD y",
        (2, 23),
        "no number of retries",
        "",
    ),
    ("FROM a\nONBUILD", (2, 1), "needs an instruction", ""),
    (
        "FROM a\nONBUILD FROM b",
        (2, 9),
        "cannot stand behind ONBUILD",
        "",
    ),
    (
        "FROM a\nONBUILD ONBUILD RUN b",
        (2, 9),
        "cannot stand behind ONBUILD",
        "",
    ),
    (
        "FROM a\nONBUILD CPOY a b",
        (2, 9),
        "unknown instruction CPOY",
        "COPY",
    ),
    (
        "FROM a\nONBUILD COPY a",
        (2, 14),
        "a source and a destination",
        "",
    ),
    (
        "# escape=x\nFROM a",
        (1, 10),
        "cannot be the escape",
        "\\ or `",
    ),
    ("# syntax=a\n# syntax=b\nFROM a", (2, 1), "there twice", ""),
    (
        "# escape=\\\n# escape=\\\nFROM a",
        (2, 1),
        "there twice",
        "",
    ),
    ("FROM a\nRUN x\0y", (2, 6), "NUL", "another file"),
];

#[test]
fn each_with_its_place() {
    for (text, place, message, hint) in WRONG {
        let Err(e) = parse(text) else {
            panic!("{text:?} is taken");
        };
        let shown = e.render("f", text);
        assert_eq!((e.span.line, e.span.column), *place, "{text:?}\n{shown}");
        assert!(e.message.contains(message), "{text:?}\n{shown}");
        let said = e.hint.unwrap_or_default();
        assert!(said.contains(hint), "{text:?}\n{shown}");
        assert!(e.span.end <= text.len(), "{text:?}");
    }
}

#[test]
fn size_is_bounded() {
    let line = format!("FROM a\nRUN {}", "x".repeat(2 << 20));
    let e = parse(&line).unwrap_err();
    assert_eq!(e.span.line, 2);
    assert!(e.message.contains("more than 1048576 bytes"), "{e:?}");
    let file = format!("FROM a\n{}", "RUN x\n".repeat(1 << 20));
    let e = parse(&file).unwrap_err();
    assert!(e.message.contains("more than 4194304 bytes"), "{e:?}");
}

#[test]
fn depth_is_bounded() {
    let deep = format!("FROM a\nCMD {}", "[".repeat(500_000));
    let file = parse(&deep).unwrap();
    assert!(matches!(
        file.stages[0].steps[0].instruction,
        Instruction::Cmd(Command::Shell(_))
    ));
    let onbuild = format!("FROM a\n{}RUN x", "ONBUILD ".repeat(100_000));
    assert!(parse(&onbuild).is_err());
    let braces = format!("FROM a\nENV x={}", "${a:-".repeat(150_000));
    assert!(parse(&braces).is_err());
}

#[test]
fn nothing_takes_long() {
    let start = std::time::Instant::now();
    let words = format!("FROM a\nENV {}", "a=1 ".repeat(250_000));
    assert!(parse(&words).is_ok());
    let patterns = format!("FROM a\nRUN {} <<E\nE\n", "${x#*a} ".repeat(100_000));
    assert!(parse(&patterns).is_ok());
    let lines = format!("FROM a\nRUN x{}", " \\\n a".repeat(500_000));
    assert!(parse(&lines).is_ok());
    let stages: Vec<String> = (0..200_000).map(|n| format!("FROM a AS s{n}\n")).collect();
    assert!(parse(&stages.concat()).is_err());
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
