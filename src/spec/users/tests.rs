use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::sys::fd;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    1000:x:0:0:fake:/fake:/bin/sh\n\
    web:x:33:44:w:/srv/web:/bin/sh\n\
    odd:x:x:0:o:/odd:/bin/sh\n\
    web:x:99:99:second:/second:/bin/sh\n\
    lost:x:55:55:l:relative:/bin/sh\n";
const GROUP: &str = "root:x:0:\n\
    wheel:x:10:root,web\n\
    www:x:44:\n\
    disk:x:6:root\n\
    2000:x:7:web\n\
    wheel:x:11:nobody\n";

struct Image(PathBuf);

impl Image {
    fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rcon-test-users-{}-{n}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(dir.join("root/etc")).unwrap();
        Self(dir)
    }

    fn new() -> Self {
        let image = Self::empty();
        fs::write(image.etc("passwd"), PASSWD).unwrap();
        fs::write(image.etc("group"), GROUP).unwrap();
        image
    }

    fn etc(&self, name: &str) -> PathBuf {
        self.0.join("root/etc").join(name)
    }

    fn root(&self) -> OwnedFd {
        fd::open(&self.0.join("root"), libc::O_PATH | libc::O_DIRECTORY).unwrap()
    }

    fn resolve(&self, user: &str, groups: &[&str]) -> Result<User> {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        resolve(self.root().as_fd(), user, &groups)
    }

    fn numbers(&self, user: &str, groups: &[&str]) -> (u32, u32, Vec<u32>) {
        let user = self.resolve(user, groups).unwrap();
        (user.uid, user.gid, user.groups)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn names_and_numbers() {
    let image = Image::new();
    for (user, groups, uid, gid, all) in [
        ("", &[][..], 0, 0, vec![0, 10, 6]),
        ("root", &[], 0, 0, vec![0, 10, 6]),
        ("0", &[], 0, 0, vec![0, 10, 6]),
        ("web", &[], 33, 44, vec![44, 10, 7]),
        ("33", &[], 33, 44, vec![44, 10, 7]),
        ("web:", &[], 33, 44, vec![44, 10, 7]),
        ("web:disk", &[], 33, 6, vec![6]),
        ("web:6", &[], 33, 6, vec![6]),
        ("33:2000", &[], 33, 2000, vec![2000]),
        (":disk", &[], 0, 6, vec![6]),
        ("7:7", &[], 7, 7, vec![7]),
        ("7", &[], 7, 0, vec![0]),
        ("007", &[], 7, 0, vec![0]),
        (
            "web",
            &["disk", "123", "wheel"],
            33,
            44,
            vec![44, 10, 7, 6, 123],
        ),
        ("web:wheel", &["44"], 33, 10, vec![10, 44]),
        (
            "4294967294:4294967294",
            &[],
            u32::MAX - 1,
            u32::MAX - 1,
            vec![u32::MAX - 1],
        ),
    ] {
        assert_eq!(
            image.numbers(user, groups),
            (uid, gid, all),
            "{user:?} {groups:?}"
        );
    }
}

#[test]
fn cve_2016_3697_a_number_is_no_name() {
    let image = Image::new();
    let user = image.resolve("1000", &[]).unwrap();
    assert_eq!((user.uid, user.gid, user.home.as_str()), (1000, 0, "/"));
    assert_eq!(user.name, "");
    let group = image.numbers("7:2000", &["2000"]);
    assert_eq!(group, (7, 2000, vec![2000]));
}

#[test]
fn cve_2024_40635_numbers_that_do_not_fit_are_refused() {
    let image = Image::new();
    for text in [
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "99999999999999999999999",
        "-1",
        "-0",
        "+1",
        "-4294967295",
    ] {
        for user in [text.to_owned(), format!("web:{text}"), format!("{text}:0")] {
            let e = image.resolve(&user, &[]).unwrap_err().to_string();
            assert!(e.contains("must be in range"), "{user}: {e}");
        }
        assert!(image.resolve("web", &[text]).is_err(), "{text}");
    }
}

#[test]
fn who_is_not_there_is_told() {
    let image = Image::new();
    for (user, groups, text) in [
        (
            "nobody",
            &[][..],
            "unable to find user nobody: no matching entries in passwd file",
        ),
        (
            "odd",
            &[],
            "unable to find user odd: no matching entries in passwd file",
        ),
        ("0x1", &[], "unable to find user 0x1"),
        ("WEB", &[], "unable to find user WEB"),
        (
            "web:no",
            &[],
            "unable to find group no: no matching entries in group file",
        ),
        (
            "web",
            &["no"],
            "unable to find group no: no matching entries in group file",
        ),
        ("a:b:c", &[], "more than one colon"),
    ] {
        let e = image.resolve(user, groups).unwrap_err().to_string();
        assert!(e.contains(text), "{user:?}: {e}");
    }
}

#[test]
fn home_and_name_come_along() {
    let image = Image::new();
    let web = image.resolve("33", &[]).unwrap();
    assert_eq!((web.home.as_str(), web.name.as_str()), ("/srv/web", "web"));
    assert_eq!(image.resolve("lost", &[]).unwrap().home, "/");
}

#[test]
fn an_image_without_the_files_knows_numbers_only() {
    let image = Image::empty();
    assert_eq!(image.numbers("5:6", &["7"]), (5, 6, vec![6, 7]));
    assert_eq!(image.numbers("", &[]), (0, 0, vec![0]));
    assert!(image.resolve("root", &[]).is_err());
}

#[test]
fn cve_2024_9676_the_files_can_neither_block_nor_lead_out() {
    let image = Image::new();
    for name in ["passwd", "group"] {
        fs::remove_file(image.etc(name)).unwrap();
        nix::unistd::mkfifo(&image.etc(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    assert_eq!(image.numbers("33", &[]), (33, 0, vec![0]));
    assert!(image.resolve("web", &[]).is_err());

    let outside = image.0.join("outside");
    fs::write(&outside, "web:x:77:77::/outside:/bin/sh\n").unwrap();
    fs::remove_file(image.etc("passwd")).unwrap();
    for target in [outside.clone(), PathBuf::from("../../outside")] {
        symlink(&target, image.etc("passwd")).unwrap();
        assert!(image.resolve("web", &[]).is_err(), "{target:?}");
        fs::remove_file(image.etc("passwd")).unwrap();
    }
    symlink("/etc/real", image.etc("passwd")).unwrap();
    fs::write(image.etc("real"), PASSWD).unwrap();
    assert_eq!(image.resolve("web", &[]).unwrap().uid, 33);
}

#[test]
fn cve_2026_47262_a_giant_file_is_refused() {
    let image = Image::new();
    let file = fs::File::create(image.etc("passwd")).unwrap();
    file.set_len(8 << 30).unwrap();
    let e = image.resolve("7", &[]).unwrap_err().to_string();
    assert!(
        e.contains("/etc/passwd") && e.contains("longer than"),
        "{e}"
    );
}

proptest! {
    /// CVE-2026-30892: whatever is typed, nobody becomes somebody else.
    #[test]
    fn a_number_is_exactly_that_number(uid in 0..u32::MAX, gid in 0..u32::MAX) {
        let text = format!("{uid}:{gid}");
        prop_assert_eq!(split(&text).unwrap(), (Who::Number(uid), Some(Who::Number(gid))));
    }

    #[test]
    fn only_digits_are_a_number(text in "[-+0-9a-fx :,.]{0,24}") {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match parse(&text) {
            Ok(Who::Number(n)) => {
                prop_assert!(digits);
                prop_assert_eq!(text.parse::<u64>().unwrap(), u64::from(n));
            }
            Ok(Who::Name(name)) => prop_assert!(!digits && name == text),
            Err(_) => prop_assert!(text.bytes().any(|b| b.is_ascii_digit())),
        }
    }

    #[test]
    fn root_is_only_who_says_so(text in "[0-9:+-]{1,12}") {
        if let Ok((Who::Number(0), _)) = split(&text) {
            let user = text.split(':').next().unwrap();
            prop_assert!(user.bytes().all(|b| b == b'0'), "{}", text);
        }
    }
}
