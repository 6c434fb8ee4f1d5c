//! Lines: directives, comments, continuations, and here-documents.

use super::*;

#[test]
fn directives_are_at_the_top() {
    let file =
        parse("# syntax=docker/dockerfile:1\n#Escape = `\n# check=skip=all\nFROM a").unwrap();
    let texts = |word: &Option<Word>| word.as_ref().map(|word| word.text.clone());
    assert_eq!(
        texts(&file.directives.syntax).unwrap(),
        "docker/dockerfile:1"
    );
    assert_eq!(texts(&file.directives.check).unwrap(), "skip=all");
    assert_eq!(file.directives.escape, '`');
    for late in [
        "# a comment\n# escape=`\nFROM a",
        "\n# escape=`\nFROM a",
        "FROM a\n# escape=`",
        "# unknown=x\n# escape=`\nFROM a",
        "# escape=\nFROM a",
    ] {
        assert_eq!(parse(late).unwrap().directives.escape, '\\', "{late:?}");
    }
    let syntax = parse("# syntax = a b \nFROM a").unwrap().directives.syntax;
    assert_eq!(syntax.unwrap().span.column, 12);
}

#[test]
fn a_byte_order_mark_and_windows_lines() {
    let file = parse("\u{feff}# escape=`\r\nFROM a\r\nRUN x `\r\n  y\r\n").unwrap();
    let step = &file.stages[0].steps[0];
    assert_eq!(step.instruction, Instruction::Run(plain_run("x   y")));
    assert_eq!((step.span.line, step.span.column), (3, 1));
    assert_eq!(
        &file.source[step.span.start..step.span.end],
        "RUN x `\r\n  y"
    );
}

fn plain_run(text: &str) -> Run {
    Run {
        command: shell(text),
        mounts: Vec::new(),
        network: None,
        security: None,
    }
}

#[test]
fn lines_go_on() {
    for (text, want) in [
        ("RUN a \\\n  b", "a   b"),
        ("RUN a\\\nb", "ab"),
        ("RUN a \\  \t\n b", "a  b"),
        ("RUN a \\\n# comment\n   # another \\\nb", "a b"),
        ("RUN a \\\n\n  \nb", "a b"),
        ("RUN \\\na", "a"),
        ("RUN a \\\\\n", "a \\\\"),
        ("RUN a \\", "a"),
        ("RUN a \\\n", "a"),
        ("   RUN   a", "a"),
        ("RUN a # no comment", "a # no comment"),
        ("RUN a \\\n\\\nb", "a b"),
        ("\\\nRUN a", "a"),
        ("run a", "a"),
        ("RUN\ta", "a"),
    ] {
        assert_eq!(run(text), shell(want), "{text:?}");
    }
    assert_eq!(steps("RUN a\n# c \\\nRUN b\n\n\nRUN c").len(), 3);
}

#[test]
fn with_another_escape_a_backslash_is_nothing() {
    let file = parse("# escape=`\nFROM a\nRUN dir c:\\\nCOPY `\n  x c:\\y\\\n").unwrap();
    let [run, copy] = file.stages[0].steps.as_slice() else {
        panic!("{file:?}");
    };
    assert_eq!(run.text, "RUN dir c:\\");
    assert_eq!(copy.text, "COPY x c:\\y\\");
}

#[test]
fn an_empty_line_within_an_instruction_is_told() {
    let file = parse("FROM a\nRUN a \\\n\nb").unwrap();
    assert_eq!(file.warnings.len(), 1);
    assert_eq!(file.warnings[0].span.line, 3);
    let file = parse("FROM a\nRUN ['a', 'b']\nRUN [ -f x ]\nRUN [\"a\"]").unwrap();
    assert_eq!(file.warnings.len(), 1);
    assert_eq!(
        (file.warnings[0].span.line, file.warnings[0].span.column),
        (2, 5)
    );
}

#[test]
fn a_comment_behind_an_instruction_is_told() {
    let text = "FROM a\nWORKDIR /app # here\nEXPOSE 80 # web\nRUN true # fine\n\
                LABEL a='b # c'\nCOPY # x\nEXPOSE 80 #no\n";
    let file = parse(text).unwrap();
    let places = file.warnings.iter().map(|w| (w.span.line, w.span.column));
    let places: Vec<_> = places.collect();
    assert_eq!(places, [(2, 14), (3, 11)]);
    for text in ["FROM a # base", "FROM a\nENV A=1 # one"] {
        let e = parse(text).unwrap_err();
        assert!(e.hint.unwrap().contains("a line of its own"));
    }
}

