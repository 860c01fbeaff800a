//! The hosts of a pair, as they are known before anything is changed on them.

use super::ChosenPair;
use crate::failure::Result;
use crate::inventory::file::ListedHost;
use crate::remote::{Facts, Identity, Remote};

/// A host that has proved its identity and said what it has.
pub struct ExaminedHost {
    pub remote: Remote,
    pub identity: Identity,
    pub facts: Facts,
}

/// Looks at a pair before anything is changed on its hosts, or once more for a run that has taken them, and refuses one on which no run
/// is possible.
pub type Examine = Box<dyn Fn(&ChosenPair, Option<&str>) -> Result<[ExaminedHost; 2]> + Send>;

/// One host of a pair, and what it says of itself.
pub struct PairHost<'a> {
    /// `source` or `target`.
    pub(super) name: &'static str,
    pub(super) machine: &'a ListedHost,
    pub(super) remote: Remote,
    pub(super) identity: Identity,
    pub(super) facts: &'a Facts,
}
