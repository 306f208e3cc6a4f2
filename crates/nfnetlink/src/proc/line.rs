//! One line of `/proc/net/nf_conntrack` into a [`CtMessage`], in one walk over its bytes.
//!
//! The fields have kept their order since 2.6; new ones came between them or at the end, so
//! unknown words are skipped. Numbers are read eight digits at a time and IPv6 addresses four,
//! as a loop over digits of unknown number costs more in mispredictions than in work.

use std::io::BufRead as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ct::{Counters, CtMessage, L4, ProtoState, Status, Tuple};

const TCP: u8 = 6;
const DCCP: u8 = 33;
const SCTP: u8 = 132;

/// A line that cannot be read: which field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of /proc/net/nf_conntrack: {field} is missing or cannot be read, at byte {column}")]
pub struct ProcError {
    /// The field by the kernel's word for it, or what it is.
    pub field: &'static str,
    /// Bytes of the line before it.
    pub column: usize,
}

/// The status bits that a line with this status tells about, set or not. For an offloaded flow
/// the kernel shows that instead of whether it is assured.
#[must_use]
pub fn told(status: Status) -> Status {
    let always = Status::SEEN_REPLY | Status::OFFLOAD | Status::HW_OFFLOAD;
    let offloaded = status.contains(Status::OFFLOAD) || status.contains(Status::HW_OFFLOAD);
    if offloaded { always } else { always | Status::ASSURED }
}

/// The flows of a chunk.
#[must_use]
pub fn lines(chunk: &[u8]) -> Lines<'_> {
    Lines { rest: chunk }
}

/// What [`lines`] returns.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl Lines<'_> {
    /// Reads the next line in place, as [`crate::Messages::next_into`] does with messages.
    ///
    /// `status` has the bits of [`told`]; id, start, labels, helper and master are absent. After
    /// an error `flow` holds what was read before it.
    #[inline]
    pub fn next_into(&mut self, flow: &mut CtMessage<'_>) -> Option<Result<(), ProcError>> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.rest;
        *flow = CtMessage::default();
        let mut words = Words { rest: line };
        let read = words.flow(flow);
        self.rest = words.rest;
        Some(read.map_err(|field| {
            let column = line.len() - words.rest.len();
            // From the beginning, as the walk may have stopped behind the end of the line.
            self.rest = line;
            let _ = self.rest.skip_until(b'\n');
            ProcError { field, column }
        }))
    }
}

/// The field that cannot be read; thin, so that results fit into registers.
type Field = &'static &'static str;
type Word<T> = Result<T, Field>;

