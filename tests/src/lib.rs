#![forbid(unsafe_code)]
//! The lab: a router with NAT between two hosts, out of three network namespaces on the real
//! kernel, with what fills its connection tracking table, moves its counters and churns it, and
//! with `conntrack -L` as the oracle. The end-to-end tests in `tests/` run in it, and
//! `conntop-lab` gives it to people by hand.
//!
//! From the ground up: [`lock`] and [`tools`] (what the machine offers, installed once),
//! [`netns`] (a namespace, and code in it), [`lab`] (the topology), [`traffic`] (real packets),
//! [`inject`] and [`churn`] (entries made without packets), [`oracle`] (what the kernel says),
//! [`programs`] and [`client`] (conntop's own side), [`judge`] (both sides
//! compared), [`stage`] (all of it set up for a test), [`sshd`] (a login there). `conntop-bench` measures with [`meter`],
//! [`terminal`] (a program on a screen) and [`relay`] (a line of limited speed).
//!
//! Invariants
//! - Nothing outlives its owner: namespaces, processes and raised limits go with `Drop`, at a
//!   panic too, and what a killed run left behind is swept by the next one.
//! - A test that cannot have its lab says so on stderr, whatever libtest captures; with
//!   `CONNTOP_LAB=required` it fails.
//! - Everything is deterministic from a seed and bounded in time.

pub mod churn;
pub mod client;
pub mod gate;
pub mod inject;
pub mod judge;
pub mod lab;
pub mod lock;
pub mod meter;
pub mod netns;
pub mod oracle;
pub mod programs;
pub mod relay;
pub mod sshd;
pub mod stage;
pub mod terminal;
pub mod tools;
pub mod traffic;

pub use client::Client;
pub use gate::Gate;
pub use lab::{Lab, LabOptions};
pub use netns::Namespace;
pub use programs::Daemon;
pub use sshd::Sshd;
pub use stage::Stage;
