//! Filters: any text is read or refused with a place in it; what is read prints as something that reads
//! the same, and can be asked about any flow, of which it says the contrary of its negation. What is offered
//! to complete a text is read where it stands.

use conntop::filter::{Field, Filter, MAX_LENGTH, Tri, Typed, complete, context};
use conntop::flow::{Now, Source};
use conntop::mirror::Mirror;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::ServerMessage;

use crate::support;

thread_local! {
    /// Flows of all kinds, live and ended.
    static FLOWS: Mirror = flows();
}

fn flows() -> Mirror {
    let mut mirror = Mirror::default();
    for seed in 0..40_u8 {
        let rows = crate::made(&support::rows(4), &[seed]).expect("rows of any seed");
        let header = crate::made(&support::header(), &[seed]).expect("a header of any seed");
        let delta = ServerMessage::Delta(Box::new(rows.into_delta(header)));
        mirror.apply(&delta).expect("generated rows are good");
    }
    assert!(mirror.len() > 10, "{} flows", mirror.len());
    mirror
}

/// What is offered at the end of a text fits there: it makes nothing wrong that is not wrong without it.
fn check_offers(text: &str) {
    if text.len() > MAX_LENGTH / 2 {
        return;
    }
    let odd = ["a b", "\"", "\\", "and", "un*", "none", "(", "in", "10.0.0.1", "443", "AS1", "0x10", ""];
    let mut values = |_: &'static Field| odd.map(str::to_owned).to_vec();
    let _some = context(text);
    let Some(completion) = complete(text, &mut values) else { return };
    let before = &text[..completion.span.start];
    if matches!(Filter::typed(before), Typed::Wrong(_)) {
        return;
    }
    for candidate in completion.candidates {
        let completed = format!("{before}{candidate}");
        if let Typed::Wrong(error) = Filter::typed(&completed) {
            assert!(error.to_string().contains("nested deeper"), "{}", error.caret(&completed));
        }
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check_offers(&text);
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end <= text.len(), "{error:?}");
            assert!(error.caret(&text).contains('^'));
            return;
        }
    };
    let printed = filter.to_string();
    if printed.len() <= MAX_LENGTH {
        assert_eq!(Filter::parse(&printed).as_ref(), Ok(&filter), "{printed}");
    }
    let negated = Filter::from(filter.expr().clone().negated());
    FLOWS.with(|mirror| {
        let now = Now { boot: BootMillis(support::AT.0 + 1), wall: Some(u64::MAX / 3) };
        let source = Source::only(mirror, now);
        for view in source.live().chain(source.ended()) {
            let both = (filter.matches(&view), negated.matches(&view));
            let contrary = matches!(
                both,
                (Tri::True, Tri::False) | (Tri::False, Tri::True) | (Tri::Unknown, Tri::Unknown)
            );
            assert!(contrary, "{printed}: {both:?}");
        }
    });
}
