//! Chooses the scenarios of a command, and explains an empty choice.

use super::near::near;
use super::table::AXES;
use super::{SIZING_VARIABLE, Scenario, ScenarioFile, Selection, Set, Shard, Sizing};
use crate::axis::AxisValue;
use crate::failure::input::InputError;

/// Whether a command plays ignored cases: libtest's two flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunIgnored {
    /// No flag: the command plays only cases that are not ignored.
    No,
    /// `--ignored`.
    Only,
    /// `--include-ignored`.
    Yes,
}

impl RunIgnored {
    /// The meaning of the two flags together.
    pub fn by_flags(ignored: bool, include_ignored: bool) -> RunIgnored {
        match (ignored, include_ignored) {
            (_, true) => RunIgnored::Yes,
            (true, false) => RunIgnored::Only,
            (false, false) => RunIgnored::No,
        }
    }

    /// Whether the command plays a case that is ignored, or one that is not.
    pub fn plays(self, ignored: bool) -> bool {
        match self {
            RunIgnored::No => !ignored,
            RunIgnored::Only => ignored,
            RunIgnored::Yes => true,
        }
    }
}

/// A command's wish for scenarios of a file.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub set: &'a Set,
    pub selection: &'a Selection,
    pub asked: RunIgnored,
    pub shard: Shard,
}

impl Wish<'_> {
    /// The command's part of the selected scenarios.
    ///
    /// A scenario named in full with `--exact` is in every part: nextest lists a part, and then runs each of its scenarios
    /// alone, in this way.
    fn part_of(&self, selected: Vec<Scenario>) -> Vec<Scenario> {
        if self.selection.exact { selected } else { self.shard.of(selected) }
    }
}

/// The scenarios that a command chose from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Scenarios that a command plays without a flag: those of the matrix, or those that the set names.
    pub scenarios: Vec<Scenario>,
    /// Cases beyond the matrix, which a command plays only with a flag.
    pub ignored: Vec<Scenario>,
}

impl Chosen {
    /// The scenarios to play.
    pub fn asked_for(&self, asked: RunIgnored) -> impl Iterator<Item = Scenario> {
        let plain = self.scenarios.iter().filter(move |_| asked.plays(false));
        let ignored = self.ignored.iter().filter(move |_| asked.plays(true));
        plain.chain(ignored).copied()
    }

    fn is_empty(&self) -> bool {
        self.scenarios.is_empty() && self.ignored.is_empty()
    }
}

impl ScenarioFile {
    /// The scenarios that a command chooses, in the order of the file. A scenario's part does not depend on the flags for
    /// ignored cases.
    pub fn choose(&self, wish: Wish<'_>) -> Chosen {
        let selected = self.selected(wish);
        Chosen { scenarios: wish.part_of(selected.scenarios), ignored: wish.part_of(selected.ignored) }
    }

    /// Chooses scenarios like [`ScenarioFile::choose`], and refuses an empty choice.
    ///
    /// # Errors
    ///
    /// A filter or a skip is in no scenario's name, or nothing is left to play. The message names the cause and similar names.
    pub fn choose_some(&self, wish: Wish<'_>) -> Result<Chosen, InputError> {
        let strangers = self.strangers(wish.selection);
        if !strangers.is_empty() {
            return Err(self.unknown(&strangers, wish.selection.exact));
        }
        let idle = self.idle_skips(wish.selection);
        if !idle.is_empty() {
            return Err(self.skips_nothing(&idle, wish.selection.exact));
        }
        let chosen = self.choose(wish);
        if chosen.asked_for(wish.asked).next().is_some() { Ok(chosen) } else { Err(self.nothing_left(wish)) }
    }

