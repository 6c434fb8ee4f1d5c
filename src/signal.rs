//! Signals by name and number, as people type them. Nothing here sends one.

use crate::error::{Error, Result};

/// Names without `SIG`, in the order of `signal(7)`; two names for one number
/// have the usual one first.
const NAMES: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The first real-time signal a program can use. The kernel's are from 32 on,
/// but glibc keeps the first two for itself, and so a C program counts from
/// here.
const RTMIN: i32 = 34;
/// The last of all.
const RTMAX: i32 = 64;

/// `SIGTERM`, `TERM`, `term`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
pub fn parse(text: &str) -> Result<i32> {
    find(text).ok_or_else(|| {
        Error::user(format!("invalid signal: {text:?}"))
            .hint("a name as SIGTERM or TERM, SIGRTMIN+3, or a number from 1 to 64")
    })
}

/// The same with `0`, which is sent to see whether anybody is there, and in
/// the words of runc.
pub fn parse_or_none(text: &str) -> Result<i32> {
    let known = if text == "0" { Some(0) } else { find(text) };
    known.ok_or_else(|| {
        Error::user(format!("unknown signal {text:?}"))
            .hint("give a name such as TERM, KILL or HUP, or a number from 0 to 64")
    })
}

fn find(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = NAMES.iter().find(|(n, _)| *n == name).map(|(_, s)| *s);
    known.or_else(|| real_time(name)).or_else(|| number(text))
}

fn number(text: &str) -> Option<i32> {
    digits(text).filter(|n| (1..=RTMAX).contains(n))
}

/// Without a sign, which `str::parse` would take.
fn digits(text: &str) -> Option<i32> {
    let fine = text.bytes().all(|b| b.is_ascii_digit());
    fine.then(|| text.parse().ok())?
}

fn real_time(name: &str) -> Option<i32> {
    let signal = match name {
        "RTMIN" => RTMIN,
        "RTMAX" => RTMAX,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(n), _) => RTMIN.checked_add(digits(n)?)?,
            (_, Some(n)) => RTMAX.checked_sub(digits(n)?)?,
            _ => return None,
        },
    };
    (RTMIN..=RTMAX).contains(&signal).then_some(signal)
}

/// As Docker and `kill -l` write it: `SIGTERM`, `SIGRTMIN+3`.
pub fn name(signal: i32) -> String {
    let known = NAMES.iter().find(|(_, s)| *s == signal);
    match known {
        Some((name, _)) => format!("SIG{name}"),
        None if signal == RTMIN => "SIGRTMIN".to_owned(),
        None if signal == RTMAX => "SIGRTMAX".to_owned(),
        None if (RTMIN..RTMAX).contains(&signal) => format!("SIGRTMIN+{}", signal - RTMIN),
        None => signal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_signal_in_many_forms() {
        for (text, signal) in [
            ("SIGTERM", 15),
            ("TERM", 15),
            ("sigterm", 15),
            ("15", 15),
            ("KILL", 9),
            ("IOT", 6),
            ("SIGPOLL", 29),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-1", 63),
            ("RTMAX", 64),
            ("64", 64),
            ("32", 32),
        ] {
            assert_eq!(parse(text).unwrap(), signal, "{text}");
        }
    }

    #[test]
    fn what_is_no_signal() {
        for text in [
            "",
            "0",
            "65",
            "-1",
            "+9",
            "SIG",
            "SIG9",
            "TERMINATE",
            "RTMIN+31",
            "RTMAX-31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+",
            "RTMIN+-1",
            "99999999999",
            " 9",
            "9 ",
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.starts_with(&format!("invalid signal: {text:?} (")), "{e}");
        }
    }

    #[test]
    fn a_name_is_read_back() {
        for signal in 1..=64 {
            assert_eq!(parse(&name(signal)).unwrap(), signal, "{}", name(signal));
        }
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(37), "SIGRTMIN+3");
    }

    #[test]
    fn none_is_a_signal_for_runc_only() {
        assert_eq!(parse_or_none("0").unwrap(), 0);
        for text in ["9", "KILL", "SIGKILL", "sigkill", "kill"] {
            assert_eq!(parse_or_none(text).unwrap(), 9, "{text}");
        }
        assert_eq!(parse_or_none("SIGRTMIN+1").unwrap(), 35);
        assert_eq!(parse_or_none("RTMAX-1").unwrap(), 63);
        for bad in ["", "SIG", "65", "-1", "NOPE", "RTMIN+99"] {
            let e = parse_or_none(bad).unwrap_err().to_string();
            assert!(e.starts_with(&format!("unknown signal {bad:?} (")), "{e}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,12}|SIG[A-Z0-9+-]{0,10}") {
            let _ = parse(&text);
        }
    }
}