/// What is left of the line, and the lines after it: no step goes beyond a newline.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn flow(&mut self, flow: &mut CtMessage<'_>) -> Word<()> {
        let is_v6 = self.family()?;
        if !self.take(b"tcp      ") && !self.take(b"udp      ") {
            self.skip_word(&"protocol")?;
        }
        let proto = self.u8(&"protocol number")?;
        self.pad();
        // Without a timeout it is offloaded.
        if self.rest.first().is_some_and(u8::is_ascii_digit) {
            let seconds = self.number(&"timeout")?;
            flow.timeout = Some(u32::try_from(seconds).map_err(|_| &"timeout")?);
            self.space(&"timeout")?;
        } else if self.take(b"-") {
            // Older kernels count on below zero until the entry is removed.
            self.skip_word(&"timeout")?;
            flow.timeout = Some(0);
        }
        if proto == TCP && self.take(b"ESTABLISHED ") {
            flow.state = Some(ProtoState::Tcp(3));
        }
        while !self.rest.starts_with(b"src=") {
            let word = self.word(&"src")?;
            flow.state = flow.state.or_else(|| state(proto, word));
        }
        flow.orig.proto = proto;
        flow.reply.proto = proto;
        self.tuple(is_v6, b"zone-orig=", &mut flow.orig)?;
        flow.counters_orig = self.counters()?;
        let mut status = if self.take(b"[UNREPLIED] ") { Status(0) } else { Status::SEEN_REPLY };
        self.tuple(is_v6, b"zone-reply=", &mut flow.reply)?;
        flow.counters_reply = self.counters()?;
        if self.take(b"[ASSURED] ") {
            status = status | Status::ASSURED;
        } else if self.take(b"[HW_OFFLOAD] ") {
            status = status | Status::HW_OFFLOAD;
        } else if self.take(b"[OFFLOAD] ") {
            status = status | Status::OFFLOAD;
        }
        if flow.timeout.is_none() {
            status = status | Status::OFFLOAD;
        }
        flow.status = Some(status);
        self.rest_of_line(flow)
    }

    /// Marks and zones and what else there is, up to `use=`, which is in every line of every
    /// kernel: a line without it was cut.
    #[inline]
    fn rest_of_line(&mut self, flow: &mut CtMessage<'_>) -> Word<()> {
        loop {
            if self.take(b"mark=") {
                flow.mark = Some(self.u32(&"mark")?);
                self.space(&"mark")?;
            } else if self.take(b"zone=") {
                // Netlink says nothing of the default zone.
                let zone = self.u16(&"zone")?;
                flow.zone = (zone != 0).then_some(zone);
                self.space(&"zone")?;
            } else if self.take(b"delta-time=") {
                self.number(&"delta-time")?;
                self.space(&"delta-time")?;
            } else if self.take(b"use=") {
                flow.use_count = Some(self.u32(&"use")?);
                while self.take(b" ") {
                    while !matches!(self.rest.first(), None | Some(b' ' | b'\n')) {
                        self.advance(1);
                    }
                }
                return if self.take(b"\n") { Ok(()) } else { Err(&"end of line") };
            } else {
                self.word(&"use")?;
            }
        }
    }

    #[inline]
    fn family(&mut self) -> Word<bool> {
        let is_v6 = if self.take(b"ipv4     2 ") {
            false
        } else if self.take(b"ipv6     10 ") {
            true
        } else {
            return Err(&"family");
        };
        Ok(is_v6)
    }

    #[inline]
    fn tuple(&mut self, is_v6: bool, zone: &[u8], tuple: &mut Tuple) -> Word<()> {
        tuple.src = self.address(is_v6, b"src=").ok_or(&"src")?;
        tuple.dst = self.address(is_v6, b"dst=").ok_or(&"dst")?;
        tuple.l4 = if self.take(b"sport=") {
            let src = self.u16(&"sport")?;
            let dst = if self.take(b" dport=") { self.u16(&"dport")? } else { return Err(&"dport") };
            self.space(&"dport")?;
            L4::Ports { src, dst }
        } else if self.take(b"type=") {
            let ty = self.u8(&"type")?;
            let code = if self.take(b" code=") { self.u8(&"code")? } else { return Err(&"code") };
            let id = if self.take(b" id=") { self.u16(&"id")? } else { return Err(&"id") };
            self.space(&"id")?;
            L4::Icmp { id, ty, code }
        } else if self.take(b"srckey=0x") {
            let src = self.hex(&"srckey")?;
            let dst = if self.take(b" dstkey=0x") { self.hex(&"dstkey")? } else { return Err(&"dstkey") };
            self.space(&"dstkey")?;
            L4::Ports { src, dst }
        } else {
            L4::None
        };
        if self.take(zone) {
            tuple.zone = Some(self.u16(&"zone of one direction")?);
            self.space(&"zone of one direction")?;
        }
        Ok(())
    }

    #[inline]
    fn counters(&mut self) -> Word<Option<Counters>> {
        if !self.take(b"packets=") {
            return Ok(None);
        }
        let packets = self.number(&"packets")?;
        let bytes = if self.take(b" bytes=") { self.number(&"bytes")? } else { return Err(&"bytes") };
        self.space(&"bytes")?;
        Ok(Some(Counters { packets, bytes }))
    }

    #[inline]
    fn address(&mut self, is_v6: bool, name: &[u8; 4]) -> Option<IpAddr> {
        if !self.take(name) {
            return None;
        }
        let address = if is_v6 { self.v6()?.into() } else { self.v4()?.into() };
        self.take(b" ").then_some(address)
    }

    #[inline]
    fn v4(&mut self) -> Option<Ipv4Addr> {
        let Some(text) = self.rest.first_chunk::<16>() else { return self.last_v4() };
        let (length, address) = dotted(u128::from_le_bytes(*text))?;
        self.advance(length);
        Some(address)
    }

    /// With less than 16 bytes left of the chunk.
    #[cold]
    fn last_v4(&mut self) -> Option<Ipv4Addr> {
        let mut text = [0; 16];
        text.get_mut(..self.rest.len())?.copy_from_slice(self.rest);
        let (length, address) = dotted(u128::from_le_bytes(text))?;
        self.advance(length);
        Some(address)
    }

    /// Eight groups of four digits, which the kernel never shortens here.
    #[inline]
    fn v6(&mut self) -> Option<Ipv6Addr> {
        let (text, rest) = self.rest.split_first_chunk::<39>()?;
        let mut address = 0;
        let mut bad = 0;
        for group in text.chunks(5) {
            let (digits, colon) = group.split_first_chunk::<4>()?;
            let (value, not_hex) = hex4(u32::from_be_bytes(*digits));
            address = address << 16 | u128::from(value);
            bad |= not_hex | u32::from(*colon.first().unwrap_or(&b':') ^ b':');
        }
        if bad != 0 {
            return None;
        }
        self.rest = rest;
        Some(Ipv6Addr::from_bits(address))
    }

    #[inline]
    fn u8(&mut self, field: Field) -> Word<u8> {
        u8::try_from(self.number(field)?).map_err(|_| field)
    }

    #[inline]
    fn u16(&mut self, field: Field) -> Word<u16> {
        u16::try_from(self.number(field)?).map_err(|_| field)
    }

    #[inline]
    fn u32(&mut self, field: Field) -> Word<u32> {
        u32::try_from(self.number(field)?).map_err(|_| field)
    }

    /// A decimal number that a `u64` can hold.
    #[inline]
    fn number(&mut self, field: Field) -> Word<u64> {
        if let Some(eight) = self.rest.first_chunk::<8>() {
            let (digits, value) = up_to_eight(u64::from_le_bytes(*eight));
            if digits < 8 {
                self.advance(digits);
                return if digits == 0 { Err(field) } else { Ok(value) };
            }
            return self.second_eight(value, field);
        }
        self.long_number(field)
    }

    /// The number of which eight digits were read.
    fn second_eight(&mut self, first: u64, field: Field) -> Word<u64> {
        if let Some((_, after)) = self.rest.split_at_checked(8)
            && let Some(eight) = after.first_chunk::<8>()
            && let (digits @ ..8, value) = up_to_eight(u64::from_le_bytes(*eight))
        {
            let scale = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
            let scale = scale.get(digits).copied().unwrap_or(1);
            self.advance(8 + digits);
            return Ok(first * scale + value);
        }
        self.long_number(field)
    }

    #[cold]
    fn long_number(&mut self, field: Field) -> Word<u64> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.rest.get(..digits).unwrap_or_default();
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(field)?;
        self.advance(digits);
        Ok(value)
    }

    /// One to four hexadecimal digits; keys are 16 bits wide.
    fn hex(&mut self, field: Field) -> Word<u16> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let text = self.rest.get(..digits).and_then(|text| std::str::from_utf8(text).ok());
        let value = text.and_then(|text| u16::from_str_radix(text, 16).ok()).ok_or(field)?;
        self.advance(digits);
        Ok(value)
    }

    /// Up to the next space, which is taken too; never beyond the line.
    fn word(&mut self, wanted: Field) -> Word<&[u8]> {
        let length = self.rest.iter().position(|byte| matches!(byte, b' ' | b'\n')).ok_or(wanted)?;
        let (word, rest) = self.rest.split_at_checked(length).ok_or(wanted)?;
        self.rest = rest.strip_prefix(b" ").ok_or(wanted)?;
        Ok(word)
    }

    /// A word and the spaces that align what follows.
    #[inline]
    fn skip_word(&mut self, field: Field) -> Word<()> {
        self.word(field)?;
        self.pad();
        Ok(())
    }

    #[inline]
    fn pad(&mut self) {
        while self.take(b" ") {}
    }

    #[inline]
    fn space(&mut self, field: Field) -> Word<()> {
        if self.take(b" ") { Ok(()) } else { Err(field) }
    }

    #[inline(always)]
    fn take(&mut self, prefix: &[u8]) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

