//! Where in a Dockerfile something stands.

/// A part of a Dockerfile's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The line of the first byte, counted from 1.
    pub line: u32,
    /// The character of that line it is, counted from 1.
    pub column: u32,
}

/// Text as it was written, and where. Quotes, escapes and variables are still
/// in it; an `Expander` takes them out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// What was written, continuation lines joined.
    pub text: String,
    /// Where.
    pub span: Span,
}

impl Word {
    /// Whether these are the very characters, quotes and variables aside.
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
