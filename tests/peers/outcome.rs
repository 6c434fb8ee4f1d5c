//! A finished command, and assertions on it that show the whole of it.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// What a command left behind.
pub(crate) struct Outcome {
    command: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Runs the command to its end. Its streams are files in memory and not
    /// pipes: a monitor that a peer leaves behind may keep them open, and we
    /// wait for the command, not for its descendants.
    pub(crate) fn of(command: Command, stdin: &str) -> Self {
        let shown = format!("{command:?}");
        Self::shown_as(shown, command, stdin)
    }

    /// The same, for a command of which only a part is worth showing.
    pub(crate) fn shown_as(shown: String, mut command: Command, stdin: &str) -> Self {
        let mut stdout = scratch();
        let mut stderr = scratch();
        let mut input = scratch();
        input.write_all(stdin.as_bytes()).expect("write stdin");
        input.rewind().expect("rewind stdin");
        let status = command
            .stdin(input)
            .stdout(stdout.try_clone().expect("dup"))
            .stderr(stderr.try_clone().expect("dup"))
            .status()
            .unwrap_or_else(|why| panic!("{command:?}: {why}"));
        Outcome {
            command: shown,
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: whole(&mut stdout),
            stderr: whole(&mut stderr),
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "exit code of {self}");
        self
    }

    /// Asserts success and gives what was printed, without the last newline.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.code(0).stdout.trim_end().to_owned()
    }

    /// Asserts success and exactly this output.
    #[track_caller]
    pub(crate) fn prints(self, expected: &str) -> Self {
        assert_eq!(self.code, 0, "exit code of {self}");
        assert_eq!(self.stdout.trim_end(), expected, "output of {self}");
        self
    }

    /// Asserts that the command failed and that its errors say why.
    #[track_caller]
    pub(crate) fn fails_with(self, part: &str) -> Self {
        assert_ne!(self.code, 0, "should have failed: {self}");
        let (said, part) = (self.stderr.to_lowercase(), part.to_lowercase());
        assert!(said.contains(&part), "no `{part}` in the errors of {self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\n  {}\n  gave exit code {}\n  stdout: {:?}\n  stderr: {:?}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

fn scratch() -> File {
    File::from(memfd_create(c"rcon-test", MFdFlags::MFD_CLOEXEC).expect("memfd_create"))
}

fn whole(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut bytes).expect("read");
    String::from_utf8_lossy(&bytes).into_owned()
}
