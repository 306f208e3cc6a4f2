//! Where the time goes: what `perf` sees of the daemon and of its screen.
//!
//! `cpu-clock`, as virtual machines have no counters, and no call graphs: functions that the compiler
//! put into others count for those.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conntop_tests::Daemon;
use conntop_tests::terminal::Terminal;
use conntop_tests::tools::{command, find, run};

use crate::field::Field;
use crate::report::{Form, Report, count};
use crate::run::{conntop, wait_for_flows};
use crate::stop;

/// Samples per second of CPU time.
const FREQUENCY: &str = "2999";
/// Lines of a profile.
const MOST: usize = 16;
const HEAD: &[&str] = &["%", "in", "function"];
const DAEMON: Form = Form { key: "profile-conntopd", title: "Where the time of conntopd goes", head: HEAD };
const SCREEN: Form = Form { key: "profile-conntop", title: "Where the time of its screen goes", head: HEAD };

pub(crate) fn measure(field: &Field, size: u32, window: Duration, report: &mut Report) {
    let what = format!("profiles at {}", count(size.into()));
    report.attempt(&what, |report| profiles(field, window, report));
}

fn profiles(field: &Field, window: Duration, report: &mut Report) -> Result<()> {
    ensure!(find("perf").is_some(), "perf is not installed");
    let daemon = Daemon::start(field.router(), &[])?;
    let mut command = conntop(Some(&daemon.target()), &[])?;
    let mut terminal = Terminal::start(&field.lab.lan, &mut command)?;
    wait_for_flows(&mut terminal, field.flows())?;
    let _change = field.change()?;
    stop::wait(Duration::from_secs(3))?;
    let directory = tempfile::tempdir().context("a directory")?;
    let who = [(&DAEMON, daemon.pid()), (&SCREEN, terminal.pid())];
    let recordings = who.map(|(form, pid)| {
        let file = directory.path().join(form.key);
        let mut perf = self::command("perf");
        perf.args(["record", "--quiet", "--event=cpu-clock", "--freq", FREQUENCY, "--output"]).arg(&file);
        perf.args(["--pid", &pid.to_string(), "--", "sleep", &(window * 2).as_secs().to_string()]);
        perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        (form, file, perf.spawn())
    });
    for (form, file, perf) in recordings {
        perf.context("starting perf")?.wait().context("waiting for perf")?;
        let _ = terminal.screen();
        let mut read = Command::new(find("perf").context("no perf")?);
        read.args(["report", "--stdio", "--no-children", "--fields=overhead,dso,symbol", "--input"])
            .arg(&file);
        let text = String::from_utf8_lossy(&run(&mut read)?.stdout).into_owned();
        for row in lines(&text) {
            report.row(form, row.to_vec());
        }
    }
    Ok(())
}

/// The largest lines of a report, and below them what whole libraries and the kernel come to.
fn lines(text: &str) -> Vec<[String; 3]> {
    let mut found: Vec<(f64, String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (Some(percent), Some(place)) = (words.next(), words.next()) else { continue };
        let Some(percent) = percent.strip_suffix('%').and_then(|p| p.parse::<f64>().ok()) else { continue };
        let name = words.filter(|word| !matches!(*word, "[.]" | "[k]")).collect::<Vec<_>>().join(" ");
        found.push((percent, place.to_owned(), name.replace('|', "/")));
    }
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (percent, place, _) in &found {
        *sums.entry(place).or_default() += percent;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all = sums.iter().map(|(place, sum)| [format!("{sum:.1}"), (*place).to_owned(), "*all*".to_owned()]);
    let largest = found.iter().take(MOST);
    let largest =
        largest.map(|(percent, place, name)| [format!("{percent:.1}"), place.clone(), format!("`{name}`")]);
    all.take(3).chain(largest).collect()
}
