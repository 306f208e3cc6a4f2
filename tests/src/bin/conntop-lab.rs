#![forbid(unsafe_code)]
//! The lab by hand: `conntop-lab up` in one terminal, everything else in another.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Plan, TableLimit};
use conntop_tests::lab::{DNAT_PORT, DNAT_TO_PORT, LAN_HOST, ROUTER_OUTSIDE, WAN_HOST};
use conntop_tests::traffic::{Echo, Sprayer, connect, exchange, ping, tcp, udp};
use conntop_tests::{Lab, LabOptions, netns, oracle, tools};
use rustix::process::{Pid, Signal, kill_process};

const HELP: &str = "\
Usage: conntop-lab COMMAND

  up                    make lan - router - wan and open a shell on the router;
                        without a terminal: hold them until standard input ends
  traffic [SECONDS]     real TCP, UDP and pings across the NAT (10)
  inject N [SEED]       put N mixed flows into the router's table (seed 1)
  churn [RATE] [SECONDS]  create and delete that many flows a second (1000, 10)
  bench-move N [SECONDS]  make N flows of real packets and move their counters (10)
  table                 what `conntrack -L` says about the router
  down                  end the lab, and sweep what dead ones left

Everything but `up` works on the lab that is up. Root only; what is missing is installed.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tools::tell(&format!("conntop-lab: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let seconds =
        |text: &str| text.parse().map(Duration::from_secs).with_context(|| format!("seconds: {text}"));
    let number = |text: &str| text.parse::<u32>().with_context(|| format!("a number: {text}"));
    if !matches!(arguments, [] | ["help" | "--help" | "-h", ..]) {
        tools::ready().map_err(|why| anyhow!("{why}"))?;
    }
    match *arguments {
        [] | ["help" | "--help" | "-h", ..] => print(HELP),
        ["up"] => up(),
        ["down"] => down(),
        ["table"] => table(&find()?),
        ["traffic"] => traffic(&find()?, Duration::from_secs(10)),
        ["traffic", time] => traffic(&find()?, seconds(time)?),
        ["inject", count] => inject(&find()?, number(count)?, 1),
        ["inject", count, seed] => inject(&find()?, number(count)?, number(seed)?.into()),
        ["churn"] => churn(&find()?, 1000, Duration::from_secs(10)),
        ["churn", rate] => churn(&find()?, number(rate)?, Duration::from_secs(10)),
        ["churn", rate, time] => churn(&find()?, number(rate)?, seconds(time)?),
        ["bench-move", count] => bench_move(&find()?, number(count)?, Duration::from_secs(10)),
        ["bench-move", count, time] => bench_move(&find()?, number(count)?, seconds(time)?),
        ref other => bail!("{other:?} is no command; see `conntop-lab help`"),
    }
}

/// A closed pipe is not worth a word.
fn print(text: &str) -> Result<()> {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

fn up() -> Result<()> {
    let lab = Lab::new(LabOptions::default())?;
    let (lan, router, wan) = (lab.lan.name(), lab.router.name(), lab.wan.name());
    print(&format!(
        "lan     {} {}  ip netns exec {lan} ...\n\
         router  {} {}  ip netns exec {router} ...\n\
         wan     {} {}  ip netns exec {wan} ...\n\
         TCP port {DNAT_PORT} of the router leads to port {DNAT_TO_PORT} of the lan.\n",
        LAN_HOST.v4, LAN_HOST.v6, ROUTER_OUTSIDE.v4, ROUTER_OUTSIDE.v6, WAN_HOST.v4, WAN_HOST.v6
    ))?;
    if std::io::stdin().is_terminal() {
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        print("This shell is on the router; leaving it ends the lab.\n")?;
        lab.router.spawn(&mut Command::new(shell))?.wait().context("waiting for the shell")?;
    } else {
        std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// The labs that `up` holds, the newest last; those of running tests are left alone.
fn held() -> Vec<(String, u32)> {
    let mut labs = netns::owned();
    labs.retain(|(name, pid)| {
        let comm = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
        name.ends_with("-router") && comm.is_ok_and(|comm| comm.trim() == "conntop-lab")
    });
    let made = |name: &str| Path::new("/run/netns").join(name).metadata().and_then(|m| m.modified()).ok();
    labs.sort_by_cached_key(|(name, _)| made(name));
    labs
}

fn find() -> Result<Lab> {
    let labs = held();
    let (name, _) = labs.last().context("no lab is up: run `conntop-lab up` in another terminal")?;
    Lab::attach(name)
}

fn down() -> Result<()> {
    for (name, pid) in held() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).with_context(|| format!("ending the holder of {name}"))?;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while !held().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    netns::sweep();
    Ok(())
}

fn table(lab: &Lab) -> Result<()> {
    let table = oracle::read(&lab.router)?;
    for record in table.values() {
        print(&format!("{record:?}\n"))?;
    }
    print(&format!("{} flows\n", table.len()))
}

fn traffic(lab: &Lab, time: Duration) -> Result<()> {
    let began = Instant::now();
    let [echo4, echo6] = WAN_HOST.both().map(|to| Echo::start(&lab.wan, SocketAddr::new(to, 0)));
    let echoes = [echo4?, echo6?];
    let _inside = Echo::start(&lab.lan, SocketAddr::new(LAN_HOST.v4.into(), DNAT_TO_PORT))?;
    let held = connect(&lab.wan, SocketAddr::new(ROUTER_OUTSIDE.v4.into(), DNAT_PORT))?;
    let mut rounds: u16 = 0;
    while began.elapsed() < time {
        rounds = rounds.wrapping_add(1);
        exchange(&held, 20_000)?;
        for echo in &echoes {
            tcp(&lab.lan, echo.address(), 50_000)?;
            udp(&lab.lan, echo.address(), 500)?;
            ping(&lab.lan, echo.address().ip(), rounds)?;
        }
    }
    print(&format!("{rounds} rounds of TCP, UDP and pings over IPv4 and IPv6\n"))
}

fn inject(lab: &Lab, count: u32, seed: u64) -> Result<()> {
    let _limit = TableLimit::at_least(&lab.router, count.saturating_add(count / 8))?;
    let began = Instant::now();
    let tally = Injector::new(&lab.router)?.create(&Plan::new(seed), 0..count)?;
    print(&format!("{} flows in {:?}, {} were there already\n", tally.done, began.elapsed(), tally.moot))
}

fn churn(lab: &Lab, rate: u32, time: Duration) -> Result<()> {
    let churn = Churn::start(&lab.router, ChurnOptions { plan: Plan::new(200), alive: rate.max(128), rate })?;
    std::thread::sleep(time);
    let churned = churn.finish()?;
    print(&format!("{} flows created, {} deleted\n", churned.created, churned.deleted))
}

fn bench_move(lab: &Lab, count: u32, time: Duration) -> Result<()> {
    let _limit = TableLimit::at_least(&lab.router, count.saturating_add(count / 8))?;
    let sprayer = Sprayer::new(&lab.lan, &lab.wan, WAN_HOST.v4)?;
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < time {
        sprayer.spray(0..count, 100)?;
        rounds += 1;
    }
    print(&format!("{count} flows moved {rounds} times in {:?}\n", began.elapsed()))
}
