//! Sets: selections that have a name and a reason.

use super::Selection;

/// A named selection of `scenarios.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name, as `[set.NAME]`.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// Substrings; a scenario whose name contains any of them is in the set. None: every scenario is.
    pub filters: Vec<String>,
}

impl Set {
    /// The name of the set that exists in every file without being declared.
    pub const ALL: &'static str = "all";

    /// Every scenario of the file.
    pub(super) fn all() -> Self {
        Self {
            name: Self::ALL.to_owned(),
            description: "Every scenario of the matrix.".to_owned(),
            filters: Vec::new(),
        }
    }

    /// The set as a selection.
    pub fn selection(&self) -> Selection {
        Selection { filters: self.filters.clone(), ..Selection::default() }
    }
}
