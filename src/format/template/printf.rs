//! `printf`, with Go's verbs and its way to say that one does not fit.
//!
//! Not here: explicit argument numbers (`%[2]d`), hexadecimal floats, `%p`.

use std::fmt::{self, Write};
use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Number, Value};

use super::Options;
use super::functions::spaces;
use super::value::{self, Val, integer, type_name};
use crate::format::{number, safe};

/// Go, too, ignores a width or precision above this.
const MAX_WIDTH: i128 = 1_000_000;

/// How a value is to be shown: `%-08.3f`.
#[derive(Debug, Clone, Copy, Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

/// Writes `format` with the arguments in place of its verbs.
pub(super) fn printf(
    out: &mut impl Write,
    format: &str,
    args: &[Val<'_>],
    options: Options,
) -> fmt::Result {
    let mut chars = format.chars().peekable();
    let mut args = args.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.write_char(c)?;
            continue;
        }
        let (spec, complaint) = spec(&mut chars, &mut args);
        out.write_str(complaint)?;
        match (spec.verb, args.len()) {
            ('\0', _) => out.write_str("%!(NOVERB)")?,
            ('%', _) => out.write_char('%')?,
            (verb, 0) => write!(out, "%!{verb}(MISSING)")?,
            _ => {
                let arg = args.next().unwrap_or(&Val::Missing);
                one(out, spec, arg, options)?;
            }
        }
    }
    extra(out, args.as_slice())
}

/// Arguments that no verb asked for.
fn extra(out: &mut impl Write, args: &[Val<'_>]) -> fmt::Result {
    for (i, arg) in args.iter().enumerate() {
        out.write_str(if i == 0 { "%!(EXTRA " } else { ", " })?;
        named(out, arg.json())?;
    }
    out.write_str(if args.is_empty() { "" } else { ")" })
}

fn named(out: &mut impl Write, value: &Value) -> fmt::Result {
    match value {
        Value::Null => out.write_str("<nil>"),
        // Never sent raw: this is a complaint about a value, not the value.
        value => {
            write!(out, "{}=", type_name(value))?;
            value::write(out, value, true)
        }
    }
}

/// What stands between `%` and the verb, and the verb; `\0` if there is none.
fn spec<'a, 'd: 'a>(
    chars: &mut Peekable<Chars<'_>>,
    args: &mut impl Iterator<Item = &'a Val<'d>>,
) -> (Spec, &'static str) {
    let mut spec = flags(chars);
    let mut complaint = "";
    match amount(chars, args) {
        Amount::Is(width) => {
            spec.minus |= width < 0;
            spec.width = width.unsigned_abs() as usize;
        }
        Amount::Bad => complaint = "%!(BADWIDTH)",
        Amount::None => {}
    }
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = match amount(chars, args) {
            Amount::Is(digits) => usize::try_from(digits).ok(),
            Amount::Bad => {
                complaint = "%!(BADPREC)";
                None
            }
            Amount::None => Some(0),
        };
    }
    spec.zero &= !spec.minus;
    spec.verb = chars.next().unwrap_or('\0');
    // With `v` a plus asks for the names of fields, which JSON always has.
    spec.plus &= spec.verb != 'v';
    (spec, complaint)
}

fn flags(chars: &mut Peekable<Chars<'_>>) -> Spec {
    let mut spec = Spec::default();
    while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
        match flag {
            '-' => spec.minus = true,
            '+' => spec.plus = true,
            '#' => spec.sharp = true,
            ' ' => spec.space = true,
            _ => spec.zero = true,
        }
    }
    spec
}

enum Amount {
    None,
    Is(i128),
    Bad,
}

/// A width or precision: digits, or `*` for the next argument.
fn amount<'a, 'd: 'a>(
    chars: &mut Peekable<Chars<'_>>,
    args: &mut impl Iterator<Item = &'a Val<'d>>,
) -> Amount {
    let wanted = if chars.next_if_eq(&'*').is_some() {
        args.next().and_then(|arg| integer(arg.json()))
    } else {
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if digits.is_empty() {
            return Amount::None;
        }
        digits.parse().ok()
    };
    match wanted {
        Some(amount) if amount.abs() <= MAX_WIDTH => Amount::Is(amount),
        _ => Amount::Bad,
    }
}

/// One argument.
fn one(out: &mut impl Write, spec: Spec, arg: &Val<'_>, options: Options) -> fmt::Result {
    let mut spec = spec;
    // A title takes the place of a number: its width counts, its verb does not.
    if options.header && arg.json().is_string() && !"svq".contains(spec.verb) {
        spec.verb = 's';
        spec.zero = false;
        spec.precision = None;
    }
    if spec.verb == 'T' {
        return padded(out, spec, type_name(arg.json()));
    }
    // A character is a number by now, and nobody knows where that came from.
    let escape = options.escape && (arg.is_data() || spec.verb == 'c');
    show(out, spec, arg.json(), escape)
}

