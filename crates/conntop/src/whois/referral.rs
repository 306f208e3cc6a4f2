//! Where an answer sends one.

use conntop_proto::text::sanitize;

use super::Server;

/// Somebody who may know more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Referral {
    /// One of the servers that are asked.
    To(Server),
    /// Anybody else.
    Elsewhere(String),
}

impl Referral {
    /// The first referral of an answer: IANA's `refer`, ARIN's `ReferralServer`. What a registry names
    /// as `ResourceLink` is a page for people.
    pub(super) fn of(text: &str) -> Option<Self> {
        text.lines().filter_map(|line| line.split_once(':')).find_map(|(key, value)| {
            let known = key.eq_ignore_ascii_case("refer") || key.eq_ignore_ascii_case("ReferralServer");
            let value = value.trim();
            (known && !value.is_empty()).then(|| Self::parse(value))
        })
    }

    fn parse(value: &str) -> Self {
        let elsewhere = || Self::Elsewhere(sanitize(value).into_owned());
        let host = match value.split_once("://") {
            Some((scheme, host)) if scheme.eq_ignore_ascii_case("whois") => host,
            Some(_) => return elsewhere(),
            None => value,
        };
        let host = host.trim_end_matches('/');
        let host = host.strip_suffix(":43").unwrap_or(host);
        Server::of(host).map_or_else(elsewhere, Self::To)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registries_are_referred_to() {
        let check = |text: &str, wanted: Option<Referral>| assert_eq!(Referral::of(text), wanted, "{text}");
        let elsewhere = |host: &str| Some(Referral::Elsewhere(host.to_owned()));
        check("refer:        whois.arin.net\n\nwhois: whois.ripe.net", Some(Referral::To(Server::Arin)));
        check("% x\nReferralServer:  whois://whois.ripe.net\n", Some(Referral::To(Server::Ripe)));
        check("ReferralServer: WHOIS://Whois.RIPE.net:43/", Some(Referral::To(Server::Ripe)));
        check("referralserver: whois://whois.ripe.net:4343", elsewhere("whois://whois.ripe.net:4343"));
        check("ReferralServer: rwhois://whois.arin.net:43", elsewhere("rwhois://whois.arin.net:43"));
        check("refer: whois.arin.net.evil.example", elsewhere("whois.arin.net.evil.example"));
        check("refer: evil.example/whois.arin.net", elsewhere("evil.example/whois.arin.net"));
        check("refer: whois.arin.net@evil.example", elsewhere("whois.arin.net@evil.example"));
        check("refer: 127.0.0.1", elsewhere("127.0.0.1"));
        check("refer: \u{1b}[2J", elsewhere("\\x1b[2J"));
        check("refer:\nnetname: X", None);
        check("remarks: see refer: whois.arin.net", None);
        check("", None);
    }
}
