//! Which rules of nf_tables make the kernel track connections.

use super::batch::NftSocket;
use crate::error::Result;
use crate::wire::{Attr, Problem};

const NFT_MSG_GETRULE: u16 = 7;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
/// The name of the xtables extension is attribute 1 of matches and of targets.
const NFTA_COMPAT_NAME: u16 = 1;
const NAME_MAX: usize = 64;

/// Expressions that hold connection tracking active.
const EXPRESSIONS: [&[u8]; 7] =
    [b"ct", b"nat", b"masq", b"redir", b"connlimit", b"synproxy", b"flow_offload"];
/// Extensions of iptables-nft that do.
const EXTENSIONS: [&[u8]; 17] = [
    b"conntrack",
    b"state",
    b"connmark",
    b"connlabel",
    b"connbytes",
    b"connlimit",
    b"helper",
    b"cluster",
    b"MASQUERADE",
    b"SNAT",
    b"DNAT",
    b"REDIRECT",
    b"NETMAP",
    b"CONNMARK",
    b"CONNSECMARK",
    b"CT",
    b"SYNPROXY",
];

/// Counts the rules of all families that hold connection tracking active here.
///
/// None does not prove that nothing is tracked: legacy iptables, tc and Open vSwitch are not
/// seen. Some proves that it is.
///
/// # Errors
/// Not permitted, or no nf_tables.
pub fn tracking_rules() -> Result<usize> {
    const LIST: &str = "looking for nftables rules that track connections";
    let mut count = 0;
    NftSocket::open(LIST)?.dump(NFT_MSG_GETRULE, 0, LIST, |attributes| {
        for attr in attributes {
            let attr = attr?;
            if attr.kind == NFTA_RULE_EXPRESSIONS && tracks(attr)? {
                count += 1;
            }
        }
        Ok(())
    })?;
    Ok(count)
}

fn tracks(expressions: Attr<'_>) -> std::result::Result<bool, Problem> {
    for expression in expressions.nested() {
        let (mut name, mut extension): (&[u8], &[u8]) = (b"", b"");
        for attr in expression?.nested() {
            let attr = attr?;
            match attr.kind {
                NFTA_EXPR_NAME => name = attr.name(NAME_MAX)?,
                NFTA_EXPR_DATA => extension = compat_name(attr),
                _ => {}
            }
        }
        let compat = name == b"match" || name == b"target";
        if EXPRESSIONS.contains(&name) || compat && EXTENSIONS.contains(&extension) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Empty where the data are not those of an extension.
fn compat_name<'a>(data: Attr<'a>) -> &'a [u8] {
    let named = data.nested().flatten().find(|attr| attr.kind == NFTA_COMPAT_NAME);
    named.and_then(|attr| attr.name(NAME_MAX).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Attrs, Writer};

    /// Whether a rule with these expressions tracks; an extension is written as `match:NAME`.
    fn check(expressions: &[&str], wanted: bool) {
        let mut writer = Writer::default();
        writer.nest(NFTA_RULE_EXPRESSIONS, |w| {
            for expression in expressions {
                let (name, extension) = expression.split_once(':').unwrap_or((expression, ""));
                w.nest(1, |w| {
                    w.name(NFTA_EXPR_NAME, name.as_bytes());
                    w.nest(NFTA_EXPR_DATA, |w| w.name(NFTA_COMPAT_NAME, extension.as_bytes()));
                });
            }
        });
        let rule = Attrs::new(writer.as_bytes()).next().unwrap().unwrap();
        assert_eq!(tracks(rule), Ok(wanted), "{expressions:?}");
    }

    #[test]
    fn rules_that_track() {
        check(&[], false);
        check(&["meta", "cmp", "immediate"], false);
        check(&["meta", "cmp", "ct", "bitwise", "cmp"], true);
        check(&["masq"], true);
        check(&["notrack"], false);
        check(&["match:tcp", "target:LOG"], false);
        check(&["match:conntrack"], true);
        check(&["target:MASQUERADE"], true);
        check(&["lookup:conntrack"], false);
    }

    #[test]
    fn broken_rules_are_errors() {
        let cut = [8, 0, 1, 0, 0xff, 0xff, 1, 0];
        assert_eq!(tracks(Attr { kind: 4, data: &cut }), Err(Problem::Truncated));
    }
}
