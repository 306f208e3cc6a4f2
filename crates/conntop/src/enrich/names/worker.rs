//! The thread that asks for names. Nobody ever waits for it: it gets what is looked at, the latest
//! only, tells what it finds by a bounded queue, and ends when nobody listens any more.

use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::cache::{Cache, Outcome};
use super::hosts::{self, Stamp};
use super::own::Query;
use super::resolve::{Asking, Oracle, Servers, Trouble};
use super::{Dns, Found, NameSource};
use crate::enrich::Learned;
use crate::enrich::lookups::Finder;

/// Own questions that wait to be told of.
const MOST_UNTOLD: usize = 1_024;
/// Time between two looks at whether a file has changed.
const FILES_TIME: Duration = Duration::from_secs(10);
/// The file that names the servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Who wants names, as the thread sees it; dropping this ends the thread.
#[derive(Debug)]
pub struct Looking(watch::Sender<Vec<IpAddr>>);

impl Looking {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(asking: Asking, hosts: PathBuf, finder: Finder) -> io::Result<Self> {
        let (sender, looked_at) = watch::channel(Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || runtime.block_on(Worker::new(asking, hosts).work(looked_at, finder));
        thread::Builder::new().name("names".to_owned()).spawn(work)?;
        Ok(Self(sender))
    }

    /// These hosts, and no others, are looked at.
    pub fn at(&self, hosts: Vec<IpAddr>) {
        self.0.send_if_modified(|old| {
            let changed = *old != hosts;
            *old = hosts;
            changed
        });
    }
}

struct Worker {
    asking: Asking,
    hosts: PathBuf,
    oracle: Oracle,
    /// Why nobody can be asked.
    nobody: Option<Trouble>,
    cache: Cache,
    told: mpsc::Sender<Query>,
    untold: mpsc::Receiver<Query>,
    /// The hosts file and that of the servers, as they were last.
    stamps: (Stamp, Stamp),
    checked: Option<Instant>,
    trouble: Option<Trouble>,
}

impl Worker {
    fn new(asking: Asking, hosts: PathBuf) -> Self {
        let (told, untold) = mpsc::channel(MOST_UNTOLD);
        Self {
            asking,
            hosts,
            oracle: Oracle::Nobody,
            nobody: None,
            cache: Cache::default(),
            told,
            untold,
            stamps: (None, None),
            checked: None,
            trouble: None,
        }
    }

    async fn work(mut self, mut looked_at: watch::Receiver<Vec<IpAddr>>, finder: Finder) {
        let mut asked: JoinSet<(IpAddr, Outcome)> = JoinSet::new();
        self.find_somebody();
        loop {
            let mut found = Found::new(self.source(), Instant::now());
            self.check_files(&mut found);
            while asked.len() < self.oracle.most()
                && let Some(host) = self.cache.ask(Instant::now())
            {
                let (oracle, confirm) = (self.oracle.clone(), self.asking.confirm);
                asked.spawn(async move { (host, oracle.ask(host, confirm).await) });
            }
            found.answers = self.cache.take_changes();
            while let Ok(query) = self.untold.try_recv() {
                found.own.push(query);
            }
            let silent = self.cache.is_silent().then_some(Trouble::Silent);
            found.trouble = self.nobody.or(silent);
            if !found.is_empty() || found.trouble != self.trouble {
                self.trouble = found.trouble;
                if finder.send(Learned::Names(found)).await.is_err() {
                    return;
                }
            }
            let due = self.cache.due().filter(|_| asked.len() < self.oracle.most());
            tokio::select! {
                changed = looked_at.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let hosts = looked_at.borrow_and_update().clone();
                    self.cache.want(hosts.into_iter().map(|host| host.to_canonical()));
                }
                Some(done) = asked.join_next(), if !asked.is_empty() => {
                    self.answered(done.ok());
                    while let Some(done) = asked.try_join_next() {
                        self.answered(done.ok());
                    }
                }
                Some(query) = self.untold.recv() => {
                    // Told with what comes next, at once.
                    let mut found = Found::new(self.source(), Instant::now());
                    found.trouble = self.trouble;
                    found.own.push(query);
                    if finder.send(Learned::Names(found)).await.is_err() {
                        return;
                    }
                }
                () = at(due) => {}
            }
        }
    }

    fn answered(&mut self, done: Option<(IpAddr, Outcome)>) {
        // A task that is gone without an answer panicked; its host stays asked for, and unasked again.
        if let Some((host, outcome)) = done {
            self.cache.answered(host, outcome, Instant::now());
        }
    }

    /// Who is believed when he names a host.
    fn source(&self) -> NameSource {
        match (self.asking.dns, self.asking.confirm) {
            (Dns::System, _) => NameSource::System,
            (_, true) => NameSource::Confirmed,
            (_, false) => NameSource::Ptr,
        }
    }

    fn find_somebody(&mut self) {
        let oracle = Oracle::new(&self.asking, self.told.clone());
        self.nobody = oracle.as_ref().err().copied();
        self.oracle = oracle.unwrap_or(Oracle::Nobody);
        if self.asking.dns == Dns::System && !is_program(&self.asking.getent) {
            self.nobody = Some(Trouble::NoProgram);
            self.oracle = Oracle::Nobody;
        }
    }

    /// Reads again what has changed, seldom enough.
    fn check_files(&mut self, found: &mut Found) {
        let now = Instant::now();
        if self.checked.is_some_and(|checked| now.saturating_duration_since(checked) < FILES_TIME) {
            return;
        }
        let first = self.checked.replace(now).is_none();
        let stamp = hosts::stamp(&self.hosts);
        if first || stamp != self.stamps.0 {
            self.stamps.0 = stamp;
            found.hosts = Some(hosts::read(&self.hosts).unwrap_or_default());
        }
        let stamp = hosts::stamp(Path::new(RESOLV_CONF));
        let changed = stamp != self.stamps.1;
        self.stamps.1 = stamp;
        if changed && !first && self.asking.dns == Dns::Ptr && self.asking.servers == Servers::System {
            self.find_somebody();
            self.cache.begin_anew();
        }
    }
}

/// Whether a program is in the PATH, or there when it is named by a path.
fn is_program(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => pending().await,
    }
}
