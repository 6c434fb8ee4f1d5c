//! The lesson on a terminal, or in a file.

use super::lesson::{Fact, Lesson};
use crate::format::width::width;

/// How it is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns there are.
    pub width: usize,
    /// Whether colour is understood.
    pub colour: bool,
}

/// Lines longer than this are hard to read.
const WIDEST: usize = 96;
/// In less, nothing can be laid out.
const NARROWEST: usize = 40;
/// Where facts begin.
const INDENT: usize = 15;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const TITLE: &str = "\x1b[1;36m";
const PLAIN: &str = "\x1b[0m";

/// Lays it out.
pub fn lay_out(lesson: &Lesson, style: Style) -> String {
    let mut page = Page {
        out: String::new(),
        width: style.width.clamp(NARROWEST, WIDEST),
        colour: style.colour,
    };
    page.paragraph(&[(&lesson.greeting, BOLD)], 0);
    for section in &lesson.sections {
        page.title(section.title);
        section.facts.iter().for_each(|f| page.fact(f));
    }
    page.title("Try next");
    let widest = lesson.next.iter().map(|t| width(&t.command)).max();
    for next in &lesson.next {
        let (command, shows) = (&next.command, next.shows);
        let pad = " ".repeat(widest.unwrap_or(0) - width(command));
        page.line(&[
            ("  ", ""),
            (command, BOLD),
            (&pad, ""),
            ("  ", ""),
            (shows, DIM),
        ]);
    }
    page.out
}

struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn put(&mut self, text: &str, look: &str) {
        if self.colour && !look.is_empty() && !text.trim().is_empty() {
            self.out.extend([look, text, PLAIN]);
        } else {
            self.out += text;
        }
    }

    fn line(&mut self, parts: &[(&str, &str)]) {
        for (text, look) in parts {
            self.put(text, look);
        }
        self.out.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.put(title, TITLE);
        self.out.push('\n');
    }

    fn fact(&mut self, fact: &Fact) {
        self.put("  ", "");
        self.put(&fact.about, BOLD);
        let used = 2 + width(&fact.about);
        // A long name pushes its fact to the right, for one line.
        let gap = INDENT.saturating_sub(used).max(1);
        self.out += &" ".repeat(gap);
        let is = if fact.why.is_empty() {
            fact.is.clone()
        } else {
            fact.is.clone() + ";"
        };
        self.flow(&[(&is, ""), (&fact.why, DIM)], used + gap, INDENT);
    }

    fn paragraph(&mut self, parts: &[(&str, &str)], indent: usize) {
        self.flow(parts, indent, indent);
    }

    /// Words, one after the other, from column `at` on; further lines begin
    /// at `indent`.
    fn flow(&mut self, parts: &[(&str, &str)], mut at: usize, indent: usize) {
        let mut fresh = true;
        for (text, look) in parts {
            for word in text.split(' ').filter(|w| !w.is_empty()) {
                let long = width(word);
                if !fresh && at + 1 + long > self.width {
                    self.out.push('\n');
                    self.out += &" ".repeat(indent);
                    at = indent;
                } else if !fresh {
                    self.out.push(' ');
                    at += 1;
                }
                self.put(word, look);
                at += long;
                fresh = false;
            }
        }
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::lesson::{Section, Try};
    use super::*;

    fn lesson() -> Lesson {
        Lesson {
            greeting: "Hello there, whoever you are, wherever you may be today.".to_owned(),
            sections: vec![Section {
                title: "Facts",
                facts: vec![Fact {
                    about: "water".to_owned(),
                    is: "wet".to_owned(),
                    why: "since it clings to what it touches".to_owned(),
                }],
            }],
            next: vec![
                Try {
                    command: "swim".to_owned(),
                    shows: "that it is so",
                },
                Try {
                    command: "go".to_owned(),
                    shows: "home",
                },
            ],
        }
    }

    fn style(width: usize, colour: bool) -> Style {
        Style { width, colour }
    }

    #[test]
    fn it_is_wrapped_between_words() {
        assert_eq!(
            lay_out(&lesson(), style(40, false)),
            "Hello there, whoever you are, wherever\n\
             you may be today.\n\
             Facts\n  water        wet; since it clings to\n\
             \x20              what it touches\n\
             Try next\n  swim  that it is so\n  go    home\n"
        );
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let coloured = lay_out(&lesson(), style(80, true));
        assert!(coloured.contains(BOLD) && coloured.contains(DIM));
        let codes = regex_lite::Regex::new("\x1b\\[[0-9;]*m").unwrap();
        let plain = lay_out(&lesson(), style(80, false));
        assert_eq!(codes.replace_all(&coloured, ""), plain);
        assert!(!plain.contains('\x1b'));
    }

    #[test]
    fn a_tiny_terminal_is_survived() {
        let a = lay_out(&lesson(), style(1, false));
        assert_eq!(a, lay_out(&lesson(), style(NARROWEST, false)));
    }
}
