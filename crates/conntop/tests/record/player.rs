//! The player by its own clock.

use std::io::Write as _;
use std::time::{Duration, Instant};

use conntop::engine::{Connection, Engine};
use conntop::source::replay::{Play, Recording, play};
use conntop::source::{Control, Playing, Request, Source, SourceEnd, SourceEvent, Speed};
use conntop_proto::codec::Validate;
use conntop_proto::message::ServerMessage;
use tempfile::NamedTempFile;
use tokio::time::timeout;

use super::OFFICE;

/// Longer than the recording at any speed here.
const PATIENCE: Duration = Duration::from_secs(3600);

struct Player {
    _file: NamedTempFile,
    source: Source,
    engine: Engine,
    /// Seconds of the recorder's clock at each delta that came.
    deltas: Vec<u64>,
    rewound: u32,
    ends: u32,
}

impl Player {
    fn new(speed: &str, at: u64) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(OFFICE.as_bytes()).unwrap();
        let recording = Recording::open(file.path()).unwrap();
        let how = Play::Paced { speed: speed.parse().unwrap(), at: Duration::from_secs(at) };
        let source = play(recording, Validate::Control, how);
        Self { _file: file, source, engine: Engine::default(), deltas: Vec::new(), rewound: 0, ends: 0 }
    }

    fn take(&mut self, event: SourceEvent) {
        if let SourceEvent::Messages(messages) = &event {
            let seconds = messages.as_slice().iter().filter_map(|message| match message {
                ServerMessage::Delta(delta) => Some((delta.at.0 - 86_400_000 * 12) / 1000),
                _ => None,
            });
            self.deltas.extend(seconds);
        }
        self.rewound += u32::from(matches!(event, SourceEvent::Rewound));
        self.ends += u32::from(matches!(event, SourceEvent::Ended(SourceEnd::Finished)));
        self.engine.apply(event, Instant::now()).unwrap();
    }

    /// Lets so much time pass.
    async fn pass(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.source.next()).await {
            self.take(event.expect("it waits to be wound back"));
        }
    }

    async fn seconds(&mut self, seconds: u64) {
        // A little more, so that nothing hangs on the order of things that are due at once.
        self.pass(Duration::from_millis(seconds * 1000 + 400)).await;
    }

    async fn until_end(&mut self) {
        while self.ends == 0 {
            let event = timeout(PATIENCE, self.source.next()).await;
            self.take(event.expect("an end").unwrap());
        }
    }

    fn last(&self) -> Option<u64> {
        self.deltas.last().copied()
    }

    fn playing(&self) -> Playing {
        *self.engine.playing().expect("it plays")
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_takes_as_long_as_it_took() {
    let check = async |speed: &str, at: u64, seconds: u64, wanted: u64| {
        let mut player = Player::new(speed, at);
        player.seconds(seconds).await;
        assert_eq!(player.last(), Some(wanted), "speed {speed}, from {at}, after {seconds} s");
    };
    check("1", 0, 0, 0).await;
    check("1", 0, 3, 3).await;
    check("4", 0, 3, 13).await;
    check("0.5", 0, 8, 4).await;
    check("1", 10, 0, 10).await;
    check("1", 10, 5, 15).await;
    check("2", 10, 2, 14).await;
    check("1", 100, 0, 24).await;
    check("1000", 0, 1, 24).await;
}

#[tokio::test(start_paused = true)]
async fn it_stands_goes_faster_and_in_steps() {
    let mut player = Player::new("1", 0);
    player.seconds(3).await;
    player.source.request(Request::Pause(true));
    player.seconds(20).await;
    assert_eq!(player.last(), Some(3), "it stands");
    assert!(player.playing().paused);
    let stands = player.engine.collector_time(Instant::now() + Duration::from_secs(50));
    assert_eq!(stands, player.engine.collector_time(Instant::now()), "and its clock with it");
    player.source.request(Request::Play(Control::Step));
    player.seconds(5).await;
    assert_eq!(player.last(), Some(4), "one step");
    player.source.request(Request::Play(Control::Step));
    player.source.request(Request::Play(Control::Step));
    player.seconds(5).await;
    assert!(player.last() <= Some(6) && player.last() > Some(4), "{:?}", player.last());
    let here = player.last().unwrap();
    player.source.request(Request::Play(Control::Faster));
    player.source.request(Request::Play(Control::Faster));
    player.source.request(Request::Pause(false));
    player.seconds(2).await;
    assert_eq!(player.last(), Some(here + 9), "four times as fast");
    player.source.request(Request::Play(Control::Slower));
    player.source.request(Request::Play(Control::Slower));
    player.seconds(0).await;
    let time = player.engine.collector_time(Instant::now()).0;
    assert_eq!(player.playing().speed, Speed::NORMAL);
    player.seconds(3).await;
    let passed = player.engine.collector_time(Instant::now()).0 - time;
    assert!((2_000..=4_000).contains(&passed), "{passed} ms of the recorder's clock");
}

#[tokio::test(start_paused = true)]
async fn it_is_wound_back_and_forward_also_from_its_end() {
    let mut player = Player::new("1", 0);
    player.seconds(5).await;
    player.source.request(Request::Play(Control::Skip(10)));
    player.seconds(0).await;
    assert_eq!(player.last(), Some(15));
    player.source.request(Request::Play(Control::Skip(-12)));
    player.seconds(0).await;
    assert_eq!((player.last(), player.rewound), (Some(4), 1));
    let again = player.engine.mirror().len();
    let mut fresh = Player::new("1", 4);
    fresh.seconds(0).await;
    assert_eq!(again, fresh.engine.mirror().len(), "as if nothing had been heard");
    player.until_end().await;
    assert_eq!(player.last(), Some(24));
    assert!(matches!(player.engine.connection(), Connection::Ended(SourceEnd::Finished)));
    assert_eq!(player.playing().at, Duration::from_secs(24));
    player.seconds(30).await;
    assert_eq!(player.last(), Some(24), "the end stays");
    player.source.request(Request::Play(Control::Skip(-4)));
    player.seconds(0).await;
    assert_eq!(player.last(), Some(20));
    assert!(matches!(player.engine.connection(), Connection::Live));
    player.source.request(Request::Play(Control::Skip(-1000)));
    player.seconds(1).await;
    assert_eq!(player.last(), Some(1), "not before the beginning");
}

#[tokio::test]
async fn its_length_is_found_beside_it() {
    let mut player = Player::new("1", 0);
    let found = async {
        while player.engine.playing().is_none_or(|playing| playing.length.is_none()) {
            let event = player.source.next().await.unwrap();
            player.take(event);
        }
    };
    timeout(Duration::from_secs(60), found).await.expect("a length");
    assert_eq!(player.playing().length, Some(Duration::from_secs(24)));
}

#[tokio::test]
async fn a_pipe_cannot_go_back() {
    let how = Play::Paced { speed: "1000".parse().unwrap(), at: Duration::ZERO };
    let mut source = play(Recording::of(OFFICE.as_bytes()), Validate::Control, how);
    let mut rewinds = true;
    loop {
        match source.next().await.unwrap() {
            SourceEvent::Playing(playing) => rewinds = playing.rewinds,
            SourceEvent::Ended(end) => break assert_eq!(end, SourceEnd::Finished),
            _ => {}
        }
    }
    assert!(!rewinds);
}

/// A lost connection is told where it was lost, and the stream goes on behind it.
#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_part_of_it() {
    let (hello, rest) = OFFICE.split_once('\n').unwrap();
    let half = rest.match_indices("\n{\"delta\"").nth(5).unwrap().0 + 1;
    let (first, second) = rest.split_at(half);
    let bye = r#"{"bye":{"reason":"timeout","text":"nothing heard for 30 s"}}"#;
    let text = format!("{hello}\n{first}{bye}\n{hello}\n{second}");
    let mut source = play(Recording::of(std::io::Cursor::new(text)), Validate::Control, Play::Through(None));
    let mut told = Vec::new();
    let mut engine = Engine::default();
    while let Some(event) = source.next().await {
        match &event {
            SourceEvent::Connected(_) => told.push("connected".to_owned()),
            SourceEvent::Stale { cause, .. } => told.push(cause.clone()),
            SourceEvent::Ended(end) => told.push(format!("{end:?}")),
            _ => {}
        }
        engine.apply(event, Instant::now()).unwrap();
    }
    assert_eq!(told, ["connected", "nothing heard for 30 s", "connected", "Finished"]);
    assert_eq!(engine.mirror().position().cursor, 25);
}
