//! Whole listings.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SHOWN: &[Column] = &[
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("NAMES", "Names"),
];
const TITLES: &[Column] = &[("SIZE OF ALL", "Size"), ("PLATFORM", "Platform.Name")];

fn rows() -> Vec<Value> {
    vec![
        json!({"ID": "0123456789ab", "Image": "alpine", "Names": "web", "Size": 5,
               "Labels": "com.x.my-app=1", "Mounts": ["a", "b"], "CreatedAt": "now",
               "Platform": {"Name": "linux"}}),
        json!({"ID": "cdef", "Image": "i\t\x1b[2J", "Names": "", "Size": 7,
               "Labels": "", "Mounts": [], "CreatedAt": "then", "Platform": {"Name": "other"}}),
    ]
}

fn list(format: &str) -> String {
    render_list(&Format::parse(format).unwrap(), SHOWN, TITLES, &rows()).unwrap()
}

#[test]
fn the_default_is_the_command_s_table() {
    let table = "\
CONTAINER ID   IMAGE          NAMES
0123456789ab   alpine         web
cdef           i\\t\\u{1b}[2J
";
    for format in ["", "table", " table "] {
        assert_eq!(list(format), table);
    }
    let empty = render_list(&Format::Default, SHOWN, TITLES, &[]).unwrap();
    assert_eq!(empty, "CONTAINER ID   IMAGE     NAMES\n");
    let nested = render_list(
        &Format::Default,
        &[("P", "Platform.Name"), ("X", "No.Thing")],
        &[],
        &rows(),
    );
    assert_eq!(nested.unwrap(), "P         X\nlinux\nother\n");
}

#[test]
fn json_is_one_object_a_line() {
    let lines = list("json");
    let back: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(back, rows());
    assert!(!lines.contains('\x1b'));
}

#[test]
fn a_template_makes_a_line_for_each_row() {
    assert_eq!(list("{{.ID}}:{{.Size}}"), "0123456789ab:5\ncdef:7\n");
    assert_eq!(
        list(r"{{.ID}}\t{{.Size}}\n"),
        "0123456789ab\t5\n\ncdef\t7\n\n"
    );
    // Inside of an action a backslash is Go's.
    assert_eq!(list(r#"{{join .Mounts "\n"}}"#), "a\nb\n\n");
    assert_eq!(list(r#"{{printf "%s" `\t`}}"#), "\\t\n\\t\n");
    // A script gets what there is.
    assert_eq!(list("{{.Image}}"), "alpine\ni\t\x1b[2J\n");
    assert_eq!(list("{{json .ID}}"), "\"0123456789ab\"\n\"cdef\"\n");
    assert_eq!(list("tables {{.ID}}"), "tables 0123456789ab\ntables cdef\n");
}

#[test]
fn a_table_template_has_titles() {
    assert_eq!(
        list(r"table {{.ID}}\t{{.Names}}\t{{.Size}}"),
        "CONTAINER ID   NAMES     SIZE OF ALL\n0123456789ab   web       5\ncdef                     7\n"
    );
    for (columns, titles) in [
        (
            r"{{.CreatedAt}}\t{{.RunningFor}}",
            "CREATED AT   RUNNING FOR",
        ),
        ("{{.ImageID}}\t{{.Nope.Deeper}}", "IMAGE ID   DEEPER"),
        (
            r#"{{lower .ID}}{{"\t"}}{{truncate .Names 2}}"#,
            "CONTAINER ID   NAMES",
        ),
        (r#"{{upper .ID | printf "%-5d"}}"#, "CONTAINER ID"),
        (
            r#"{{printf "%5d|%-6s|%05x" .A .B .C}}"#,
            "    A|B     |    C",
        ),
        (
            r#"{{join .Mounts ","}}\t{{json .ID}}\t{{len .ID}}"#,
            "MOUNTS    CONTAINER ID   12",
        ),
        ("{{range .Mounts}}{{.}}{{end}}", "MOUNTS"),
        ("{{range $i, $m := .Mounts}}{{$m}}{{end}}", "MOUNTS"),
        ("{{if gt .Size 6}}{{.Size}}{{end}}", "SIZE OF ALL"),
        ("{{with .Size}}{{.}}{{end}}", "SIZE OF ALL"),
        (r#"{{.Label "com.x.my-app"}}"#, "my app"),
        ("{{index .Mounts 0}}{{slice .ID 2}}", "MOUNTSCONTAINER ID"),
        (r#"{{(index (split .ID ",") 1)}}"#, "CONTAINER ID"),
        ("{{pad .ID 1 2}}|", " CONTAINER ID  |"),
    ] {
        let format = Format::parse(&format!("table {columns}")).unwrap();
        let table = render_list(&format, SHOWN, TITLES, &[]).unwrap();
        assert_eq!(table, format!("{titles}\n"), "{columns}");
    }
}

#[test]
fn a_row_cannot_break_a_table() {
    assert_eq!(
        list(r"table {{.Image}}\t{{.Size}}"),
        "IMAGE          SIZE OF ALL\nalpine         5\ni\\t\\u{1b}[2J   7\n"
    );
    assert_eq!(list("table {{.Label \"com.x.my-app\"}}"), "my app\n1\n\n");
}

#[test]
fn what_is_wrong_is_said() {
    let error = Format::parse("table {{.ID").unwrap_err();
    assert_eq!(
        error.to_string(),
        "template: :1:0: this action has no end; expected \"}}\""
    );
    for format in ["{{.Nope}}", "table {{.Nope}}"] {
        let format = Format::parse(format).unwrap();
        let error = render_list(&format, SHOWN, TITLES, &rows()).unwrap_err();
        assert!(error.what().contains("no such field: \"Nope\""), "{error}");
    }
}

proptest! {
    #[test]
    fn every_cell_stands_below_its_title(cells in prop::collection::vec("\\PC{0,12}", 1..8)) {
        let rows: Vec<Value> = cells.iter().map(|cell| json!({"A": cell, "B": "end"})).collect();
        let table = render_list(&Format::Default, &[("A", "A"), ("B", "B")], &[], &rows).unwrap();
        let ends: Vec<usize> = table
            .lines()
            .map(|line| width::width(&line[..line.rfind(['B', 'e']).unwrap_or(0)]))
            .collect();
        prop_assert_eq!(table.lines().count(), rows.len() + 1);
        prop_assert!(ends[1..].iter().all(|end| *end == ends[0]), "{}", table);
    }
}
