//! Numbers and quoted text as Go writes them.

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// How much of `text` belongs to the number it begins with. Letters count, so
/// that `3x` is a bad number and not a number and a name.
pub(super) fn number_len(text: &str) -> usize {
    let mut before = '+';
    for (at, c) in text.char_indices() {
        let sign = matches!(c, '+' | '-') && (at == 0 || matches!(before, 'e' | 'E'));
        if !(sign || c == '.' || c == '_' || c.is_alphanumeric()) {
            return at;
        }
        before = c;
    }
    text.len()
}

/// A number: decimal, `0x`, `0o`, `0b`, or with a point or an exponent.
pub(super) fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let radix = match lower.get(..2) {
        Some("0x") => Some(16),
        Some("0o") => Some(8),
        Some("0b") => Some(2),
        _ => None,
    };
    if let Some(radix) = radix {
        return integer(negative, &underscored(&lower[2..])?, radix);
    }
    let plain = underscored(&lower)?;
    if plain.contains(['.', 'e']) {
        return float(negative, &plain);
    }
    // A leading zero is an octal number, as in C.
    match plain.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => integer(negative, octal, 8),
        _ => integer(negative, &plain, 10),
    }
}

fn integer(negative: bool, digits: &str, radix: u32) -> Option<Number> {
    let sign = if negative { "-" } else { "" };
    // Another sign inside would be read as part of the number.
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix)
        .ok()
        .map(Number::Int)
}

fn float(negative: bool, digits: &str) -> Option<Number> {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
    let value: f64 = digits.parse().ok()?;
    let valid = digits.chars().all(allowed) && value.is_finite();
    valid.then_some(Number::Float(if negative { -value } else { value }))
}

/// Digits may be grouped by single underscores.
fn underscored(digits: &str) -> Option<String> {
    let bad = digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__");
    (!bad).then(|| digits.replace('_', ""))
}

/// The length of the quoted text at the start of `text`, with both quotes.
/// Only a raw string goes over the end of a line.
pub(super) fn quoted_len(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' if quote != '`' => return None,
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// What stands between two quotes, with its escapes resolved.
pub(super) fn unescape(inner: &str, quote: char) -> Option<String> {
    // By bytes, because `\x` gives one: two of them can make a character.
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\\' {
            rest = escape(rest, quote, &mut out)?;
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Resolves one escape, whose backslash is already passed.
fn escape<'a>(rest: &'a str, quote: char, out: &mut Vec<u8>) -> Option<&'a str> {
    let c = rest.chars().next()?;
    let after = &rest[c.len_utf8()..];
    let byte = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '\'' | '"' if c == quote => c as u8,
        'x' => return coded(after, 2, 16, out),
        'u' => return coded(after, 4, 16, out),
        'U' => return coded(after, 8, 16, out),
        '0'..='7' => return coded(rest, 3, 8, out),
        _ => return None,
    };
    out.push(byte);
    Some(after)
}

/// A character by its number; two or three digits name a byte.
fn coded<'a>(text: &'a str, len: usize, radix: u32, out: &mut Vec<u8>) -> Option<&'a str> {
    let digits = text.get(..len)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).ok()?;
    if len < 4 {
        out.push(u8::try_from(code).ok()?);
    } else {
        let c = char::from_u32(code)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(&text[len..])
}
