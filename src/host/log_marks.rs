//! How far logs were read.

use std::collections::HashMap;

/// The end of every log at one moment.
#[derive(Debug, Clone)]
pub struct LogMarks(pub(super) HashMap<(String, String), u64>);
