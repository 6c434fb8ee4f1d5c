//! What functions give. The cases in `AS_GO` need no data, and were run
//! through Docker's own `--format` to see that it answers the same.

use super::*;

const AS_GO: &[(&str, &str)] = &[
    (r#"{{printf "%v %v" 1000000.0 1e21}}"#, "1e+06 1e+21"),
    (
        r"{{1000000}} {{1e6}} {{123456789.0}} {{0.00001}} {{3.0}}",
        "1000000 1e+06 1.23456789e+08 1e-05 3",
    ),
    (
        r#"{{printf "%.4g %.4g %.4g %.3e %E %G" 12345.678 0.00001234 1000.0 12345.678 1.0 1e-7}}"#,
        "1.235e+04 1.234e-05 1000 1.235e+04 1.000000E+00 1E-07",
    ),
    (
        r#"{{printf "%f %.2f %g %.0f" 1.5 2.345 1e20 2.5}}"#,
        "1.500000 2.35 1e+20 2",
    ),
    (
        r#"{{printf "%6.2f|%-8.1f|%+d|%05d|% d|%x|%X|%o|%b|%c|%U|%#x" 3.14159 2.0 5 42 7 255 255 8 5 65 9731 255}}"#,
        "  3.14|2.0     |+5|00042| 7|ff|FF|10|101|A|U+2603|0xff",
    ),
    (
        r#"{{printf "%#o %#b %O %#X" 8 5 8 255}}"#,
        "010 0b101 0o10 0XFF",
    ),
    (
        r#"{{printf "%q|%5s|%-5s|%x|%t" "a\n" "b" "c" "hi" true}}"#,
        "\"a\\n\"|    b|c    |6869|true",
    ),
    (
        r#"{{printf "%q %q %q" 65 "a\"b\x1b\u0085é☃\\" 10}}"#,
        r#"'A' "a\"b\x1b\u0085é☃\\" '\n'"#,
    ),
    (r#"{{printf "%q %q" "it's" 39}}"#, r#""it's" '\''"#),
    (r#"{{printf "%v %s" "x" 5}}"#, "x %!s(int=5)"),
    (
        r#"{{printf "%d" "x"}} {{printf "%s" 1.5}} {{printf "%d" true}} {{printf "%z" 3}}"#,
        "%!d(string=x) %!s(float64=1.5) %!d(bool=true) %!z(int=3)",
    ),
    (
        r#"{{printf "%d"}}|{{printf "%!"}}|{{printf "a%"}}|{{printf "100%%"}}"#,
        "%!d(MISSING)|%!!(MISSING)|a%!(NOVERB)|100%",
    ),
    (
        r#"{{printf "%d" 1 2}}|{{printf "x" "b" nil}}"#,
        "1%!(EXTRA int=2)|x%!(EXTRA string=b, <nil>)",
    ),
    (
        r#"{{printf "%*d|%-*d|%.*f|%*d" 5 1 5 2 2 3.14159 -4 7}}"#,
        "    1|2    |3.14|7   ",
    ),
    (r#"{{printf "%*d" "x" 3}}"#, "%!(BADWIDTH)3"),
    (
        r#"{{printf "%.2s|%5.1s|%05s|%X|% x" "hello" "hey" "ab" "hi" "hi"}}"#,
        "he|    h|000ab|6869|68 69",
    ),
    (r#"{{printf "%5s|%-5s|" "é" "日本"}}"#, "    é|日本   |"),
    (
        r#"{{printf "%5v|%-6v|%05v|%t|%5t|%v" true false 3 false true nil}}"#,
        " true|false |00003|false| true|<nil>",
    ),
    (
        r#"{{printf "%s|%q|%d" nil nil nil}}"#,
        "%!s(<nil>)|%!q(<nil>)|%!d(<nil>)",
    ),
    (
        r#"{{printf "%T %T %T %T" 1 "a" 1.5 true}}"#,
        "int string float64 bool",
    ),
    (
        r#"{{printf "%05.1f|%+.2e|%+v|%#v" 3.14159 12345.0 5 "a"}}"#,
        r#"003.1|+1.23e+04|5|"a""#,
    ),
    (
        r#"{{printf "%05d|%-05d|%+05d|%x|%d" -42 42 42 -255 9223372036854775807}}"#,
        "-0042|42   |+0042|-ff|9223372036854775807",
    ),
    (
        r#"{{printf "%v %d %s %q %x" (split "a,b" ",") (split "a" ",") (split "a,b" ",") (split "a,b" ",") (split "a,b" ",")}}"#,
        r#"[a b] [%!d(string=a)] [a b] ["a" "b"] [61 62]"#,
    ),
    (r#"{{printf "%3s|" (split "a,b" ",")}}"#, "[  a   b]|"),
    (
        r#"{{print nil}} {{print 1 2 "a" "b" 3}} {{print true false 1.5}} {{print}}"#,
        "<nil> 1 2ab3 true false 1.5 ",
    ),
    (r#"{{println "a" 1 "b"}}{{println}}"#, "a 1 b\n\n"),
    (
        r#"{{title "hello wOrld-foo.bar it's a_b é"}}"#,
        "Hello WOrld-Foo.Bar It'S A_b É",
    ),
    (r#"{{upper "abcé"}} {{lower "ABCÉ"}}"#, "ABCÉ abcé"),
    (
        r#"{{split "a,b" "," | json}} {{split "abc" ""}} {{join (split "a,b" ",") "-"}}"#,
        r#"["a","b"] [a b c] a-b"#,
    ),
    (
        r#"{{pad "a" 2 3}}|{{pad "" 1 1}}|{{truncate "abc" 2}}|{{truncate "abc" 9}}"#,
        "  a   ||ab|abc",
    ),
    (
        r#"{{slice "abcdef" 1 3}} {{slice "abc"}} {{slice "abc" 2}} {{slice (split "a,b,c" ",") 1}}"#,
        "bc abc c [b c]",
    ),
    (r#"{{len "abcé"}} {{len (split "a,b" ",")}}"#, "5 2"),
    (
        r#"{{index (split "a,b" ",") 1}} {{index "hello" 1}}"#,
        "b 101",
    ),
    (
        r#"{{printf "%c|%q" (index "hello" 1) (index "hello" 1)}}"#,
        "e|'e'",
    ),
    (
        r#"{{eq 1 1}} {{eq "a" "b" "a"}} {{ne 1 2}} {{eq nil nil}} {{eq 1 nil}} {{eq true true}}"#,
        "true true true true false true",
    ),
    (
        r#"{{lt 1 2}} {{lt "a" "b"}} {{le 2 2}} {{gt 1 2}} {{ge 2.5 2.5}} {{lt -1 0}}"#,
        "true true true false true true",
    ),
    (
        r#"{{and 1 0 2}} {{and 1 2}} {{or 0 "" "x"}} {{or 0 ""}}| {{not 0}} {{not "a"}}"#,
        "0 2 x | true false",
    ),
    (
        r#"{{and false (index "abc" 9)}} {{or true (index "abc" 9)}}"#,
        "false true",
    ),
    (
        r#"{{"x" | printf "%s-%s" "y"}} {{"a" | print | upper | printf "%q"}}"#,
        r#"y-x "A""#,
    ),
    (r"{{1 | and 0}} {{1 | and 2}} {{0 | or 0}}", "0 1 0"),
    (
        r#"{{json "a<b>&\u2028"}} {{json 1}} {{json 1.5}} {{json true}} {{json nil}}"#,
        r#""a<b>&\u2028" 1 1.5 true null"#,
    ),
];

#[test]
fn functions_answer_as_in_go() {
    check(AS_GO);
}

#[test]
fn functions_of_data() {
    check(&[
        (
            "{{json .Mounts}}",
            r#"[{"RW":true,"To":"/x"},{"RW":false,"To":"/y"}]"#,
        ),
        (r#"{{join .Tags ", "}}"#, "a, b, c"),
        (r#"{{join .Null ","}}"#, ""),
        (r#"{{join (slice .Tags 1) "+"}}"#, "b+c"),
        ("{{truncate .Id 12}}", "0123456789ab"),
        ("{{len .Mounts}} {{len .Labels}} {{len .Empty}}", "2 2 0"),
        (r#"{{index .Labels "com.example.app"}}"#, "shop"),
        (r#"{{index .Labels "none"}}"#, ""),
        (r#"{{if index .Labels "none"}}x{{else}}y{{end}}"#, "y"),
        (r#"{{index .Mounts 1 "To"}}"#, "/y"),
        (r"{{(index .Mounts 0).To}}", "/x"),
        (
            r#"{{printf "%d %v %x" .Size .Share .State.Pid}}"#,
            "1000000 1.5 2a",
        ),
        (
            r#"{{printf "%v" .Labels}}"#,
            "map[b:2 com.example.app:shop]",
        ),
        (
            r#"{{printf "%q" .Labels}}"#,
            r#"map["b":"2" "com.example.app":"shop"]"#,
        ),
        (
            "{{gt .Share 1}} {{lt .Size .Big}} {{eq .Size 1000000.0}}",
            "true true true",
        ),
        (r#"{{upper .Size}} {{eq .Name "web"}}"#, "1000000 true"),
        (
            r#"{{.Label "com.example.app"}}|{{.Label "none"}}|{{"b" | .Label}}"#,
            "shop||2",
        ),
        // Not Docker's half a character.
        (r#"{{truncate "éa" 1}}"#, "é"),
    ]);
    let listed = json!({"Labels": "a=1,b=2=3"});
    let label = |t| render(t, &listed, Options::STRICT).unwrap();
    assert_eq!(label(r#"{{.Label "b"}}{{.Label "c"}}"#), "2=3");
}

#[test]
fn a_call_that_cannot_work_says_where_and_why() {
    for (template, what) in [
        (
            "{{len 3}}",
            "template: :1:2: executing \"\" at <len 3>: error calling len: len of type int",
        ),
        (
            r#"x {{index "abc" 9}}"#,
            "template: :1:4: executing \"\" at <index \"abc\" 9>: error calling index: index out of range: 9",
        ),
        (
            r"{{index .Tags -1}}",
            "template: :1:2: executing \"\" at <index .Tags -1>: error calling index: index out of range: -1",
        ),
        (
            r#"{{index .Tags "x"}}"#,
            "template: :1:2: executing \"\" at <index .Tags \"x\">: error calling index: cannot index slice/array with type string",
        ),
        (
            r#"{{index .Nothing "x"}}"#,
            "template: :1:8: executing \"\" at <.Nothing>: no such field: \"Nothing\" (the fields here are Big, Empty, Evil, Id, Labels, Mounts, Name, Null, Share, Size, State, Tags, Up)",
        ),
        (
            r#"{{index .Labels "x" "y"}}"#,
            "template: :1:2: executing \"\" at <index .Labels \"x\" \"y\">: error calling index: cannot index slice/array with type string",
        ),
        (
            r#"{{eq 1 "a"}}"#,
            "template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: incompatible types for comparison",
        ),
        (
            "{{eq 1}}",
            "template: :1:2: executing \"\" at <eq 1>: error calling eq: missing argument for comparison",
        ),
        (
            "{{lt true false}}",
            "template: :1:2: executing \"\" at <lt true false>: error calling lt: invalid type for comparison",
        ),
        (
            "{{eq .Tags .Tags}}",
            "template: :1:2: executing \"\" at <eq .Tags .Tags>: error calling eq: non-comparable type list",
        ),
        (
            r#"{{slice "abc" 5}}"#,
            "template: :1:2: executing \"\" at <slice \"abc\" 5>: error calling slice: index out of range: 5",
        ),
        (
            r#"{{slice "abc" 2 1}}"#,
            "template: :1:2: executing \"\" at <slice \"abc\" 2 1>: error calling slice: invalid slice index: 2 > 1",
        ),
        (
            r#"{{join "a" "b"}}"#,
            "template: :1:2: executing \"\" at <join \"a\" \"b\">: error calling join: expected a list; found a",
        ),
        (
            "{{upper .Tags}}",
            "template: :1:2: executing \"\" at <upper .Tags>: error calling upper: expected string; found a list",
        ),
        (
            "{{not}}",
            "template: :1:2: executing \"\" at <not>: wrong number of args for not: want 1 got 0",
        ),
        (
            "{{and}}",
            "template: :1:2: executing \"\" at <and>: wrong number of args for and: want at least 1 got 0",
        ),
        (
            "{{ne 1 2 3}}",
            "template: :1:2: executing \"\" at <ne 1 2 3>: wrong number of args for ne: want 2 got 3",
        ),
        (
            "{{slice 1 2 3 4 5}}",
            "template: :1:2: executing \"\" at <slice 1 2 3 4 5>: wrong number of args for slice: want at most 4 got 5",
        ),
        (
            "{{printf 3}}",
            "template: :1:2: executing \"\" at <printf 3>: error calling printf: expected string; found 3",
        ),
        (
            r#"{{truncate "a" "b"}}"#,
            "template: :1:2: executing \"\" at <truncate \"a\" \"b\">: error calling truncate: expected integer; found b",
        ),
        (
            "{{.Label 3}}",
            "template: :1:2: executing \"\" at <.Label>: Label wants one argument, the label's name",
        ),
    ] {
        assert_eq!(complaint(template), what, "{template}");
    }
}

#[test]
fn data_cannot_speak_to_a_terminal_where_that_is_asked() {
    let safe = |template| render(template, &data(), Options::TERMINAL).unwrap();
    let shown = "a\\tb\\u{1b}[2J";
    for template in [
        "{{.Evil}}",
        "{{print .Evil}}",
        r#"{{printf "%s" .Evil}}"#,
        r#"{{join (split .Evil "x") ""}}"#,
        "{{slice .Evil 0}}",
        "{{pad .Evil 0 0}}",
        "{{with $x := .Evil}}{{$x}}{{end}}",
        "{{truncate .Evil 99}}",
        "{{or .Null .Evil}}",
        "{{printf .Evil}}",
    ] {
        assert_eq!(safe(template), shown, "{template}");
    }
    let list = json!(["\x1b"]);
    for template in [
        "{{.}}",
        "{{slice . 0}}",
        "{{print .}}",
        r#"{{printf "%v" .}}"#,
    ] {
        let text = render(template, &list, Options::TERMINAL).unwrap();
        assert_eq!(text, "[\\u{1b}]", "{template}");
    }
    let keys = json!({"\x1b": 1});
    for (template, expected) in [
        ("{{range $k, $v := .}}{{$k}}{{$v}}{{end}}", "\\u{1b}1"),
        ("{{.}}", "map[\\u{1b}:1]"),
        (r#"{{printf "%s" .}}"#, "map[\\u{1b}:%!s(int=1)]"),
    ] {
        let text = render(template, &keys, Options::TERMINAL).unwrap();
        assert_eq!(text, expected, "{template}");
    }
    assert_eq!(safe(r#"{{printf "%c" (index .Evil 3)}}"#), "\\u{1b}");
    // The template's own text is the user's, and JSON escapes in its own way.
    assert_eq!(safe(r#"{{"a\tb"}}{{json .Evil}}"#), r#"a	b"a\tb\u001b[2J""#);
    assert_eq!(ok("{{.Evil}}"), "a\tb\x1b[2J");
    assert_eq!(safe(r#"{{eq .Evil "a\tb\x1b[2J"}}"#), "true");
}
