//! Small texts: users and groups of an image, moments, templates.

use std::fs;
use std::os::fd::AsFd;

use rcon::accounts::{Group, Lines, Passwd};
use rcon::container::Timestamp;
use rcon::format::filter::Filters;
use rcon::format::template::{Options, Template};
use rcon::format::{Format, render_list};
use rcon::spec::users;
use serde_json::json;

use super::{bed, check_error, text};

/// Pieces of `/etc/passwd`, and of `--user`.
pub const ACCOUNTS: &[&str] = &[
    "root:x:0:0:root:/root:/bin/sh\n",
    "1000:x:0:0::/:\n",
    "users:x:100:a,b\n",
    "4294967295",
    "4294967296",
    "-1",
    "0x0",
    "+0",
    "00",
    ":",
    "::",
    ",",
    "\n",
    "\n\n",
    "nobody",
];

/// Pieces of moments.
pub const TIMES: &[&str] = &[
    "2024-01-02T03:04:05.123456789Z",
    "9999-12-31",
    "0000-01-01",
    "+14:00",
    "-00:00",
    ".999999999999",
    "24:00:60",
    "9223372036854775807",
    "-9223372036854775808",
    "1704164645.5",
    "1h30m",
];

/// Words of templates.
pub const TEMPLATES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{.",
    "{{range .List}}",
    "{{range $i, $x := .List}}",
    "{{with .Map}}",
    "{{if ",
    "{{else}}",
    "{{else if ",
    "{{end}}",
    "{{/* ",
    "*/}}",
    "{{$x := ",
    "{{$x = ",
    " | ",
    "printf ",
    "\"%[3]*.[2]*[1]f\"",
    "\"%999999d\"",
    "\"%v\"",
    "json ",
    "join ",
    "split ",
    "index ",
    "slice ",
    "len ",
    "title ",
    "upper ",
    "pad ",
    "truncate ",
    "println ",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "(",
    ")",
    "`",
    "'\\x00'",
    "0x1p-2",
    "1e400",
    ".Name",
    ".Map.key",
    "table {{.Name}}",
    "{{break}}",
    "{{continue}}",
];

/// A number in a line is that number, and no line is more than it says.
pub fn accounts(bytes: &[u8]) {
    let mut lines = Lines::new(bytes);
    let mut count = 0;
    while let Ok(Some(line)) = lines.next_line() {
        count += 1;
        assert!(!line.contains('\n'));
        let field = |n: usize| line.trim().split(':').nth(n).unwrap_or_default();
        if let Some(user) = Passwd::parse(&line) {
            assert_eq!(
                (user.name.as_str(), Ok(user.uid)),
                (field(0), field(2).parse())
            );
            assert_eq!(Ok(user.gid), field(3).parse());
            assert!(user.home().starts_with('/') && user.uid != u32::MAX);
        }
        if let Some(group) = Group::parse(&line) {
            assert_eq!((group.name, Ok(group.gid)), (field(0), field(2).parse()));
            assert!(!group.has("no such member, surely"));
        }
    }
    assert!(count <= bytes.len() + 1);
}

/// Who is asked for by number is that number, whatever the image says; and
/// nobody becomes root by not being there.
pub fn user(bytes: &[u8]) {
    let text = text(bytes);
    let (wanted, file) = text.split_once('\n').unwrap_or((&text, ""));
    bed::within(|path, dir| {
        let etc = path.join("etc");
        fs::create_dir(&etc).expect("our own directory");
        for name in ["passwd", "group"] {
            fs::write(etc.join(name), file).expect("our own directory");
        }
        let found = match users::resolve(dir.as_fd(), wanted, &[]) {
            Ok(found) => found,
            Err(e) => return check_error(&e),
        };
        assert_eq!(found.groups.first(), Some(&found.gid));
        assert!(found.uid != u32::MAX && !found.groups.contains(&u32::MAX));
        let (user, group) = wanted.split_once(':').unwrap_or((wanted, ""));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u32>().expect("it was taken for an id"))
        };
        if let Some(uid) = number(user) {
            assert_eq!(found.uid, uid);
        } else if !user.is_empty() {
            let line = file
                .lines()
                .filter_map(Passwd::parse)
                .find(|p| p.name == user);
            assert_eq!(Some(found.uid), line.map(|p| p.uid), "nobody of that name");
        }
        if let Some(gid) = number(group) {
            assert_eq!(found.gid, gid);
        }
    });
}

/// A moment is the same when it was written.
pub fn time(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(moment) = text.parse::<Timestamp>() {
        let again = moment.to_string().parse::<Timestamp>();
        assert_eq!(again.ok(), Some(moment), "{text:?} is {moment}");
    }
    for zone in [0, -43_200, 50_400] {
        if let Some(moment) = Timestamp::from_partial(&text, zone) {
            let shown = moment.clock(0).to_string();
            assert_eq!(moment.clock(0).moment().clock(0).to_string(), shown);
        }
    }
    if let Some(moment) = Timestamp::from_unix(&text) {
        let _ = moment.to_string();
    }
}

/// A template is told to be wrong, or comes to an end within bounds, and never
/// speaks to the terminal.
pub fn template(bytes: &[u8]) {
    let text = text(bytes);
    let data = json!({
        "Name": "a\u{1b}[2Jb",
        "Number": -7,
        "Half": 0.5,
        "Yes": true,
        "None": null,
        "List": ["x", "y", 3, [1, 2], {"a": 1}],
        "Map": {"key": "value", "é": "日本"},
    });
    for options in [
        Options::STRICT,
        Options::LENIENT,
        Options::HEADER,
        Options::TERMINAL,
    ] {
        let made = Template::parse(&text).and_then(|t| t.render_with(&data, options));
        match made {
            Ok(made) => assert!(made.len() <= 64 << 20),
            Err(e) => check_error(&e),
        }
    }
    match Format::parse(&text) {
        Ok(format) => {
            let columns = [("NAME", "Name"), ("KEY", "Map.key")];
            let _ = render_list(&format, &columns, &[], &[data.clone(), data]);
        }
        Err(e) => check_error(&e),
    }
    let words: Vec<&str> = text.split('\n').take(8).collect();
    match Filters::parse(&words, &["name", "label", "since"]) {
        Ok(filters) => {
            let _ = (filters.patterns("name"), filters.flag("since"));
            let _ = filters.labels(&[("a".to_owned(), "b".to_owned())].into());
        }
        Err(e) => check_error(&e),
    }
}
