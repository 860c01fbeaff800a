//! Reads, checks and expands `scenarios.toml`. The file itself describes its format field by field.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::budget::{self, Budget};
use super::guest_size::GuestSize;
use super::ignored::{self, Ignored};
use super::matrix::{Axes, Constraint};
use super::near::near;
use super::raw;
use super::read::{self, restriction};
use super::table::{AXES, Axis};
use super::{Profile, SIZING_VARIABLE, Scenario, Selection, Set, Sizing, Transport, guest_size, set};
use crate::axis::{AxisValue, quoted_names};
use crate::failure::input::{InputError, InputFile, did_you_mean};
use crate::inventory::catalogue::Catalogue;

/// The profiles that every file declares: the defaults of the lab and of real hosts.
const REQUIRED_PROFILES: [&str; 2] = ["lab", "reference"];

/// The owner of a kernel log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOwner {
    Guest,
    Host,
}

/// A line of a kernel log that is no finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedLine {
    /// The text that an allowed line contains.
    pub pattern: String,
    /// The reason why the line is harmless.
    pub reason: String,
    /// The owner of the log, either guests or hosts; `None` for both.
    pub of: Option<LogOwner>,
    /// The image of a catalogue whose guests alone may have the line; `None` for all guests.
    pub image: Option<String>,
}

impl AllowedLine {
    /// Whether a line of that owner's log is allowed.
    pub fn allows(&self, owner: LogOwner, line: &str) -> bool {
        self.of.is_none_or(|of| of == owner) && line.contains(&self.pattern)
    }

    /// Whether a guest of this image may have the line.
    pub fn is_for(&self, image: Option<&str>) -> bool {
        self.image.is_none() || self.image.as_deref() == image
    }
}

/// Everything that a `scenarios.toml` without mistakes declares.
#[derive(Debug, Clone)]
pub struct ScenarioFile {
    name: String,
    axes: Axes,
    scenarios: Vec<Scenario>,
    ignored: Vec<Ignored>,
    constraints: Vec<Constraint>,
    sizes: Vec<(Sizing, GuestSize)>,
    sets: BTreeMap<String, Set>,
    profiles: BTreeMap<String, Profile>,
    budgets: Vec<budget::Declared>,
    allowed_lines: Vec<AllowedLine>,
}

