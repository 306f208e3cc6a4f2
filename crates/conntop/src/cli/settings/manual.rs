//! The manual's page about the configuration.

use super::{SETTINGS, file};

/// `docs/manual/configuration.md`.
pub(in crate::cli) fn manual() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| file | option | variable | usually | what it does |\n|---|---|---|---|---|\n");
    page.push_str("| | `--config` | `CONNTOP_CONFIG` | see above | Configuration file |\n");
    for setting in SETTINGS {
        let (flag, variable, help) = setting.option();
        let name = match setting.place() {
            (Some(section), Some(name)) => format!("`[{section}]` `{name}`"),
            (Some(section), None) => format!("`[{section}]`"),
            (None, name) => format!("`{}`", name.unwrap_or_default()),
        };
        let code = |text: Option<String>| text.map_or_else(String::new, |text| format!("`{text}`"));
        let help = help.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ");
        page.push_str(&format!(
            "| {name} | {} | {} | {} | {help} |\n",
            code(flag),
            code(variable),
            setting.usual
        ));
    }
    page.push_str(REST);
    for line in file().lines() {
        let line = format!("    {line}");
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the table of settings; a test fails when it drifts. -->

`~/.config/conntop/config.toml` (or below `$XDG_CONFIG_HOME`), or the file that `--config` or `CONNTOP_CONFIG` names.
It is TOML; all of it is optional. A file that nobody named and that cannot be read (in another user's home, say) is
told of and left alone; one that was named has to be there.

- `conntop config init` writes the file with every setting as a comment; it never overwrites one.
- `conntop config show` prints what holds and who says so, as a file that could take the place of yours.
- `conntop config path` prints where the file is, or would be.

Each setting is an option and a variable as well. The option is believed first, then the variable, then the file.

";

const REST: &str = "
Lists of an option take the place of those of the file; only `--alias` and `--bind` add to `[names]` and `[keys]`, and
go first. `true` and `false` stand behind an option after `=`: `--ascii=false`. `[keys]` is described in
[keys.md](keys.md). Where to look (`--connect`) and what (`--filter`) are asked each time and have no place in the file:
a forgotten filter would show a part as if it were the whole.

A file with a mistake is refused as a whole (exit code 78), with the line and what may have been meant:

    conntop: configuration /home/u/.config/conntop/config.toml: line 3: there is no setting `lcoal`; did you mean `local`?

It may be up to 1 MiB long, with at most 16,384 names.

## The file that `conntop config init` writes

";
