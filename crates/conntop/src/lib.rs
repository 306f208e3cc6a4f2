#![forbid(unsafe_code)]
//! conntop
