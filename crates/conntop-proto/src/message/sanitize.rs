//! Where messages hold text of the other side.

use crate::columns::MetaColumns;
use crate::message::{ClientMessage, Host, Interfaces, ServerFilter, ServerHello, ServerMessage};
use crate::text::sanitize;

impl ServerMessage {
    /// Makes every text in the message harmless; decoders do it at the entrance.
    pub fn sanitize(&mut self) {
        match self {
            Self::Hello(hello) => hello.sanitize(),
            Self::Host(host) => host.sanitize(),
            Self::Interfaces(interfaces) => interfaces.sanitize(),
            Self::Bye(bye) => clean(&mut bye.text),
            Self::Terminated(terminated) => clean(&mut terminated.text),
            Self::Delta(delta) => {
                helpers(&mut delta.ended.short.meta);
                helpers(&mut delta.new.meta);
                helpers(&mut delta.meta.values);
            }
            Self::Reset(_) | Self::Synced(_) | Self::Table(_) | Self::Lost(_) | Self::Listeners(_) => {}
            Self::Challenge(_) | Self::Proof(_) | Self::Ping(_) | Self::Pong(_) => {}
        }
    }
}

impl ClientMessage {
    /// Makes every text in the message harmless; decoders do it at the entrance.
    pub fn sanitize(&mut self) {
        match self {
            Self::Hello(hello) => {
                clean(&mut hello.client);
                clean(&mut hello.name);
                nets(hello.subscribe.filter.as_mut());
            }
            Self::Subscribe(subscribe) => nets(subscribe.filter.as_mut()),
            Self::Bye(bye) => clean(&mut bye.text),
            Self::Proof(_) | Self::Focus(_) | Self::Look(_) | Self::Pause(_) | Self::Terminate(_) => {}
            Self::Ping(_) | Self::Pong(_) => {}
        }
    }
}

impl ServerHello {
    fn sanitize(&mut self) {
        clean(&mut self.server);
        clean(&mut self.name);
        clean(&mut self.platform);
        self.features.iter_mut().for_each(clean);
        self.sandbox.iter_mut().for_each(clean);
    }
}

impl Host {
    fn sanitize(&mut self) {
        self.networks.iter_mut().for_each(clean);
        self.interfaces.iter_mut().map(|i| &mut i.name).for_each(clean);
        self.names.iter_mut().map(|n| &mut n.name).for_each(clean);
    }
}

impl Interfaces {
    fn sanitize(&mut self) {
        for interface in &mut self.list {
            clean(&mut interface.name);
            interface.kind.iter_mut().for_each(clean);
        }
    }
}

fn nets(filter: Option<&mut ServerFilter>) {
    filter.into_iter().flat_map(|f| &mut f.nets).for_each(clean);
}

fn helpers(meta: &mut MetaColumns) {
    for name in &mut meta.helper.name {
        if let std::borrow::Cow::Owned(clean) = sanitize(name) {
            *name = clean.into();
        }
    }
}

fn clean(text: &mut String) {
    if let std::borrow::Cow::Owned(clean) = sanitize(text) {
        *text = clean;
    }
}
