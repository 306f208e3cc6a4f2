//! A daemon that is reached by TLS from both sides of the router, by plain TCP and by the unix socket.

use std::net::SocketAddr;
use std::process::Command;

use conntop::source::Security;
use conntop_tests::lab::{ROUTER_INSIDE, ROUTER_OUTSIDE};
use conntop_tests::programs::program;
use conntop_tests::{Daemon, Lab, tools};
use tempfile::TempDir;

use crate::raw::address;

/// The daemon, and the ways to it.
pub(crate) struct Reachable {
    pub(crate) daemon: Daemon,
    /// Plain TCP on loopback.
    pub(crate) loopback: SocketAddr,
    /// TLS on the address that the lan sees.
    pub(crate) inside: SocketAddr,
    /// TLS on the address that the wan sees.
    pub(crate) outside: SocketAddr,
    /// The token that it takes.
    pub(crate) security: Security,
    /// Of key and token.
    _folder: TempDir,
}

impl Reachable {
    pub(crate) fn start(lab: &Lab) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("tls");
        let mut init = Command::new(program("conntopd").unwrap());
        tools::run(init.arg("--init-tls").arg(&secrets)).unwrap();
        let token = std::fs::read_to_string(secrets.join("token")).unwrap();
        let token = Some(token.trim().parse().unwrap());
        let mut arguments = vec!["--tls-dir".to_owned(), secrets.to_str().unwrap().to_owned()];
        let addresses = ["127.0.0.1".to_owned(), ROUTER_INSIDE.v4.to_string(), ROUTER_OUTSIDE.v4.to_string()];
        for address in &addresses {
            arguments.extend(["--listen".to_owned(), format!("{address}:0")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let daemon = Daemon::start(&lab.router, &arguments).unwrap();
        let [loopback, inside, outside] = addresses.map(|begin| address(&daemon, &begin));
        let security = Security { token, ..Security::default() };
        Reachable { daemon, loopback, inside, outside, security, _folder: folder }
    }
}
