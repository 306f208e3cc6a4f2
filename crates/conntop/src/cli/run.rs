//! The program from its arguments to its exit code.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser as _;
use tracing::level_filters::LevelFilter;

use super::{Cli, Command, ListArgs, completions, config, doctor, geoip, man, screen, whois};
use crate::config::{Config, ConfigError};
use crate::output::exit::{CONFIG, FAILURE, Failure, INTERRUPTED};
use crate::output::say;
use crate::platform::{Signals, has_keyboard};
use crate::{here, list, record, watch};

/// Runs the program with its arguments (its name included).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some((_, rest)) = arguments.get(1..).and_then(<[OsString]>::split_first)
        && arguments.get(1).is_some_and(|first| first == "--server")
    {
        return here::server::run(rest.iter().cloned());
    }
    let cli = match Cli::try_parse_from(&arguments).and_then(Cli::gathered) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows the stream and the code.
            let _closed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILURE));
        }
    };
    let mut out = io::stdout().lock();
    // What needs no configuration, or looks at it itself.
    let done = match &cli.command {
        Some(Command::Config(command)) => config::run(&cli, *command, &arguments, &mut out),
        Some(Command::Man(args)) => man::run(args, &mut out),
        Some(Command::Completions(args)) => completions::run(args, &mut out),
        _ => {
            drop(out);
            configured(cli)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Does what needs the configuration.
fn configured(mut cli: Cli) -> Result<(), Failure> {
    match (configuration(&cli), &cli.command) {
        (Ok(config), _) => {
            cli.common.settle(config);
            dispatch(&cli, None)
        }
        // Who looks for what is wrong is not refused for it.
        (Err(wrong), Some(Command::Doctor(_))) => dispatch(&cli, Some(wrong.text)),
        (Err(wrong), _) => Err(wrong),
    }
}

/// A file that nobody named may be in the home of somebody else, as after `setpriv`.
fn configuration(cli: &Cli) -> Result<Config, Failure> {
    let named = cli.common.config.as_deref();
    Config::load(named).or_else(|error| match error {
        ConfigError::Io { .. } if named.is_none() => {
            say(&format_args!("{error}; going on without"));
            Ok(Config::default())
        }
        _ => Err(Failure::new(CONFIG, error.to_string())),
    })
}

/// Whether there is a terminal that can show a screen and has keys; says what a person may not expect.
fn has_screen() -> bool {
    if !io::stdout().is_terminal() {
        return false;
    }
    let cause = if env::var_os("TERM").is_some_and(|term| term == "dumb") {
        "TERM=dumb moves no cursor"
    } else if !has_keyboard() {
        "there is no keyboard: standard input is no terminal"
    } else {
        return true;
    };
    say(&format_args!("{cause}; the table once, without a screen"));
    false
}

/// Does what the command says; `wrong` is what is wrong with the configuration.
fn dispatch(cli: &Cli, wrong: Option<String>) -> Result<(), Failure> {
    // It blocks, and a signal ends it as it ends any program.
    if let Some(Command::Whois(args)) = &cli.command {
        return whois::run(args, &mut io::stdout().lock());
    }
    if let Some(Command::Geoip(command)) = &cli.command {
        return geoip::run(&cli.common, command, &mut io::stdout().lock());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FAILURE, format!("start the runtime: {error}")))?;
    runtime.block_on(async {
        match &cli.command {
            None | Some(Command::Replay(_)) if has_screen() => screen::run(cli).await,
            Some(Command::Record(args)) => {
                log_to_stderr();
                record::run(&cli.common, args, signalled()?).await
            }
            Some(Command::Watch(args)) => {
                log_to_stderr();
                let mut out = io::stdout().lock();
                let work = watch::run(&cli.common, args, &mut out);
                // That is how one stops watching.
                until_signal(work, Ok(())).await
            }
            Some(Command::Doctor(args)) => {
                let work = doctor::run(&cli.common, args, wrong);
                until_signal(work, Err(interrupted())).await
            }
            Some(Command::List(args)) => until_signal(one_shot(cli, args), Err(interrupted())).await,
            Some(_) | None => until_signal(one_shot(cli, &ListArgs::default()), Err(interrupted())).await,
        }
    })
}

/// Ends `work` at a signal by dropping it, so that what `--activate` did is undone.
async fn until_signal(
    work: impl Future<Output = Result<(), Failure>>,
    at_signal: Result<(), Failure>,
) -> Result<(), Failure> {
    let signalled = signalled()?;
    tokio::select! {
        result = work => result,
        () = signalled => at_signal,
    }
}

/// Is ready when somebody wants the program to end.
fn signalled() -> Result<impl Future<Output = ()>, Failure> {
    let signals = Signals::to_end();
    let mut signals =
        signals.map_err(|error| Failure::new(FAILURE, format!("listen to signals: {error}")))?;
    Ok(async move {
        signals.next().await;
    })
}

fn interrupted() -> Failure {
    Failure::new(INTERRUPTED, "interrupted")
}

async fn one_shot(cli: &Cli, args: &ListArgs) -> Result<(), Failure> {
    log_to_stderr();
    let mut out = io::BufWriter::new(io::stdout().lock());
    list::run(&cli.common, args, &mut out).await?;
    out.flush().or_else(|error| crate::output::exit::write_failure(&error).map_or(Ok(()), Err))
}

fn log_to_stderr() {
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr);
    let _already_set = subscriber.with_ansi(false).try_init();
}
