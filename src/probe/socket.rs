//! The raw socket through which ICMP messages go and come.

use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{Attempt, Result};

pub fn raw_socket() -> Result<Socket> {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))
        .attempting(|| "open a raw ICMP socket for probes".to_owned())
}
