//! The pictures of the README and the manual are those that the program draws now, and all are shown.

#[path = "../examples/pictures.rs"]
#[allow(dead_code, reason = "its main is not called here")]
mod pictures;

use std::fs;
use std::path::Path;

const AGAIN: &str = "make them anew: cargo run -p conntop --example pictures";

#[test]
fn pictures_are_up_to_date() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let manual = fs::read_to_string(docs.join("manual/screen.md")).expect("the manual");
    let mut wrong = Vec::new();
    for (name, columns, lines, script) in pictures::PICTURES {
        let file = docs.join(format!("pictures/{name}.svg"));
        if fs::read_to_string(file).ok() != Some(pictures::picture(name, *columns, *lines, script)) {
            wrong.push(*name);
        }
        assert!(
            manual.contains(&format!("../pictures/{name}.svg")),
            "docs/manual/screen.md does not show {name}"
        );
    }
    assert!(wrong.is_empty(), "{wrong:?} in docs/pictures are out of date; {AGAIN}");
    let files = fs::read_dir(docs.join("pictures")).expect("pictures").count();
    assert_eq!(files, pictures::PICTURES.len(), "docs/pictures has others; remove them");
}
