//! The screen of groups, out of a recording: what it shows at which size, and what its keys do.

mod stage;

use conntop::tui::bindings::Context;
use conntop::tui::screen::Row;
use stage::Stage;

#[test]
fn screens() {
    for (name, script) in [
        ("first", "+4 2"),
        ("open", "+4 2 Down Right Down Down +2"),
        ("two_keys", "+4 t Down Space G Space Enter"),
        ("menu", "+4 2 t Down Space Down Space"),
        ("host", "+6 2 t Down Down Down Down Enter"),
        ("uplink", "+4 u"),
        ("only", "+4 Down ="),
        ("filtered", "+4 / \"dport 1\" Enter 2"),
    ] {
        for (columns, lines) in [(80, 24), (120, 40), (200, 60), (20, 3)] {
            let mut stage = Stage::new(columns, lines);
            stage.play(script);
            insta::assert_snapshot!(format!("{name}_{columns}x{lines}"), stage.text());
        }
    }
}

fn rows(stage: &Stage) -> &[Row] {
    &stage.app.screen().table.rows
}

/// The first cell of each row.
fn names(stage: &Stage) -> Vec<&str> {
    rows(stage).iter().filter_map(|row| row.cells.first()).map(|cell| cell.text.as_str()).collect()
}

fn selected(stage: &Stage) -> Option<String> {
    let row = rows(stage).iter().find(|row| row.selected)?;
    Some(row.cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" ").trim().to_owned())
}

#[test]
fn keys_lead_to_contexts() {
    let check = |script: &str, context: Context| {
        let mut stage = Stage::new(120, 40);
        stage.play(script);
        assert_eq!(stage.app.context(), context, "{script}");
    };
    check("+3 2", Context::Groups);
    check("+3 t", Context::Keys);
    check("+3 t Esc", Context::Flows);
    check("+3 t Enter", Context::Groups);
    check("+3 u", Context::Groups);
    check("+3 =", Context::Menu);
    check("+3 = Enter", Context::Flows);
    // A group of one key leaves nothing to choose.
    check("+3 2 =", Context::Groups);
    check("+3 t Space Down Space Enter =", Context::Menu);
    check("+3 2 Enter Down Enter", Context::Details);
    check("+3 2 Enter Down Enter Esc", Context::Groups);
    // Esc closes the group, then leads back to the flows.
    check("+3 2 Enter Esc", Context::Groups);
    check("+3 2 Enter Esc Esc", Context::Flows);
    check("2 Enter Right Left = ! PgDn G g u", Context::Groups);
}

#[test]
fn groups_open_in_place() {
    let mut stage = Stage::new(120, 40);
    stage.play("+4 2 Down Down");
    let closed: Vec<String> = names(&stage).into_iter().map(str::to_owned).collect();
    let flows: usize = rows(&stage)[2].cells[1].text.parse().unwrap();
    stage.play("Right");
    let open: Vec<String> = names(&stage).into_iter().map(str::to_owned).collect();
    assert_eq!(open[..3], closed[..3]);
    // Flows have columns of their own; those that ended a moment ago are among them.
    let under = rows(&stage)[3..].iter().take_while(|row| row.columns.is_some());
    let live = under.clone().filter(|row| !row.ghost).count();
    assert_eq!(live, flows);
    assert_eq!(open[3 + under.count()], closed[3]);
    // On a flow, closing selects the group again.
    stage.play("Down Down Left");
    assert_eq!(selected(&stage).unwrap().split(' ').next().unwrap(), closed[2]);
    assert!(rows(&stage).iter().all(|row| row.columns.is_none()));
    // Another opens instead of it.
    stage.play("Right k Right");
    assert_eq!(names(&stage).iter().filter(|name| **name == closed[2]).count(), 1);
    assert!(rows(&stage)[2].columns.is_some());
}

#[test]
fn the_selection_follows_the_group() {
    for script in ["Down Down Down", "G", "Right Down Down", "Ctrl-D"] {
        let mut stage = Stage::new(120, 20);
        stage.play("+3 2");
        stage.play(script);
        let before = selected(&stage).unwrap();
        let name = |row: &str| row.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
        stage.play("I < >");
        let after = selected(&stage).unwrap();
        assert_eq!(name(&after)[0], name(&before)[0], "{script}: {before} / {after}");
    }
}

