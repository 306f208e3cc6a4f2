//! What is encoded is decoded again, however the bytes are split: lines of both directions, and frames.

use conntop_proto::codec::{Message, Validate, ZstdEncoder, encode_line};
use conntop_proto::message::Codec;

use crate::outcome;
use crate::support::{client_message, server_message};

pub(crate) fn check(mut bytes: &[u8]) {
    let cuts = crate::take_cuts(&mut bytes);
    if crate::take(&mut bytes, 2) == 0 {
        lines(&crate::generate(&client_message(), bytes, 6, 8), &cuts);
    } else {
        let messages = crate::generate(&server_message(), bytes, 6, 8);
        let lines = lines(&messages, &cuts);
        let mut encoder = ZstdEncoder::new().expect("zstd has memory");
        let mut frames = Vec::new();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            frames.extend(encoder.frame(line).expect("a line fits a frame"));
        }
        let outcome = outcome::stream(&crate::pieces(&frames, &cuts), Codec::Zstd);
        assert_eq!((outcome.messages, outcome.error), (messages, None));
    }
}

fn lines<M: Message + PartialEq + std::fmt::Debug>(messages: &[M], cuts: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        encode_line(message, &mut bytes).expect("a generated message fits a line");
    }
    let outcome = outcome::lines::<M>(&crate::pieces(&bytes, cuts), Validate::All);
    assert_eq!((&outcome.messages[..], outcome.error), (messages, None));
    bytes
}
