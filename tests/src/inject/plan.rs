//! Which flows are injected: the n-th flow of a seed is always the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nfnetlink::ct::{L4, Nat, NewFlow, ProtoState, Status, Tuple};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;
/// A protocol that the kernel has no tracker for.
const OTHER: u8 = 99;

/// What kinds of flows a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mix {
    /// All protocols, both families, NAT, zones, marks, states.
    #[default]
    Everything,
    /// Only established TCP over IPv4, which is the fastest to make.
    PlainTcp,
}

/// A seed and a mix, from which any flow follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Different seeds give disjoint flows for the lowest 256 of them.
    pub seed: u64,
    /// The kinds of flows.
    pub mix: Mix,
}

impl Plan {
    /// A plan of everything.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Plan { seed, mix: Mix::Everything }
    }

    /// The flow of this number (below 2^24).
    #[must_use]
    pub fn flow(&self, index: u32) -> NewFlow<'static> {
        let mut dice = Dice(self.seed << 32 ^ u64::from(index));
        let (src, dst) = self.addresses(index, &mut dice);
        if self.mix == Mix::PlainTcp {
            let flow = ports(src, dst, TCP, &mut dice);
            return established(flow, ProtoState::Tcp(3), 432_000);
        }
        let flow = layer4(src, dst, &mut dice);
        let flow = translated(flow, index, &mut dice);
        // Long enough that none expires in a test.
        let timeout = flow.timeout.max(3600 + dice.below(90_000));
        NewFlow {
            timeout,
            zone: dice.one_in(8).then(|| dice.narrow(1, 4000)),
            mark: dice.one_in(2).then(|| dice.below(u32::MAX)),
            ..flow
        }
    }

    /// The source alone makes a flow unique: the lowest byte of the seed and 24 bits of index.
    fn addresses(&self, index: u32, dice: &mut Dice) -> (IpAddr, IpAddr) {
        let [.., seed] = self.seed.to_be_bytes();
        let [_, a, b, c] = index.to_be_bytes();
        if self.mix == Mix::Everything && dice.one_in(4) {
            let host = dice.narrow(1, u16::MAX);
            let low = u16::from_be_bytes([b, c]);
            let src = Ipv6Addr::new(0xfd00, 0xc0, seed.into(), 0, 0, 0, a.into(), low);
            let dst = Ipv6Addr::new(0x2001, 0xdb8, 0xc0, 0, 0, 0, seed.into(), host);
            return (src.into(), dst.into());
        }
        // Sources of IPv4 have no byte left for the seed, so it goes to the destination.
        let host = dice.narrow(1, u16::MAX).to_be_bytes();
        (Ipv4Addr::new(100, a, b, c).into(), Ipv4Addr::new(60, seed, host[0], host[1]).into())
    }
}

fn layer4(src: IpAddr, dst: IpAddr, dice: &mut Dice) -> NewFlow<'static> {
    match dice.below(100) {
        0..40 => {
            // SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT
            let flow = ports(src, dst, TCP, dice);
            match dice.below(10) {
                0 => NewFlow { state: Some(ProtoState::Tcp(1)), ..flow },
                n @ 4..=7 => established(flow, ProtoState::Tcp(u8::try_from(n).unwrap_or(3)), 3600),
                _ => established(flow, ProtoState::Tcp(3), 3600),
            }
        }
        40..75 => {
            let flow = ports(src, dst, UDP, dice);
            let bits = [Status(0), Status::SEEN_REPLY, Status::SEEN_REPLY | Status::ASSURED];
            let status = bits.get(dice.index(bits.len())).copied().unwrap_or_default();
            NewFlow { status, ..flow }
        }
        75..83 => {
            let (proto, ty) = if src.is_ipv4() { (ICMP, 8) } else { (ICMPV6, 128) };
            plain(src, dst, proto, L4::Icmp { id: dice.narrow(1, u16::MAX), ty, code: 0 })
        }
        83..90 => {
            let flow = ports(src, dst, SCTP, dice);
            established(flow, ProtoState::Sctp(4), 3600)
        }
        90..95 => ports(src, dst, GRE, dice),
        95..98 => ports(src, dst, UDPLITE, dice),
        _ => plain(src, dst, OTHER, L4::None),
    }
}

/// An eighth of the TCP and UDP flows has NAT, half of it of the source.
fn translated(flow: NewFlow<'static>, index: u32, dice: &mut Dice) -> NewFlow<'static> {
    if !matches!(flow.orig.proto, TCP | UDP) || !dice.one_in(8) {
        return flow;
    }
    let port = Some(dice.narrow(1024, 60_000));
    let addr: IpAddr = match flow.orig.src {
        // Of its own to each flow, so that no two translated tuples clash.
        IpAddr::V4(_) => Ipv4Addr::from(0xc800_0000 | (index & 0x00ff_ffff)).into(),
        IpAddr::V6(v6) => {
            let [_, _, seed, _, _, _, high, low] = v6.segments();
            Ipv6Addr::new(0x2001, 0xdb8, 0xa7, seed, 0, 0, high, low).into()
        }
    };
    let nat = Some(Nat { addr, port });
    if dice.one_in(2) { NewFlow { snat: nat, ..flow } } else { NewFlow { dnat: nat, ..flow } }
}

fn established(flow: NewFlow<'static>, state: ProtoState, timeout: u32) -> NewFlow<'static> {
    let status = Status::SEEN_REPLY | Status::ASSURED;
    NewFlow { status, state: Some(state), timeout, ..flow }
}

fn ports(src: IpAddr, dst: IpAddr, proto: u8, dice: &mut Dice) -> NewFlow<'static> {
    let to = [22, 53, 80, 123, 443, 853, 5060, 8080];
    let dst_port = to.get(dice.index(to.len())).copied().unwrap_or(443);
    plain(src, dst, proto, L4::Ports { src: dice.narrow(1024, 65_000), dst: dst_port })
}

fn plain(src: IpAddr, dst: IpAddr, proto: u8, l4: L4) -> NewFlow<'static> {
    let orig = Tuple { src, dst, proto, l4, zone: None };
    NewFlow { orig, reply: orig.inverse(), ..NewFlow::default() }
}

/// SplitMix64: a generator as small as the need.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end.max(1))).unwrap_or(0)
    }

    fn narrow(&mut self, start: u16, end: u16) -> u16 {
        let span = u32::from(end.saturating_sub(start));
        start.saturating_add(u16::try_from(self.below(span)).unwrap_or(0))
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % length.max(1)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}
