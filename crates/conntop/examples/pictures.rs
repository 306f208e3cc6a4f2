//! Makes the pictures of the README and the manual out of the recording of an office, by the program's own
//! drawing: `cargo run -p conntop --example pictures`

#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;
#[path = "../tests/stage/office.rs"]
mod office;
#[path = "../tests/stage/mod.rs"]
mod stage;

use std::fs;
use std::io;
use std::path::Path;

use conntop::tui::app::Options;
use conntop::tui::svg;
use stage::Stage;

/// Name, columns, lines, and what is done.
pub(crate) const PICTURES: &[(&str, u16, u16, &str)] = &[
    ("flows", 120, 30, "+24 Down Down Down Down Down"),
    ("wide", 200, 40, "+24 Down Down"),
    ("narrow", 80, 24, "+24"),
    ("filter", 120, 24, "+24 / \"dport 443 and not dst in 10.0.0.0/8\" Enter"),
    ("typing", 120, 24, "+24 / \"dport 443 and st\" Tab"),
    ("groups", 120, 24, "+24 2 Down"),
    ("opened", 120, 24, "+24 2 Down Enter Down"),
    ("only", 120, 24, "+24 Down Down ="),
    ("columns", 120, 24, "+24 C Down Down"),
    ("listeners", 120, 20, "+24 3 Down"),
    ("interfaces", 120, 20, "+24 4 Down"),
    ("table", 120, 24, "+24 5 Down"),
    ("details", 120, 34, "+24 Down Down Enter"),
    ("help", 120, 34, "+24 ?"),
    (REPLAY, 120, 16, "+12 Space +1"),
];

/// The one that is shown as a recording.
const REPLAY: &str = "replay";

/// Makes a picture.
pub(crate) fn picture(name: &str, columns: u16, lines: u16, script: &str) -> String {
    let recording = name == REPLAY;
    let source = if recording { "office.ndjson" } else { "conntrack" }.to_owned();
    let options = Options { source, recording, local: !recording, names: true, ..Options::default() };
    let mut stage = Stage::of(columns, lines, office::knowing(), options);
    stage.play(script);
    svg::render(&stage.buffer())
}

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures");
    fs::create_dir_all(&folder)?;
    for (name, columns, lines, script) in PICTURES {
        fs::write(folder.join(name).with_extension("svg"), picture(name, *columns, *lines, script))?;
    }
    Ok(())
}
