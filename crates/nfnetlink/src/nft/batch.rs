//! nf_tables messages: transactions, and the list of tables.

use rustix::net::netlink::NETFILTER;

use crate::error::{Error, Result};
use crate::message::errno;
use crate::socket::Socket;
use crate::wire::{
    Attrs, Frames, Header, NFGEN_LEN, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST,
    NLMSG_ERROR, Writer,
};

pub(super) const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFPROTO_INET: u8 = 1;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_GETTABLE: u16 = 1;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_NEWRULE: u16 = 6;

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;
const NFTA_TABLE_USERDATA: u16 = 6;
const NFTA_TABLE_OWNER: u16 = 7;
const NFT_TABLE_F_OWNER: u32 = 2;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;

const NFT_REG_1: u32 = 1;
const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFT_CT_STATE: u32 = 0;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED)`
const ESTABLISHED: u32 = 2;

const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFT_CMP_NEQ: u32 = 1;
const NFTA_DATA_VALUE: u16 = 1;

/// In user data a comment is entry 0: type, length, text with NUL. Tables and rules agree.
const UDATA_COMMENT: u8 = 0;

/// Longest table name that is read.
const NAME_MAX: usize = 256;

/// A transaction: all of it happens or nothing.
#[derive(Debug)]
pub(super) struct Batch {
    writer: Writer,
    seq: u32,
}

impl Batch {
    pub(super) fn new() -> Self {
        let mut batch = Batch { writer: Writer::default(), seq: 0 };
        batch.edge(NFNL_MSG_BATCH_BEGIN);
        batch
    }

    /// Fails with EEXIST if there is one.
    pub(super) fn add_table(&mut self, table: &str, owned: bool, comment: &str) {
        self.message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, |w| {
            w.name(NFTA_TABLE_NAME, table.as_bytes());
            if owned {
                w.be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
            }
            put_comment(w, NFTA_TABLE_USERDATA, comment);
        });
    }

    pub(super) fn delete_table(&mut self, table: &str) {
        self.message(NFT_MSG_DELTABLE, 0, |w| w.name(NFTA_TABLE_NAME, table.as_bytes()));
    }

    /// A chain without a hook.
    pub(super) fn add_chain(&mut self, table: &str, chain: &str) {
        self.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, |w| {
            w.name(NFTA_CHAIN_TABLE, table.as_bytes());
            w.name(NFTA_CHAIN_NAME, chain.as_bytes());
        });
    }

    /// `ct state established`, without a verdict.
    pub(super) fn add_tracking_rule(&mut self, table: &str, chain: &str, comment: &str) {
        self.message(NFT_MSG_NEWRULE, NLM_F_CREATE, |w| {
            w.name(NFTA_RULE_TABLE, table.as_bytes());
            w.name(NFTA_RULE_CHAIN, chain.as_bytes());
            w.nest(NFTA_RULE_EXPRESSIONS, |w| {
                put_expression(w, b"ct", |w| {
                    w.be32(NFTA_CT_KEY, NFT_CT_STATE);
                    w.be32(NFTA_CT_DREG, NFT_REG_1);
                });
                put_expression(w, b"bitwise", |w| {
                    w.be32(NFTA_BITWISE_SREG, NFT_REG_1);
                    w.be32(NFTA_BITWISE_DREG, NFT_REG_1);
                    w.be32(NFTA_BITWISE_LEN, 4);
                    // Values in registers are in the machine's byte order.
                    w.nest(NFTA_BITWISE_MASK, |w| w.attr(NFTA_DATA_VALUE, &ESTABLISHED.to_ne_bytes()));
                    w.nest(NFTA_BITWISE_XOR, |w| w.attr(NFTA_DATA_VALUE, &[0; 4]));
                });
                put_expression(w, b"cmp", |w| {
                    w.be32(NFTA_CMP_SREG, NFT_REG_1);
                    w.be32(NFTA_CMP_OP, NFT_CMP_NEQ);
                    w.nest(NFTA_CMP_DATA, |w| w.attr(NFTA_DATA_VALUE, &[0; 4]));
                });
            });
            put_comment(w, NFTA_RULE_USERDATA, comment);
        });
    }

    fn message(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Writer)) {
        self.seq += 1;
        let kind = NFNL_SUBSYS_NFTABLES << 8 | kind;
        let flags = flags | NLM_F_REQUEST | NLM_F_ACK;
        let open = self.writer.begin(Header { kind, flags, seq: self.seq, port: 0 });
        self.writer.nfgen(NFPROTO_INET, 0, 0);
        fill(&mut self.writer);
        self.writer.end(open);
    }

    /// The begin bears number 0; the end is never answered by older kernels.
    fn edge(&mut self, kind: u16) {
        let open = self.writer.begin(Header { kind, flags: NLM_F_REQUEST, seq: 0, port: 0 });
        self.writer.nfgen(0, 0, NFNL_SUBSYS_NFTABLES);
        self.writer.end(open);
    }
}

fn put_expression(w: &mut Writer, name: &[u8], fill: impl FnOnce(&mut Writer)) {
    w.nest(NFTA_LIST_ELEM, |w| {
        w.name(NFTA_EXPR_NAME, name);
        w.nest(NFTA_EXPR_DATA, fill);
    });
}

fn put_comment(w: &mut Writer, kind: u16, comment: &str) {
    let text = comment.as_bytes();
    debug_assert!(text.len() < 128, "nft refuses longer comments");
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let mut data = vec![UDATA_COMMENT, length];
    data.extend_from_slice(text);
    data.push(0);
    w.attr(kind, &data);
}

/// A table of family inet.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) owner: Option<u32>,
}

/// A netlink socket for nf_tables.
#[derive(Debug)]
pub(super) struct NftSocket {
    socket: Socket,
    port: u32,
    seq: u32,
}

impl NftSocket {
    pub(super) fn open(operation: &'static str) -> Result<Self> {
        let socket = Socket::open(Some(NETFILTER), 0, operation)?;
        let port = socket.port(operation)?;
        // Beyond the numbers of batches, so that no answer is mistaken.
        Ok(NftSocket { socket, port, seq: 1 << 16 })
    }

    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// Carries a transaction out. The first error of any of its messages is returned.
    pub(super) fn commit(&mut self, batch: &mut Batch, operation: &'static str) -> Result<()> {
        batch.edge(NFNL_MSG_BATCH_END);
        self.socket.send(batch.writer.as_bytes(), operation)?;
        let mut buffer = vec![0; crate::socket::CHUNK];
        let mut first = None;
        loop {
            for frame in Frames::new(self.socket.receive(&mut buffer, operation)?) {
                let malformed = |source| Error::Malformed { operation, source };
                let (header, payload) = frame.map_err(malformed)?;
                if header.kind != NLMSG_ERROR {
                    continue;
                }
                let errno = errno(payload, "NLMSG_ERROR").map_err(malformed)?;
                if errno != 0 {
                    first.get_or_insert(errno);
                }
                // The whole transaction was refused, or its last message is answered.
                if header.seq == batch.seq || (header.seq == 0 && errno != 0) {
                    return first.map_or(Ok(()), |errno| Err(Error::from_raw(operation, errno)));
                }
            }
        }
    }

    pub(super) fn tables(&mut self, operation: &'static str) -> Result<Vec<Table>> {
        let mut tables = Vec::new();
        self.dump(NFT_MSG_GETTABLE, NFPROTO_INET, operation, |attributes| {
            let (mut name, mut owner) = (String::new(), None);
            for attr in attributes {
                let attr = attr?;
                match attr.kind {
                    NFTA_TABLE_NAME => name = String::from_utf8_lossy(attr.name(NAME_MAX)?).into_owned(),
                    NFTA_TABLE_OWNER => owner = Some(attr.be32()?),
                    _ => {}
                }
            }
            tables.push(Table { name, owner });
            Ok(())
        })?;
        Ok(tables)
    }

    pub(super) fn dump(
        &mut self,
        kind: u16,
        family: u8,
        operation: &'static str,
        mut each: impl FnMut(Attrs<'_>) -> std::result::Result<(), crate::Problem>,
    ) -> Result<()> {
        self.seq += 1;
        let mut writer = Writer::default();
        let kind = NFNL_SUBSYS_NFTABLES << 8 | kind;
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let open = writer.begin(Header { kind, flags, seq: self.seq, port: 0 });
        writer.nfgen(family, 0, 0);
        writer.end(open);
        self.socket.dump(writer.as_bytes(), self.seq, operation, |_, payload| {
            let attributes = payload.get(NFGEN_LEN..).unwrap_or_default();
            each(Attrs::new(attributes)).map_err(|problem| problem.at("nf_tables", "attribute"))
        })
    }
}

/// Port ids of the netfilter sockets of this namespace.
pub(super) fn living_ports() -> Vec<u32> {
    let sockets = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default();
    let ports = sockets.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (_address, protocol, port) = (columns.next()?, columns.next()?, columns.next()?);
        (protocol == "12").then(|| port.parse().ok())?
    });
    ports.collect()
}
