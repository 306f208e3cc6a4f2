//! Bounds of everything that the protocol lets the other side choose. A message within them is
//! still checked against its type; one beyond them is refused before memory is spent on it.

/// Longest line that a server sends, with its newline.
pub const MAX_SERVER_LINE: usize = 128 * 1024;
/// Longest line that a client sends, with its newline.
pub const MAX_CLIENT_LINE: usize = 64 * 1024;
/// How deep objects and arrays nest.
pub const MAX_DEPTH: usize = 16;
/// Longest string, bytes of its JSON form between the quotes.
pub const MAX_STRING: usize = 1024;
/// Most elements of one array, most members of one object.
pub const MAX_ARRAY: usize = 4096;
/// Most flows of each part of one delta.
pub const MAX_CHUNK_FLOWS: usize = 1000;
/// What one zstd frame may decompress to: whole lines, a few of them. A client holds a frame, its content
/// and zstd's context (94 KiB) at once, together less than 1 MiB.
pub const MAX_FRAME_OUTPUT: usize = 2 * MAX_SERVER_LINE;
/// Longest zstd frame as it travels: incompressible lines grow a little.
pub const MAX_FRAME_INPUT: usize = MAX_FRAME_OUTPUT + MAX_FRAME_OUTPUT / 128 + 64;
/// Logarithm of zstd's window: 128 KiB.
pub const ZSTD_WINDOW_LOG: u32 = 17;
/// Longest text that [`crate::text::sanitize`] lets through, bytes.
pub const MAX_TEXT: usize = 255;
