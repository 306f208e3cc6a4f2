//! Ending a flow on a replayed recording: what the keys do, what is ordered, and what is said of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod stage;

use std::net::SocketAddr;

use conntop::source::{Messages, SourceEvent};
use conntop::tui::action::Effect;
use conntop::tui::app::{App, Options, Surroundings};
use conntop::tui::screen::{Layer, Spans};
use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::{BootMillis, EndReason, FlowId, FlowRow, TrafficRow};
use conntop_proto::message::{Act, Outcome, ServerMessage, Terminate, Terminated};
use stage::Stage;

/// A stage whose collector ends flows.
fn able(columns: u16, lines: u16) -> Stage {
    let mut stage = Stage::new(columns, lines);
    stage.play("+4");
    let mut hello = stage.app.engine().hello().unwrap().clone();
    hello.features.push("terminate".into());
    stage.apply(SourceEvent::Connected(Box::new(hello)));
    stage
}

/// What was ordered.
fn ordered(stage: &Stage) -> Vec<Terminate> {
    let order = |effect: &Effect| match effect {
        Effect::Terminate { terminate, .. } => Some(*terminate),
        _ => None,
    };
    stage.effects.iter().filter_map(order).collect()
}

fn say(stage: &mut Stage, message: ServerMessage) {
    stage.apply(SourceEvent::Messages(Messages::new([message])));
    stage.app.refresh(stage.now());
}

fn answer(stage: &mut Stage, order: &Terminate, outcome: Outcome, text: &str) {
    let Terminate { request, id, .. } = *order;
    say(stage, ServerMessage::Terminated(Terminated { request, id, outcome, text: text.into() }));
}

fn delta(stage: &mut Stage, rows: DeltaRows) {
    let position = stage.app.engine().mirror().position();
    let at = BootMillis(position.at.0 + 2_000);
    let header = DeltaHeader { cursor: position.cursor, at, ..DeltaHeader::default() };
    say(stage, ServerMessage::Delta(Box::new(rows.into_delta(header))));
}

fn ended(id: FlowId, at: BootMillis) -> EndedRow {
    let (reason, traffic) = (EndReason::Destroyed, TrafficRow::default());
    EndedRow { id, at, reason, stop: None, traffic, short: None }
}

fn row(stage: &Stage, id: FlowId) -> FlowRow {
    stage.app.engine().mirror().get(id).unwrap().row()
}

