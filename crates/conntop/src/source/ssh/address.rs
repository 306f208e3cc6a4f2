//! `ssh://[USER@]HOST[:PORT]`, and what of it may reach a command line.
//!
//! User and host come from the command line or from a file and end as arguments of ssh, which
//! expands them into commands where the user's configuration says so (`ProxyCommand` with `%h`). So
//! neither may begin with `-`, and only characters pass that mean nothing to a shell.

use std::fmt;

/// Longest name of a host or user; DNS ends at 253.
const LONGEST: usize = 255;

/// Where ssh is to go. The host may be an alias of the user's ssh configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAddress {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// What is wrong with an ssh address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No host, or one that ssh would take for an option or a shell for more than a name.
    #[error("the host must be a name or an address of letters, digits and . - _ : %, not beginning with -")]
    Host,
    /// As for the host.
    #[error("the user must be a name of letters, digits and . - _ + @, not beginning with -")]
    User,
    /// The port is no port.
    #[error("ports are 1 to 65535")]
    Port,
    /// Something behind the host.
    #[error("write ssh://[USER@]HOST[:PORT] and nothing behind it")]
    More,
}

impl SshAddress {
    /// Reads what follows `ssh://`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.contains('/') {
            return Err(AddressError::More);
        }
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(AddressError::Host)?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(AddressError::More),
                }
            }
            None => match rest.split_once(':') {
                // More than one colon: an IPv6 address without a port.
                Some((_, rest_of_it)) if rest_of_it.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        if !is_name(host, ".-_:%") {
            return Err(AddressError::Host);
        }
        if user.is_some_and(|user| !is_name(user, ".-_+@")) {
            return Err(AddressError::User);
        }
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Port));
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port: port.transpose()? })
    }

    /// The arguments that name it, the last ones before the command.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        arguments.extend(["--".to_owned(), self.host.clone()]);
        arguments
    }

    /// What a person types after `ssh` to get there.
    #[must_use]
    pub fn by_hand(&self) -> String {
        let port = self.port.map(|port| format!("-p {port} ")).unwrap_or_default();
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        format!("{port}{user}{}", self.host)
    }

    /// What a person types to copy a file there.
    #[must_use]
    pub fn copy_by_hand(&self, file: &str, folder: &str) -> String {
        let port = self.port.map(|port| format!("-P {port} ")).unwrap_or_default();
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        // A colon ends the host, unless it is of an IPv6 address between brackets.
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("scp {port}{file} {user}{host}:{folder}")
    }

    /// The user there, if it is named.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

fn is_name(text: &str, signs: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, wanted: Result<&str, AddressError>| {
            let got = SshAddress::parse(text).map(|address| address.arguments().join(" "));
            assert_eq!(got, wanted.map(str::to_owned), "{text}");
        };
        check("router", Ok("-- router"));
        check("root@router/", Ok("-l root -- router"));
        check("a@b@router:22", Ok("-p 22 -l a@b -- router"));
        check("[fe80::1%eth0]:5", Ok("-p 5 -- fe80::1%eth0"));
        check("2001:db8::1", Ok("-- 2001:db8::1"));
        check("root@[::1]", Ok("-l root -- ::1"));
        for host in ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "`x`", "a\nb", "rö", "a'b", "[::1", "a|b"]
        {
            check(host, Err(AddressError::Host));
        }
        for user in ["", "-x", "a b", "a;b", "a'", "$x", "a\\b"] {
            check(&format!("{user}@router"), Err(AddressError::User));
        }
        check("router:0", Err(AddressError::Port));
        check("router:ssh", Err(AddressError::Port));
        check("router/x", Err(AddressError::More));
        check("[::1]x", Err(AddressError::More));
    }

    #[test]
    fn shown_as_given() {
        for text in ["router", "root@router:22", "[::1]:5", "u@[fe80::1]"] {
            assert_eq!(SshAddress::parse(text).unwrap().to_string(), format!("ssh://{text}"));
        }
        assert_eq!(SshAddress::parse("root@[::1]:5").unwrap().by_hand(), "-p 5 root@::1");
        let copy = SshAddress::parse("root@[::1]:5").unwrap().copy_by_hand("conntopd", "/tmp/");
        assert_eq!(copy, "scp -P 5 conntopd root@[::1]:/tmp/");
    }
}
