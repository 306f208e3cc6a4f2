//! local only
use conntop::engine::Engine;
use conntop::source::{Messages, Source, SourceEvent};
use conntop::tui::app::{App, Options};
use conntop::tui::draw::Look;
use conntop::tui::run::{Repairs, run};
use conntop_proto::message::ServerMessage;
use std::time::Duration;
struct No;
impl Repairs for No {
    fn activate(&mut self) -> Result<String, String> {
        Err("this is a recording".into())
    }
    fn remove_leftover(&mut self) -> Result<String, String> {
        Err("this is a recording".into())
    }
}
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (source, tx, mut requests) = Source::pair();
    tokio::spawn(async move {
        for line in include_str!("../tests/fixtures/office.ndjson").lines() {
            let message: ServerMessage = serde_json::from_str(line).unwrap();
            let event = match message {
                ServerMessage::Hello(h) => SourceEvent::Connected(h),
                m => {
                    if matches!(m, ServerMessage::Delta(_)) {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    SourceEvent::Messages(Messages::new([m]))
                }
            };
            if tx.send(event).await.is_err() {
                return;
            }
        }
        while requests.recv().await.is_some() {}
    });
    let options = Options { source: "replay".into(), local: true, ..Options::default() };
    let app = App::new(Engine::default(), options, (80, 24));
    if std::env::var_os("PANIC").is_some() {
        tokio::spawn(async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            panic!("ouch")
        });
    }
    let exit = run(app, source, Look::default(), &mut No).await;
    println!("exit: {exit:?}");
}
