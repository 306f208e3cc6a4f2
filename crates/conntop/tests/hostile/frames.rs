//! Compressed frames, good and bad.

use conntop_proto::codec::ZstdEncoder;
use conntop_proto::limits::{MAX_FRAME_INPUT, MAX_FRAME_OUTPUT, ZSTD_WINDOW_LOG};

const PING: &[u8] = b"{\"ping\":{\"nonce\":1}}\n";
/// Where the header of a zstd frame begins behind the length, and its descriptor behind its magic number.
const DESCRIPTOR: usize = 4 + 4;

/// A good frame of these lines.
pub(crate) fn frame(lines: &[u8]) -> Vec<u8> {
    ZstdEncoder::new().unwrap().frame(lines).unwrap()
}

fn with_length(len: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(len).unwrap().to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// A zstd frame of one raw block, by hand: its descriptor, what stands between that and the block, and
/// the content. See RFC 8878.
fn raw(descriptor: u8, header: &[u8], content: &[u8]) -> Vec<u8> {
    let mut body = vec![0x28, 0xb5, 0x2f, 0xfd, descriptor];
    body.extend(header);
    let block = u32::try_from(content.len()).unwrap() << 3 | 1;
    body.extend(&block.to_le_bytes()[..3]);
    body.extend(content);
    with_length(body.len(), &body)
}

/// A zstd frame of raw blocks with a content size of four bytes.
fn blocks(descriptor: u8, window: &[u8], content: &[u8]) -> Vec<u8> {
    let mut body = vec![0x28, 0xb5, 0x2f, 0xfd, descriptor];
    body.extend(window);
    body.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    let mut blocks = content.chunks(100_000).peekable();
    while let Some(block) = blocks.next() {
        let last = u32::from(blocks.peek().is_none());
        body.extend(&(u32::try_from(block.len()).unwrap() << 3 | last).to_le_bytes()[..3]);
        body.extend(block);
    }
    with_length(body.len(), &body)
}

/// A bad frame by its name in the data files.
pub(crate) fn bad(name: &str) -> Vec<u8> {
    let good = frame(PING);
    let body = &good[4..];
    let ping = u8::try_from(PING.len()).unwrap();
    match name {
        "empty" => with_length(0, b""),
        "long" => with_length(MAX_FRAME_INPUT + 1, b""),
        "endless" => vec![0xff; 4096],
        "noise" => with_length(64, &[0xa5; 64]),
        "short" => with_length(body.len() - 2, &body[..body.len() - 2]),
        "trailing" => with_length(body.len() + 3, &[body, b"\0\0\0"].concat()),
        "two" => with_length(2 * body.len(), &[body, body].concat()),
        "cut" => good[..good.len() - 3].to_vec(),
        "only a length" => good[..4].to_vec(),
        "half a length" => good[..2].to_vec(),
        "bomb" => {
            let bomb = zstd(&vec![b' '; 100 << 20]);
            with_length(bomb.len(), &bomb)
        }
        "one too many" => {
            let over = zstd(&vec![b' '; MAX_FRAME_OUTPUT + 1]);
            with_length(over.len(), &over)
        }
        "liar" => {
            // Says that less comes out than does.
            let content = vec![b' '; 200_000];
            let mut body = zstd(&content);
            let at = body.windows(4).position(|four| four == 200_000_u32.to_le_bytes()).unwrap();
            body[at..at + 4].copy_from_slice(&150_000_u32.to_le_bytes());
            with_length(body.len(), &body)
        }
        "braggart" => raw(0x20, &[ping + 1], PING),
        "huge size" => raw(0xe0, &(u64::MAX - 2).to_le_bytes(), PING),
        "unsized" => raw(0x00, &[0x38], PING),
        // 2^27 bytes for twenty of content.
        "window" => raw(0x80, &[(27 - 10) << 3, ping, 0, 0, 0], PING),
        "wide" => {
            // One segment is its own window: 205 KiB where 128 are allowed.
            blocks(0xa0, &[], &PING.repeat(10_000))
        }
        "dictionary" => raw(0x21, &[7, ping], PING),
        "reserved" => raw(0x28, &[ping], PING),
        "checksum" => {
            let mut bytes = raw(0x24, &[ping], PING);
            bytes.extend([1, 2, 3, 4]);
            let len = bytes.len() - 4;
            with_length(len, &bytes[4..])
        }
        "skippable" => with_length(12, &[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]),
        "old" => with_length(16, &[0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        "magic" => {
            let mut bytes = good.clone();
            bytes[4] ^= 1;
            bytes
        }
        "block" => {
            let mut bytes = raw(0x20, &[ping], PING);
            // The reserved type of block.
            bytes[DESCRIPTOR + 2] |= 0x06;
            bytes
        }
        "many" => frame(PING).repeat(3_000),
        "dense" => frame(&PING.repeat(12_000)).repeat(40),
        // As long as its content: the most that a frame and its content take together.
        "raw" => blocks(0x80, &[(17 - 10) << 3], &PING.repeat(MAX_FRAME_OUTPUT / PING.len())).repeat(3),
        "raw and no more" => {
            let mut frame = blocks(0x80, &[(17 - 10) << 3], &PING.repeat(MAX_FRAME_OUTPUT / PING.len()));
            frame.pop();
            frame
        }
        "plain after" => [&good[..], PING, &good[..]].concat(),
        _ => panic!("no frame is called {name}"),
    }
}

/// A frame of any size, with the window that is allowed.
fn zstd(content: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(ZSTD_WINDOW_LOG)).unwrap();
    compressor.compress(content).unwrap()
}
