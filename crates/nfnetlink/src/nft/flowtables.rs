//! Flowtables: what forwards packets past connection tracking's counters.

use super::batch::NftSocket;
use crate::error::Result;
use crate::wire::{Attrs, Problem};

const NFT_MSG_GETFLOWTABLE: u16 = 23;
const NFTA_FLOWTABLE_TABLE: u16 = 1;
const NFTA_FLOWTABLE_NAME: u16 = 2;
const NFTA_FLOWTABLE_FLAGS: u16 = 7;
const NFT_FLOWTABLE_HW_OFFLOAD: u32 = 1;
const NFT_FLOWTABLE_COUNTER: u32 = 2;
const NAME_MAX: usize = 256;

/// A flowtable of nf_tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flowtable {
    /// The table that it is in.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Whether it counts for connection tracking.
    pub counter: bool,
    /// Whether the network card forwards.
    pub hardware: bool,
}

/// The flowtables of the calling thread's namespace.
///
/// # Errors
/// Not permitted, or no nf_tables.
pub fn flowtables() -> Result<Vec<Flowtable>> {
    const LIST: &str = "looking for nftables flowtables";
    let mut found = Vec::new();
    NftSocket::open(LIST)?.dump(NFT_MSG_GETFLOWTABLE, 0, LIST, |attributes| {
        found.push(parse(attributes)?);
        Ok(())
    })?;
    Ok(found)
}

fn parse(attributes: Attrs<'_>) -> std::result::Result<Flowtable, Problem> {
    let mut flowtable = Flowtable::default();
    for attr in attributes {
        let attr = attr?;
        let text = || Ok(String::from_utf8_lossy(attr.name(NAME_MAX)?).into_owned());
        match attr.kind {
            NFTA_FLOWTABLE_TABLE => flowtable.table = text()?,
            NFTA_FLOWTABLE_NAME => flowtable.name = text()?,
            NFTA_FLOWTABLE_FLAGS => {
                let flags = attr.be32()?;
                flowtable.counter = flags & NFT_FLOWTABLE_COUNTER != 0;
                flowtable.hardware = flags & NFT_FLOWTABLE_HW_OFFLOAD != 0;
            }
            _ => {}
        }
    }
    Ok(flowtable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Writer;

    #[test]
    fn flags() {
        for (flags, counter, hardware) in
            [(None, false, false), (Some(2), true, false), (Some(3), true, true)]
        {
            let mut writer = Writer::default();
            writer.name(NFTA_FLOWTABLE_TABLE, b"filter");
            writer.name(NFTA_FLOWTABLE_NAME, b"fast");
            flags.into_iter().for_each(|flags| writer.be32(NFTA_FLOWTABLE_FLAGS, flags));
            let wanted = Flowtable { table: "filter".into(), name: "fast".into(), counter, hardware };
            assert_eq!(parse(Attrs::new(writer.as_bytes())), Ok(wanted));
        }
        assert_eq!(
            parse(Attrs::new(&[6, 0, 7, 0, 1, 1, 0, 0])),
            Err(Problem::Length { found: 2, expected: 4 })
        );
    }
}
