//! Landlock: which files a thread may open, that it binds and connects no TCP socket, and that it
//! reaches no process outside by signals or abstract sockets.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use super::{Files, Role};

/// What the rules below were written for; the crate leaves out what an older kernel lacks.
const WRITTEN_FOR: ABI = ABI::V6;
/// Facts about connection tracking, of the namespace of the thread that opens them.
const SYSCTLS: &str = "/proc/sys/net";
/// Where libraries find randomness that cannot call the C library's `getrandom`, as in a static
/// program, where they look for it by name and in vain. Whoever reads them learns nothing.
const RANDOMNESS: [&str; 2] = ["/dev/urandom", "/dev/random"];

/// Restricts the calling thread; gives the version of Landlock that does it.
pub(super) fn restrict(role: Role, files: &Files) -> Result<String, String> {
    let status = rules(role, files).map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err("this kernel has none, or it is switched off".into()),
        (_, LandlockStatus::Available { effective_abi, kernel_abi }) => {
            Ok(kernel_abi.unwrap_or(effective_abi as i32).to_string())
        }
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => Err("not available".into()),
    }
}

fn rules(role: Role, files: &Files) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(WRITTEN_FOR))?
        .handle_access(AccessNet::from_all(WRITTEN_FOR))?
        .scope(Scope::from_all(WRITTEN_FOR))?
        .create()?;
    for path in RANDOMNESS {
        rules = allow(rules, Path::new(path), AccessFs::ReadFile.into())?;
    }
    match role {
        Role::Requests => {
            rules = allow(rules, Path::new(SYSCTLS), AccessFs::ReadFile.into())?;
            rules = allow_reading(rules, &files.known)?;
        }
        Role::Serve => {
            rules = allow_reading(rules, &files.read)?;
            for path in &files.remove {
                rules = allow(rules, path, AccessFs::RemoveFile.into())?;
            }
        }
        Role::Events | Role::Table => {}
    }
    rules.restrict_self()
}

fn allow_reading(mut rules: RulesetCreated, paths: &[PathBuf]) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        let file = BitFlags::from(AccessFs::ReadFile);
        let access = if path.is_dir() { file | AccessFs::ReadDir } else { file };
        rules = allow(rules, path, access)?;
    }
    Ok(rules)
}

/// What does not exist needs no permission.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(file) => rules.add_rule(PathBeneath::new(file, access)),
        Err(error) => {
            tracing::debug!("no access to {}: {error}", path.display());
            Ok(rules)
        }
    }
}
