//! Who has the addresses of a flow, as the registries say. They are asked beside the screen; it says so
//! until they have answered, and nobody waits for them.

use std::net::IpAddr;

use conntop_proto::flow::FlowRow;

use super::App;
use super::layers::Open;
use crate::enrich::range::Range;
use crate::orient::LocalNets;
use crate::tui::action::Effect;
use crate::tui::details::{INDENT, label};
use crate::tui::screen::{Span, Spans};
use crate::tui::theme::Role;
use crate::tui::wrap::wrap;
use crate::whois::{Answer, TIME};

/// Where lines of a registry's text go on.
const REST: u16 = 4;

/// What is on the screen.
#[derive(Debug)]
pub(crate) struct Asked {
    /// All addresses of the flow that somebody in the world has.
    addresses: Vec<IpAddr>,
    /// The one that is asked about.
    at: usize,
    pub(crate) top: usize,
    said: Option<Result<Box<Answer>, String>>,
}

impl Asked {
    /// About the addresses of a flow, the remote end first.
    fn of(row: &FlowRow, local: &LocalNets) -> Self {
        let (orig, reply) = (&row.identity.orig, &row.identity.reply);
        let remote = local.orient(orig, reply).remote(orig).address;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in [remote, orig.dst, orig.src, reply.src, reply.dst] {
            if Range::of(address).is_none() && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let nobody = "no address of this flow is one of the world: no registry knows who has it";
        let said = addresses.is_empty().then(|| Err(nobody.to_owned()));
        Self { addresses, at: 0, top: 0, said }
    }

    fn address(&self) -> Option<IpAddr> {
        self.addresses.get(self.at).copied()
    }

    pub(crate) fn title(&self) -> String {
        let address = self.address().map(|address| address.to_string()).unwrap_or_default();
        match self.addresses.len() {
            0 | 1 => format!("Whois  {address}"),
            all => format!("Whois  {address}  ({} of {all}, W for the next)", self.at + 1),
        }
    }

    pub(crate) fn lines(&self, room: u16) -> Vec<Spans> {
        let answer = match &self.said {
            None => {
                let text = format!("asking the registries, for {} s at most …", TIME.as_secs());
                return wrap(&[vec![Span::new(text, Role::Label)]], room, 0);
            }
            Some(Err(error)) => return wrap(&[vec![Span::new(error.clone(), Role::Error)]], room, 0),
            Some(Ok(answer)) => answer,
        };
        let field = |(word, value): (&str, String)| vec![label(word), Span::new(value, Role::Text)];
        let fields: Vec<Spans> = answer.labelled().map(field).collect();
        let text = answer.hops.last().into_iter().flat_map(|hop| hop.text.lines());
        let text: Vec<Spans> = text.map(|line| vec![Span::new(line, Role::Label)]).collect();
        let mut lines = wrap(&fields, room, INDENT);
        lines.push(Vec::new());
        lines.extend(wrap(&text, room, REST));
        lines
    }
}

impl App {
    /// Asks about the flow whose details are open, or about its next address.
    pub(super) fn ask_whois(&mut self) -> Option<Effect> {
        let address = match self.layers.last_mut()? {
            Open::Whois(asked) => {
                let again = asked.addresses.len() > 1 || matches!(asked.said, Some(Err(_)));
                if asked.addresses.is_empty() || !again {
                    return None;
                }
                asked.at = (asked.at + 1) % asked.addresses.len().max(1);
                (asked.top, asked.said) = (0, None);
                asked.address()
            }
            Open::Details { id, row, .. } => {
                let node = self.nodes.get(id.node())?;
                let asked = Asked::of(row, node.engine().local_nets());
                let address = asked.address();
                self.layers.push(Open::Whois(asked));
                address
            }
            _ => None,
        };
        address.map(Effect::Whois)
    }

    /// What the registries say of an address; it is shown if it is still wanted.
    pub fn whois(&mut self, address: IpAddr, said: Result<Answer, String>) {
        let asked = self.layers.iter_mut().rev().find_map(|layer| match layer {
            Open::Whois(asked) => Some(asked),
            _ => None,
        });
        if let Some(asked) = asked.filter(|asked| asked.address() == Some(address)) {
            asked.said = Some(said.map(Box::new));
        }
    }
}