impl ScenarioFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has a mistake; see [`ScenarioFile::parse`].
    pub fn load(path: &Path) -> Result<Self, InputError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            InputError::new(
                &format!("cannot read the scenario file {name}: {error}"),
                &["it is `scenarios.toml` at the top of the package".to_owned()],
            )
        })?;
        Self::parse(&name, &text)
    }

    /// Parses a text; messages call it `name`.
    ///
    /// # Errors
    ///
    /// The first mistake: invalid TOML, an unknown or missing key, an unknown or repeated value, an axis without values, a
    /// constraint without effect, an ignored case that the matrix has, a set or filter without scenarios, a profile that is
    /// missing or has a value out of range, a budget without effect. The message has file, line, column, the line itself
    /// and the allowed values.
    pub fn parse(name: &str, text: &str) -> Result<Self, InputError> {
        let source = InputFile { name, text };
        let raw: raw::File = toml::from_str(text).map_err(|error| source.toml_error(&error))?;

        let axes = read::axes(source, &raw.axes)?;
        let (scenarios, constraints) = expand(source, &axes, &raw.constraint)?;
        let ignored = ignored::read(source, &raw.ignored, &axes, &constraints, &scenarios)?;
        let all: Vec<Scenario> =
            scenarios.iter().chain(ignored.iter().flat_map(|block| &block.cases)).copied().collect();
        Ok(Self {
            name: name.to_owned(),
            sizes: guest_size::read(source, &raw.sizing)?,
            sets: set::read(source, &raw.set, &all)?,
            profiles: profiles(source, &raw.profile)?,
            budgets: budget::read(source, &raw.budget, &axes, &all)?,
            axes,
            ignored,
            allowed_lines: allowed_lines(source, &raw.kernel_log)?,
            scenarios,
            constraints,
        })
    }

    /// The file with the lines that a catalogue, if there is one, allows guests of its images.
    pub fn with_lines_of(mut self, catalogue: Option<&Catalogue>) -> Self {
        for image in catalogue.into_iter().flat_map(Catalogue::images_in_use) {
            self.allowed_lines.extend(image.allowed_lines.iter().map(|line| AllowedLine {
                pattern: line.pattern.clone(),
                reason: line.reason.clone(),
                of: Some(LogOwner::Guest),
                image: Some(image.name.clone()),
            }));
        }
        self
    }

    /// Turns the axis `sizing` of the file on: every scenario with every size, the sizes nested last.
    ///
    /// # Errors
    ///
    /// The file declares no size.
    pub fn sized(mut self) -> Result<Self, InputError> {
        if self.is_sized() {
            return Ok(self);
        }
        if self.sizes.is_empty() {
            let what = format!("{} declares no size: it has no `[sizing]`", self.name);
            let help = format!(
                "switch the axis off, {SIZING_VARIABLE}=0, or declare what each of {} sets",
                quoted_names(Sizing::ALL)
            );
            return Err(InputError::new(&what, &[help]));
        }
        let sizes = &self.sizes;
        let with_each = |scenario: Scenario| {
            sizes.iter().map(move |(sizing, _)| Scenario { sizing: Some(*sizing), ..scenario })
        };
        self.scenarios = self.scenarios.into_iter().flat_map(with_each).collect();
        for block in &mut self.ignored {
            block.cases = block.cases.iter().copied().flat_map(with_each).collect();
        }
        Ok(self)
    }

    fn is_sized(&self) -> bool {
        self.scenarios.iter().any(|scenario| scenario.sizing.is_some())
    }

    /// The profile of a scenario: `profile`, with guests of the scenario's size.
    pub fn profile_of(&self, scenario: &Scenario, profile: &Profile) -> Profile {
        self.sizes
            .iter()
            .find(|(sizing, _)| scenario.sizing == Some(*sizing))
            .map_or_else(|| profile.clone(), |(_, size)| size.of(profile))
    }

    /// The matrix: the axes nested in the order mode, transport, order, where, what, and sizing if it is on.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// The cases beyond the matrix, which listings show as ignored, in the order of the file.
    pub fn ignored(&self) -> Vec<Scenario> {
        self.ignored.iter().flat_map(|block| &block.cases).copied().collect()
    }

    /// The reason why a scenario is ignored by default; none if it is in the matrix.
    pub fn ignored_because(&self, scenario: &Scenario) -> Option<&str> {
        let is_it = |other: &Scenario| *scenario == Scenario { sizing: scenario.sizing, ..*other };
        self.ignored.iter().find(|block| block.cases.iter().any(is_it)).map(|block| block.reason.as_str())
    }

    /// The scenarios of the matrix that a selection chooses, in its order.
    pub fn select(&self, selection: &Selection) -> Vec<Scenario> {
        self.scenarios.iter().copied().filter(|scenario| selection.matches(&scenario.name())).collect()
    }

    /// The scenarios of a set: those of the matrix, in its order, then the ignored cases that the set names.
    pub fn members(&self, set: &Set) -> Vec<Scenario> {
        set.of(&self.scenarios, &self.ignored())
    }

    /// The ignored cases beside a set: all of them beside the whole matrix, and none beside any other set, which names its
    /// scenarios itself.
    pub fn ignored_beside(&self, set: &Set) -> Vec<Scenario> {
        if set.name == Set::ALL { self.ignored() } else { Vec::new() }
    }

    /// The scenario of a given name, with or without a size, whether the axis `sizing` is on or off.
    ///
    /// # Errors
    ///
    /// No scenario has this name. The message tells which part of the name is wrong, or why the matrix leaves the
    /// combination out.
    pub fn named(&self, name: &str) -> Result<Scenario, InputError> {
        let cause = match name.parse::<Scenario>() {
            Ok(scenario) if self.has(&scenario) => return Ok(scenario),
            Ok(scenario) => {
                self.excluded_because(&scenario).map_or_else(|| self.beyond(&scenario), str::to_owned)
            }
            Err(error) => error.to_string(),
        };
        // A part behind the third that is no transport may be meant as a size.
        let sized = name.split("::").skip(3).any(|part| Transport::named(part).is_err());
        let sized = if sized { self.clone().sized().ok() } else { None };
        let mut help = Vec::from_iter(near(sized.as_ref().unwrap_or(self).everything(), name, true));
        help.push(format!("allowed: a whole name `{}`; `multivm scenarios` lists them", Scenario::NAME_FORM));
        Err(InputError::new(&format!("{} has no scenario `{name}`: {cause}", self.name), &help))
    }

    /// The matrix and the cases beyond it.
    pub(super) fn everything(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter().chain(self.ignored.iter().flat_map(|block| &block.cases))
    }

    /// Whether the file has the scenario without its size, and its size.
    fn has(&self, scenario: &Scenario) -> bool {
        let sized = |other: &Scenario| Scenario { sizing: scenario.sizing, ..*other };
        self.everything().any(|other| sized(other) == *scenario)
            && scenario.sizing.is_none_or(|sizing| self.sizes.iter().any(|(other, _)| *other == sizing))
    }

    /// The reason why the matrix lacks a combination; `None` if it has it, or lacks it only because a value is on no axis of
    /// the file. A constraint has no say about such a value, so its reason is none for it either.
    pub fn excluded_because(&self, scenario: &Scenario) -> Option<&str> {
        self.constraints
            .iter()
            .find(|constraint| constraint.forbids_beyond(scenario, &self.axes))
            .map(|constraint| constraint.reason.as_str())
            .or_else(|| ignored::contradiction(scenario))
    }

    /// Says which values of a scenario are on no axis of the file, and that it is no case beyond the matrix either.
    fn beyond(&self, scenario: &Scenario) -> String {
        let value = |axis: &Axis| format!("its {} `{}`", axis.key, (axis.names)()[(axis.of)(scenario)]);
        let values: Vec<String> = AXES
            .iter()
            .zip(&self.axes.0)
            .filter(|(axis, declared)| !declared.contains(&(axis.of)(scenario)))
            .map(|(axis, _)| value(axis))
            .collect();
        match (&values[..], scenario.sizing) {
            ([], sizing) => {
                let size = sizing.map_or("a value".to_owned(), |sizing| format!("its size `{sizing}`"));
                format!("{size} is on no axis of the file")
            }
            ([one], _) => {
                format!("{one} is on no axis of the file, and no `[[ignored]]` has it with the rest")
            }
            (several, _) => format!(
                "{} are on no axis of the file, and no `[[ignored]]` has them with the rest",
                several.join(" and ")
            ),
        }
    }

    /// Every set, by name; `all` is always there.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.values()
    }

    /// One line for every set: name, number of scenarios, description, and a mark at the `selected` one.
    pub fn describe_sets(&self, selected: &Set) -> String {
        let width = self.sets.keys().map(String::len).max().unwrap_or(0);
        let line = |set: &Set| {
            let count = self.members(set).len();
            let mark = if set.name == selected.name { " (selected)" } else { "" };
            format!("{:<width$}  {count:>4}  {}{mark}\n", set.name, set.description)
        };
        self.sets().map(line).collect()
    }

    /// The set of a given name.
    ///
    /// # Errors
    ///
    /// No set has this name; the message lists all sets.
    pub fn set(&self, name: &str) -> Result<&Set, InputError> {
        self.lookup("set", &self.sets, name)
    }

    /// Every profile, by name; `lab` and `reference` are always there.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    /// The profile of a given name.
    ///
    /// # Errors
    ///
    /// No profile has this name; the message lists all profiles.
    pub fn profile(&self, name: &str) -> Result<&Profile, InputError> {
        self.lookup("profile", &self.profiles, name)
    }

    /// The limits for the migrations of a scenario.
    pub fn budget_of(&self, scenario: &Scenario) -> Budget {
        budget::of(&self.budgets, scenario)
    }

    /// The lines of kernel logs that are no findings.
    pub fn allowed_lines(&self) -> &[AllowedLine] {
        &self.allowed_lines
    }

    fn lookup<'a, T>(
        &self,
        what: &str,
        table: &'a BTreeMap<String, T>,
        name: &str,
    ) -> Result<&'a T, InputError> {
        table.get(name).ok_or_else(|| {
            let names: Vec<String> = table.keys().map(|name| format!("`{name}`")).collect();
            let mut help = vec![format!("declared there: {}", names.join(", "))];
            help.extend(did_you_mean(name, table.keys().map(String::as_str)));
            InputError::new(&format!("{} declares no {what} `{name}`", self.name), &help)
        })
    }
}

