//! The decoder on any bytes: the splits do not matter; what it accepts, the JSON Schema accepts too, and
//! what is accepted is encoded and decoded again to the same. The columns of a delta become rows or one
//! error, and rows become the same rows again.

use conntop_proto::codec::{Message, Validate, encode_line};
use conntop_proto::message::{ClientMessage, Codec, ServerMessage};

use crate::outcome;

pub(crate) fn check(mut bytes: &[u8]) {
    let cuts = crate::take_cuts(&mut bytes);
    match crate::take(&mut bytes, 3) {
        0 => drop(lines::<ClientMessage>(bytes, &cuts)),
        1 => lines::<ServerMessage>(bytes, &cuts).iter().for_each(rows),
        _ => {
            let whole = outcome::stream(&[bytes], Codec::Zstd);
            assert_eq!(outcome::stream(&crate::pieces(bytes, &cuts), Codec::Zstd), whole);
            whole.messages.iter().for_each(rows);
        }
    }
}

fn lines<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8], cuts: &[usize]) -> Vec<M> {
    let whole = outcome::lines::<M>(&[bytes], Validate::Control);
    assert_eq!(outcome::lines::<M>(&crate::pieces(bytes, cuts), Validate::Control), whole);
    let accepted = bytes.split_inclusive(|&byte| byte == b'\n').zip(&whole.messages);
    for (line, message) in accepted {
        let value = serde_json::from_slice(line).expect("what is accepted is JSON");
        M::validate(&value).unwrap_or_else(|error| panic!("accepted, but {error}"));
        let mut again = Vec::new();
        // Escapes are shorter than what they stand for, and rows of one value may become columns.
        if encode_line(message, &mut again).is_ok() {
            let again = outcome::lines::<M>(&[&again], Validate::All);
            assert_eq!((&again.messages[..], again.error), (std::slice::from_ref(message), None));
        }
    }
    whole.messages
}

fn rows(message: &ServerMessage) {
    let ServerMessage::Delta(delta) = message else { return };
    if let Ok(rows) = delta.rows() {
        let again = rows.clone().into_delta(delta.header()).rows();
        assert_eq!(again.map_err(|error| error.to_string()), Ok(rows));
    }
}
