//! What keys do: effects, what is on top, and rows that hold still.

mod stage;

use conntop::tui::action::Effect;
use conntop::tui::bindings::Context;
use conntop::tui::screen::Row;
use stage::Stage;

#[test]
fn keys_lead_to_contexts_and_effects() {
    let check = |script: &str, context: Context, effects: &[Effect]| {
        let mut stage = Stage::new(120, 40);
        stage.play(script);
        assert_eq!(stage.app.context(), context, "{script}");
        let others = |effect: &Effect| !matches!(effect, Effect::Remember(_));
        stage.effects.retain(others);
        assert_eq!(stage.effects, effects, "{script}");
    };
    for (script, context, effects) in [
        ("q", Context::Flows, vec![Effect::Quit]),
        ("F10", Context::Flows, vec![Effect::Quit]),
        ("Ctrl-C", Context::Flows, vec![Effect::Quit]),
        ("Ctrl-Z", Context::Flows, vec![Effect::Suspend]),
        ("Ctrl-L", Context::Flows, vec![Effect::Repaint]),
        ("+2 Space", Context::Flows, vec![Effect::Pause(true)]),
        ("+2 Space Space", Context::Flows, vec![Effect::Pause(true), Effect::Pause(false)]),
        ("?", Context::Help, vec![]),
        ("? q", Context::Flows, vec![]),
        ("? F10", Context::Help, vec![Effect::Quit]),
        ("? /", Context::Prompt, vec![]),
        ("? / \"q\" Enter Esc", Context::Help, vec![]),
        ("? / \"q\" Enter Esc Esc", Context::Flows, vec![]),
        ("/", Context::Prompt, vec![]),
        ("/ \"q?\" Esc", Context::Flows, vec![]),
        ("/ Ctrl-C", Context::Flows, vec![]),
        ("F4 F10", Context::Prompt, vec![Effect::Quit]),
        ("+2 Enter", Context::Details, vec![]),
        ("+2 Enter ? Esc Esc", Context::Flows, vec![]),
        ("Enter", Context::Flows, vec![]),
        ("+2 s", Context::Menu, vec![]),
        ("+2 s G Enter", Context::Flows, vec![]),
        ("+2 A", Context::Notice, vec![]),
        ("+2 A Enter", Context::Flows, vec![]),
        ("+2 A q", Context::Flows, vec![]),
        ("A", Context::Dialog, vec![]),
        ("A n", Context::Flows, vec![]),
        ("A Esc", Context::Flows, vec![]),
        ("A y", Context::Flows, vec![Effect::Activate]),
    ] {
        check(script, context, &effects);
    }
}

#[test]
fn what_a_person_changes_is_remembered_and_nothing_else() {
    let check = |script: &str, wanted: &[&str]| {
        let mut stage = Stage::new(120, 40);
        stage.play(script);
        let last = stage.effects.iter().rev().find_map(|effect| match effect {
            Effect::Remember(text) => Some(text.clone()),
            _ => None,
        });
        let text = last.unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, wanted, "{script}");
    };
    check("+3 b", &["units = \"bytes\""]);
    check("+3 b b", &[]);
    check("+3 w w", &["window = 40"]);
    check("+3 I v n", &["view = \"workstation\"", "sort = \"rate:asc\"", "names = true"]);
    check("+3 L Q o Space Space / \"port 443\" Enter 2", &[]);
}

/// The cells that identify a flow at 120 columns: source, source port, destination.
fn key(row: &Row) -> Vec<String> {
    [3, 4, 5].iter().filter_map(|at| row.cells.get(*at)).map(|cell| cell.text.clone()).collect()
}

fn keys(stage: &Stage) -> Vec<Vec<String>> {
    stage.app.screen().table.rows.iter().map(key).collect()
}

fn selected(stage: &Stage) -> Option<Vec<String>> {
    stage.app.screen().table.rows.iter().find(|row| row.selected).map(key)
}

