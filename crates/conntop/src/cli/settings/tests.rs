//! The table of settings against clap, the file and the manual, whose page is made here.

use clap::Parser as _;

use super::*;
use crate::config::Config;
use crate::tui::keymap::Keymap;

#[test]
fn every_option_is_a_setting_or_not_for_a_reason() {
    let command = Cli::command();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if ["help", "version"].contains(&id) {
            continue;
        }
        let settings = SETTINGS.iter().filter(|setting| setting.argument == id).count();
        let reasons = NO_SETTINGS.iter().filter(|(of, _)| *of == id).count();
        assert_eq!(settings + reasons, 1, "{id} is to be in SETTINGS or in NO_SETTINGS, once");
    }
}

#[test]
fn every_setting_is_an_option_a_variable_and_a_line_of_the_file() {
    let parse = |text: &str| Config::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    let held = |config: Config| {
        let mut cli = Cli::try_parse_from(["conntop"]).expect("no options");
        cli.common.settle(config);
        format!("{:?}", cli.common)
    };
    for setting in SETTINGS {
        let Setting { key, .. } = setting;
        let (flag, variable, help) = setting.option();
        assert!(flag.is_some(), "{key} has no option");
        assert!(variable.is_some_and(|name| name.starts_with("CONNTOP_")), "{key} has no variable");
        assert!(!help.is_empty(), "{key} has no help");
        let section = setting.place().0.map(|section| format!("[{section}]\n")).unwrap_or_default();
        let text = format!("{section}{}", setting.lines().join("\n"));
        assert_ne!(held(parse(&text)), held(Config::default()), "{key}: {text} changes nothing");
    }
}

#[test]
fn every_name_that_the_file_takes_is_a_setting() {
    for section in ["", "[geoip]\n"] {
        let wrong = toml::from_str::<Config>(&format!("{section}zzz = 1")).expect_err("no setting");
        let mut names = wrong.message().split('`').skip(1).step_by(2).skip(1).peekable();
        assert!(names.peek().is_some(), "{wrong}");
        for name in names {
            let known = SETTINGS.iter().map(|setting| setting.place()).any(|(of, own)| match section {
                "" => of.or(own) == Some(name),
                _ => of == Some("geoip") && own == Some(name),
            });
            assert!(known, "{section}{name} is no setting");
        }
    }
}

#[test]
fn the_written_file_says_nothing_and_everything() {
    let file = file();
    assert_eq!(Config::parse(&file), Ok(Config::default()));
    let spoken: String = file
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let whole = Config::parse(&spoken).unwrap_or_else(|wrong| panic!("{spoken}\n{wrong}"));
    assert_ne!(whole.keys, Config::default().keys);
    let keymap = Keymap::new(whole.keys.scheme.unwrap_or_default(), &whole.keys.own);
    assert!(keymap.is_ok(), "{:?}", keymap.err());
    assert_eq!(whole.names.0.len(), 3);
    for line in file.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn manual_is_as_committed() {
    crate::flow::testing::check_page("configuration.md", &manual());
}
