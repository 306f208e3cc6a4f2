#![forbid(unsafe_code)]
//! conntopd
