//! What a listing looks like: `--format`, tables, sizes, times and filters.
//!
//! Scripts written for Docker read its output, so the look is Docker's: the
//! Go [`template`] language over JSON, a [`table`] with three spaces between
//! columns, the [`units`] people know, `--filter` as in [`filter`], and the words
//! of a [`switch`].
//!
//! Everything here is pure. A command hands over rows of JSON and prints the
//! text it gets back; the clock, the terminal and the files are the caller's.

pub mod filter;
mod json;
pub(crate) mod number;
mod safe;
pub mod switch;
pub mod table;
pub mod template;
pub mod units;
pub mod width;

use serde_json::{Map, Value};

use self::template::{Options, Template};
use crate::error::Result;

pub use self::json::{compact as json_line, harmless};
pub use self::safe::escaped;

/// A column of a listing: its title, and the field of a row it shows.
/// A dot in the field goes down into an object: `Platform.Name`.
pub type Column = (&'static str, &'static str);

/// What `--format` asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    /// Nothing was asked for, or `table`: the command's own columns.
    #[default]
    Default,
    /// `json`: one object a line.
    Json,
    /// `table TEMPLATE`: the template's columns under their titles.
    Table(Template),
    /// A template: one line a row.
    Template(Template),
}

impl Format {
    /// Reads the value of `--format`. `\t` and `\n` outside of `{{…}}` stand
    /// for a tab and a newline, since a shell's quotes keep them as typed.
    pub fn parse(format: &str) -> Result<Self> {
        let format = format.trim_matches(' ');
        match format {
            "" | "table" => return Ok(Self::Default),
            "json" => return Ok(Self::Json),
            _ => {}
        }
        let columns = format
            .strip_prefix("table")
            .filter(|rest| rest.starts_with([' ', '\\', '\t', '{']));
        match columns {
            Some(template) => listing(template.trim_matches(' ')).map(Self::Table),
            None => listing(format).map(Self::Template),
        }
    }
}

fn listing(template: &str) -> Result<Template> {
    Ok(Template::parse(template)?.with_escapes_in_text())
}

/// A whole listing, ready to be printed.
///
/// `shown` are the columns of the default table. `titles` name the other
/// fields that a `table` template may ask for; a field in neither list gets
/// its own name as title. A row is a JSON object, and a field missing from it
/// is an error, so every row needs every field.
pub fn render_list(
    format: &Format,
    shown: &[Column],
    titles: &[Column],
    rows: &[Value],
) -> Result<String> {
    match format {
        Format::Default => Ok(default_table(shown, rows)),
        Format::Json => Ok(rows.iter().map(|row| json::compact(row) + "\n").collect()),
        Format::Table(template) => template_table(template, &headers(shown, titles), rows),
        Format::Template(template) => {
            let line = |row| Ok(template.render(row)? + "\n");
            rows.iter().map(line).collect()
        }
    }
}

fn default_table(shown: &[Column], rows: &[Value]) -> String {
    let headers = shown.iter().map(|(title, _)| (*title).to_owned()).collect();
    let cells = rows.iter().map(|row| {
        let cell = |(_, field): &Column| match lookup(row, field) {
            Value::Null => String::new(),
            value => escaped(&template::text(value)).into_owned(),
        };
        shown.iter().map(cell).collect()
    });
    table::aligned(&std::iter::once(headers).chain(cells).collect::<Vec<_>>())
}

/// The value at a dotted path; null where there is none.
fn lookup<'a>(row: &'a Value, field: &str) -> &'a Value {
    let step = |value: &'a Value, name| value.get(name).unwrap_or(&Value::Null);
    field.split('.').fold(row, step)
}

fn headers(shown: &[Column], titles: &[Column]) -> Value {
    let entry = |(title, field): &Column| ((*field).to_owned(), Value::from(*title));
    // The shown ones last: where both lists name a field, theirs is the title.
    Value::Object(titles.iter().chain(shown).map(entry).collect::<Map<_, _>>())
}

fn template_table(template: &Template, headers: &Value, rows: &[Value]) -> Result<String> {
    let mut text = template.render_with(headers, Options::HEADER)? + "\n";
    for row in rows {
        text += &template.render_with(row, Options::TERMINAL)?;
        text.push('\n');
    }
    Ok(table::tabbed(&text))
}

#[cfg(test)]
mod tests;
