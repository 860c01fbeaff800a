//! The axis `transport`: the carrier of the memory from host to host. It is optional: a name without one means `plain`.
//!
//! The migration room knows what to ask of libvirt and QEMU; here a transport is a name.

use super::Order;
use crate::axis::axis;

impl Transport {
    /// Whether a migration by this transport asks for nothing that a stack might lack.
    pub fn is_plain(self) -> bool {
        self == Transport::Plain
    }
}

/// A transport: its row in the table.
pub struct TransportRow {
    pub name: &'static str,
    /// The way in which memory is sent, as the end of the sentence `Memory is sent ...`.
    pub text: &'static str,
    /// A name for this transport in a particular order, which stands in a scenario's name for both. In every other order
    /// the name of the transport comes behind the rest: `precopy_cross::in_vms::stress_cpu::multifd`.
    pub(super) known_as: Option<(&'static str, Order)>,
}

axis! {
    /// The carrier of the memory from host to host.
    Transport, "transport", TransportRow {
        Plain => TransportRow { name: "plain", text: "over one connection, as it is", known_as: None },
        Xbzrle => TransportRow {
            name: "xbzrle",
            text: "over one connection, pages that are sent again as differences (XBZRLE)",
            known_as: Some(("compressed", Order::Orderly)),
        },
        Multifd => TransportRow {
            name: "multifd",
            text: "over the main connection and 4 beside it, by a thread each (multifd)",
            known_as: None,
        },
    }
}
