//! The daemon; everything is in the library, which `conntop --server` uses too.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    conntopd::run("conntopd", std::env::args_os().skip(1))
}