/// How many of eight characters are digits before the first that is none, and the number they
/// make. The first character is in the lowest byte.
#[inline(always)]
fn up_to_eight(text: u64) -> (usize, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let values = text ^ (ONES * 0x30);
    // The highest bit of each byte above 9. Carries only reach bytes behind the first such.
    let others = (values.wrapping_add(ONES * 0x76) | values) & (ONES * 0x80);
    let bits = others.trailing_zeros() & !7;
    // As if zeros stood before them.
    let digits = if bits == 0 { 0 } else { values << (64 - bits) };
    // 10 * a + b of neighbours, then of pairs, then of fours.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let value = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    (bits as usize / 8, value)
}

/// An IPv4 address with a space behind it, and its length. The first character is in the lowest byte.
#[inline(always)]
fn dotted(text: u128) -> Option<(usize, Ipv4Addr)> {
    const ONES: u128 = u128::MAX / 0xff;
    let values = text ^ (ONES * 0x30);
    // As in `up_to_eight`; a carry may also mark a digit, but never unmarks what is none.
    let mut others = (values.wrapping_add(ONES * 0x76) | values) & (ONES * 0x80);
    let mut begin = 0;
    let mut octets = [0; 4];
    for (octet, end_with) in octets.iter_mut().zip(*b"... ") {
        // Bit 7 of the byte behind the digits.
        let end = others.trailing_zeros() & !7;
        let bits @ 8..=24 = end.wrapping_sub(begin) else { return None };
        let [a, b, c, ..] = (values >> begin).to_le_bytes();
        let [_, hundreds, tens, ones] = (u32::from_le_bytes([a, b, c, 0]) << (32 - bits)).to_le_bytes();
        let value = u32::from(hundreds) * 100 + u32::from(tens) * 10 + u32::from(ones);
        *octet = u8::try_from(value).ok()?;
        let [behind, ..] = (text >> end).to_le_bytes();
        if behind != end_with {
            return None;
        }
        others &= others.wrapping_sub(1);
        begin = end + 8;
    }
    Some((begin as usize / 8 - 1, octets.into()))
}