#[test]
fn what_a_shell_takes_for_a_list_is_told() {
    let warnings = |line: &str| parse(&format!("FROM a\n{line}\n")).unwrap().warnings;
    for keyword in [
        "RUN",
        "CMD",
        "ENTRYPOINT",
        "HEALTHCHECK --interval=5s CMD",
        "ONBUILD RUN",
        "ONBUILD HEALTHCHECK CMD",
    ] {
        for list in [
            "[echo, hi]",
            "[ echo, hi ]",
            "[bash]",
            "['a', 'b']",
            "[ 'a', 'b' ]",
            "[\"a\" \"b\"]",
            "[\"a\", \"b\"",
            "[echo, hi",
        ] {
            let line = format!("{keyword} {list}");
            let found = warnings(&line);
            assert_eq!(found.len(), 1, "{line}");
            assert!(found[0].message.contains("list in JSON"), "{line}");
        }
        for right in [
            "[\"a\", \"b\"]",
            "[ \"a\" ]",
            "[ -f /x ]",
            "[ -f /x ] && echo a, b",
            "[ \"$A\" = \"b\" ]",
            "[ 'a' = \"$B\" ] || [ -d /x ]",
            "[[ $A == b ]]",
            "[[ -f x ]] && y",
            "echo [a, b]",
        ] {
            let line = format!("{keyword} {right}");
            assert_eq!(warnings(&line), [], "{line}");
        }
    }
    assert_eq!(warnings("COPY [a-c]* [de] /x/"), []);
}

#[test]
fn old_forms_are_told() {
    for (line, message) in [
        ("ENV a b", "the old form of ENV: all behind a"),
        ("ENV a b=c", "the old form of ENV: all behind a"),
        ("LABEL a b", "the old form of LABEL: all behind a"),
        ("MAINTAINER me", "MAINTAINER is the old form"),
    ] {
        let file = parse(&format!("FROM a\n{line}\n")).unwrap();
        let [warning] = file.warnings.as_slice() else {
            panic!("{line}: {:?}", file.warnings);
        };
        assert!(warning.message.contains(message), "{}", warning.message);
    }
    let file = parse("FROM a\nENV a=b c='d e'\nLABEL a=b \\\n  \"c d\"=e\nARG x\n").unwrap();
    assert_eq!(file.warnings, []);
}

#[test]
fn of_several_commands_the_last_counts() {
    let text = "FROM a AS x\nCMD a\nENTRYPOINT [\"b\"]\nCMD c\nENTRYPOINT d\nCMD e\n\
                FROM x\nCMD f\nENTRYPOINT g\nONBUILD CMD h\n";
    let warnings = parse(text).unwrap().warnings;
    let told: Vec<_> = warnings
        .iter()
        .map(|w| (w.span.line, &*w.message))
        .collect();
    let want = [
        (2, "this CMD has no effect: line 6 has another"),
        (3, "this ENTRYPOINT has no effect: line 5 has another"),
        (4, "this CMD has no effect: line 6 has another"),
    ];
    assert_eq!(told, want);
}

#[test]
fn a_directory_that_depends_on_the_base_is_told() {
    let lines = |text: &str| -> Vec<u32> {
        let warnings = parse(text).unwrap().warnings;
        warnings.iter().map(|w| w.span.line).collect()
    };
    assert_eq!(lines("FROM a\nWORKDIR app\nWORKDIR more\n"), [2]);
    assert_eq!(lines("FROM a\nWORKDIR /\nFROM b\nWORKDIR app\n"), [4]);
    assert_eq!(
        lines("FROM a AS x\nWORKDIR /a\nFROM x\nWORKDIR app\n"),
        [0; 0]
    );
    assert_eq!(lines("FROM a\nWORKDIR \"/a b\"\nWORKDIR c\n"), [0; 0]);
    assert_eq!(lines("FROM a\nWORKDIR $X/a\nWORKDIR c\n"), [0; 0]);
    assert_eq!(lines("FROM a\nWORKDIR C:\\app\n"), [0; 0]);
}

#[test]
fn a_document_with_windows_lines_is_told() {
    let warnings = |text| parse(text).unwrap().warnings.len();
    assert_eq!(warnings("FROM a\r\nRUN <<E\r\ntrue\r\nE\r\n"), 1);
    assert_eq!(
        warnings("FROM a\r\nRUN true\r\nCOPY <<E /f\r\ntrue\r\nE\r\n"),
        0
    );
}

