//! What ports are called: /etc/services, and a small table for machines without.

use conntop_proto::tuple::Proto;

/// Names of ports.
#[derive(Debug, Default)]
pub struct Services {}

impl Services {
    /// The usual name of what a port serves.
    #[must_use]
    pub fn name(&self, _proto: Proto, _port: u16) -> Option<&str> {
        None
    }
}
