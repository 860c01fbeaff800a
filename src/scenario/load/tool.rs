//! The programs that make load.

/// A program that makes load.
#[derive(Debug)]
pub struct Tool {
    /// The name of the executable; the names of its processes begin with it.
    pub program: &'static str,
    /// The Debian package of the program, for guests and for hosts.
    pub package: &'static str,
}

pub(super) static STRESS: Tool = Tool { program: "stress", package: "stress" };

pub(super) static STRESS_NG: Tool = Tool { program: "stress-ng", package: "stress-ng" };
