//! conntop: every connection of a Linux machine or router, live.
//!
//! Data takes one way: a [`source`] yields events, the [`engine`] applies them to its [`mirror`],
//! and front ends ([`tui`], [`list`], [`watch`], [`record`]) read that. None of them knows where the
//! data came from.
#![forbid(unsafe_code)]

// From where the data comes, and what holds it.
pub mod config;
pub mod engine;
pub mod enrich;
pub mod here;
pub mod machine;
pub mod mirror;
pub mod nodes;
pub mod source;

// What is fetched from the world when somebody asks for it.
pub mod geoip;
pub mod places;
pub mod platform;
pub mod whois;

// How flows are read.
pub mod columns;
pub mod filter;
pub mod flow;
pub mod groups;
pub mod orient;
pub mod sort;
pub mod units;
pub mod view;

// Front ends.
pub mod cli;
pub mod doctor;
pub mod list;
pub mod output;
pub mod record;
pub mod tui;
pub mod watch;
