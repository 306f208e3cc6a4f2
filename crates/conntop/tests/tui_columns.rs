//! Which default columns the screen begins with.

mod common;

use std::time::Instant;

use common::{addr, flow};
use conntop::engine::Engine;
use conntop::mirror::MirrorError;
use conntop::source::{Messages, SourceEvent};
use conntop::tui::app::{App, Options};
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Host, HostAddress, Pass, ServerMessage, Synced};

/// The headings of a screen whose only flow begins at `addr(1)`.
fn headings(options: Options, own: u8) -> Result<Vec<String>, MirrorError> {
    let now = Instant::now();
    let mut app = App::new(Engine::default(), options, (120, 20));
    let own = HostAddress { address: addr(own), prefix: 24, interface: 1 };
    let host = Host { addresses: vec![own], ..Host::default() };
    let header = DeltaHeader { cursor: 1, in_step: true, at: BootMillis(2_000), pass: Pass::default() };
    let delta = DeltaRows { new: vec![flow(1)], ..DeltaRows::default() }.into_delta(header);
    let messages = [
        ServerMessage::Host(host),
        ServerMessage::Delta(Box::new(delta)),
        ServerMessage::Synced(Synced { cursor: 1 }),
    ];
    app.apply(SourceEvent::Messages(Messages::new(messages)), now)?;
    app.refresh(now);
    Ok(app.screen().table.columns.iter().map(|column| column.title.clone()).collect())
}

#[test]
fn the_first_flows_choose_them_on_this_machine_only() {
    let check = |local: bool, own: u8, workstation: bool| {
        let headings = headings(Options { local, ..Options::default() }, own).expect("sound messages");
        let has = headings.iter().any(|heading| heading == "REMOTE");
        assert_eq!(has, workstation, "local {local}, own address {own}: {headings:?}");
    };
    check(true, 1, true);
    check(true, 9, false);
    check(false, 1, false);
}