/// The product of the axes, less the scenarios that each constraint in turn takes away.
///
/// A constraint applies to what those before it have left. One that changes nothing has a mistake in it or has become
/// superfluous: either way it says something untrue about the matrix.
fn expand(
    source: InputFile<'_>,
    axes: &Axes,
    raw: &[raw::Constraint],
) -> Result<(Vec<Scenario>, Vec<Constraint>), InputError> {
    let mut scenarios = axes.product();
    let mut constraints = Vec::new();
    for raw in raw {
        let constraint = Constraint {
            when: restriction(source, &raw.when, axes)?,
            only: restriction(source, &raw.only, axes)?,
            reason: source.not_empty(&raw.reason, "a reason")?,
        };
        if !scenarios.iter().any(|s| constraint.when.admits(s)) {
            return Err(source.error(
                raw.when.span(),
                "the constraint matches nothing: its `when` selects no combination",
                "no combination of these values is left by the constraints above",
                &["allowed: a `when` that selects at least one combination".to_owned()],
            ));
        }
        let before = scenarios.len();
        scenarios.retain(|s| !constraint.forbids(s));
        if scenarios.len() == before {
            return Err(source.error(
                raw.only.span(),
                "the constraint matches nothing: it removes no combination",
                "all that `when` selects is within this already",
                &["allowed: an `only` that leaves out at least one combination".to_owned()],
            ));
        }
        constraints.push(constraint);
    }
    Ok((scenarios, constraints))
}

