//! `--chmod`: a number, or words like `u+x,go-w`. Pure.

use crate::error::{Error, Result};

/// What becomes of modes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// This one for all.
    Number(u32),
    /// These changes, one after the other.
    Changes(Vec<Change>),
}

/// One of `u+x,go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    who: u32,
    sign: u8,
    bits: u32,
    /// `X`: to be executed only where somebody may, or where it is a directory.
    execute_if: bool,
}

impl Mode {
    /// Reads what was typed.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::user(format!("invalid --chmod {text:?}"))
                .hint("an octal number such as 755, or words such as u+x,go-w")
        };
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let number = u32::from_str_radix(text, 8).ok().filter(|n| *n <= 0o7777);
            return number.map(Self::Number).ok_or_else(bad);
        }
        let changes = text.split(',').map(Change::parse);
        let changes: Option<Vec<Vec<Change>>> = changes.collect();
        Ok(Self::Changes(changes.ok_or_else(bad)?.concat()))
    }

    /// The mode that one becomes.
    pub fn applied(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Self::Number(number) => *number,
            Self::Changes(changes) => changes.iter().fold(mode, |m, c| c.applied(m, is_dir)),
        }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Vec<Self>> {
        let at = text.find(['+', '-', '='])?;
        let mut who = 0;
        for c in text[..at].chars() {
            who |= match c {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o0007,
                'a' => 0o6777,
                _ => return None,
            };
        }
        if at == 0 {
            who = 0o6777;
        }
        let mut all: Vec<Self> = Vec::new();
        for c in text[at..].chars() {
            if matches!(c, '+' | '-' | '=') {
                all.push(Self {
                    who,
                    sign: c as u8,
                    bits: 0,
                    execute_if: false,
                });
                continue;
            }
            let last = all.last_mut()?;
            match c {
                'r' => last.bits |= 0o444,
                'w' => last.bits |= 0o222,
                'x' => last.bits |= 0o111,
                's' => last.bits |= 0o6000,
                't' => last.bits |= 0o1000,
                'X' => last.execute_if = true,
                _ => return None,
            }
        }
        Some(all)
    }

    fn applied(&self, mode: u32, is_dir: bool) -> u32 {
        let mut bits = self.bits;
        if self.execute_if && (is_dir || mode & 0o111 != 0) {
            bits |= 0o111;
        }
        // The sticky bit is nobody's in particular.
        let bits = bits & (self.who | 0o1000);
        match self.sign {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => mode & !(self.who & 0o777) | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words() {
        for (text, before, is_dir, want) in [
            ("755", 0o600, false, 0o755),
            ("0644", 0o4755, false, 0o644),
            ("u+x", 0o644, false, 0o744),
            ("go-w", 0o666, false, 0o644),
            ("a=r", 0o777, false, 0o444),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("+x", 0o644, false, 0o755),
            ("u+s", 0o755, false, 0o4755),
            ("u+x-w", 0o644, false, 0o544),
        ] {
            let mode = Mode::parse(text).unwrap();
            assert_eq!(mode.applied(before, is_dir), want, "{text}");
        }
        for bad in ["", "8", "77777", "x", "u+q", "z+x", "u"] {
            assert!(Mode::parse(bad).is_err(), "{bad}");
        }
    }
}
