#![forbid(unsafe_code)]
//! The lab.
