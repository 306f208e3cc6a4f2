//! Capabilities of the calling thread.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::PrivilegeError;

/// Takes every capability out of the bounding set, which needs CAP_SETPCAP. Without that it is
/// enough if somebody else has left nothing in it but CAP_NET_ADMIN.
pub(super) fn empty_bounding_set() -> Result<String, String> {
    let mut left = CapabilitySet::empty();
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(one) {
            Ok(false) => {}
            // The first one that this kernel does not know.
            Err(_) => break,
            Ok(true) => match remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                Err(Errno::PERM) => left |= one,
                Err(errno) => return Err(format!("bounding set: {errno}")),
            },
        }
    }
    if CapabilitySet::NET_ADMIN.contains(left) {
        Ok(String::new())
    } else {
        Err("the bounding set stays as it is without CAP_SETPCAP".into())
    }
}

/// Keeps of what the thread has only `wanted`; nothing is inheritable or ambient.
pub(super) fn keep(wanted: CapabilitySet) -> Result<(), PrivilegeError> {
    let had = capabilities(None).map_err(PrivilegeError::step("read capabilities"))?;
    let kept = had.permitted & wanted;
    let none = CapabilitySet::empty();
    // Kernels before 4.3 have no ambient set.
    let _ = clear_ambient_capability_set();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })
        .map_err(PrivilegeError::step("drop capabilities"))
}
