//! Copying: a menu of texts that the selected flow has, of which one goes to the terminal's clipboard. What
//! was sent is shown, for nothing tells whether the terminal took it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use conntop_proto::tuple::{L4, Proto, Tuple};

use super::App;
use super::choice::{Choice, Of};
use super::layers::Open;
use crate::flow::{FlowKey, FlowView};
use crate::orient::End;
use crate::output::json::FlowJson;
use crate::tui::action::Effect;
use crate::tui::clipboard::MOST;
use crate::tui::details;

const TITLE: &str = "Copy";

/// A text, and what it is.
type Text = (&'static str, String);

impl App {
    /// Opens the menu about the flow whose details are open, or that is selected.
    pub(super) fn open_copy(&mut self, now: Instant) {
        let key = match self.layers.last() {
            Some(Open::Details { id, .. }) => Some(*id),
            _ => self.cursor.selected,
        };
        let Some(texts) = key.and_then(|key| self.texts(key, now)) else {
            return self.report(TITLE, "Select a flow first.".to_owned());
        };
        let wide = texts.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
        let item = |(word, text): &Text| format!("{word:<wide$}  {}", text.replace('\n', " "));
        let items = texts.iter().map(item).collect();
        let of = Of::Copy(texts.into_iter().map(|(_, text)| text).collect());
        self.layers.push(Open::Choice(Choice { title: TITLE.to_owned(), items, at: 0, of }));
    }

    /// What there is to copy of a flow.
    fn texts(&self, key: FlowKey, now: Instant) -> Option<Vec<Text>> {
        let now = self.nodes.now(self.paused.unwrap_or(now));
        let sources = self.nodes.sources(&now);
        let view = sources.get(usize::from(key.node().0))?.look_at(key.id())?;
        let mut texts = addresses(&view);
        let orig = view.orig();
        texts.push(("flow", details::tuple(&orig)));
        texts.extend(self.line_of(key).map(|line| ("line", line)));
        texts.extend(commands(&orig, view.flow.zone()));
        texts.extend(serde_json::to_string(&FlowJson::new(view, &[])).ok().map(|json| ("json", json)));
        Some(texts)
    }

    /// The flow's line as it is on the screen.
    fn line_of(&self, key: FlowKey) -> Option<String> {
        let at = self.visible.iter().position(|visible| *visible == key)?;
        let row = self.screen.table.rows.get(at)?;
        let cells = row.cells.iter().map(|cell| cell.text.trim()).filter(|text| !text.is_empty());
        Some(cells.collect::<Vec<_>>().join(" "))
    }

    /// Sends what was chosen.
    pub(super) fn copy(&mut self, texts: &[String], at: usize) -> Option<Effect> {
        let text = texts.get(at)?;
        if text.len() > MOST {
            self.report(TITLE, format!("This is longer than {MOST} bytes, which no terminal takes."));
            return None;
        }
        self.report(TITLE, format!("{text}\n\nsent to terminal"));
        Some(Effect::Copy(text.clone()))
    }
}

fn addresses(view: &FlowView<'_>) -> Vec<Text> {
    let translated =
        [("nat source", view.translated_source()), ("real destination", view.translated_destination())];
    let ends = [
        ("remote", Some(view.remote())),
        ("local", Some(view.local())),
        ("source", Some(view.src())),
        ("destination", Some(view.dst())),
    ];
    let mut texts: Vec<Text> = Vec::new();
    for (word, end) in ends.into_iter().chain(translated) {
        let Some(End { address, .. }) = end else { continue };
        let text = address.to_string();
        if !texts.iter().any(|(_, known)| *known == text) {
            texts.push((word, text));
        }
    }
    texts
}

/// Commands that show the same flow; numbers and addresses alone, so nothing has to be quoted.
fn commands(orig: &Tuple, zone: u16) -> Vec<Text> {
    let (src, dst) = (orig.src, orig.dst);
    let family = if src.is_ipv6() { " -f ipv6" } else { "" };
    let zone = if zone == 0 { String::new() } else { format!(" -w {zone}") };
    let proto = orig.proto.name().map_or_else(|| orig.proto.0.to_string(), str::to_owned);
    let (ports, packets) = match orig.l4 {
        L4::Ports { src, dst } => {
            (format!(" --sport {src} --dport {dst}"), format!(" and port {src} and port {dst}"))
        }
        L4::Icmp { .. } | L4::None => (String::new(), String::new()),
    };
    let number = orig.proto.0;
    let mut texts = vec![
        ("conntrack", format!("conntrack -L{family}{zone} -p {proto} -s {src} -d {dst}{ports}")),
        (
            "tcpdump",
            format!("tcpdump -ni any 'host {src} and host {dst} and {} proto {number}{packets}'", ip(src)),
        ),
    ];
    if let L4::Ports { src: sport, dst: dport } = orig.l4
        && let Some(which) = [(Proto::TCP, "t"), (Proto::UDP, "u")].iter().find(|(p, _)| *p == orig.proto)
    {
        let (from, to) = (SocketAddr::new(src, sport), SocketAddr::new(dst, dport));
        let which = which.1;
        texts.push((
            "ss",
            format!("ss -{which}npi '( src {from} and dst {to} ) or ( src {to} and dst {from} )'"),
        ));
    }
    texts
}

fn ip(address: IpAddr) -> &'static str {
    if address.is_ipv6() { "ip6" } else { "ip" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(src: &str, dst: &str, proto: u8, l4: L4, zone: u16, expected: &[&str]) {
        let orig = Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), proto: Proto(proto), l4 };
        let texts = commands(&orig, zone);
        assert_eq!(texts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn commands_show_the_flow_alone() {
        let ports = L4::Ports { src: 40_000, dst: 443 };
        check(
            "10.0.0.1",
            "192.0.2.1",
            6,
            ports,
            0,
            &[
                "conntrack -L -p tcp -s 10.0.0.1 -d 192.0.2.1 --sport 40000 --dport 443",
                "tcpdump -ni any 'host 10.0.0.1 and host 192.0.2.1 and ip proto 6 and port 40000 and port 443'",
                "ss -tnpi '( src 10.0.0.1:40000 and dst 192.0.2.1:443 ) or ( src 192.0.2.1:443 and dst 10.0.0.1:40000 )'",
            ],
        );
        check(
            "2001:db8::1",
            "2001:db8::2",
            17,
            ports,
            7,
            &[
                "conntrack -L -f ipv6 -w 7 -p udp -s 2001:db8::1 -d 2001:db8::2 --sport 40000 --dport 443",
                "tcpdump -ni any 'host 2001:db8::1 and host 2001:db8::2 and ip6 proto 17 and port 40000 and port 443'",
                "ss -unpi '( src [2001:db8::1]:40000 and dst [2001:db8::2]:443 ) or ( src [2001:db8::2]:443 and dst [2001:db8::1]:40000 )'",
            ],
        );
        check(
            "10.0.0.1",
            "192.0.2.1",
            50,
            L4::None,
            0,
            &[
                "conntrack -L -p esp -s 10.0.0.1 -d 192.0.2.1",
                "tcpdump -ni any 'host 10.0.0.1 and host 192.0.2.1 and ip proto 50'",
            ],
        );
    }
}