    /// The filters that fit no scenario of the file, whatever the set, the part and the flags are.
    pub fn strangers<'a>(&self, selection: &'a Selection) -> Vec<&'a str> {
        self.fitting_none(selection, &selection.filters)
    }

    /// The skips that fit no scenario of the file, whatever the set, the part and the flags are.
    pub fn idle_skips<'a>(&self, selection: &'a Selection) -> Vec<&'a str> {
        self.fitting_none(selection, &selection.skip)
    }

    fn fitting_none<'a>(&self, selection: &Selection, patterns: &'a [String]) -> Vec<&'a str> {
        let names: Vec<String> = self.everything().map(Scenario::name).collect();
        let patterns = patterns.iter().map(String::as_str);
        patterns.filter(|pattern| !names.iter().any(|name| selection.hit(pattern, name))).collect()
    }

    /// Whether a filter that fits no scenario looks like a scenario's name: it contains the value of an axis, or is close
    /// to a part of a name; or it is the name of a set.
    pub fn resembles_a_scenario(&self, filter: &str) -> bool {
        let filter = filter.to_lowercase();
        let values = AXES.iter().flat_map(|axis| (axis.names)());
        let sizes = Sizing::ALL.iter().map(|size| size.name());
        values.chain(sizes).any(|value| filter.contains(value))
            || self.set(&filter).is_ok()
            || near(self.everything(), &filter, false).is_some()
    }

    /// The message about filters that no scenario fits.
    pub fn unknown(&self, strangers: &[&str], exact: bool) -> InputError {
        self.fits_none("there is no scenario", strangers, exact)
    }

    /// The message about skips that no scenario fits.
    pub fn skips_nothing(&self, idle: &[&str], exact: bool) -> InputError {
        self.fits_none("--skip leaves nothing out: there is no scenario", idle, exact)
    }

    fn fits_none(&self, what: &str, patterns: &[&str], exact: bool) -> InputError {
        let whose = if exact { "whose name is" } else { "whose name contains" };
        let what = format!("{what} {whose} {}", quoted(patterns, " or "));
        let mut help: Vec<String> = patterns.iter().flat_map(|pattern| self.advice(pattern, exact)).collect();
        help.push(allowed(exact));
        InputError::new(&what, &help)
    }

    /// Advice about a filter that fits no scenario.
    fn advice(&self, filter: &str, exact: bool) -> Vec<String> {
        let mut help = Vec::new();
        if self.set(filter).is_ok() {
            help.push(format!("`{filter}` is a set: MULTIVM_SET={filter}, or --set {filter}"));
        }
        let inside = filter.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let inside = inside.max_by_key(|word| word.len()).unwrap_or_default();
        if inside.len() < filter.len() {
            help.push(format!(
                "`{filter}` is taken as it stands: a filter is a part of a name, and no pattern; nextest's expressions \
                 go behind `cargo nextest run -E`"
            ));
        }
        // The file lists the scenarios of the matrix first, so one of them wins.
        let first = self.everything().map(Scenario::name).find(|name| name.contains(inside));
        if let Some(first) = first.filter(|_| !inside.is_empty()) {
            help.push(match exact {
                true => format!("without --exact `{inside}` chooses scenarios, such as `{first}`"),
                false => format!("did you mean `{inside}`?"),
            });
        } else if self
            .clone()
            .sized()
            .is_ok_and(|sized| sized.everything().any(|one| one.name().contains(inside)))
        {
            help.push(format!("names have a size only with {SIZING_VARIABLE}=1, or --sizing"));
        } else {
            help.extend(near(self.everything(), inside, exact));
        }
        help
    }

    /// The message about scenarios that every filter fits, but of which nothing is left.
    pub fn nothing_left(&self, wish: Wish<'_>) -> InputError {
        let Wish { set, selection, asked, shard } = wish;
        let everywhere = Wish { set: &Set::all(), ..wish };
        let of_set = if set.name == Set::ALL { String::new() } else { format!(" of the set `{}`", set.name) };
        let those = match &selection.filters[..] {
            [] => format!("everything{of_set}"),
            filters => format!("everything{of_set} whose name has {}", quoted(filters, " or ")),
        };
        let selected = self.selected(wish);
        if self.selected(everywhere).is_empty() || (selected.is_empty() && selection.filters.is_empty()) {
            return InputError::new(
                &format!("{those} is skipped"),
                &["allowed: skips that leave at least one scenario".to_owned()],
            );
        }
        if selected.is_empty() {
            let filters = quoted(&selection.filters, " or ");
            return InputError::new(
                &format!("the set `{}` has no scenario whose name has {filters}", set.name),
                &[
                    format!("allowed: a part of the name of one of its {}", self.members(set).len()),
                    "without the set there are some: --set all".to_owned(),
                ],
            );
        }
        if selected.asked_for(asked).next().is_some() {
            let count = selected.asked_for(asked).count();
            return InputError::new(
                &format!("part {shard} of {count} scenarios is empty"),
                &[format!("allowed: no more parts than there are scenarios, {count}")],
            );
        }
        if asked == RunIgnored::Only {
            let of_all = self.ignored().len();
            return InputError::new(
                &format!("nothing is ignored of {those}"),
                &[format!(
                    "without --ignored that is {} scenarios; {of_all} cases are ignored in all",
                    selected.scenarios.len()
                )],
            );
        }
        InputError::new(
            &format!("{those} is ignored: {} in all", selected.ignored.len()),
            &["allowed: --ignored or --include-ignored".to_owned()],
        )
    }

    /// The selected scenarios of a set, in all its parts.
    fn selected(&self, Wish { set, selection, .. }: Wish<'_>) -> Chosen {
        let matching = |scenarios: Vec<Scenario>| -> Vec<Scenario> {
            scenarios.into_iter().filter(|scenario| selection.matches(&scenario.name())).collect()
        };
        Chosen { scenarios: matching(self.members(set)), ignored: matching(self.ignored_beside(set)) }
    }
}

fn allowed(exact: bool) -> String {
    let part = if exact { "a whole name" } else { "any part of a name" };
    format!("allowed: {part} `{}`; `multivm scenarios` lists them", Scenario::NAME_FORM)
}

fn quoted(names: &[impl AsRef<str>], between: &str) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(between)
}
