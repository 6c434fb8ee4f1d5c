//! How far a transfer is, for people: a bar for each layer on a terminal, a
//! line for each of its stations elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::format::{escaped, units::size};
use crate::image::reference::Digest;
use crate::registry::Progress;

/// Between two pictures; more often nobody sees.
const FRAME: Duration = Duration::from_millis(80);
/// The widest bar.
const WIDEST: usize = 40;

/// What fits standard error: bars on a terminal, lines elsewhere.
pub fn for_stderr() -> Box<dyn Progress> {
    let err = std::io::stderr();
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if err.is_terminal() && !dumb {
        let (rows, columns) = crate::sys::tty::size(&err).unwrap_or((24, 80));
        return Box::new(Bars::new(err, rows.into(), columns.into()));
    }
    Box::new(Lines::new(err))
}

/// A line when something begins, ends or goes wrong.
pub struct Lines<W> {
    out: Mutex<W>,
}

impl<W: Write> Lines<W> {
    /// Lines on `out`.
    pub fn new(out: W) -> Self {
        Self {
            out: Mutex::new(out),
        }
    }

    fn say(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Who closes the output does not want to hear of it.
        let _ = writeln!(out, "{}", escaped(text));
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn start(&self, blob: &Digest, bytes: u64) {
        self.say(&format!("{}: {}", blob.short(), size::decimal_short(bytes)));
    }

    fn advance(&self, _: &Digest, _: u64) {}

    fn done(&self, blob: &Digest, how: &str) {
        self.say(&format!("{}: {how}", blob.short()));
    }

    fn message(&self, text: &str) {
        self.say(text);
    }
}

/// One blob's bar.
struct Bar {
    size: u64,
    done: u64,
    ended: Option<String>,
}

/// What is on the screen.
struct Screen<W> {
    out: W,
    order: Vec<Digest>,
    bars: BTreeMap<Digest, Bar>,
    /// Lines that are below the place where drawing begins.
    drawn: usize,
    last: Option<Instant>,
}

/// A bar for each blob, drawn over and over in place.
pub struct Bars<W: Write> {
    screen: Mutex<Screen<W>>,
    rows: usize,
    columns: usize,
}

impl<W: Write> Bars<W> {
    /// Bars on a terminal of this size.
    pub fn new(out: W, rows: usize, columns: usize) -> Self {
        let screen = Screen {
            out,
            order: Vec::new(),
            bars: BTreeMap::new(),
            drawn: 0,
            last: None,
        };
        Self {
            screen: Mutex::new(screen),
            rows: rows.max(4),
            columns: columns.max(20),
        }
    }

    fn change(&self, now: bool, change: impl FnOnce(&mut Screen<W>)) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut screen);
        if now || screen.last.is_none_or(|last| last.elapsed() >= FRAME) {
            screen.draw(self.rows, self.columns);
        }
    }
}

impl<W: Write + Send> Progress for Bars<W> {
    fn start(&self, blob: &Digest, size: u64) {
        self.change(true, |screen| {
            let bar = Bar {
                size,
                done: 0,
                ended: None,
            };
            if screen.bars.insert(blob.clone(), bar).is_none() {
                screen.order.push(blob.clone());
            }
        });
    }

    fn advance(&self, blob: &Digest, bytes: u64) {
        self.change(false, |screen| {
            if let Some(bar) = screen.bars.get_mut(blob) {
                bar.done = bar.done.saturating_add(bytes).min(bar.size);
            }
        });
    }

    fn done(&self, blob: &Digest, how: &str) {
        self.change(true, |screen| {
            if let Some(bar) = screen.bars.get_mut(blob) {
                bar.ended = Some(how.to_owned());
            }
        });
    }

    fn message(&self, text: &str) {
        let text: String = escaped(text).chars().take(self.columns - 1).collect();
        self.change(true, |screen| {
            screen.back();
            let _ = writeln!(screen.out, "{text}\x1b[K");
        });
    }
}

impl<W: Write> Screen<W> {
    /// Goes to the first line that is drawn.
    fn back(&mut self) {
        if self.drawn > 0 {
            let _ = write!(self.out, "\x1b[{}A\r", self.drawn);
        }
        self.drawn = 0;
    }

