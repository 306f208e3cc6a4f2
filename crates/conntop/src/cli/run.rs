//! The program from its arguments to its exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser as _;
use tracing::level_filters::LevelFilter;

use super::{Cli, Command, ListArgs, screen};
use crate::output::exit::{FAILURE, Failure};
use crate::{list, watch};

/// Runs the program with its arguments (its name included).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some((_, rest)) = arguments.get(1..).and_then(<[OsString]>::split_first)
        && arguments.get(1).is_some_and(|first| first == "--server")
    {
        return conntopd::run("conntop --server", rest.iter().cloned());
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows the stream and the code.
            let _closed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILURE));
        }
    };
    match dispatch(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(cli: &Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FAILURE, format!("start the runtime: {error}")))?;
    runtime.block_on(async {
        match &cli.command {
            Some(Command::List(args)) => one_shot(cli, args).await,
            Some(Command::Watch(args)) => {
                log_to_stderr();
                watch::run(&cli.common, args, &mut io::stdout().lock()).await
            }
            None if io::stdout().is_terminal() => screen::run(cli).await,
            None => one_shot(cli, &ListArgs::default()).await,
        }
    })
}

async fn one_shot(cli: &Cli, args: &ListArgs) -> Result<(), Failure> {
    log_to_stderr();
    let mut out = io::BufWriter::new(io::stdout().lock());
    list::run(&cli.common, args, &mut out).await?;
    out.flush().or_else(|error| crate::output::exit::write_failure(&error).map_or(Ok(()), Err))
}

fn log_to_stderr() {
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr);
    let _already_set = subscriber.with_ansi(io::stderr().is_terminal()).try_init();
}
