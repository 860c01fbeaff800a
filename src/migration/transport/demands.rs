//! What a transport has in its row, as the migration room knows it.

use super::Requirement;
use crate::libvirt::Migration;
use crate::migration::LegReport;
use crate::scenario::Mode;

/// A transport in the migration room. Its row of the axis has its name and its explanation.
pub struct TransportDemands {
    /// Adds what the transport asks of libvirt.
    pub asks: fn(&mut Migration),
    /// What the transport needs to carry a migration of that mode.
    pub needs: fn(Mode) -> Requirement,
    /// What migrations by it show; none for a transport that any completed migration proves.
    pub promise: Option<Promise>,
}

/// What a transport shows in the migrations that it carries.
pub struct Promise {
    /// The promise in words.
    pub text: &'static str,
    /// Decides whether the report of a successful leg keeps the promise.
    pub kept: fn(&LegReport) -> Sign,
}

/// What a leg shows of its transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    pub kept: Kept,
    pub seen: String,
}

/// Whether a leg keeps the promise of its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Yes,
    No,
    /// It was over before there was anything that the transport does otherwise. Another leg has to show it.
    Open,
}

impl Kept {
    /// A promise that every leg shows.
    pub(super) fn by_every_leg(holds: bool) -> Kept {
        if holds { Kept::Yes } else { Kept::No }
    }
}
