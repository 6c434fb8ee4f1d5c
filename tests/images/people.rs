//! What a person does by hand: a login at a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::fake::{Answer, Fake};
use crate::common::pty::{becomes_cooked, echoes, under_pty};
use crate::common::store::StoreBed;

/// A registry that lets in who is called `me` and knows the word.
fn guarded() -> Fake {
    let wanted = format!("Basic {}", STANDARD.encode("me:s ecret"));
    Fake::start(move |asked| match asked.header("authorization") {
        Some(shown) if shown == wanted => Answer::new(200, "{}"),
        _ => Answer::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
    })
}

#[test]
fn a_password_that_is_typed_is_not_seen() {
    let Some(bed) = StoreBed::new() else { return };
    let fake = guarded();
    let home = bed.path("home");
    fs::create_dir(&home).unwrap();
    let call = || {
        let call = bed.call(&["login", &fake.host]);
        call.env("HOME", home.to_str().unwrap())
    };
    for (word, code, told) in [
        ("wrong", 1, "does not let us in"),
        ("s ecret", 0, "Login Succeeded"),
    ] {
        let mut p = under_pty(call(), 24, 80);
        p.terminal.wait_for("Username: ");
        p.terminal.type_in("me\n");
        p.terminal.wait_for("Password: ");
        assert!(!echoes(&p.slave));
        p.terminal.type_in(&format!("{word}\n"));
        let seen = p.terminal.wait_for(told).to_owned();
        p.running.wait().code(code);
        assert!(!seen.contains(word), "{seen}");
        assert!(becomes_cooked(&p.slave));
        assert_eq!(home.join(".docker").exists(), code == 0);
    }
    let kept = home.join(".docker/config.json");
    let mode = fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(kept).unwrap();
    assert!(text.contains(&STANDARD.encode("me:s ecret")), "{text}");
    // Without a terminal nobody is asked.
    for flags in [&[][..], &["-u", "me"], &["-p", "word"]] {
        let out = call().args(flags).stdin("me\n").output().code(1);
        assert_eq!((&*out.stdout, out.stderr.lines().count()), ("", 1), "{out}");
        out.fails_naming(&["--username", "--password-stdin"]);
    }
}
