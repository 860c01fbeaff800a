//! The proofs: one file each. A proof compares what is seen with what must be, and says both.

pub mod booting;
pub mod budget;
pub mod clock;
pub mod connection;
pub mod copies;
pub mod disk;
pub mod kernel_log;
pub mod live;
pub mod load;
pub mod memory;
pub mod placement;
pub mod reachable;
pub mod reboot;

/// What a proof came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Name of the proof, as findings and the record show it.
    pub check: &'static str,
    pub ok: bool,
    pub expected: String,
    pub seen: String,
    pub try_next: Option<String>,
}

impl Proof {
    fn new(check: &'static str, ok: bool, expected: impl Into<String>, seen: impl Into<String>) -> Proof {
        Proof { check, ok, expected: expected.into(), seen: seen.into(), try_next: None }
    }

    fn try_next(self, advice: impl Into<String>) -> Proof {
        Proof { try_next: Some(advice.into()), ..self }
    }
}