/// A value, and the values in it each on its own.
fn show(out: &mut impl Write, spec: Spec, value: &Value, escape: bool) -> fmt::Result {
    let text = match value {
        Value::Array(list) => {
            out.write_char('[')?;
            for (i, item) in list.iter().enumerate() {
                out.write_str(if i == 0 { "" } else { " " })?;
                show(out, spec, item, escape)?;
            }
            return out.write_char(']');
        }
        Value::Object(map) => {
            out.write_str("map[")?;
            for (i, (key, item)) in value::sorted(map).into_iter().enumerate() {
                out.write_str(if i == 0 { "" } else { " " })?;
                show(out, spec, &Value::from(key.as_str()), escape)?;
                out.write_char(':')?;
                show(out, spec, item, escape)?;
            }
            return out.write_char(']');
        }
        Value::Null => (spec.verb == 'v').then(|| "<nil>".to_owned()),
        Value::Bool(value) => matches!(spec.verb, 't' | 'v').then(|| value.to_string()),
        Value::Number(number) => return self::number(out, spec, number, escape),
        Value::String(text) => string(spec, text, escape),
    };
    match text {
        Some(text) => padded(out, spec, &text),
        None => unfit(out, spec, value),
    }
}

/// `%!d(string=hi)`.
fn unfit(out: &mut impl Write, spec: Spec, value: &Value) -> fmt::Result {
    write!(out, "%!{}(", spec.verb)?;
    named(out, value)?;
    out.write_char(')')
}

fn string(spec: Spec, text: &str, escape: bool) -> Option<String> {
    let cut: String = match spec.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    match spec.verb {
        'v' if spec.sharp => Some(quoted(&cut)),
        's' | 'v' if escape => Some(safe::escaped(&cut).into_owned()),
        's' | 'v' => Some(cut),
        'q' => Some(quoted(&cut)),
        'x' => Some(hex(spec, &cut)),
        'X' => Some(hex(spec, &cut).to_uppercase()),
        _ => None,
    }
}

fn hex(spec: Spec, text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(if spec.space { " " } else { "" })
}

/// Go's quotes: letters of all scripts stay readable.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\'' => out.push('\''),
            _ => escape(&mut out, c),
        }
    }
    out.push('"');
    out
}

fn escape(out: &mut String, c: char) {
    let code = u32::from(c);
    let _ = match c {
        '\x07' => out.write_str("\\a"),
        '\x08' => out.write_str("\\b"),
        '\x0b' => out.write_str("\\v"),
        '\x0c' => out.write_str("\\f"),
        '\n' | '\r' | '\t' | '"' | '\'' | '\\' => write!(out, "{}", c.escape_default()),
        _ if code < 0x20 || code == 0x7f => write!(out, "\\x{code:02x}"),
        _ if safe::unsafe_to_show(c) => write!(out, "\\u{code:04x}"),
        _ => out.write_char(c),
    };
}

fn number(out: &mut impl Write, spec: Spec, number: &Number, escape: bool) -> fmt::Result {
    let value = Value::Number(number.clone());
    let text = match (integer(&value), number.as_f64()) {
        (Some(int), _) => whole(spec, int),
        (None, Some(float)) => floating(spec, float),
        (None, None) => None,
    };
    let Some(text) = text else {
        return unfit(out, spec, &value);
    };
    let text = if escape {
        safe::escaped(&text).into_owned()
    } else {
        text
    };
    let signed = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None if matches!(spec.verb, 'c' | 'q' | 'U') => ("", text.as_str()),
        None if spec.plus => ("+", text.as_str()),
        None if spec.space => (" ", text.as_str()),
        None => ("", text.as_str()),
    };
    let len = signed.0.len() + signed.1.chars().count();
    // Zeros go between the sign and the digits.
    let zeros = if spec.zero {
        spec.width.saturating_sub(len)
    } else {
        0
    };
    let zeros = "0".repeat(zeros);
    padded(out, spec, &format!("{}{zeros}{}", signed.0, signed.1))
}

fn whole(spec: Spec, int: i128) -> Option<String> {
    let sign = if int < 0 { "-" } else { "" };
    let size = int.unsigned_abs();
    let prefix = |prefix| if spec.sharp { prefix } else { "" };
    let character = || {
        u32::try_from(int)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or('\u{fffd}')
    };
    Some(match spec.verb {
        'd' | 'v' => format!("{sign}{size}"),
        'b' => format!("{sign}{}{size:b}", prefix("0b")),
        'o' => format!("{sign}{}{size:o}", prefix("0")),
        'O' => format!("{sign}0o{size:o}"),
        'x' => format!("{sign}{}{size:x}", prefix("0x")),
        'X' => format!("{sign}{}{size:X}", prefix("0X")),
        'c' => character().to_string(),
        'q' => {
            let mut out = String::from("'");
            match character() {
                '"' => out.push('"'),
                c => escape(&mut out, c),
            }
            out + "'"
        }
        'U' => format!("U+{size:04X}"),
        _ => return None,
    })
}

fn floating(spec: Spec, float: f64) -> Option<String> {
    let decimals = spec.precision.unwrap_or(6);
    Some(match spec.verb {
        'f' | 'F' => number::fixed(float, decimals),
        'e' => number::exponential(float, decimals),
        'E' => number::exponential(float, decimals).to_uppercase(),
        'g' | 'v' => general(spec, float),
        'G' => general(spec, float).to_uppercase(),
        _ => return None,
    })
}

fn general(spec: Spec, float: f64) -> String {
    match spec.precision {
        Some(digits) => number::significant(float, digits),
        None => number::shortest(float),
    }
}

/// Fills up to the width; Go counts characters here, not columns.
fn padded(out: &mut impl Write, spec: Spec, text: &str) -> fmt::Result {
    let missing = spec.width.saturating_sub(text.chars().count());
    if spec.minus {
        return write!(out, "{text}{}", spaces(missing)?);
    }
    if spec.zero {
        return write!(out, "{}{text}", "0".repeat(missing));
    }
    write!(out, "{}{text}", spaces(missing)?)
}