#[test]
fn the_selection_follows_the_flow() {
    for script in ["Down Down Down", "PgDn j j", "G k k k k", "Ctrl-D", "I Down Down"] {
        let mut stage = Stage::new(120, 20);
        stage.play("+3");
        stage.play(script);
        let before = selected(&stage).expect("a selected row");
        stage.play("+3 I +1 I +1");
        assert_eq!(selected(&stage), Some(before), "{script}");
    }
}

#[test]
fn nothing_moves_while_a_person_moves_or_the_order_is_frozen() {
    for script in ["o", "Down"] {
        let mut stage = Stage::new(120, 60);
        stage.play("+3");
        stage.play(script);
        let before = keys(&stage);
        stage.play("+1");
        let after = keys(&stage);
        let kept: Vec<_> = after.iter().filter(|key| before.contains(key)).cloned().collect();
        let still: Vec<_> = before.iter().filter(|key| after.contains(key)).cloned().collect();
        assert_eq!(kept, still, "{script}");
    }
}

#[test]
fn a_paused_screen_stands_and_catches_up() {
    let mut stage = Stage::new(120, 40);
    stage.play("+3 Space");
    let standing = stage.text();
    stage.play("+4");
    assert_eq!(stage.text(), standing);
    stage.play("Space +1");
    assert_ne!(stage.text(), standing);
}

#[test]
fn ended_flows_are_shown_dimmed_and_not_counted() {
    let mut stage = Stage::new(200, 70);
    stage.play("+1 I +8");
    let rows = &stage.app.screen().table.rows;
    let ghosts = rows.iter().filter(|row| row.ghost).count();
    let live = stage.app.engine().mirror().len();
    assert!(ghosts > 0, "no ghost among {} rows", rows.len());
    assert_eq!(stage.app.screen().header.flows, u64::try_from(live).ok());
}

#[test]
fn a_screen_in_between_shows_what_was_complete() {
    let mut stage = Stage::new(120, 40);
    stage.play("+3");
    let before = keys(&stage);
    let filter = |stage: &Stage| stage.app.screen().filter.clone().expect("a filter line");
    let totals = |stage: &Stage| filter(stage).totals.into_iter().map(|span| span.text).collect::<Vec<_>>();
    for key in ["/", "5", "3"] {
        stage.half_key(key);
    }
    assert_eq!(filter(&stage).text, "53", "what is typed is seen at once");
    assert_eq!(totals(&stage), ["…"], "the sums of another filter are no answer");
    assert!(before.starts_with(&keys(&stage)), "the rows of before");
    stage.play("+1");
    assert!(!before.starts_with(&keys(&stage)), "the rows that were asked for");
    assert!(totals(&stage)[0].contains(" of "), "{:?}", totals(&stage));
}