fn script(text: &str) -> Heredoc {
    match run(text) {
        RunCommand::Script(script) => script,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn documents_that_are_run() {
    for (text, name, body) in [
        ("RUN <<EOF\na\n# b\n\\\nEOF\n", "EOF", "a\n# b\n\\\n"),
        ("RUN <<-EOF\n\ta\n\t\tb\n\tEOF", "EOF", "a\nb\n"),
        ("RUN <<'E F'\na\nE F\n", "E F", "a\n"),
        ("RUN <<EOF\nEOF\n", "EOF", ""),
        ("RUN << EOF\na\nEOF\n", "EOF", "a\n"),
        ("RUN --network=none <<EOF\na\nEOF\n", "EOF", "a\n"),
        ("RUN <<EOF\r\na\r\nEOF\r\n", "EOF", "a\r\n"),
        ("RUN \\\n <<EOF\na\nEOF\n", "EOF", "a\n"),
        ("RUN <<EOF\n EOF\nEOF\n", "EOF", " EOF\n"),
    ] {
        let script = script(text);
        assert_eq!(
            (script.name.as_str(), script.text.as_str()),
            (name, body),
            "{text:?}"
        );
    }
}

#[test]
fn documents_within_a_command_are_for_the_shell() {
    for (text, want) in [
        ("RUN cat <<E > /f\na\nE\n", "cat <<E > /f\na\nE"),
        (
            "RUN a <<A b <<-B\n1\nA\n\t2\n\tB\n",
            "a <<A b <<-B\n1\nA\n\t2\nB",
        ),
        ("RUN <<A <<B\n1\nA\n2\nB\n", "<<A <<B\n1\nA\n2\nB"),
        ("RUN python3 <<E\nx\nE", "python3 <<E\nx\nE"),
    ] {
        assert_eq!(run(text), shell(want), "{text:?}");
    }
}

#[test]
fn what_is_no_document() {
    for text in [
        "RUN echo '<<E'",
        "RUN echo \"<<E\"",
        "RUN cat <<<x",
        "RUN cat<<E",
        "RUN echo a\\<<E",
        "RUN it's <<E",
    ] {
        assert_eq!(run(text), shell(&text[4..]), "{text}");
    }
    assert!(matches!(step("ENV a=<<E"), Instruction::Env(_)));
}

#[test]
fn documents_that_are_copied() {
    let text = "COPY <<a.txt <<-'b.txt' c /d/\n$x\na.txt\n\tb\n\tb.txt\n";
    let Instruction::Copy(copy) = step(text) else {
        panic!();
    };
    let [a, b, c] = copy.files.sources.as_slice() else {
        panic!("{copy:?}");
    };
    let inline = |source: &TransferSource| match source {
        TransferSource::Inline(d) => (d.name.clone(), d.text.clone(), d.expand),
        TransferSource::Path(_) => panic!("{source:?}"),
    };
    assert_eq!(inline(a), ("a.txt".to_owned(), "$x\n".to_owned(), true));
    assert_eq!(inline(b), ("b.txt".to_owned(), "b\n".to_owned(), false));
    assert!(matches!(c, TransferSource::Path(word) if word.is("c")));
    assert!(copy.files.destination.is("/d/"));
    assert!(matches!(step("ADD <<E /x\nE"), Instruction::Add(_)));
}

#[test]
fn a_document_belongs_to_its_step() {
    let text = "FROM a\nRUN <<E\nx\nE\nRUN b";
    let file = parse(text).unwrap();
    let steps = &file.stages[0].steps;
    let shown = |span: Span| &text[span.start..span.end];
    assert_eq!(shown(steps[0].span), "RUN <<E\nx\nE");
    assert_eq!(shown(steps[1].span), "RUN b");
    assert_eq!(steps[0].text, "RUN <<E");
}

#[test]
fn words_know_where_they_stand() {
    let text = "FROM a\nCOPY --chown=u:g \\\n  # c\n  one \\\n  two /three\nCMD [\"é\"]\nVOLUME [ \"/a b\", \"/c\" ]\n";
    let file = parse(text).unwrap();
    let shown = |word: &Word| {
        let Span { line, column, .. } = word.span;
        (
            text[word.span.start..word.span.end].to_owned(),
            line,
            column,
        )
    };
    let Instruction::Copy(copy) = &file.stages[0].steps[0].instruction else {
        panic!();
    };
    let chown = copy.files.chown.as_ref().unwrap();
    assert_eq!(shown(chown), ("u:g".to_owned(), 2, 14));
    let [TransferSource::Path(one), TransferSource::Path(two)] = copy.files.sources.as_slice()
    else {
        panic!();
    };
    assert_eq!(shown(one), ("one".to_owned(), 4, 3));
    assert_eq!(shown(two), ("two".to_owned(), 5, 3));
    assert_eq!(shown(&copy.files.destination), ("/three".to_owned(), 5, 7));
    let Instruction::Volume(volumes) = &file.stages[0].steps[2].instruction else {
        panic!();
    };
    assert_eq!(shown(&volumes[0]), ("\"/a b\"".to_owned(), 7, 10));
    assert_eq!(shown(&volumes[1]), ("\"/c\"".to_owned(), 7, 18));
}
