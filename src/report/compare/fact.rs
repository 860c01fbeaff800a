//! Facts about the runs that differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The fact's name.
    pub name: String,
    /// The fact's value in BASE; null if BASE does not have it.
    pub base: Option<String>,
    /// The fact's value in NEW; null if NEW does not have it.
    pub new: Option<String>,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [base, new] = [&self.base, &self.new].map(|value| value.as_deref().unwrap_or("(none)"));
        write!(f, "{}: {base} -> {new}", self.name)
    }
}

/// The facts that differ, by name.
pub(super) fn facts(base: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Fact> {
    let names: BTreeSet<&String> = base.keys().chain(new.keys()).collect();
    let fact = |name: &String| Fact {
        name: name.clone(),
        base: base.get(name).cloned(),
        new: new.get(name).cloned(),
    };
    names.into_iter().map(fact).filter(|fact| fact.base != fact.new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_differ_are_told_with_both_values() {
        let facts_of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let changed = facts(
            &facts_of(&[("a", "1"), ("b", "1"), ("c", "1")]),
            &facts_of(&[("b", "1"), ("c", "2"), ("d", "3")]),
        );
        let shown: Vec<_> = changed.iter().map(|f| (&*f.name, f.base.as_deref(), f.new.as_deref())).collect();
        assert_eq!(shown, [("a", Some("1"), None), ("c", Some("1"), Some("2")), ("d", None, Some("3"))]);
    }
}
