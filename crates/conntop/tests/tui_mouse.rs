//! The mouse: what is clicked is found where it was drawn, in the text of the screen.

#![expect(clippy::expect_used, clippy::panic, reason = "a test")]

mod stage;

use conntop::tui::app::Gesture;
use conntop::tui::bindings::Context;
use conntop::tui::pane::Pane;
use ratatui::layout::Position;
use stage::Stage;

fn played(script: &str) -> Stage {
    let mut stage = Stage::new(80, 24);
    stage.play(script);
    stage
}

/// Where a text stands on the screen.
fn place(stage: &Stage, wanted: &str) -> Position {
    let text = stage.text();
    let found = text.lines().zip(0..).find_map(|(line, y)| {
        let at = line.find(wanted)?;
        Some(Position { x: u16::try_from(line[..at].chars().count()).expect("a column"), y })
    });
    found.unwrap_or_else(|| panic!("no {wanted} on\n{text}"))
}

fn click(stage: &mut Stage, at: Position) {
    stage.point(Gesture::Press(at));
}

fn selected(stage: &Stage) -> Option<usize> {
    stage.app.screen().table.rows.iter().position(|row| row.selected)
}

fn sorted(stage: &Stage) -> Option<&str> {
    let columns = &stage.app.screen().table.columns;
    columns.iter().find(|column| column.sorted.is_some()).map(|column| column.key)
}

#[test]
fn a_click_selects_and_two_open() {
    let mut stage = played("+12");
    let heading = place(&stage, "PROT ").y;
    click(&mut stage, Position { x: 10, y: heading + 4 });
    assert_eq!(selected(&stage), Some(3));
    stage.wait_ms(1000);
    click(&mut stage, Position { x: 10, y: heading + 4 });
    assert_eq!(stage.app.context(), Context::Flows, "two slow clicks are two clicks");
    click(&mut stage, Position { x: 10, y: heading + 4 });
    assert_eq!(stage.app.context(), Context::Details);
    // Rows below the details are not hit.
    click(&mut stage, Position { x: 10, y: heading + 6 });
    assert_eq!(stage.app.context(), Context::Details);
    let close = place(&stage, "q Close");
    click(&mut stage, close);
    assert_eq!((stage.app.context(), selected(&stage)), (Context::Flows, Some(3)));
}

#[test]
fn headings_sort_and_turn_around() {
    let mut stage = played("+12");
    for (title, key) in [("DPORT", "dport"), ("SOURCE", "src"), ("TOTAL", "bytes")] {
        let at = place(&stage, title);
        click(&mut stage, at);
        assert_eq!(sorted(&stage), Some(key), "{title}");
        let before = stage.app.screen().table.columns.iter().find_map(|column| column.sorted);
        stage.wait_ms(1000);
        click(&mut stage, at);
        let after = stage.app.screen().table.columns.iter().find_map(|column| column.sorted);
        assert_ne!(before, after, "{title}");
    }
}

#[test]
fn screens_and_words_of_the_footer_are_buttons() {
    let mut stage = played("+12 ?");
    let at = place(&stage, "2 Groups");
    click(&mut stage, Position { x: at.x + 4, ..at });
    assert_eq!((stage.app.context(), stage.app.screen().pane), (Context::Groups, Pane::Groups));
    let at = place(&stage, "1 Flows");
    click(&mut stage, at);
    assert_eq!(stage.app.screen().pane, Pane::Flows);
    let at = place(&stage, "/ Filter");
    click(&mut stage, at);
    assert_eq!(stage.app.context(), Context::Prompt);
    // While something is typed, rows and screens stay as they are.
    let at = place(&stage, "2 Groups");
    click(&mut stage, at);
    click(&mut stage, Position { x: 3, y: 10 });
    assert_eq!((stage.app.context(), stage.app.screen().pane), (Context::Prompt, Pane::Flows));
    stage.key("Esc");
    click(&mut stage, Position { x: 79, y: 0 });
    assert_eq!((stage.app.context(), selected(&stage)), (Context::Flows, None));
}

#[test]
fn menus_are_clicked_and_the_wheel_scrolls() {
    let mut stage = played("+12 s");
    let at = place(&stage, "rate from the local end");
    assert_eq!(stage.app.context(), Context::Menu);
    click(&mut stage, at);
    assert_eq!((stage.app.context(), sorted(&stage)), (Context::Flows, Some("up")));
    stage.point(Gesture::WheelDown);
    stage.point(Gesture::WheelDown);
    let down = selected(&stage).expect("a row");
    stage.point(Gesture::WheelUp);
    assert_eq!(selected(&stage), Some(down - 3));
    stage.key("?");
    let before = stage.text();
    stage.point(Gesture::WheelDown);
    assert_ne!(stage.text(), before);
    stage.point(Gesture::WheelUp);
    assert_eq!(stage.text(), before);
}

#[test]
fn no_place_of_any_screen_panics() {
    for script in ["+12", "+12 ?", "+12 s", "+12 A", "+12 / \"x\"", "+12 2", "+12 Enter"] {
        for (columns, lines) in [(80, 24), (20, 3), (1, 1), (40, 8)] {
            let mut stage = played(script);
            stage.resize(columns, lines);
            for y in 0..=lines {
                for x in (0..=columns).step_by(3) {
                    click(&mut stage, Position { x, y });
                }
            }
        }
    }
}
