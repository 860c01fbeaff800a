//! The names of the files of a state directory.

/// What is still to be undone.
pub(super) const LEDGER: &str = "ledger.jsonl";

/// Whose turn it is.
pub(super) const LOCK: &str = "lock";