    /// Draws what fits. Bars that have ended leave through the top, for good,
    /// when there are more than rows.
    fn draw(&mut self, rows: usize, columns: usize) {
        self.back();
        self.last = Some(Instant::now());
        while self.order.len() >= rows {
            let ended = |d: &Digest| self.bars.get(d).is_none_or(|b| b.ended.is_some());
            let Some(at) = self.order.iter().position(ended) else {
                break;
            };
            let blob = self.order.remove(at);
            if let Some(bar) = self.bars.remove(&blob) {
                let _ = writeln!(self.out, "{}\x1b[K", line(&blob, &bar, columns));
            }
        }
        for blob in self.order.iter().take(rows - 1) {
            if let Some(bar) = self.bars.get(blob) {
                let _ = writeln!(self.out, "{}\x1b[K", line(blob, bar, columns));
                self.drawn += 1;
            }
        }
        let _ = self.out.flush();
    }
}

/// `0123456789ab [=====>    ] 1.2MB/3.4MB`, cut to the terminal's width.
fn line(blob: &Digest, bar: &Bar, columns: usize) -> String {
    let name = blob.short();
    let (all, done) = (size::decimal_short(bar.size), size::decimal_short(bar.done));
    let text = if let Some(how) = &bar.ended {
        format!("{name} {how} {all}")
    } else {
        let width = columns.saturating_sub(name.len() + 24).min(WIDEST);
        format!("{name} [{}] {done}/{all}", picture(bar, width))
    };
    text.chars().take(columns - 1).collect()
}

fn picture(bar: &Bar, width: usize) -> String {
    // In 128 bits, for sizes times columns.
    let part = u128::from(bar.done) * width as u128 / u128::from(bar.size.max(1));
    let full = (part as usize).min(width);
    let head = if full < width { ">" } else { "" };
    let left = width - full - head.len();
    format!("{}{head}{}", "=".repeat(full), " ".repeat(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// An output that can be looked at.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seen {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// What stays on a terminal that understands "up" and "clear to the end".
    fn screen(text: &str) -> Vec<String> {
        let mut rows: Vec<String> = Vec::new();
        let mut at = 0;
        for piece in text.split_inclusive('\n') {
            let mut rest = piece.trim_end_matches('\n');
            while let Some((up, after)) =
                rest.strip_prefix("\x1b[").and_then(|r| r.split_once("A\r"))
            {
                at -= up.parse::<usize>().unwrap();
                rest = after;
            }
            if rows.len() <= at {
                rows.resize(at + 1, String::new());
            }
            rows[at] = rest.replace("\x1b[K", "");
            at += 1;
        }
        rows
    }

    #[test]
    fn lines_tell_the_stations() {
        let seen = Seen::default();
        let lines = Lines::new(seen.clone());
        let blob = Digest::of(b"");
        lines.start(&blob, 1_234_567);
        lines.advance(&blob, 5);
        lines.message("bad \x1b[31m");
        lines.done(&blob, "complete");
        assert_eq!(
            seen.text(),
            "e3b0c44298fc: 1.23MB\nbad \\u{1b}[31m\ne3b0c44298fc: complete\n"
        );
    }

    #[test]
    fn a_bar_fills_and_ends() {
        let mut bar = Bar {
            size: 100,
            done: 0,
            ended: None,
        };
        assert_eq!(picture(&bar, 10), ">         ");
        bar.done = 50;
        assert_eq!(picture(&bar, 10), "=====>    ");
        bar.done = 100;
        assert_eq!(picture(&bar, 10), "==========");
        bar.size = 0;
        assert_eq!(picture(&bar, 10).len(), 10);
    }

    #[test]
    fn bars_stay_in_their_lines() {
        let seen = Seen::default();
        let bars = Bars::new(seen.clone(), 24, 80);
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        bars.start(&a, 10);
        bars.start(&b, 20);
        bars.message("again in 1 s");
        bars.advance(&a, 10);
        bars.done(&a, "complete");
        let rows = screen(&seen.text());
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert_eq!(rows[0], "again in 1 s");
        assert_eq!(rows[1], format!("{} complete 10B", a.short()));
        assert!(
            rows[2].starts_with(b.short()) && rows[2].ends_with("0B/20B"),
            "{rows:?}"
        );
    }

    #[test]
    fn more_bars_than_rows_leave_through_the_top() {
        let seen = Seen::default();
        let bars = Bars::new(seen.clone(), 4, 80);
        let blobs: Vec<_> = (0..9u8).map(|n| Digest::of(&[n])).collect();
        for blob in &blobs {
            bars.start(blob, 1);
            bars.done(blob, "complete");
        }
        let rows = screen(&seen.text());
        for blob in &blobs {
            let count = rows.iter().filter(|r| r.starts_with(blob.short())).count();
            assert_eq!(count, 1, "{rows:?}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let bar = Bar {
            size: u64::MAX,
            done: u64::MAX / 2,
            ended: None,
        };
        for columns in [20, 40, 200] {
            assert!(line(&Digest::of(b""), &bar, columns).len() < columns);
        }
    }
}
