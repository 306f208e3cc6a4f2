//! The offer of databases of places, and what the screen tells of a download.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;

use std::time::Instant;

use conntop::engine::Engine;
use conntop::enrich::Learned;
use conntop::enrich::geo::{Geo, Search};
use conntop::geoip::News;
use conntop::tui::action::{Action, Effect};
use conntop::tui::app::{App, Options};
use conntop::tui::bindings::Context;
use conntop::tui::screen::Layer;

fn app(offer_places: bool) -> App {
    App::new(Engine::default(), Options { offer_places, local: true, ..Options::default() }, (80, 24))
}

fn geo(files: &[(&str, Vec<u8>)]) -> Learned {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    Learned::Geo(Box::new(Geo::open(Search::of(Vec::new(), vec![folder.path().to_owned()]))))
}

/// What lies on top of the rows, if anything does.
fn on_top(app: &mut App) -> String {
    app.refresh(Instant::now());
    match &app.screen().layer {
        Some(Layer::Dialog { title, text }) => {
            let lines =
                text.iter().map(|line| line.iter().map(|span| span.text.as_str()).collect::<String>());
            format!("{title}: {}", lines.collect::<Vec<_>>().join(" "))
        }
        Some(Layer::Text { title, .. }) => title.clone(),
        Some(Layer::Menu { title, .. } | Layer::Picker { title, .. }) => title.clone(),
        None => String::new(),
    }
}

fn facts(app: &mut App) -> String {
    app.refresh(Instant::now());
    let facts = &app.screen().header.abnormal;
    facts.iter().map(|span| span.text.as_str()).collect::<Vec<_>>().join(", ")
}

#[test]
fn databases_are_offered_once_where_there_are_none() {
    let check = |offer: bool, files: &[(&str, Vec<u8>)], offered: bool| {
        let mut app = app(offer);
        assert_eq!(on_top(&mut app), "");
        app.learn(geo(files));
        let top = on_top(&mut app);
        assert_eq!(top.starts_with("Places of addresses: "), offered, "{top}");
        assert_eq!(app.context() == Context::Dialog, offered);
        if offered {
            assert_eq!(app.update(Action::No, Instant::now()), [Effect::RefusePlaces]);
        }
        // They went away: that is no first start.
        app.learn(geo(&[]));
        assert_eq!(on_top(&mut app), "");
    };
    let database =
        || mmdb::Mmdb::new("GeoLite2-City").with("1.1.0.0/16", &mmdb::city("AU", "Sydney")).bytes();
    check(true, &[], true);
    check(true, &[("notes.txt", b"x".to_vec())], true);
    check(false, &[], false);
    check(true, &[("a.mmdb", database())], false);
    // One that cannot be used is one.
    check(true, &[("a.mmdb", b"nonsense".to_vec())], false);
}

#[test]
fn the_question_waits_below_what_is_open() {
    let mut app = app(true);
    app.update(Action::Help, Instant::now());
    app.learn(geo(&[]));
    assert_eq!(on_top(&mut app), "Help");
    app.update(Action::Close, Instant::now());
    assert!(on_top(&mut app).starts_with("Places of addresses"));
    // To close it is neither yes nor no.
    assert_eq!(app.update(Action::Close, Instant::now()), []);
    assert_eq!(on_top(&mut app), "");
}

#[test]
fn a_download_is_told_of_until_it_ends() {
    let check = |end: News, wanted: &[&str]| {
        let mut app = app(true);
        app.learn(geo(&[]));
        assert_eq!(app.update(Action::Yes, Instant::now()), [Effect::FetchPlaces]);
        assert_eq!(facts(&mut app), "");
        app.learn(Learned::Download(News::Progress("fetching dbip-city-lite 43%".to_owned())));
        assert_eq!(facts(&mut app), "fetching dbip-city-lite 43%");
        assert_eq!(on_top(&mut app), "");
        app.learn(Learned::Download(end));
        assert_eq!(facts(&mut app), "");
        let top = on_top(&mut app);
        assert!(!top.contains('\n'), "{top:?}");
        for text in wanted {
            assert!(top.contains(text), "{top}\nhas not: {text}");
        }
    };
    check(News::Done, &["IP Geolocation by DB-IP (https://db-ip.com)"]);
    check(News::Failed("no network".to_owned()), &["no network", "`conntop geoip update` tries it again"]);
}
