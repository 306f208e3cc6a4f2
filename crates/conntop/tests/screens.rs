//! Every screen at four sizes, as it is in the recording of an office: keys in, screens out, compared with
//! committed ones. `INSTA_UPDATE=always cargo test -p conntop --test screens` takes the new ones.

#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;
#[path = "stage/office.rs"]
mod office;
mod stage;

use conntop::tui::app::Options;
use stage::Stage;

/// A usual terminal, a large one, a whole display, and hardly anything.
const SIZES: &[(u16, u16)] = &[(80, 24), (120, 40), (200, 60), (20, 3)];

/// Name and what is done: keys by name, `"..."` types text, `+N` lets N seconds of the recording pass.
const SCREENS: &[(&str, &str)] = &[
    ("flows", "+12 Down Down"),
    ("workstation", "+12 v"),
    ("filtered", "+12 / \"dport 443\" Enter"),
    ("typing", "+12 / \"dport 443 and not dst i\""),
    ("mistake", "+12 / \"dport 443 and colour red\""),
    ("completing", "+12 / \"st\" Tab"),
    ("groups", "+12 2 Down"),
    ("groups_open", "+12 2 Down Enter Down"),
    ("uplink", "+12 u"),
    ("group_menu", "+12 t Down Space"),
    ("only", "+12 Down Down ="),
    ("not", "+12 2 Down !"),
    ("columns", "+12 C Down"),
    ("copy", "+12 Down Down y"),
    ("no_end", "+12 Down Down E"),
    ("listeners", "+12 3 Down"),
    ("interfaces", "+12 4 Down"),
    ("table", "+12 5 Down"),
    ("details", "+12 Down Down Enter"),
    ("help", "+12 ?"),
    ("sort", "+12 s j j"),
    ("ended", "+24 s g Enter"),
    ("paused", "+12 Space +1"),
    ("end", "+26"),
];

#[test]
fn screens_are_as_committed() {
    for (name, script) in SCREENS {
        for (columns, lines) in SIZES {
            let options = Options {
                source: "office.ndjson".into(),
                recording: true,
                names: true,
                ..Options::default()
            };
            let mut stage = Stage::of(*columns, *lines, office::knowing(), options);
            stage.play(script);
            insta::assert_snapshot!(format!("{name}_{columns}x{lines}"), stage.text());
        }
    }
}
