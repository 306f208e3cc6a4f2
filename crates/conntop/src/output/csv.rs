//! Comma-separated values as RFC 4180 has them, every field quoted, raw values like JSON's. A text
//! that a spreadsheet would take for a formula begins with an apostrophe.

use std::io::{self, Write};

use serde_json::Value;

use crate::columns::Column;
use crate::flow::FlowView;

/// Writes the heading.
///
/// # Errors
/// When the writer fails.
pub fn heading(out: &mut dyn Write, columns: &[&'static Column]) -> io::Result<()> {
    record(out, columns.iter().map(|column| Value::from(column.json_key())))
}

/// Writes one flow.
///
/// # Errors
/// When the writer fails.
pub fn flow(out: &mut dyn Write, columns: &[&'static Column], view: &FlowView<'_>) -> io::Result<()> {
    record(out, columns.iter().map(|column| column.json(view)))
}

pub(super) fn record(out: &mut dyn Write, values: impl Iterator<Item = Value>) -> io::Result<()> {
    for (n, value) in values.enumerate() {
        if n > 0 {
            out.write_all(b",")?;
        }
        field(out, &text(&value))?;
    }
    out.write_all(b"\r\n")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn field(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    write!(out, "\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        let check = |value: Value, wanted: &str| {
            let mut out = Vec::new();
            record(&mut out, [value].into_iter()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("{wanted}\r\n"));
        };
        check(json!(null), r#""""#);
        check(json!(12), r#""12""#);
        check(json!("a,b\"c"), r#""a,b""c""#);
        check(json!([1, 2]), r#""1 2""#);
        for formula in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            check(json!(formula), &format!("\"'{formula}\""));
        }
    }
}