#[test]
fn an_invalid_filter_leaves_the_one_of_before() {
    let ports = |stage: &Stage| {
        let rows = &stage.app.screen().table.rows;
        let port = |row: &Row| row.cells.get(6).map(|cell| cell.text.trim().to_owned());
        let mut ports: Vec<String> = rows.iter().filter_map(port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    };
    let check = |before: &str, typed: &str, valid: bool, wanted: Option<&[&str]>| {
        let mut stage = Stage::new(200, 60);
        stage.play(&format!("+5 {before}"));
        let shown = ports(&stage);
        stage.play(typed);
        let filter = stage.app.screen().filter.clone();
        assert_eq!(filter.is_none_or(|filter| filter.error.is_none()), valid, "{before} {typed}");
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        assert_eq!(ports(&stage), wanted.unwrap_or(&shown), "{before} {typed}");
    };
    // Without a filter, everything stays; `dport 4` is a filter that nothing satisfies.
    check("", "/ \"dport\"", false, None);
    check("", "/ \"dport 4\"", true, Some(&[]));
    check("", "/ \"dport 4 and\"", false, Some(&[]));
    check("", "/ \"dport 53\"", true, Some(&["53"]));
    check("", "/ \"dport 53 and colour red\"", false, None);
    check("", "/ \"dport 53 and colour red\" Esc", true, None);
    // What stands before an end that is still missing holds, whatever the next key.
    for next in [
        " ",
        " a",
        " an",
        " and",
        " and ",
        " and d",
        " and dst",
        " and dst ",
        " and dst i",
        " and dst 10.",
        " and (",
        " and (dst 1.",
        " and proto {",
        " and not",
        " and \\\"ab",
        " &",
        " and rate > 1",
    ] {
        let valid = next == " ";
        check("", &format!("/ \"dport 53{}\"", next.replace("\\\"", "'")), valid, Some(&["53"]));
    }
    check("", "/ \"port {53, \"", false, Some(&["53"]));
    check("", "/ \"(dport 53 or dport 80\"", false, Some(&["53", "80"]));
    // The beginning of a field's name is no search until it is taken as one.
    check("", "/ \"dpo\"", false, None);
    check("", "/ \"dpo\" Enter", true, Some(&[]));
    check("", "/ \"dport 53 and\" Enter", false, Some(&["53"]));
    // With one, it holds.
    let before = "/ \"dport 53\" Enter";
    check(before, "/ \" or\"", false, Some(&["53"]));
    check(before, "/ \" or dport 80\"", true, Some(&["53", "80"]));
    check(before, "/ \" or dport 80 or\"", false, Some(&["53", "80"]));
    check(before, "/ \" or dport 80 or\" Enter", false, Some(&["53", "80"]));
    check(before, "/ \" or dport 80 or\" Esc", true, Some(&["53"]));
    check(before, "/ \" or dport 80 or colour red\"", false, Some(&["53"]));
    // What was accepted in between is what counts.
    check(before, "/ \" or dport 80\" Enter / \" or\"", false, Some(&["53", "80"]));
}

/// What stands in the line of the filter.
fn typed(stage: &Stage) -> String {
    stage.app.screen().filter.as_ref().map_or_else(String::new, |line| line.text.clone())
}

#[test]
fn what_was_taken_comes_back() {
    let mut stage = Stage::new(120, 40);
    stage.play(
        "+3 / \"dport 443\" Enter / Ctrl-U \"udp\" Enter / Ctrl-U \"udp\" Enter / Ctrl-U \"port 53\" Enter",
    );
    for (script, wanted) in [
        // Not the one that stands there.
        ("/ Up", "udp"),
        ("Up", "dport 443"),
        ("Up", "dport 443"),
        ("Down", "udp"),
        ("Down", "port 53"),
        ("Down", "port 53"),
        ("Ctrl-U \"tc\" Up Down", "tc"),
        ("Esc", "port 53"),
        // A candidate that was taken is part of the line.
        ("/ Ctrl-U \"prot\" Tab \"tc\" Tab Enter", "proto tcp "),
        ("/ Up", "port 53"),
        ("Down", "proto tcp "),
        ("Esc Esc", ""),
        ("/ Up", "proto tcp "),
    ] {
        stage.play(script);
        assert_eq!(typed(&stage), wanted, "{script}");
    }
}

#[test]
fn candidates_are_gone_through_and_left() {
    let mut stage = Stage::new(120, 40);
    stage.play("+12 /");
    for (script, wanted) in [
        ("\"dport \" Tab", "dport https"),
        ("Shift-Tab", "dport "),
        ("Shift-Tab", "dport ~"),
        ("Tab", "dport "),
        ("Tab Tab", "dport https-alt"),
        // Back to what was typed, then out.
        ("Esc", "dport "),
        ("\"ht\" Tab", "dport http"),
        ("Tab Tab", "dport https-alt"),
        ("\" and st\" Tab", "dport https-alt and stat"),
        ("Tab", "dport https-alt and state"),
        ("Tab", "dport https-alt and status"),
        ("Left Left Left Backspace Tab", "dport https-alt and stattus"),
        ("Esc Esc", ""),
    ] {
        stage.play(script);
        assert_eq!(typed(&stage), wanted, "{script}");
    }
    assert!(stage.app.screen().filter.is_none());
}