fn profiles(
    source: InputFile<'_>,
    raw: &BTreeMap<toml::Spanned<String>, raw::ProfileTable>,
) -> Result<BTreeMap<String, Profile>, InputError> {
    let mut profiles = BTreeMap::new();
    for (name, table) in raw {
        let profile = Profile::from_table(source, name.get_ref(), name.span(), table)?;
        profiles.insert(profile.name.clone(), profile);
    }
    for required in REQUIRED_PROFILES {
        if !profiles.contains_key(required) {
            return Err(source.error(
                raw.keys().next().map_or(0..0, toml::Spanned::span),
                &format!("the profile `{required}` is missing"),
                "",
                &[format!(
                    "allowed: any profiles, but `{}` must be among them",
                    REQUIRED_PROFILES.join("` and `")
                )],
            ));
        }
    }
    Ok(profiles)
}

fn allowed_lines(source: InputFile<'_>, raw: &raw::KernelLog) -> Result<Vec<AllowedLine>, InputError> {
    raw.allow
        .iter()
        .map(|line| {
            Ok(AllowedLine {
                // Every line contains an empty pattern, which would allow a kernel oops.
                pattern: source.not_empty(&line.pattern, "a pattern")?,
                reason: source.not_empty(&line.reason, "a reason")?,
                of: line.of.as_ref().map(|of| log_owner(source, of)).transpose()?,
                image: None,
            })
        })
        .collect()
}

fn log_owner(source: InputFile<'_>, name: &toml::Spanned<String>) -> Result<LogOwner, InputError> {
    match name.get_ref().as_str() {
        "guest" => Ok(LogOwner::Guest),
        "host" => Ok(LogOwner::Host),
        given => {
            let mut help = vec!["allowed: `guest`, `host`; without `of` it is both".to_owned()];
            help.extend(did_you_mean(given, ["guest", "host"]));
            Err(source.error(name.span(), &format!("unknown value `{given}` of `of`"), "", &help))
        }
    }
}
