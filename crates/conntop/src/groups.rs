//! What flows have in common: groups by one or two keys, with sums. No terminal.
//!
//! [`key::KEYS`] is what flows can be grouped by, [`columns::COLUMNS`] what is said of each group. A
//! refresh asks every flow once, and those that have ended as far as they are remembered, only when that
//! may give something else than the last time; it can be done in parts ([`Groups::begin`],
//! [`Groups::advance`]), between which the latest complete groups stay. Each flow counts once in the
//! total, and in every group that it belongs to. What nobody knows is a group of its own.
//!
//! At most [`MOST_GROUPS`] groups are made; flows beyond them are in one that says so.

pub mod columns;
pub mod key;
mod manual;
mod order;
pub mod part;
mod refresh;
pub mod tally;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::columns::{By, Figure, GroupColumn, GroupSort, GroupSortError};
pub use self::key::{GroupKey, KEYS, UnknownKey};
pub use self::manual::manual;
use self::order::Order;
pub use self::part::GroupId;
use self::part::{Kept, Part};
pub use self::refresh::Group;
use self::refresh::{Cells, Refresh};
pub use self::tally::Tally;
use crate::columns::nearest;
use crate::filter::{Expr, Filter};
use crate::flow::Source;
use crate::view::{Motion, Totals};

/// Groups that are made: far more than anybody looks at, in some tens of megabytes.
pub const MOST_GROUPS: usize = 250_000;

/// By what flows are grouped.
#[derive(Clone, Copy, Debug)]
pub struct Grouping {
    /// First key.
    pub first: &'static GroupKey,
    /// Second key, if there are two.
    pub second: Option<&'static GroupKey>,
}

impl PartialEq for Grouping {
    fn eq(&self, other: &Self) -> bool {
        self.keys().map(|key| key.key).eq(other.keys().map(|key| key.key))
    }
}

impl Default for Grouping {
    /// By local hosts.
    fn default() -> Self {
        #[expect(clippy::indexing_slicing, reason = "the table of keys is never empty")]
        let first = &KEYS[0];
        Self { first, second: None }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.first.key)?;
        self.second.map_or(Ok(()), |second| write!(f, ",{}", second.key))
    }
}

/// What is wrong with the text of a grouping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupingError {
    /// No such key.
    #[error(transparent)]
    Key(#[from] UnknownKey),
    /// The same key again.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    /// Neither one nor two.
    #[error("flows are grouped by one or two keys, such as local or local,service")]
    Count,
}

impl std::str::FromStr for Grouping {
    type Err = GroupingError;

    fn from_str(text: &str) -> Result<Self, GroupingError> {
        let mut keys = text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(key::find);
        let first = keys.next().ok_or(GroupingError::Count)??;
        let second = keys.next().transpose()?;
        match second {
            _ if keys.next().is_some() => Err(GroupingError::Count),
            Some(second) if second.key == first.key => Err(GroupingError::Twice(first.key)),
            _ => Ok(Self { first, second }),
        }
    }
}

impl Grouping {
    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static GroupKey> + use<> {
        [Some(self.first), self.second].into_iter().flatten()
    }

    /// Whether that is one of its keys.
    #[must_use]
    pub fn has(&self, key: &GroupKey) -> bool {
        self.keys().any(|own| own.key == key.key)
    }

    /// What exactly the flows of a group satisfy; `None` for the flows that found no group.
    #[must_use]
    pub fn only(&self, group: &Group) -> Option<Expr> {
        let tests: Option<Vec<Expr>> =
            self.keys().zip(group.parts()).map(|(key, part)| key.only(part)).collect();
        Some(Expr::all(tests?))
    }
}

