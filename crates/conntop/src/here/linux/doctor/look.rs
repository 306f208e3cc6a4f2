//! Looking at this machine.

use std::fs;
use std::path::Path;
use std::thread;

use conntop_proto::text::sanitize;
use nfnetlink::facts::Facts as Sysctls;
use nfnetlink::netns::{self, Netns, NetnsError};
use nfnetlink::tracking::Others;
use nfnetlink::{Error, RequestSocket, nft};
use rustix::thread::{CapabilitySet, capabilities};

use super::facts::{Drops, Kernel, Leftover, Reading, Standing};
use super::others;
use crate::here::linux::activate::Leftovers;

/// Looks at the kernel in a namespace, or in that of the caller.
///
/// # Errors
/// There is no such namespace, or it may not be entered.
pub(super) fn kernel(netns: Option<Netns>) -> Result<Kernel, NetnsError> {
    let inside = netns.clone();
    let look = move || -> Result<Kernel, NetnsError> {
        inside.as_ref().map_or(Ok(()), Netns::enter)?;
        Ok(look())
    };
    let kernel =
        thread::Builder::new().name("ct-doctor".to_owned()).spawn(look).map(thread::JoinHandle::join);
    let kernel = match kernel {
        Ok(Ok(kernel)) => kernel?,
        // Without threads there is more to mend than what is looked for here.
        Ok(Err(_)) | Err(_) => Kernel::default(),
    };
    Ok(Kernel { netns, ..kernel })
}

/// In the calling thread's namespace.
fn look() -> Kernel {
    // First of all, as asking netlink would load the module.
    let sysctls = Sysctls::read();
    let module = Path::new("/sys/module/nf_conntrack").exists();
    let (reading, drops) = if sysctls.available() || module { read() } else { (Reading::Untried, None) };
    let own = netns::identity().ok().map(|(_, inode)| inode);
    let (spaces, hidden_spaces) = others::spaces(own);
    let allowed = matches!(reading, Reading::Works | Reading::Unsupported(_));
    let survey = if allowed { nft::survey().ok() } else { None };
    Kernel {
        netns: None,
        program: program(),
        standing: standing(),
        sysctls,
        module,
        rules: if allowed { nft::tracking_rules().ok() } else { None },
        others: Others::open().look(),
        keepers: survey.as_ref().map_or(0, |survey| survey.alive.len()),
        leftovers: match Leftovers::find(None) {
            Some(leftovers) => Leftover::Something(leftovers.text()),
            None if survey.is_some() => Leftover::Nothing,
            None => Leftover::Unknown,
        },
        drops,
        flowtables: if allowed { nft::flowtables().ok() } else { None },
        zeroing: others::zeroing(own),
        listening: others::listening(),
        spaces,
        hidden_spaces,
        all_processes: has(CapabilitySet::SYS_PTRACE),
        reading,
    }
}

/// Whether the kernel lets us read shows only in its answer.
fn read() -> (Reading, Option<Drops>) {
    let asked = RequestSocket::open().and_then(|mut socket| {
        socket.stats()?;
        Ok(socket.stats_cpu().ok())
    });
    match asked {
        Ok(cpus) => {
            let sum = |of: fn(&nfnetlink::ct::CpuStats) -> u32| -> u64 {
                cpus.iter().flatten().map(|cpu| u64::from(of(cpu))).sum()
            };
            (Reading::Works, Some(Drops { drop: sum(|cpu| cpu.drop), early_drop: sum(|cpu| cpu.early_drop) }))
        }
        Err(Error::Denied { .. }) => (Reading::Denied, None),
        Err(Error::Unsupported { source, .. }) => (Reading::Unsupported(source.to_string()), None),
        Err(error) => (Reading::Unsupported(error.to_string()), None),
    }
}

fn has(wanted: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

fn standing() -> Standing {
    let whole = |map: String| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
    let initial = fs::read_to_string("/proc/self/uid_map").map_or(true, whole);
    match (has(CapabilitySet::NET_ADMIN), rustix::process::geteuid().is_root()) {
        (true, _) if initial => Standing::Admin,
        (true, _) => Standing::UserNamespace,
        (false, true) => Standing::Container,
        (false, false) => Standing::User,
    }
}

fn program() -> String {
    let path = std::env::current_exe().map(|path| path.display().to_string());
    sanitize(&path.unwrap_or_else(|_| "conntop".to_owned())).into_owned()
}
