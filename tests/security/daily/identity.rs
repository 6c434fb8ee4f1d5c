//! Who the program is: by what was typed, and by what the image says.

use super::{Daily, HONEST};
use crate::common::Output;
use std::fs;
use std::os::unix::fs::symlink;

/// Ids that some runtime has taken for another one, often for 0.
const OVERFLOWING: &[&str] = &[
    "4294967296",
    "4294967295",
    "-1",
    "-2",
    "99999999999999999999999999",
    "18446744073709551616",
    "0:4294967296",
    "0:-1",
];

const WHO: [&str; 3] = ["sh", "-c", "echo $(id -u):$(id -g)"];

/// Refused with the code that is no program's, in one line.
#[track_caller]
fn refused(out: Output, what: &str) {
    let ran = !out.stdout.is_empty();
    assert!(!ran, "{what}: {out}");
    out.code(125).fails_naming(&[]);
}

#[test]
fn cve_2024_40635_an_images_user_that_overflows_is_refused() {
    let Some(daily) = Daily::new() else { return };
    for user in OVERFLOWING {
        let made = daily.import(&[&format!("USER {user}")], "odd");
        if made.status.success() {
            refused(daily.run(&[], "odd", &WHO), user);
        }
        refused(daily.run(&[&format!("--user={user}")], HONEST, &WHO), user);
    }
    daily.import(&["USER 1000:7"], "even").ok();
    assert_eq!(daily.run(&[], "even", &WHO).ok().text(), "1000:7");
}

#[test]
fn cve_2024_40635_also_by_exec() {
    let Some(daily) = Daily::new() else { return };
    daily.idle("box", &[]);
    for user in OVERFLOWING {
        let user = format!("--user={user}");
        let args = [&["exec", &user, "box"], &WHO[..]].concat();
        let out = daily.bed.rcon(&args);
        assert!(!out.status.success() && out.stdout.is_empty(), "{out}");
    }
}

/// A user of the image is called by a number, and is root.
#[test]
fn cve_2016_3697_a_number_is_that_number() {
    let Some(daily) = Daily::new() else { return };
    let passwd = "1000:x:0:0::/:/bin/sh\n1:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n";
    fs::write(daily.bed.rootfs("etc/passwd"), passwd).unwrap();
    daily.import(&["USER 1000"], "odd").ok();
    let uid = |out: Output| out.ok().text().split(':').next().map(str::to_owned);
    assert_eq!(uid(daily.run(&[], "odd", &WHO)).as_deref(), Some("1000"));
    for user in ["1", "1000"] {
        let out = daily.run(&["--user", user], "odd", &WHO);
        assert_eq!(uid(out).as_deref(), Some(user));
    }
}

#[test]
fn cve_2026_30892_exec_is_who_was_typed() {
    let Some(daily) = Daily::new() else { return };
    daily.idle("box", &["--user", "user"]);
    for (user, who) in [
        ("1", "1:0"),
        ("1:1", "1:1"),
        ("01", "1:0"),
        ("65534:65533", "65534:65533"),
        ("user", "1000:1000"),
        ("root", "0:0"),
        ("0", "0:0"),
        ("1000:tty", "1000:5"),
    ] {
        let args = [&["exec", "-u", user, "box"], &WHO[..]].concat();
        assert_eq!(daily.bed.rcon(&args).ok().text(), who, "{user}");
    }
    let args = [&["exec", "box"], &WHO[..]].concat();
    assert_eq!(daily.bed.rcon(&args).ok().text(), "1000:1000");
}

/// The image's accounts block, never end, or are somebody else's: nobody
/// waits for them and nothing of the host's is believed.
#[test]
fn cve_2024_9676_accounts_that_block_or_lead_out() {
    let Some(daily) = Daily::new() else { return };
    let theirs = daily.bed.path("host-passwd");
    fs::write(&theirs, "lured:x:0:0::/:/bin/sh\n").unwrap();
    let passwd = daily.bed.rootfs("etc/passwd");
    let tricks: [&dyn Fn(); 4] = [
        &|| nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::S_IRUSR).unwrap(),
        &|| symlink(&theirs, &passwd).unwrap(),
        &|| symlink("/dev/zero", &passwd).unwrap(),
        // CVE-2026-47262: beyond measure.
        &|| fs::File::create(&passwd).unwrap().set_len(8 << 30).unwrap(),
    ];
    for trick in tricks {
        fs::remove_file(&passwd).unwrap();
        trick();
        // As it is: an image would be made of it first.
        let root = daily.bed.rootfs("").to_string_lossy().into_owned();
        let flags = ["run", "--rm", "--network", "none", "--user"];
        for user in ["lured", "user"] {
            let args = [&flags[..], &[user, "--rootfs", &root], &WHO].concat();
            refused(daily.bed.rcon(&args), user);
        }
        // A number needs no accounts. `id` would read them, and for ever.
        let look = ["grep", "^[UG]id:", "/proc/self/status"];
        let args = [&flags[..], &["7:7", "--rootfs", &root], &look].concat();
        let out = daily.bed.rcon(&args);
        let sevens = out.stdout.split_whitespace().filter(|w| *w == "7").count();
        assert!(sevens == 8 || out.stdout.is_empty(), "{out}");
    }
}

#[test]
fn cve_2022_36109_groups_are_the_images() {
    let Some(daily) = Daily::new() else { return };
    let groups = ["sh", "-c", "id -G"];
    let run = |flags: &[&str]| daily.run(flags, HONEST, &groups).ok().text().to_owned();
    assert_eq!(run(&["--user", "user"]), "1000 50");
    assert_eq!(run(&["--user", "user:tty"]), "5");
    assert_eq!(run(&["--user", "1000:1000"]), "1000");
    assert_eq!(run(&[]), "0");
    daily.idle("box", &[]);
    let exec = |user: &str| {
        let args = [&["exec", "-u", user, "box"], &groups[..]].concat();
        daily.bed.rcon(&args).ok().text().to_owned()
    };
    assert_eq!(exec("user"), "1000 50");
    assert_eq!(exec("1000:1000"), "1000");
}
