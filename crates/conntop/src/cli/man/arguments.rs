//! Options and arguments of clap as items of a page.

use clap::builder::ValueRange;
use clap::{Arg, Command};
use roff::{Inline, bold, italic, roman};

use super::sheet::Sheet;

/// The options of a program, below the headings that `--help` has.
pub(super) fn options(sheet: &mut Sheet, command: &Command) {
    let shown = || command.get_arguments().filter(|argument| !argument.is_hide_set());
    let mut headings = vec![None];
    for argument in shown() {
        if !headings.contains(&argument.get_help_heading()) {
            headings.push(argument.get_help_heading());
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            sheet.subsection(heading);
        }
        for argument in shown().filter(|argument| argument.get_help_heading() == heading) {
            item(sheet, argument);
        }
    }
}

/// An option or argument, and what it does.
pub(super) fn item(sheet: &mut Sheet, argument: &Arg) {
    sheet.item(&names(argument), &meaning(argument));
}

fn names(argument: &Arg) -> Vec<Inline> {
    let value = argument.get_value_names().unwrap_or_default().first().map_or("", |name| name.as_str());
    let values = argument.get_num_args().unwrap_or(ValueRange::EMPTY);
    let mut names = Vec::new();
    if let Some(letter) = argument.get_short() {
        names.extend([bold(format!("-{letter}")), roman(", ")]);
    }
    match argument.get_long() {
        Some(long) => names.push(bold(format!("--{long}"))),
        None => {
            names.push(italic(value));
            if values.max_values() > 1 {
                names.push(roman("..."));
            }
            return names;
        }
    }
    if values.takes_values() {
        match (values.min_values(), argument.is_require_equals_set()) {
            (0, true) => names.extend([roman("[="), italic(value), roman("]")]),
            (0, false) => names.extend([roman(" ["), italic(value), roman("]")]),
            _ => names.extend([roman(" "), italic(value)]),
        }
    }
    names
}

fn meaning(argument: &Arg) -> Vec<Inline> {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = vec![roman(help.map(ToString::to_string).unwrap_or_default()), roman(".")];
    if !argument.is_hide_possible_values_set() {
        text.extend(values(argument));
    }
    let usual: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if argument.get_action().takes_values() && !usual.is_empty() {
        text.extend([roman(" Usually "), bold(usual.join(",")), roman(".")]);
    }
    if let Some(variable) = argument.get_env() {
        text.extend([roman(" Variable: "), bold(variable.to_string_lossy()), roman(".")]);
    }
    text
}

/// The values that there are, and what each is.
fn values(argument: &Arg) -> Vec<Inline> {
    let values = argument.get_possible_values();
    let mut before = match values.iter().any(|value| value.get_help().is_some()) {
        true => " ",
        false => " One of ",
    };
    let mut text = Vec::new();
    for value in values.iter().filter(|value| !value.is_hide_set()) {
        text.extend([roman(before), bold(value.get_name())]);
        before = ", ";
        if let Some(help) = value.get_help() {
            text.push(roman(format!(": {}", continued(&help.to_string()))));
            before = "; ";
        }
    }
    if !text.is_empty() {
        text.push(roman("."));
    }
    text
}

/// A sentence as a part of another.
fn continued(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next();
    // Abbreviations keep their capitals.
    match first {
        Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}
