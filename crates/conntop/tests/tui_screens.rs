//! Whole screens of a replayed recording: keys in, screens out, compared with committed ones.
//! `INSTA_UPDATE=always cargo test -p conntop --test tui_screens` takes the new ones.

mod stage;

use stage::{Stage, charset};

/// Name, columns, lines, and what is done: keys by name, `"..."` types text, `+N` lets N seconds of
/// the recording pass.
const CASES: &[(&str, u16, u16, &str)] = &[
    ("first_80x24", 80, 24, "+12"),
    ("first_120x40", 120, 40, "+12"),
    ("first_200x60", 200, 60, "+12"),
    ("first_20x3", 20, 3, "+12"),
    ("first_40x8", 40, 8, "+12"),
    ("connecting_80x24", 80, 24, ""),
    ("selected_80x24", 80, 24, "+3 Down Down Down +9"),
    ("last_80x24", 80, 24, "+12 G k"),
    ("details_80x24", 80, 24, "+12 Down Down Enter"),
    ("details_40x12", 40, 12, "+12 Enter"),
    ("help_80x24", 80, 24, "+12 ?"),
    ("help_end_80x24", 80, 24, "+12 ? G"),
    ("help_search_80x24", 80, 24, "+12 ? / \"sort\""),
    ("sort_menu_80x24", 80, 24, "+12 s j j"),
    ("columns_80x24", 80, 24, "+12 C"),
    ("columns_200x60", 200, 60, "+12 C j j Space j J J"),
    ("columns_20x3", 20, 3, "+12 C"),
    ("columns_chosen_120x40", 120, 40, "+12 C j Space G Space j + + + Enter"),
    ("columns_wide_120x40", 120, 40, "+12 C j j j + + + + + + Enter"),
    ("columns_reset_120x40", 120, 40, "+12 C j j j Space J r Enter"),
    ("marked_120x40", 120, 40, "+6 z +4"),
    ("sorted_80x24", 80, 24, "+12 s g Enter"),
    ("inverted_80x24", 80, 24, "+12 I"),
    ("typing_80x24", 80, 24, "+12 / \"dport 443\""),
    ("completing_80x24", 80, 24, "+12 / \"proto tcp and dport \" Tab Tab"),
    ("naming_80x24", 80, 24, "+12 / \"host examp\""),
    ("completing_20x3", 20, 3, "+12 / \"proto tcp and dport \" Tab Tab"),
    ("completing_40x12", 40, 12, "+12 / \"dst \" Tab Shift-Tab Shift-Tab"),
    ("completed_80x24", 80, 24, "+12 / \"dpo\" Tab \"im\" Tab"),
    ("completing_nothing_80x24", 80, 24, "+12 / \"dport xyz\" Tab"),
    ("mistake_80x24", 80, 24, "+12 / \"dport 443 and colour red\""),
    ("mistake_40x10", 40, 10, "+12 / \"dport 443 and not dst in 10/8 or colour red\""),
    ("filtered_80x24", 80, 24, "+12 / \"dport 443\" Enter"),
    ("filtered_120x40", 120, 40, "+12 / \"dport 443\" Enter"),
    ("none_match_80x24", 80, 24, "+12 / \"dport 9\" Enter"),
    ("filter_closed_80x24", 80, 24, "+12 / \"dport 9\" Enter Esc"),
    ("paused_80x24", 80, 24, "+4 Space +5"),
    ("frozen_80x24", 80, 24, "+4 o +5"),
    ("bytes_80x24", 80, 24, "+12 b"),
    ("workstation_80x24", 80, 24, "+12 v"),
    ("workstation_120x40", 120, 40, "+12 v"),
    ("window_80x24", 80, 24, "+12 w"),
    ("activate_80x24", 80, 24, "+12 A"),
    ("activate_20x6", 20, 6, "+12 A"),
];

#[test]
fn screens_are_as_committed() {
    for (name, columns, lines, script) in CASES {
        let mut stage = Stage::new(*columns, *lines);
        stage.play(script);
        insta::assert_snapshot!(*name, stage.text());
    }
}

#[test]
fn ascii_screens_are_as_committed() {
    let mut stage = Stage::new(80, 24);
    stage.play("+12 Down");
    stage.charset = charset::Ascii;
    let text = stage.text();
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!("ascii_80x24", text);
}

#[test]
fn no_size_panics() {
    for script in ["+3", "+3 Enter", "+3 ?", "+3 s G", "+3 / \"port 4x\"", "+3 A", "+3 G"] {
        let mut stage = Stage::new(80, 24);
        stage.play(script);
        for columns in (1..=30).chain([39, 59, 79, 81, 120, 200, 220]) {
            for lines in (1..=9).chain([24, 40, 70]) {
                stage.resize(columns, lines);
                let _ = stage.text();
            }
        }
    }
}

/// What the source tells instead of a healthy stream.
const EVENTS: &[(&str, u16, u16, &str)] = &[
    ("stale_80x24", 80, 24, "+5 stale wait"),
    ("stale_120x40", 120, 40, "+5 stale wait"),
    ("unreachable_80x24", 80, 24, "stale wait"),
    ("failed_80x24", 80, 24, "+5 failed"),
    ("inactive_80x24", 80, 24, "inactive"),
    ("inactive_20x6", 20, 6, "inactive"),
    ("activate_ask_80x24", 80, 24, "inactive A"),
    ("activate_ask_40x12", 40, 12, "inactive A"),
    ("activated_80x24", 80, 24, "inactive A y activated"),
    ("lost_80x24", 80, 24, "+5 lost"),
];

#[test]
fn facts_are_told() {
    for (name, columns, lines, script) in EVENTS {
        let mut stage = Stage::new(*columns, *lines);
        for word in script.split(' ') {
            if !stage.event(word) {
                stage.play(word);
            }
        }
        insta::assert_snapshot!(*name, stage.text());
    }
}