/// The value of four lower-case hexadecimal digits, the first in the highest byte; and something
/// but 0 if one of them is none.
#[inline(always)]
fn hex4(text: u32) -> (u16, u32) {
    const ONES: u32 = 0x0101_0101;
    let letters = (text >> 6) & ONES;
    let values = (text & (ONES * 0xf)).wrapping_add(letters * 9);
    // Written again, they have to be the same.
    let above_nine = (values.wrapping_add(ONES * 6) >> 4) & ONES;
    let again = values.wrapping_add(ONES * 0x30).wrapping_add(above_nine * 39);
    let bad = (again ^ text) | (values & (ONES * 0xf0));
    let pairs = (values | values >> 4) & 0x00ff_00ff;
    let [.., high, low] = (pairs | pairs >> 8).to_be_bytes();
    (u16::from_be_bytes([high, low]), bad)
}

/// The number of a protocol state's name; other words stand there too.
#[inline]
fn state(proto: u8, name: &[u8]) -> Option<ProtoState> {
    const TCP_NAMES: [&[u8]; 10] = [
        b"NONE",
        b"SYN_SENT",
        b"SYN_RECV",
        b"ESTABLISHED",
        b"FIN_WAIT",
        b"CLOSE_WAIT",
        b"LAST_ACK",
        b"TIME_WAIT",
        b"CLOSE",
        b"SYN_SENT2",
    ];
    const SCTP_NAMES: [&[u8]; 10] = [
        b"NONE",
        b"CLOSED",
        b"COOKIE_WAIT",
        b"COOKIE_ECHOED",
        b"ESTABLISHED",
        b"SHUTDOWN_SENT",
        b"SHUTDOWN_RECD",
        b"SHUTDOWN_ACK_SENT",
        b"HEARTBEAT_SENT",
        b"HEARTBEAT_ACKED",
    ];
    const DCCP_NAMES: [&[u8]; 10] = [
        b"NONE",
        b"REQUEST",
        b"RESPOND",
        b"PARTOPEN",
        b"OPEN",
        b"CLOSEREQ",
        b"CLOSING",
        b"TIMEWAIT",
        b"IGNORE",
        b"INVALID",
    ];
    let (names, make): (_, fn(u8) -> ProtoState) = match proto {
        TCP => (&TCP_NAMES, ProtoState::Tcp),
        SCTP => (&SCTP_NAMES, ProtoState::Sctp),
        DCCP => (&DCCP_NAMES, ProtoState::Dccp),
        _ => return None,
    };
    let number = names.iter().position(|known| *known == name)?;
    u8::try_from(number).ok().map(make)
}
