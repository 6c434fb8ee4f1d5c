//! Templates and what Go makes of them, and that none can hurt.

mod bounds;
mod functions;
mod language;

use serde_json::{Value, json};

use super::*;

fn render(template: &str, data: &Value, options: Options) -> Result<String> {
    Template::parse(template)?.render_with(data, options)
}

/// A container, more or less.
fn data() -> Value {
    json!({
        "Name": "web",
        "Id": "0123456789abcdef",
        "Size": 1_000_000,
        "Share": 1.5,
        "Big": u64::MAX,
        "Up": true,
        "Null": null,
        "Empty": {},
        "Tags": ["a", "b", "c"],
        "Mounts": [{"To": "/x", "RW": true}, {"To": "/y", "RW": false}],
        "State": {"Health": {"Status": "healthy"}, "Pid": 42},
        "Labels": {"com.example.app": "shop", "b": "2"},
        "Evil": "a\tb\x1b[2J",
    })
}

fn ok(template: &str) -> String {
    render(template, &data(), Options::STRICT).unwrap()
}

fn complaint(template: &str) -> String {
    render(template, &data(), Options::STRICT)
        .unwrap_err()
        .to_string()
}

fn check(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        match render(template, &data(), Options::STRICT) {
            Ok(text) => assert_eq!(text, *expected, "{template}"),
            Err(e) => panic!("{template}: {e}"),
        }
    }
}
