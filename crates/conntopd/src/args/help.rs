//! The text of `--help`, from the table of options.

use std::fmt::Write as _;

use super::OPTIONS;

/// The text of `--help`; `program` is how the daemon was called.
#[must_use]
pub fn help(program: &str) -> String {
    let mut text = format!(
        "conntopd {version}: streams what changes in the kernel's connection tracking table\n\n\
         Usage: {program} [OPTIONS]\n\nOptions:\n",
        version = env!("CARGO_PKG_VERSION"),
    );
    for option in OPTIONS {
        let short = option.short.map_or("    ".into(), |c| format!("-{c}, "));
        let names = format!("{short}--{} {}", option.long, option.value);
        let _ = writeln!(text, "  {}", names.trim_end());
        for line in wrapped(option.help, 70) {
            let _ = writeln!(text, "          {line}");
        }
    }
    text.push_str(
        "\nWithout options it listens on 127.0.0.1:55555 and [::1]:55555 and needs CAP_NET_ADMIN.\n\
         Root, its own user and members of group conntop may connect there. From elsewhere:\n\
         conntop ssh://USER@THIS-MACHINE, or TLS: conntopd --init-tls, then --listen-any.\n\n\
         Signals: SIGTERM and SIGINT end it after telling the clients; SIGHUP reads configuration, key\n\
         and token again, but ends --stdio as the end of stdin does.\n\
         Environment: CONNTOP_LOG = error, warn, info (default), debug or trace.\n\
         Exit codes: 0 ended by a signal or by the client of --stdio, 1 failure, 2 usage, 77 no permission,\n\
         78 refused configuration.\n",
    );
    text
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