#[test]
fn orders_hold_still_when_asked() {
    let order = |stage: &Stage| names(stage).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut moved = Stage::new(120, 40);
    moved.play("+3 2");
    let before = order(&moved);
    moved.play("+4");
    assert_ne!(order(&moved), before, "the recording moves");
    let mut frozen = Stage::new(120, 40);
    frozen.play("+3 2 o");
    let values = frozen.text();
    frozen.play("+4");
    assert!(order(&frozen).starts_with(&before), "{:?}", order(&frozen));
    assert_ne!(frozen.text(), values, "values move");
    let mut paused = Stage::new(120, 40);
    paused.play("+3 2 Space");
    let standing = paused.text();
    paused.play("+4");
    assert_eq!(paused.text(), standing);
}

#[test]
fn only_and_not_become_part_of_the_filter() {
    let check = |script: &str, wanted: &str| {
        let mut stage = Stage::new(200, 60);
        stage.play(script);
        let filter = stage.app.screen().filter.as_ref().map(|line| line.text.clone());
        assert_eq!(filter.unwrap_or_default(), wanted, "{script}");
        assert!(rows(&stage).len() > 1, "{script}: shows nothing");
    };
    check("+4 t G Enter =", "dir = out");
    check("+4 t G Enter !", "not dir = out");
    check("+4 t G Enter = =", "dir = out");
    check("+4 u", "dir = {in, out}");
    check("+4 u u", "dir = {in, out}");
    check("+4 / \"proto udp\" Enter u", "proto = udp and dir = {in, out}");
    check("+4 / \"proto udp or proto tcp\" Enter u", "(proto = udp or proto = tcp) and dir = {in, out}");
}

#[test]
fn columns_order_the_groups() {
    let check = |script: &str, wanted: &str| {
        let mut stage = Stage::new(120, 40);
        stage.play(script);
        let columns = &stage.app.screen().table.columns;
        let sorted = columns.iter().find(|column| column.sorted.is_some()).map(|column| column.key);
        assert_eq!(sorted, Some(wanted), "{script}");
    };
    check("+4 2", "rate");
    check("+4 2 <", "up");
    check("+4 2 < < < < <", "flows");
    check("+4 2 < < < < < <", "local");
    check("+4 2 < < < < < < < >", "flows");
    check("+4 2 > > > >", "seen");
    check("+4 t Space Down Space Enter < < < < < <", "local");
    check("+4 t Space Down Space Enter < < < < < < >", "flows");
}

#[test]
fn details_go_on_within_a_group() {
    let mut stage = Stage::new(120, 40);
    stage.play("+4 2 Right Down Enter");
    let title = |stage: &Stage| stage.text().lines().nth(3).map(str::to_owned).unwrap();
    let first = title(&stage);
    stage.play("n");
    assert_ne!(title(&stage), first);
    stage.play("p");
    assert_eq!(title(&stage), first);
    // Above the first flow is its group.
    stage.play("p");
    assert_eq!(title(&stage), first);
}

#[test]
fn keys_are_remembered() {
    let mut stage = Stage::new(120, 40);
    stage.play("+4 t Space Down Space Enter");
    assert_eq!(stage.app.outlook().group.map(|group| group.to_string()).as_deref(), Some("local,remote"));
}

/// The line of a filter sums up to what the total line of the groups does, and to what the flows do.
#[test]
fn the_total_counts_each_flow_once() {
    let total = |script: &str| {
        let mut stage = Stage::new(200, 60);
        stage.play(script);
        let filter = stage.app.screen().filter.clone().unwrap();
        let shown = filter.totals.into_iter().map(|span| span.text).collect::<Vec<_>>();
        let line = rows(&stage)[0].cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        (shown, line)
    };
    let flows = total("+6 / \"proto tcp\" Enter");
    let local = total("+6 / \"proto tcp\" Enter 2");
    let host = total("+6 / \"proto tcp\" Enter t j j j j Enter");
    assert_eq!(flows.0, local.0);
    assert_eq!(flows.0, host.0);
    assert_eq!((local.1[0].as_str(), host.1[0].as_str()), ("total", "total, shares overlap"));
    assert_eq!(local.1[1..], host.1[1..]);
}
