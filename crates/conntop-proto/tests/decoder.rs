//! The decoder: the same messages however the bytes were split, limits, hostile lines and frames.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use conntop_proto::codec::{
    DecodeError, LineDecoder, Message, ServerStream, Validate, ZstdEncoder, decode_line, encode_line,
};
use conntop_proto::limits::{MAX_CLIENT_LINE, MAX_FRAME_INPUT, MAX_FRAME_OUTPUT, MAX_SERVER_LINE};
use conntop_proto::message::{ByeReason, ClientMessage, Codec, Ping, ServerMessage};
use proptest::collection::vec;
use proptest::prelude::*;

/// What comes out of a decoder: messages, and the error that ended it.
type Outcome = (Vec<String>, Option<String>);

fn drain<M: std::fmt::Debug>(
    mut next: impl FnMut() -> Option<Result<M, DecodeError>>,
    outcome: &mut Outcome,
) {
    while let Some(result) = next() {
        match result {
            Ok(message) => outcome.0.push(format!("{message:?}")),
            Err(error) => assert_eq!(outcome.1.replace(error.to_string()), None, "a second error"),
        }
    }
}

fn decode_split<M: Message + std::fmt::Debug>(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut decoder = LineDecoder::<M>::default();
    let mut outcome = Outcome::default();
    for piece in pieces(bytes, cuts) {
        decoder.push(piece);
        drain(|| decoder.next(), &mut outcome);
        assert!(decoder.pending() <= M::MAX_LINE, "{} bytes held back", decoder.pending());
    }
    outcome
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut start = 0;
    cuts.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

fn lines<M: Message>(messages: &[M]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        encode_line(message, &mut bytes).unwrap();
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn splits_of_a_servers_stream_do_not_matter(
        messages in vec(support::server_message(), 0..6),
        cuts in vec(any::<usize>(), 0..12),
        damage in proptest::option::of((any::<usize>(), any::<u8>())),
    ) {
        let mut bytes = lines(&messages);
        if let Some((at, byte)) = damage && !bytes.is_empty() {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = decode_split::<ServerMessage>(&bytes, &[]);
        prop_assert_eq!(&decode_split::<ServerMessage>(&bytes, &cuts), &whole);
        if damage.is_none() {
            prop_assert_eq!(whole.0.len(), messages.len());
            prop_assert_eq!(whole.1, None);
        }
    }

    #[test]
    fn splits_of_a_clients_stream_do_not_matter(
        messages in vec(support::client_message(), 0..6),
        noise in vec(any::<u8>(), 0..40),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let mut bytes = lines(&messages);
        bytes.extend(noise);
        let whole = decode_split::<ClientMessage>(&bytes, &[]);
        prop_assert_eq!(decode_split::<ClientMessage>(&bytes, &cuts), whole);
    }

    #[test]
    fn splits_of_frames_do_not_matter(
        groups in vec(vec(support::server_message(), 1..4), 0..4),
        cuts in vec(any::<usize>(), 0..12),
        damage in proptest::option::of((any::<usize>(), any::<u8>())),
    ) {
        let mut encoder = ZstdEncoder::new().unwrap();
        let mut bytes = Vec::new();
        for group in &groups {
            bytes.extend(encoder.frame(&lines(group)).unwrap());
        }
        if let Some((at, byte)) = damage && !bytes.is_empty() {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = decode_frames(&bytes, &[]);
        prop_assert_eq!(&decode_frames(&bytes, &cuts), &whole);
        if damage.is_none() {
            prop_assert_eq!(whole.0.len(), groups.iter().map(Vec::len).sum::<usize>());
        }
    }
}

fn decode_frames(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut stream = ServerStream::new(Validate::Control);
    stream.switch(Codec::Zstd).unwrap();
    let mut outcome = Outcome::default();
    for piece in pieces(bytes, cuts) {
        stream.push(piece);
        drain(|| stream.next(), &mut outcome);
    }
    outcome
}

#[test]
fn longest_lines() {
    check_longest::<ClientMessage>(MAX_CLIENT_LINE);
    check_longest::<ServerMessage>(MAX_SERVER_LINE);
}

fn check_longest<M: Message + std::fmt::Debug>(limit: usize) {
    let ping = br#"{"ping":{"nonce":1}}"#;
    for (len, accepted) in [(limit, true), (limit + 1, false), (10 * limit, false)] {
        let mut line = ping.to_vec();
        line.resize(len - 1, b' ');
        line.push(b'\n');
        for cuts in [&[][..], &[1, 70_000, limit - 1, limit, limit + 1]] {
            let (messages, error) = decode_split::<M>(&line, cuts);
            assert_eq!(messages.len(), usize::from(accepted), "a line of {len} bytes");
            let expected = (!accepted).then(|| format!("line longer than {limit} bytes"));
            assert_eq!(error, expected, "a line of {len} bytes");
        }
        assert_eq!(
            decode_line::<M>(&line, Validate::Control).is_ok(),
            accepted,
            "decode_line of {len} bytes"
        );
    }
}

#[test]
fn a_bomb_of_brackets_is_refused_at_its_seventeenth_byte() {
    let mut decoder = LineDecoder::<ClientMessage>::default();
    decoder.push(&[b'['; 16]);
    assert!(decoder.next().is_none());
    decoder.push(b"[");
    let error = decoder.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "nested deeper than 16 at byte 16 of the line");
    decoder.push(&[b'['; 1 << 20]);
    assert!(decoder.next().is_none());
    assert_eq!(decoder.pending(), 0, "nothing is kept after an error");
}

#[test]
fn an_unfinished_line_is_an_error_at_the_end_only() {
    let mut decoder = LineDecoder::<ClientMessage>::default();
    decoder.push(b"{\"ping\":{\"nonce\":1}}\n{\"pi");
    assert_eq!(decoder.next().unwrap().unwrap(), ClientMessage::Ping(Ping { nonce: 1 }));
    assert!(decoder.next().is_none());
    assert_eq!(decoder.finish().unwrap_err().to_string(), "the stream ends 4 bytes into a line");
    decoder.push(b"ng\":{\"nonce\":2}}\n");
    assert_eq!(decoder.next().unwrap().unwrap(), ClientMessage::Ping(Ping { nonce: 2 }));
    assert!(decoder.finish().is_ok());
}

#[test]
fn a_plain_bye_is_understood_where_frames_are_expected() {
    let bye = b"{\"bye\":{\"reason\":\"limit\",\"text\":\"too many clients\"}}\n";
    for cuts in [&[][..], &[1], &[3, 9, 20]] {
        let (messages, error) = decode_frames(bye, cuts);
        assert_eq!(error, None);
        assert!(messages[0].contains(&format!("{:?}", ByeReason::Limit)), "{messages:?}");
    }
}

#[test]
fn hostile_lines_are_refused_by_name() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for entry in include_str!("data/hostile.tsv").lines().filter(|l| !l.starts_with('#')) {
        let [side, input, expected] = entry.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not three columns: {entry}")
        };
        let mut line = expand(input);
        line.push(b'\n');
        let (messages, error) = match side {
            "server" => decode_split::<ServerMessage>(&line, &[]),
            "client" => decode_split::<ClientMessage>(&line, &[]),
            _ => panic!("no side: {entry}"),
        };
        assert_eq!(messages, Vec::<String>::new(), "{input}");
        if error.as_deref() != Some(expected) {
            wrong.push(format!("{side}\t{input}\t{}\n  not: {expected}", error.unwrap_or_default()));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} entries");
}

/// `⟨text*n⟩` is the text n times, `⟨0xff⟩` one byte.
fn expand(input: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = input;
    while let Some((plain, more)) = rest.split_once('⟨') {
        out.extend(plain.bytes());
        let (token, more) = more.split_once('⟩').unwrap();
        match (token.strip_prefix("0x"), token.rsplit_once('*')) {
            (Some(hex), _) => out.push(u8::from_str_radix(hex, 16).unwrap()),
            (None, Some((text, n))) => out.extend(text.repeat(n.parse().unwrap()).bytes()),
            (None, None) => panic!("unknown token {token}"),
        }
        rest = more;
    }
    out.extend(rest.bytes());
    out
}

#[test]
fn hostile_frames_are_refused_by_name() {
    let ping = lines(&[ServerMessage::Ping(Ping { nonce: 1 })]);
    let frame = |content: &[u8]| ZstdEncoder::new().unwrap().frame(content).unwrap();
    let good = frame(&ping);
    let with_length = |len: usize, body: &[u8]| {
        let mut bytes = u32::try_from(len).unwrap().to_be_bytes().to_vec();
        bytes.extend(body);
        bytes
    };
    let bomb = zstd::bulk::compress(&vec![b' '; 100 << 20], 1).unwrap();
    let twice = [&good[4..], &good[4..]].concat();
    let mut damaged = good.clone();
    let last = damaged.len() - 3;
    damaged[last] ^= 0xff;
    let unsized_frame = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        std::io::Write::write_all(&mut encoder, &ping).unwrap();
        encoder.finish().unwrap()
    };
    let framing = "not exactly one zstd frame of the announced length";
    for (name, bytes, expected) in [
        (
            "empty",
            with_length(0, b""),
            format!("frame of 0 bytes, between 1 and {MAX_FRAME_INPUT} are allowed"),
        ),
        (
            "long",
            with_length(MAX_FRAME_INPUT + 1, b""),
            format!("frame of {} bytes, between 1 and {MAX_FRAME_INPUT} are allowed", MAX_FRAME_INPUT + 1),
        ),
        ("no zstd", with_length(4, b"abcd"), framing.to_owned()),
        ("cut short", with_length(good.len() - 6, &good[4..good.len() - 2]), framing.to_owned()),
        ("two at once", with_length(twice.len(), &twice), framing.to_owned()),
        (
            "bomb",
            with_length(bomb.len(), &bomb),
            format!("zstd frame of {} bytes of content, at most {MAX_FRAME_OUTPUT} are allowed", 100 << 20),
        ),
        ("half a line", frame(b"{\"ping\""), "zstd frame that does not hold whole lines".to_owned()),
        (
            "no size",
            with_length(unsized_frame.len(), &unsized_frame),
            "zstd frame without its content size".to_owned(),
        ),
    ] {
        let (messages, error) = decode_frames(&bytes, &[]);
        assert_eq!((messages, error), (vec![], Some(expected)), "{name}");
    }
    assert_eq!(decode_frames(&good, &[]).0.len(), 1);
    assert!(decode_frames(&damaged, &[]).1.is_some());
}

#[test]
fn frames_need_no_larger_window_than_promised() {
    // Above 128 KiB of content the header names the window itself: bit 5 of the descriptor is off.
    let line = lines(&[ServerMessage::Ping(Ping { nonce: 1 })]);
    let content: Vec<u8> = line.iter().copied().cycle().take(line.len() * 10_000).collect();
    let frame = ZstdEncoder::new().unwrap().frame(&content).unwrap();
    let (descriptor, window) = (frame[8], frame[9]);
    assert_eq!(descriptor & 0x20, 0, "the window is the content's size");
    assert!(10 + (window >> 3) <= 17, "window of 2^{}", 10 + (window >> 3));
    assert_eq!(decode_frames(&frame, &[]).0.len(), 10_000);
}