fn nearest_of<'a, I: Iterator<Item = &'a str>>(word: &str, names: impl Fn() -> I) -> String {
    match nearest(word, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

/// What is to be grouped, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which flows; `None` means all.
    pub filter: Option<Filter>,
    /// Whether flows between local ends are left out.
    pub hide_internal: bool,
    /// Whether conntop's own questions for names are left out.
    pub hide_own: bool,
    /// Keys.
    pub grouping: Grouping,
    /// Order.
    pub sort: GroupSort,
    /// How rows move: while they are held as while they are frozen.
    pub motion: Motion,
}

impl Query {
    /// Whether it puts the same flows into the same groups.
    fn counts_like(&self, other: &Self) -> bool {
        self.filter == other.filter
            && self.hide_internal == other.hide_internal
            && self.hide_own == other.hide_own
            && self.grouping == other.grouping
    }

    /// Changes whenever the mirrors may give other groups or sums.
    fn version(&self, sources: &[Source<'_>], fresh: bool) -> Vec<u64> {
        let timed = fresh || self.filter.as_ref().is_some_and(Filter::asks_the_time);
        let learned = self.filter.as_ref().is_some_and(Filter::asks_what_is_learned)
            || self.grouping.keys().any(GroupKey::is_learned)
            || self.hide_own;
        let known = sources.first().filter(|_| learned).map(|source| source.known.revision());
        let of = |source: &Source<'_>| match timed {
            true => source.mirror.generation(),
            false => source.mirror.revision(),
        };
        sources.iter().map(of).chain(known).chain([u64::from(timed)]).collect()
    }
}

/// What a refresh depends on.
#[derive(Clone, Debug, PartialEq)]
struct Basis {
    version: Vec<u64>,
    query: Query,
}

/// Groups in their order.
#[derive(Debug, Default)]
pub struct Groups {
    basis: Option<Basis>,
    cells: Cells,
    order: Order,
    total: Tally,
    totals: Totals,
    overlap: bool,
    forgotten: bool,
    /// Whether time alone changes how many flows are new.
    fresh: bool,
    refresh: Option<Box<Refresh>>,
}

impl Groups {
    /// Brings groups, order and sums up to date at once.
    pub fn refresh(&mut self, sources: &[Source<'_>], query: &Query) {
        self.begin(sources, query);
        while !self.advance(sources, usize::MAX) {}
    }

    /// Begins to bring groups, order and sums up to date, unless they are or that has begun already.
    pub fn begin(&mut self, sources: &[Source<'_>], query: &Query) {
        let version = query.version(sources, self.fresh);
        let is = |basis: &Basis| basis.version == version && basis.query == *query;
        if self.refresh.as_ref().is_some_and(|refresh| is(&refresh.basis)) {
            return;
        }
        self.refresh = None;
        let before = self.basis.as_ref();
        let same_order = before.is_some_and(|Basis { query: before, .. }| {
            before.sort == query.sort && before.grouping == query.grouping
        });
        // Another order is taken up once, even by frozen rows.
        let keeps = query.motion != Motion::Live && same_order;
        if before.is_some_and(|basis| basis.version == version && basis.query.counts_like(query)) {
            if before.is_some_and(|basis| basis.query != *query) {
                self.reorder(query.sort, keeps);
                self.basis = Some(Basis { version, query: query.clone() });
            }
            return;
        }
        let now = sources.iter().map(|source| source.now).collect();
        self.refresh = Some(Box::new(Refresh::new(Basis { version, query: query.clone() }, now, keeps)));
    }

    /// Goes on with what was begun, by that many flows at most. True when the groups are up to date.
    pub fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        let Some(mut refresh) = self.refresh.take() else { return true };
        let query = &refresh.basis.query;
        if query.version(sources, self.fresh) != refresh.basis.version {
            let query = query.clone();
            self.begin(sources, &query);
            return self.refresh.is_none();
        }
        if !refresh.advance(sources, flows) {
            self.refresh = Some(refresh);
            return false;
        }
        let Refresh { basis, keeps, cells, total, totals, overlap, forgotten, fresh, .. } = *refresh;
        let places = keeps.then(|| self.order.places(&self.cells.groups));
        (self.cells, self.total, self.totals, self.overlap) = (cells, total, totals, overlap);
        self.order = Order::new(&self.cells.groups, basis.query.sort, places.as_ref());
        self.basis = Some(basis);
        (self.fresh, self.forgotten) = (fresh, forgotten);
        true
    }

    /// The groups are those of before, in another order.
    fn reorder(&mut self, sort: GroupSort, keeps: bool) {
        if !keeps {
            self.order = Order::new(&self.cells.groups, sort, None);
        }
    }

    /// Whether the groups are those that such a query chooses, be they of this moment or an earlier one.
    #[must_use]
    pub fn answers(&self, filter: Option<&Filter>, hide_internal: bool) -> bool {
        self.basis.as_ref().is_some_and(|Basis { query, .. }| {
            query.filter.as_ref() == filter && query.hide_internal == hide_internal
        })
    }

    /// By what the flows are grouped that are shown.
    #[must_use]
    pub fn grouping(&self) -> Option<Grouping> {
        self.basis.as_ref().map(|basis| basis.query.grouping)
    }

    /// How many groups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all flows sum up to, each of them once.
    #[must_use]
    pub fn total(&self) -> &Tally {
        &self.total
    }

    /// The same by direction, for those who show it beside the filter.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether some flow is in more than one group, so that groups sum up to more than the total.
    #[must_use]
    pub fn overlap(&self) -> bool {
        self.overlap
    }

    /// Whether there was more than what was seen: ended flows that are not known one by one any more.
    #[must_use]
    pub fn has_forgotten(&self) -> bool {
        self.forgotten
    }

    /// The group of that name.
    #[must_use]
    pub fn get(&self, id: GroupId) -> Option<&Group> {
        self.cells.groups.get(self.cells.find(id)? as usize)
    }

    /// The rank of a group.
    #[must_use]
    pub fn rank_of(&self, id: GroupId) -> Option<usize> {
        self.order.rank_of(&self.cells.groups, self.cells.find(id)?)
    }

    /// The group of a rank.
    pub fn at(&mut self, rank: usize) -> Option<GroupId> {
        self.rows(rank, 1).next().map(|group| group.id)
    }

    /// Groups from `top` on, at most `height` of them.
    pub fn rows(&mut self, top: usize, height: usize) -> impl Iterator<Item = &Group> {
        let groups = &self.cells.groups;
        let window = self.order.window(groups, top, height);
        window.iter().filter_map(|(_, at)| groups.get(*at as usize))
    }

    /// A sum's share of the whole, in thousandths; by the column of the order, else by rate or flows.
    #[must_use]
    pub fn share(&self, tally: &Tally) -> Option<u64> {
        let sort = self.basis.as_ref()?.query.sort;
        let flows = |tally: &Tally| Some(u64::from(tally.flows));
        let figure = |tally: &Tally| match sort.by {
            By::Column(column) => (column.figure)(tally).number(),
            By::Name if self.total.rated > 0 => tally.rate(),
            By::Name => flows(tally),
        };
        let (part, whole) = (figure(tally)?, figure(&self.total)?);
        u64::try_from(u128::from(part) * 1000 / u128::from(whole).max(1)).ok().filter(|_| whole > 0)
    }
}

/// What a value is in words, for those without a name of hosts or such.
#[must_use]
pub fn words(part: &Kept) -> String {
    use crate::columns::{Look, Value};
    let look = Look::default();
    match part {
        Part::Address(address) => address.to_string(),
        Part::Net(net) => net.to_string(),
        Part::Proto(proto) => proto.name().map_or_else(|| proto.0.to_string(), str::to_owned),
        Part::Port(port) => port.to_string(),
        Part::Nameless(proto, port) => match proto.name() {
            Some(name) => format!("{name}/{port}"),
            None => format!("{}/{port}", proto.0),
        },
        Part::Dir(dir) => dir.word().to_owned(),
        Part::State(word) => (*word).to_owned(),
        Part::Number(number) => number.to_string(),
        Part::Asn(number) => format!("AS{number}"),
        Part::Mark(mark) => Value::Mark(*mark).text(look),
        Part::Text(text) => text.to_string(),
        Part::Other => "(others)".to_owned(),
        Part::Absent => "(none)".to_owned(),
        Part::Unknown => "(unknown)".to_owned(),
    }
}

/// The raw value, null for what is no value.
#[must_use]
pub fn json(part: &Kept) -> serde_json::Value {
    use serde_json::json;
    match part {
        Part::Other | Part::Absent | Part::Unknown => json!(null),
        Part::Port(port) => json!(port),
        Part::Number(number) | Part::Asn(number) => json!(number),
        Part::Mark(mark) => json!(mark),
        other => json!(words(other)),
    }
}
