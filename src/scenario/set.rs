//! Sets: selections that have a name and a reason.

use std::collections::BTreeMap;

use toml::Spanned;

use super::raw::{self, Names};
use super::{Scenario, cover};
use crate::failure::input::{InputError, InputFile, did_you_mean};

/// A named selection of `scenarios.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The set's name, as in `[set.NAME]`.
    pub name: String,
    /// The set's purpose, in a sentence.
    pub description: String,
    /// The contents of the set.
    pub members: Members,
}

/// The way in which a set declares its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// Substrings: a scenario whose name contains any of them is in the set. Without substrings every scenario is.
    Filters(Vec<String>),
    /// A computed cover: every pair of values of two axes that occurs in the matrix occurs in the set.
    Pairs,
}

impl Set {
    /// The name of the set that every file has without declaring it.
    pub const ALL: &'static str = "all";

    /// The set of every scenario of the file.
    pub(super) fn all() -> Self {
        Self {
            name: Self::ALL.to_owned(),
            description: "Every scenario of the matrix.".to_owned(),
            members: Members::Filters(Vec::new()),
        }
    }

    /// The scenarios of the set: those of the matrix, in its order, then those `beyond` it.
    ///
    /// A filter is about the matrix; one that chooses nothing there chooses among the cases beyond it.
    pub(super) fn of(&self, matrix: &[Scenario], beyond: &[Scenario]) -> Vec<Scenario> {
        let Members::Filters(filters) = &self.members else { return cover::pairs(matrix) };
        if filters.is_empty() {
            return matrix.to_vec();
        }
        let (about, beyond_it): (Vec<&String>, Vec<&String>) = filters
            .iter()
            .partition(|filter| matrix.iter().any(|scenario| scenario.name().contains(filter.as_str())));
        let chosen = |filters: &[&String], scenario: &Scenario| {
            let name = scenario.name();
            filters.iter().any(|filter| name.contains(filter.as_str()))
        };
        let in_matrix = matrix.iter().filter(|scenario| chosen(&about, scenario));
        in_matrix.chain(beyond.iter().filter(|scenario| chosen(&beyond_it, scenario))).copied().collect()
    }
}

/// The sets that a file declares, and the one that it has without declaring it; `scenarios` also has the cases beyond the
/// matrix.
pub(super) fn read(
    source: InputFile<'_>,
    raw: &BTreeMap<Spanned<String>, raw::Set>,
    scenarios: &[Scenario],
) -> Result<BTreeMap<String, Set>, InputError> {
    let names: Vec<String> = scenarios.iter().map(Scenario::name).collect();
    let mut sets = BTreeMap::from([(Set::ALL.to_owned(), Set::all())]);
    for (name, set) in raw {
        if name.get_ref() == Set::ALL {
            return Err(source.error(
                name.span(),
                "the set `all` is there without being declared",
                "",
                &["allowed: any other name".to_owned()],
            ));
        }
        let set = Set {
            name: name.get_ref().clone(),
            description: source.not_empty(&set.description, "a description")?,
            members: members(source, name, set, &names)?,
        };
        sets.insert(set.name.clone(), set);
    }
    Ok(sets)
}

/// The contents of a set: its filters, or the computed cover.
fn members(
    source: InputFile<'_>,
    name: &Spanned<String>,
    set: &raw::Set,
    names: &[String],
) -> Result<Members, InputError> {
    let allowed = || {
        "allowed: `filters`, substrings of scenarios' names, or `cover = \"pairs\"`, and not both".to_owned()
    };
    match (&set.filters, &set.cover) {
        (Some(list), None) => Ok(Members::Filters(filters(source, name.get_ref(), list, names)?)),
        (None, Some(cover)) if cover.get_ref() == "pairs" => Ok(Members::Pairs),
        (None, Some(cover)) => Err(source.error(
            cover.span(),
            &format!("unknown cover `{cover}` of the set `{name}`"),
            "",
            &["allowed: `pairs`".to_owned()],
        )),
        (Some(_), Some(cover)) => Err(source.error(
            cover.span(),
            &format!("the set `{name}` has both `filters` and `cover`"),
            "what is computed has no filters",
            &[allowed()],
        )),
        (None, None) => Err(source.error(
            name.span(),
            &format!("the set `{name}` does not say what is in it"),
            "neither `filters` nor `cover`",
            &[allowed()],
        )),
    }
}

/// The filters of a set, each of which must be part of a name.
fn filters(
    source: InputFile<'_>,
    set: &str,
    filters: &Names,
    names: &[String],
) -> Result<Vec<String>, InputError> {
    if filters.get_ref().is_empty() {
        return Err(source.error(
            filters.span(),
            &format!("the set `{set}` has no filter"),
            "",
            &["allowed: at least one substring of a scenario's name; for every scenario there is the set `all`".to_owned()],
        ));
    }
    let read = |filter| {
        let text = source.not_empty(filter, "a filter")?;
        if !names.iter().any(|name| name.contains(&text)) {
            let mut help = vec![format!("allowed: any part of a scenario's name `{}`", Scenario::NAME_FORM)];
            help.extend(did_you_mean(&text, names.iter().map(String::as_str)));
            return Err(source.error(
                filter.span(),
                &format!("the filter `{text}` of the set `{set}` matches no scenario"),
                "in no scenario's name",
                &help,
            ));
        }
        Ok(text)
    };
    filters.get_ref().iter().map(read).collect()
}
