//! The README's picture is the one that the program draws now.

#[path = "../examples/screenshot.rs"]
#[allow(dead_code, reason = "its main is not called here")]
mod screenshot;

#[test]
fn the_picture_is_up_to_date() {
    let committed = include_str!("../../../docs/screenshot.svg");
    let drawn = screenshot::picture().expect("a sound recording");
    let advice = "cargo run -p conntop --example screenshot > docs/screenshot.svg";
    assert!(drawn == committed, "docs/screenshot.svg is out of date; make it anew: {advice}");
}
