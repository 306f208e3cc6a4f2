//! Keys: the table makes sense, schemes and a person's own keys change it as said, and mistakes are named.

#![expect(clippy::expect_used, clippy::panic, reason = "a test")]

use conntop::tui::action::{Action, Edit, Motion};
use conntop::tui::bindings::{BINDINGS, Context};
use conntop::tui::key::Key;
use conntop::tui::keymap::{HelpLine, Keymap, KeymapError, Rebinding, Scheme};

fn keymap(scheme: Scheme, settings: &[&str]) -> Result<Keymap, KeymapError> {
    let own: Vec<Rebinding> = settings.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    Keymap::new(scheme, &own)
}

/// What a key does with these settings, by its name; `-` does nothing.
fn check(scheme: Scheme, settings: &[&str], wanted: &[(Context, &str, Option<Action>)]) {
    let map = keymap(scheme, settings).unwrap_or_else(|error| panic!("{settings:?}: {error}"));
    for (context, key, action) in wanted {
        let found = map.dispatch(*context, Key::parse(key).expect("a key"));
        assert_eq!(found, *action, "{scheme:?} {settings:?}: {key} in {context:?}");
    }
}

#[test]
fn schemes_have_no_key_twice_and_lead_out_of_everywhere() {
    for scheme in [Scheme::Default, Scheme::Classic] {
        Keymap::new(scheme, &[]).unwrap_or_else(|error| panic!("{scheme:?}: {error}"));
    }
}

#[test]
fn every_key_is_named_and_found_by_its_name() {
    let map = Keymap::default();
    for binding in BINDINGS {
        assert!(!binding.help.is_empty());
        for key in binding.keys {
            assert_eq!(Key::parse(&key.to_string()), Some(*key), "{key}");
            for context in binding.contexts {
                assert_eq!(map.dispatch(*context, *key), Some(binding.action.clone()));
            }
        }
    }
}

#[test]
fn names_of_keys() {
    for (name, shown) in [
        ("ctrl-c", "Ctrl-C"),
        ("ALT-x", "Alt-x"),
        ("Ctrl-Alt-Del", "Ctrl-Alt-Del"),
        ("pgdn", "PgDn"),
        ("f12", "F12"),
        ("F", "F"),
        ("-", "-"),
        ("Ctrl--", "Ctrl--"),
        (",", "Comma"),
        ("é", "é"),
    ] {
        let key = Key::parse(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(key.to_string(), shown);
        assert_eq!(Key::parse(shown), Some(key));
    }
    for wrong in ["", " ", "Ctrl-", "F0", "F25", "F99999999999", "qq", "\u{1b}", "Strg-X", "ééé"] {
        assert_eq!(Key::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn own_keys_take_the_place_of_all_others_of_their_row() {
    use Context::{Details, Dialog, Flows, Groups, Menu, Prompt};
    check(
        Scheme::Default,
        &["quit=X F12", "uplink=", "details-close=Backspace", "prompt-accept=Enter Ctrl-J"],
        &[
            (Flows, "q", None),
            (Flows, "F10", None),
            (Flows, "X", Some(Action::Quit)),
            (Groups, "F12", Some(Action::Quit)),
            (Flows, "Ctrl-C", Some(Action::Quit)),
            (Flows, "u", None),
            (Details, "q", None),
            (Details, "Backspace", Some(Action::Close)),
            (Prompt, "Ctrl-J", Some(Action::Accept)),
            (Prompt, "q", Some(Action::Edit(Edit::Insert('q')))),
        ],
    );
    check(
        Scheme::Default,
        &["move-down=Ctrl-N", "yes=Y", "menu-accept=F12"],
        &[
            (Flows, "Ctrl-N", Some(Action::Move(Motion::Down))),
            (Flows, "j", None),
            (Dialog, "y", None),
            (Dialog, "Y", Some(Action::Yes)),
            (Menu, "F12", Some(Action::Accept)),
        ],
    );
    // Keys may be exchanged; of two settings for one row the first counts.
    check(
        Scheme::Default,
        &["names=N", "services=n", "names=x"],
        &[(Flows, "N", Some(Action::Names)), (Flows, "n", Some(Action::Services)), (Flows, "x", None)],
    );
}

#[test]
fn classic_keys() {
    use Context::{Details, Flows, Help};
    let function = |number| format!("F{number}");
    let actions = [
        Action::Help,
        Action::Columns,
        Action::SortMenu,
        Action::Cursor,
        Action::Names,
        Action::Services,
        Action::PreviousPane,
        Action::NextPane,
        Action::Pause,
        Action::Quit,
    ];
    for (number, action) in (1..).zip(actions) {
        check(Scheme::Classic, &[], &[(Flows, &function(number), Some(action))]);
    }
    check(
        Scheme::Classic,
        &["cursor=F11"],
        &[
            (Help, "F1", Some(Action::Close)),
            (Details, "F9", Some(Action::Pause)),
            (Flows, "Space", Some(Action::Pause)),
            (Flows, "s", Some(Action::SortMenu)),
            (Flows, "Enter", Some(Action::Details)),
            (Flows, "F4", None),
            (Flows, "F11", Some(Action::Cursor)),
        ],
    );
}

#[test]
fn mistakes_say_what_and_where() {
    let wrong = |settings: &[&str], wanted: &str| {
        let error = keymap(Scheme::Default, settings).expect_err(wanted).to_string();
        assert_eq!(error, wanted, "{settings:?}");
    };
    wrong(&["qiut=Q"], "keys: there is nothing called `qiut`; did you mean `quit`?");
    wrong(&["teleport=Q"], "keys: there is nothing called `teleport`; conntop's manual lists the names");
    wrong(&["quit=Strg-Q"], "keys: `Strg-Q` of `quit` is no key; write q, Ctrl-C, F10, PgDn or Space");
    wrong(&["quit"], "keys: `quit` sets nothing; write quit=X, or quit=X F10 for two keys");
    wrong(&["=q"], "keys: `=q` sets nothing; write quit=X, or quit=X F10 for two keys");
    wrong(
        &["names=s"],
        "keys: `s` would mean both `sort-menu` and `names` (Flows); give one of them another key",
    );
    wrong(
        &["edit-kill-word=x"],
        "keys: `x` cannot be `edit-kill-word`: it is a character that is typed there",
    );
    wrong(&["quit=", "flows-quit="], "keys: no key is left for `quit` (Flows)");
    wrong(&["close=", "details-close="], "keys: no key is left for `close` (Details)");
}

#[test]
fn help_and_footer_show_the_keys_in_force() {
    let map = keymap(Scheme::Classic, &["filter=f", "uplink="]).expect("sound settings");
    let hints: Vec<String> =
        map.footer(Context::Flows).iter().map(|hint| format!("{} {}", hint.key, hint.word)).collect();
    for wanted in ["F1 Help", "f Filter", "F3 Sort", "F10 Quit"] {
        assert!(hints.iter().any(|hint| hint == wanted), "no {wanted} in {hints:?}");
    }
    let help = map.help();
    let keys = |help_text: &str| {
        help.iter().find_map(|line| match line {
            HelpLine::Keys(keys, text) if text.contains(help_text) => Some(keys.as_str()),
            _ => None,
        })
    };
    assert_eq!(keys("choose the column to sort by"), Some("F3 s"));
    assert_eq!(keys("filter the flows"), Some("f"));
    assert_eq!(keys("who uses the uplink"), None);
    assert_eq!(map.key_for(Context::Flows, &Action::Names), Some("F5".to_owned()));
    assert_eq!(map.key_for(Context::Flows, &Action::Uplink), None);
}
