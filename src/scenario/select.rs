//! Selects names of the matrix by the filters of `cargo test -- FILTER --skip FILTER --exact`.

/// A choice of names with libtest's meaning.
///
/// The default chooses everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Filters: a name that contains any of them is chosen; without filters every name is.
    pub filters: Vec<String>,
    /// Skips: a name that contains any of them is left out, even if a filter chose it.
    pub skip: Vec<String>,
    /// Whether filters and skips must equal the whole name, instead of a part of it.
    pub exact: bool,
}

impl Selection {
    /// Whether the name is chosen.
    pub fn matches(&self, name: &str) -> bool {
        let hit = |pattern: &String| self.hit(pattern, name);
        (self.filters.is_empty() || self.filters.iter().any(hit)) && !self.skip.iter().any(hit)
    }

    /// Whether a filter or a skip fits the name.
    pub fn hit(&self, pattern: &str, name: &str) -> bool {
        if self.exact { name == pattern } else { name.contains(pattern) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const NAME: &str = "postcopy_cross::in_vms::stress_ng_cpu";

    #[rstest]
    #[case::no_filter_is_all(&[], &[], false, true)]
    #[case::substring(&["postcopy_cross"], &[], false, true)]
    #[case::any_filter_suffices(&["precopy", "ng_cpu"], &[], false, true)]
    #[case::none_contained(&["precopy"], &[], false, false)]
    #[case::skip_wins(&["cross"], &["ng"], false, false)]
    #[case::skip_of_others(&[], &["memory"], false, true)]
    #[case::exact_is_equality(&["postcopy_cross"], &[], true, false)]
    #[case::exact_whole(&[NAME], &[], true, true)]
    #[case::skip_honours_exact(&[], &["postcopy"], true, true)]
    #[case::skip_exact_whole(&[], &[NAME], true, false)]
    fn libtest_semantics(
        #[case] filters: &[&str],
        #[case] skip: &[&str],
        #[case] exact: bool,
        #[case] chosen: bool,
    ) {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let selection = Selection { filters: owned(filters), skip: owned(skip), exact };
        assert_eq!(selection.matches(NAME), chosen);
    }
}
