//! An ssh server of the test's own in a namespace, and the client's configuration to reach it. Keys,
//! configuration and known hosts are in a directory of its own; the port is 22, for in a namespace
//! of the test's own that is free.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::netns::Namespace;
use crate::programs::program;
use crate::tools::{command, find, run};

/// A server that has not said that it listens by then will not.
const START: Duration = Duration::from_secs(20);

/// What differs between tests.
#[derive(Clone, Debug)]
pub struct SshdOptions {
    /// Shell script that stands for `conntopd` there; `None`: there is none. `$CONNTOPD` is the real one.
    pub conntopd: Option<&'static str>,
    /// Shell script that stands for `sudo` there; `None`: there is none.
    pub sudo: Option<&'static str>,
    /// What the server does with a command, instead of running it.
    pub force: Option<&'static str>,
    /// Whether the client's key is accepted.
    pub key: Key,
    /// What the client knows of the server's key.
    pub host_key: HostKey,
}

/// Whether the client's key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// It is.
    Accepted,
    /// It is not.
    Refused,
}

/// What the client knows of the server's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// The right one.
    Known,
    /// Nothing.
    Unknown,
    /// Another one.
    Other,
}

impl Default for SshdOptions {
    /// All is well.
    fn default() -> Self {
        SshdOptions {
            conntopd: Some("exec \"$CONNTOPD\" --interval 100ms \"$@\""),
            sudo: None,
            force: None,
            key: Key::Accepted,
            host_key: HostKey::Known,
        }
    }
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    directory: TempDir,
}

impl Sshd {
    /// Starts a server in the namespace and waits until it listens.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start(namespace: &Namespace, options: &SshdOptions) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("conntop-ssh-").tempdir().context("a directory")?;
        let at = |name: &str| directory.path().join(name);
        for name in ["host", "other", "client"] {
            let mut keygen = command("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "conntop-tests", "-f"]).arg(at(name));
            run(&mut keygen)?;
        }
        let public = |name: &str| fs::read_to_string(at(name).with_extension("pub"));
        let accepted = match options.key {
            Key::Accepted => public("client")?,
            Key::Refused => public("other")?,
        };
        fs::write(at("authorized"), accepted)?;
        let known = match options.host_key {
            HostKey::Known => format!("127.0.0.1 {}", public("host")?),
            HostKey::Unknown => String::new(),
            HostKey::Other => format!("127.0.0.1 {}", public("other")?),
        };
        fs::write(at("known"), known)?;
        there(&at("there"), options)?;
        // Compiled into sshd; a package would have made it.
        fs::create_dir_all("/run/sshd").context("making /run/sshd")?;
        let force = options.force.map(|force| format!("ForceCommand {force}\n")).unwrap_or_default();
        let lines = format!(
            "ListenAddress 127.0.0.1:22\nHostKey {host}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             AuthorizedKeysFile {authorized}\nSetEnv PATH={there}\n{force}",
            host = at("host").display(),
            authorized = at("authorized").display(),
            there = at("there").display(),
        );
        fs::write(at("sshd_config"), lines)?;
        let lines = format!(
            "IdentityFile {client}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {known}\n\
             GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking ask\nControlMaster auto\n\
             ControlPath {directory}/master-%C\nControlPersist yes\n",
            client = at("client").display(),
            known = at("known").display(),
            directory = directory.path().display(),
        );
        fs::write(at("ssh_config"), lines)?;
        fs::create_dir(at("here"))?;
        let ssh = find("ssh").context("no ssh")?;
        let config = at("ssh_config");
        script(&at("here/ssh"), &format!("exec {} -F {} \"$@\"", ssh.display(), config.display()))?;

        let sshd = find("sshd").context("no sshd")?;
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(at("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let stderr = child.stderr.take().context("no stderr")?;
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _nobody_waits_any_more = tell.send(line);
            }
        });
        let server = Sshd { child, directory };
        let mut said = Vec::new();
        while let Ok(line) = lines.recv_timeout(START) {
            if line.contains("Server listening") {
                return Ok(server);
            }
            said.push(line);
        }
        anyhow::bail!("sshd does not listen; it said:\n{}", said.join("\n"))
    }

    /// `PATH` for a client: with an ssh that reaches this server.
    #[must_use]
    pub fn path(&self) -> String {
        let rest = std::env::var("PATH").unwrap_or_default();
        format!("{}:{rest}", self.directory.path().join("here").display())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a login finds in its `PATH`.
fn there(directory: &Path, options: &SshdOptions) -> Result<()> {
    fs::create_dir(directory)?;
    for name in ["sh", "bash", "setpriv", "env", "cat", "sleep"] {
        if let Some(path) = find(name) {
            symlink(path, directory.join(name))?;
        }
    }
    let conntopd: PathBuf = program("conntopd")?;
    if let Some(lines) = options.conntopd {
        script(&directory.join("conntopd"), &format!("CONNTOPD={}\n{lines}", conntopd.display()))?;
    }
    if let Some(lines) = options.sudo {
        script(&directory.join("sudo"), lines)?;
    }
    Ok(())
}

fn script(path: &Path, lines: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{lines}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
