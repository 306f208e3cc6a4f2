//! Texts in a given number of terminal columns.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::Cut;

/// Columns that a text takes on a terminal.
#[must_use]
pub fn width(text: &str) -> u16 {
    u16::try_from(UnicodeWidthStr::width(text)).unwrap_or(u16::MAX)
}

/// The text in at most `room` columns; what is cut off is marked.
#[must_use]
pub fn fit(text: &str, room: u16, cut: Cut, ascii: bool) -> String {
    let ascii_text: String;
    let text = if ascii && !text.is_ascii() {
        ascii_text = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        &ascii_text
    } else {
        text
    };
    if width(text) <= room {
        return text.to_owned();
    }
    let mark = if ascii { "~" } else { "…" };
    let Some(kept) = room.checked_sub(1) else { return String::new() };
    match cut {
        Cut::End => head(text, kept).to_owned() + mark,
        Cut::Start => mark.to_owned() + tail(text, kept),
        Cut::Middle => {
            let first = head(text, kept.div_ceil(2));
            let last = tail(text, kept.saturating_sub(width(first)));
            format!("{first}{mark}{last}")
        }
    }
}

/// The longest beginning that fits.
fn head(text: &str, room: u16) -> &str {
    let mut used = 0_u16;
    let mut end = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used = used.saturating_add(width(grapheme));
        if used > room {
            break;
        }
        end = at + grapheme.len();
    }
    text.get(..end).unwrap_or("")
}

/// The longest end that fits.
fn tail(text: &str, room: u16) -> &str {
    let mut used = 0_u16;
    let mut begin = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        used = used.saturating_add(width(grapheme));
        if used > room {
            break;
        }
        begin = at;
    }
    text.get(begin..).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_texts_lose_what_matters_least() {
        let check = |text: &str, room, cut, ascii, wanted: &str| {
            assert_eq!(fit(text, room, cut, ascii), wanted, "{text:?} in {room}");
        };
        let v6 = "2001:db8:1234:5678:9abc:def0:1234:5678";
        check(v6, 38, Cut::Middle, false, v6);
        check(v6, 20, Cut::Middle, false, "2001:db8:1…1234:5678");
        check(v6, 20, Cut::Middle, true, "2001:db8:1~1234:5678");
        check(v6, 2, Cut::Middle, false, "2…");
        check(v6, 1, Cut::Middle, false, "…");
        check(v6, 0, Cut::Middle, false, "");
        check("host.example.com", 12, Cut::Start, false, "…example.com");
        check("conntrack", 5, Cut::End, false, "conn…");
        check("東京タワー", 6, Cut::End, false, "東京…");
        check("東京タワー", 6, Cut::Start, false, "…ワー");
        check("東京", 9, Cut::End, true, "??");
        check("e\u{301}e\u{301}e\u{301}", 2, Cut::End, false, "e\u{301}…");
    }

    proptest! {
        #[test]
        fn never_wider_than_the_room(text in ".{0,40}", room in 0_u16..50) {
            for cut in [Cut::End, Cut::Middle, Cut::Start] {
                prop_assert!(width(&fit(&text, room, cut, false)) <= room);
                prop_assert!(fit(&text, room, cut, true).is_ascii());
            }
        }
    }
}
