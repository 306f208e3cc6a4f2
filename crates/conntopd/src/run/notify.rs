//! What the service manager is told (sd_notify): that the daemon serves, that it stops, and, if it
//! wants to know, that both threads which clients depend on make progress.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::collector::CollectorHandle;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// By the environment. Connects now, as no socket is made after the lockdown.
    pub(super) fn from_env() -> Self {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&path),
        };
        let connected = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let var = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let ours = var("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = var("WATCHDOG_USEC").filter(|&usec| ours && usec > 0).map(Duration::from_micros);
        match connected {
            Ok(socket) => Self { socket: Some(socket), watchdog },
            Err(error) => {
                tracing::warn!("the service manager cannot be told anything: NOTIFY_SOCKET: {error}");
                Self::default()
            }
        }
    }

    pub(super) fn ready(&self) {
        self.say("READY=1\nSTATUS=serving");
    }

    /// Followed by [`Notify::ready`].
    pub(super) fn reloading(&self) {
        let usec = nfnetlink::clock::monotonic().as_micros();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// Never ends. Twice in each period of the watchdog the table's thread is asked for a sign of life,
    /// and only its answer is passed on, by the server's loop, which polls this: so both make progress.
    pub(super) async fn watch(&self, collector: &CollectorHandle) {
        let Some(period) = self.watchdog.filter(|_| self.socket.is_some()) else {
            return std::future::pending().await;
        };
        let half = period / 2;
        let mut ticks = interval_at(Instant::now(), half);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if collector.is_alive().await {
                self.say("WATCHDOG=1");
            }
        }
    }

    /// A manager that does not listen is none of our failures.
    fn say(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use conntop_proto::message::Host;
    use tokio::net::UnixDatagram;
    use tokio::time::{resume, timeout};

    use super::{CollectorHandle, Duration, Notify};

    /// While the table's thread is stuck the service manager hears nothing, afterwards it does.
    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_progress_only() -> Result<(), Box<dyn std::error::Error>> {
        let (told, socket) = std::os::unix::net::UnixDatagram::pair()?;
        told.set_nonblocking(true)?;
        let told = UnixDatagram::from_std(told)?;
        let period = Duration::from_millis(20);
        let notify = Notify { socket: Some(socket), watchdog: Some(period) };
        let (handle, feeder) = CollectorHandle::by_hand(Host::default())?;
        let (release, stuck) = std::sync::mpsc::channel::<()>();
        feeder.edit(move |_| {
            let _ = stuck.recv();
        });
        let mut buffer = [0; 64];
        let mut heard = async || {
            tokio::select! {
                () = notify.watch(&handle) => Ok(0),
                said = told.recv(&mut buffer) => said,
            }
        };
        // By a clock that jumps from tick to tick, as nobody has anything to do meanwhile.
        let said = timeout(period * 10, heard()).await;
        assert!(said.is_err(), "{said:?} while it is stuck");
        drop(release);
        // The thread answers in its own time.
        resume();
        let length = timeout(Duration::from_secs(30), heard()).await??;
        assert_eq!(buffer.get(..length), Some(&b"WATCHDOG=1"[..]));
        Ok(())
    }
}
