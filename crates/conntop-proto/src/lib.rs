#![forbid(unsafe_code)]
//! conntop-proto
