//! What it costs to know whose the sockets are: `process_cost [CONNECTIONS [PROCESSES [CHURN]]]`.
//!
//! Opens so many connections on loopback (each has two sockets), between two processes, beside so many idle
//! processes; each second so many connections end and begin. Prints the CPU time of the first turn and of
//! later ones, and the share of a core that the thread takes with its pauses.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use conntop::enrich::Learned;
use conntop::enrich::lookups::Lookups;
use conntop::here::linux::processes::worker::{self, Turns};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long the thread is watched.
const WATCHED: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["serve"] => serve(),
        ["hold", to, count] => hold(to.parse()?, count.parse()?),
        ref numbers => {
            let number = |at: usize, usual| numbers.get(at).map_or(Ok(usual), |text| text.parse::<usize>());
            measure(number(0, 10_000)?, number(1, 300)?, number(2, 0)?)
        }
    }
}

fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut held = std::collections::VecDeque::new();
    loop {
        held.push_back(listener.accept()?.0);
        // Those that the other side has closed.
        while held.front().is_some_and(|stream: &TcpStream| {
            let _ = stream.set_nonblocking(true);
            matches!(stream.peek(&mut [0]), Ok(0))
        }) {
            held.pop_front();
        }
    }
}

/// Holds connections; each line of stdin is a number of them to be replaced.
fn hold(to: SocketAddr, count: usize) -> Result<()> {
    let connect = || TcpStream::connect(to);
    let mut held =
        (0..count).map(|_| connect()).collect::<std::io::Result<std::collections::VecDeque<_>>>()?;
    println!("ready");
    for line in std::io::stdin().lines() {
        for _ in 0..line?.parse::<usize>()? {
            held.pop_front();
            held.push_back(connect()?);
        }
        println!("done");
    }
    Ok(())
}

/// Ended with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this program again, and waits for its first line.
fn start(arguments: &[&str]) -> Result<(Running, BufReader<std::process::ChildStdout>, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = Running(command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut lines = BufReader::new(child.0.stdout.take().ok_or("no stdout")?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    Ok((child, lines, line.trim().to_owned()))
}

fn measure(connections: usize, processes: usize, churn: usize) -> Result<()> {
    let (_server, _lines, to) = start(&["serve"])?;
    let (mut client, mut lines, _ready) = start(&["hold", &to, &connections.to_string()])?;
    let idle = |_| Ok(Running(Command::new("sleep").arg("1000").spawn()?));
    let _idle = (0..processes).map(idle).collect::<Result<Vec<_>>>()?;
    let mut replace = |count: usize| -> Result<()> {
        if count > 0 {
            writeln!(client.0.stdin.as_mut().ok_or("no stdin")?, "{count}")?;
            lines.read_line(&mut String::new())?;
        }
        Ok(())
    };

    let mut turns = Turns::new(None)?;
    let first = turns.next(Instant::now());
    println!("first turn: {:?}, {} sockets with a process", turns.cost, first.sockets.len());
    for (what, count) in [("nothing new", 0), ("100 new connections", 100)] {
        let mut costs = Vec::new();
        for _ in 0..10 {
            replace(count)?;
            let found = turns.next(Instant::now()).sockets.len();
            costs.push((turns.cost, found));
        }
        costs.sort_unstable();
        let median = costs.get(costs.len() / 2).map(|(cost, _)| *cost).unwrap_or_default();
        println!("a turn with {what}: {median:?} (median of {costs:?})");
    }

    let mut lookups = Lookups::default();
    worker::start(lookups.finder(), None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut told = 0;
    let mut listen = |time: Duration| {
        runtime.block_on(async {
            let end = tokio::time::Instant::now() + time;
            while let Ok(learned) = tokio::time::timeout_at(end, lookups.next()).await {
                let Learned::Processes(seen) = learned else { continue };
                told += seen.sockets.len();
            }
        });
    };
    listen(Duration::from_secs(3)); // the first turn is not held back
    let (begun, before) = (Instant::now(), used()?);
    while begun.elapsed() < WATCHED {
        replace(churn)?;
        listen(Duration::from_secs(1));
    }
    let share = (used()? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!(
        "the thread, {churn} new connections a second: {:.2} % of a core, {told} sockets told",
        share * 100.0
    );
    Ok(())
}

/// CPU time of the thread so far.
fn used() -> Result<Duration> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim() == "processes" {
            let text = std::fs::read_to_string(path.join("schedstat"))?;
            let nanos = text.split(' ').next().ok_or("no time")?.parse()?;
            return Ok(Duration::from_nanos(nanos));
        }
    }
    Err("the thread has ended".into())
}
