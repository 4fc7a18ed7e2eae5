//! Results: aligned lines for people, JSON for programs. Hostile text is escaped in both.

use crate::cli::Style;
use crate::failure::Failure;
use host::output;
use serde_json::{Map, Value};
use terminal_lib::text::ascii_json;

pub use terminal_lib::text::escaped;

/// One result: labelled values, in order.
#[derive(Default)]
pub struct Sheet(Vec<(&'static str, Value)>);

impl Sheet {
    /// Adds a value; the label is one or more lower-case words.
    pub fn row(mut self, label: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((label, value.into()));
        self
    }

    /// Adds a value that is shown in words.
    pub fn text(self, label: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.row(label, value.to_string())
    }

    /// One `label  value` line each, aligned.
    fn to_text(&self) -> String {
        let width = self.0.iter().map(|(label, _)| label.len()).max();
        let width = width.unwrap_or(0) + 2;
        self.0
            .iter()
            .map(|(label, value)| format!("{label:width$}{}\n", plain(value)))
            .collect()
    }

    /// An object; `valid from` becomes `validFrom`.
    fn to_json(&self) -> Value {
        let entry = |(label, value): &(&'static str, Value)| (camel_case(label), value.clone());
        Value::Object(self.0.iter().map(entry).collect::<Map<_, _>>())
    }

    /// Prints it to standard output.
    ///
    /// # Errors
    /// It could not be written.
    pub fn print(&self, style: Style) -> Result<(), Failure> {
        Ok(output::result(self.in_style(style))?)
    }

    /// The same for what a person must have before the next step: a closed pipe is an error as well.
    ///
    /// # Errors
    /// It was not taken.
    pub fn hand_over(&self, style: Style) -> Result<(), Failure> {
        Ok(output::handed_over(self.in_style(style))?)
    }

    fn in_style(&self, style: Style) -> String {
        match style {
            Style::Text => self.to_text(),
            Style::Json => ascii_json(&format!("{:#}\n", self.to_json())),
        }
    }

    /// Prints it where it does not mix with a result on standard output.
    pub fn print_aside(&self) {
        output::prompt(self.to_text());
    }
}

/// Prints several results with the same labels: a table, or an array.
///
/// # Errors
/// They could not be written.
pub fn print_all(sheets: &[Sheet], style: Style) -> Result<(), Failure> {
    print(&match style {
        Style::Text => table(sheets),
        Style::Json => ascii_json(&format!(
            "{:#}\n",
            Value::Array(sheets.iter().map(Sheet::to_json).collect())
        )),
    })
}

/// Text to standard output. A reader that went away, such as `head`, is no failure.
///
/// # Errors
/// A full disk, or a device that takes nothing.
pub fn print(text: &str) -> Result<(), Failure> {
    Ok(output::result(text)?)
}

fn table(sheets: &[Sheet]) -> String {
    let Some(first) = sheets.first() else {
        return String::new();
    };
    let head: Vec<String> = first
        .0
        .iter()
        .map(|(label, _)| label.to_uppercase())
        .collect();
    let body = sheets
        .iter()
        .map(|sheet| sheet.0.iter().map(|(_, value)| plain(value)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + 2
    };
    let widths: Vec<usize> = (0..first.0.len()).map(width).collect();
    let aligned = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths);
        let text: String = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", text.trim_end())
    };
    lines.iter().map(aligned).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => escaped(text),
        Value::Array(values) if values.is_empty() => "-".into(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn camel_case(label: &str) -> String {
    let mut words = label.split(' ');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_aligned_for_people_and_an_object_for_programs() {
        let sheet = Sheet::default()
            .text("name", "A\u{7}")
            .row("valid from", "2026-11-21")
            .row("epoch", 0)
            .row("list", Value::Null);
        assert_eq!(
            sheet.to_text(),
            "name        A\\u{7}\nvalid from  2026-11-21\nepoch       0\nlist        -\n"
        );
        assert_eq!(
            sheet.to_json(),
            serde_json::json!({"name": "A\u{7}", "validFrom": "2026-11-21", "epoch": 0, "list": null})
        );
        assert_eq!(
            table(&[sheet]),
            "NAME    VALID FROM  EPOCH  LIST\nA\\u{7}  2026-11-21  0      -\n"
        );
    }
}
