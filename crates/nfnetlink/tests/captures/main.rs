//! What the parser makes of captures of a real kernel, and of what can become of them.

mod fixture;
mod hostile;
mod oracle;