/// What the dialog says.
fn dialog(stage: &Stage) -> String {
    let Some(Layer::Dialog { text, .. }) = &stage.app.screen().layer else { return String::new() };
    let line = |spans: &Spans| spans.iter().map(|span| span.text.as_str()).collect::<String>();
    text.iter().map(line).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn shows(stage: &Stage, words: &str) {
    let text = dialog(stage);
    assert!(text.contains(words), "no \"{words}\" in\n{text}\n{}", stage.text());
}

#[test]
fn dialogs_are_as_committed() {
    for (columns, lines) in [(80, 24), (120, 40), (200, 60), (50, 16)] {
        let mut stage = able(columns, lines);
        stage.play("Down Down E");
        insta::assert_snapshot!(format!("asked_{columns}x{lines}"), stage.text());
        stage.play("+1 f");
        let [order] = ordered(&stage)[..] else { panic!("one order, not {:?}", stage.effects) };
        answer(&mut stage, &order, Outcome::Done, "");
        let at = stage.app.engine().mirror().position().at;
        let mut again = row(&stage, order.id);
        again.identity.id = FlowId(9_000_000);
        again.identity.first_seen = BootMillis(at.0 + 1_400);
        delta(
            &mut stage,
            DeltaRows { ended: vec![ended(order.id, at)], new: vec![again], ..DeltaRows::default() },
        );
        insta::assert_snapshot!(format!("came_back_{columns}x{lines}"), stage.text());
    }
}

#[test]
fn what_cannot_be_ended_says_why() {
    let check = |script: &str, words: &str| {
        let mut stage = able(80, 24);
        stage.play(script);
        shows(&stage, words);
        assert_eq!(stage.effects.iter().filter(|e| matches!(e, Effect::LookAround)).count(), 0);
    };
    check("E", "Select a flow first.");
    let mut small = able(20, 3);
    small.play("Down E");
    shows(&small, "too small");
    check("Down Space E", "The display is paused");
    let mut stage = Stage::new(80, 24);
    stage.play("+4 Down E");
    shows(&stage, "Flows cannot be ended here.");
    let mut stage = able(80, 24);
    assert!(stage.event("stale"));
    stage.play("Down E");
    shows(&stage, "Nothing is heard of");
}

#[test]
fn read_only_ends_nothing() {
    let stage = able(80, 24);
    let options = Options { read_only: true, local: true, ..Options::default() };
    let mut app = App::new(conntop::engine::Engine::default(), options, (80, 24));
    let end = app.dispatch(conntop::tui::key::Key::ch('E')).unwrap();
    assert_eq!(app.update(end, stage.now()), Vec::new());
    app.refresh(stage.now());
    let text = format!("{:?}", app.screen().layer);
    assert!(text.contains("--read-only"), "{text}");
}

#[test]
fn only_two_keys_end_a_flow_and_not_at_once() {
    let check = |script: &str, acts: &[Act]| {
        let mut stage = able(80, 24);
        stage.play(script);
        let acts_of = ordered(&stage).iter().map(|order| order.act).collect::<Vec<_>>();
        assert_eq!(acts_of, acts, "{script}\n{}", stage.text());
    };
    // What was typed ahead answers nothing.
    check("Down E f", &[]);
    check("Down E f f f +1 n", &[]);
    check("Down E +1 f", &[Act::Forget]);
    check("Down Enter E +1 f", &[Act::Forget]);
    for no in ["Enter", "Esc", "n", "N", "q", "Ctrl-C"] {
        check(&format!("Down E +1 {no}"), &[]);
        let mut stage = able(80, 24);
        stage.play(&format!("Down E +1 {no}"));
        assert!(stage.app.screen().layer.is_none(), "{no}\n{}", stage.text());
    }
}

#[test]
fn the_order_names_the_flow_that_was_selected() {
    let mut stage = able(80, 24);
    stage.play("Down Down E");
    let shown = stage.text();
    // Rows move below the question, for seconds.
    stage.play("+5 f");
    let [order] = ordered(&stage)[..] else { panic!("{:?}", stage.effects) };
    assert_eq!(Some(order.epoch), stage.app.engine().mirror().position().epoch);
    let port = match row(&stage, order.id).identity.orig.l4 {
        conntop_proto::tuple::L4::Ports { src, .. } => src,
        l4 => panic!("{l4:?}"),
    };
    assert!(shown.contains(&format!(":{port} →")), "{port} in\n{shown}");
}

#[test]
fn one_that_has_ended_is_left_alone() {
    let mut stage = able(80, 24);
    stage.play("Down E");
    let selected = {
        let mut probe = able(80, 24);
        probe.play("Down E +1 f");
        ordered(&probe)[0].id
    };
    let at = stage.app.engine().mirror().position().at;
    delta(&mut stage, DeltaRows { ended: vec![ended(selected, at)], ..DeltaRows::default() });
    shows(&stage, "It has ended by itself meanwhile.");
    stage.play("+1 f");
    assert_eq!(ordered(&stage), Vec::new());
    shows(&stage, "nothing was done");
}

#[test]
fn outcomes_are_told() {
    let check = |outcome: Outcome, text: &str, words: &str| {
        let mut stage = able(80, 24);
        stage.play("Down E +1 f");
        let order = ordered(&stage)[0];
        shows(&stage, "asking the kernel");
        // Answers to others.
        answer(&mut stage, &Terminate { request: order.request + 1, ..order }, Outcome::Done, "");
        answer(&mut stage, &Terminate { id: FlowId(order.id.0 + 1), ..order }, Outcome::Done, "");
        shows(&stage, "asking the kernel");
        answer(&mut stage, &order, outcome, text);
        shows(&stage, words);
        stage.play("Enter");
        assert!(stage.app.screen().layer.is_none());
    };
    check(Outcome::Done, "", "The kernel has removed the entry. Waiting until that shows");
    check(Outcome::Gone, "", "It had ended already: nothing was done.");
    check(Outcome::Replaced, "", "Another flow has taken its place");
    check(Outcome::NoSocket, "no socket here", "Nothing was closed. No socket here.");
    check(Outcome::Denied, "it takes CAP_NET_ADMIN", "needs CAP_NET_ADMIN");
    check(Outcome::Refused, "", "The collector refuses.");
    check(Outcome::Limit, "", "Too many flows were ended just now");
    check(
        Outcome::Unsupported,
        "it was built without it",
        "The kernel cannot do this. It was built without it.",
    );
    check(Outcome::Failed, "bad luck", "It failed. Bad luck.");
}

#[test]
fn silence_is_told_after_a_while() {
    let mut stage = able(80, 24);
    stage.play("Down E +1 f");
    stage.event("wait");
    shows(&stage, "asking the kernel");
    stage.event("wait");
    shows(&stage, "No answer: it is not known whether it was done.");
}

#[test]
fn gone_for_ten_seconds_is_gone() {
    let mut stage = able(80, 24);
    stage.play("Down E +1 f");
    let order = ordered(&stage)[0];
    let at = stage.app.engine().mirror().position().at;
    // The end may be told before the answer.
    delta(&mut stage, DeltaRows { ended: vec![ended(order.id, at)], ..DeltaRows::default() });
    answer(&mut stage, &order, Outcome::Done, "");
    shows(&stage, "It is gone. Looking for 10 s whether it comes back");
    stage.event("wait");
    stage.event("wait");
    shows(&stage, "It is gone, and has not come back for 10 s.");
}

#[test]
fn what_somebody_sits_on_is_told() {
    let check = |local: bool,
                 around: &dyn Fn((SocketAddr, SocketAddr)) -> Surroundings,
                 words: Option<&str>| {
        let mut stage = if local { able(80, 24) } else { stage_of_another_machine() };
        stage.play("/ \"proto tcp\" Enter Down E");
        let probe = {
            let mut probe = able(80, 24);
            probe.play("/ \"proto tcp\" Enter Down E +1 f");
            let id = ordered(&probe)[0].id;
            let orig = row(&probe, id).identity.orig;
            let conntop_proto::tuple::L4::Ports { src, dst } = orig.l4 else { panic!("{orig:?}") };
            assert_eq!(orig.proto.name(), Some("tcp"));
            (SocketAddr::new(orig.src, src), SocketAddr::new(orig.dst, dst))
        };
        stage.app.look_around(&around(probe));
        stage.app.refresh(stage.now());
        let said = ["You sit on this", "conntop itself", "conntop looks through", "may be the connection"];
        match words {
            Some(words) => shows(&stage, words),
            None => assert!(!said.iter().any(|words| dialog(&stage).contains(words)), "{}", stage.text()),
        }
    };
    let nobody: SocketAddr = "192.0.2.99:1".parse().unwrap();
    check(true, &|_| Surroundings::default(), None);
    check(
        true,
        &|(a, b)| Surroundings { login: Some((a, b)), ..Surroundings::default() },
        Some("You sit on this"),
    );
    check(
        true,
        &|(a, b)| Surroundings { login: Some((b, a)), ..Surroundings::default() },
        Some("You sit on this"),
    );
    check(true, &|(a, _)| Surroundings { login: Some((a, nobody)), ..Surroundings::default() }, None);
    check(true, &|ends| Surroundings { ours: vec![ends], ..Surroundings::default() }, Some("conntop itself"));
    check(
        false,
        &|ends| Surroundings { ours: vec![ends], ..Surroundings::default() },
        Some("conntop looks through"),
    );
    // Addresses are translated on the way there.
    check(
        false,
        &|(_, there)| Surroundings { ours: vec![(nobody, there)], ..Surroundings::default() },
        Some("may be the connection"),
    );
    check(true, &|(_, there)| Surroundings { ours: vec![(nobody, there)], ..Surroundings::default() }, None);
}

fn stage_of_another_machine() -> Stage {
    let mut stage = Stage::remote(80, 24);
    stage.play("+4");
    let mut hello = stage.app.engine().hello().unwrap().clone();
    hello.features.push("terminate".into());
    stage.apply(SourceEvent::Connected(Box::new(hello)));
    stage
}

#[test]
fn texts_are_copied() {
    let check = |script: &str, words: &str| {
        let mut stage = able(120, 40);
        stage.play("Down Down y");
        stage.play(script);
        let copied: Vec<&String> = stage
            .effects
            .iter()
            .filter_map(|e| match e {
                Effect::Copy(text) => Some(text),
                _ => None,
            })
            .collect();
        let [text] = copied[..] else { panic!("{copied:?}\n{}", stage.text()) };
        assert!(text.contains(words), "{text}");
        assert!(dialog(&stage).contains("sent to terminal"), "{}", stage.text());
    };
    check("Enter", "151.101.1.69");
    check("G Enter", "\"dport\":443");
    check("G k k k Enter", "conntrack -L");
    let mut stage = able(120, 40);
    stage.play("y");
    shows(&stage, "Select a flow first.");
    let mut stage = able(80, 24);
    stage.play("Down Down Enter y");
    insta::assert_snapshot!("copy_80x24", stage.text());
}
