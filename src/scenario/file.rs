//! `scenarios.toml`: read, checked, expanded. Its format is described field by field in the file itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::axis::quoted_names;
use super::error::{InputError, Source, did_you_mean};
use super::matrix::{Axes, Constraint, Restriction};
use super::raw::{self, Names};
use super::{AxisValue, Profile, Scenario, Selection, Set};

/// The profiles every file declares: the defaults of the lab and of real hosts.
const REQUIRED_PROFILES: [&str; 2] = ["lab", "reference"];

/// A line of a guest's kernel log that is no finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedLine {
    /// A line that contains this is allowed.
    pub pattern: String,
    /// Why it is harmless.
    pub reason: String,
}

/// Everything that `scenarios.toml` declares, without mistakes.
#[derive(Debug, Clone)]
pub struct ScenarioFile {
    name: String,
    scenarios: Vec<Scenario>,
    constraints: Vec<Constraint>,
    sets: BTreeMap<String, Set>,
    profiles: BTreeMap<String, Profile>,
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

    /// Reads a text; messages call it `name`.
    ///
    /// # Errors
    ///
    /// The first mistake: TOML that is none, an unknown or missing key, an unknown or repeated value, an axis without
    /// values, a constraint without effect, a set or filter without scenarios, a profile that is missing or has a value
    /// out of range. The message has file, line, column, the line itself and what is allowed.
    pub fn parse(name: &str, text: &str) -> Result<Self, InputError> {
        let source = Source { name, text };
        let raw: raw::File = toml::from_str(text).map_err(|error| source.toml_error(&error))?;

        let axes = Axes {
            mode: values(source, &raw.axes.mode, AxisValue::ALL)?,
            order: values(source, &raw.axes.order, AxisValue::ALL)?,
            location: values(source, &raw.axes.location, AxisValue::ALL)?,
            workload: values(source, &raw.axes.workload, AxisValue::ALL)?,
        };
        let (scenarios, constraints) = expand(source, &axes, &raw.constraint)?;
        Ok(Self {
            name: name.to_owned(),
            sets: sets(source, &raw.set, &scenarios)?,
            profiles: profiles(source, &raw.profile)?,
            allowed_lines: allowed_lines(source, &raw.kernel_log)?,
            scenarios,
            constraints,
        })
    }

    /// The matrix: the axes nested in the order mode, order, where, what.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// The scenarios that a selection chooses, in matrix order.
    pub fn select(&self, selection: &Selection) -> Vec<Scenario> {
        self.scenarios.iter().copied().filter(|scenario| selection.matches(&scenario.name())).collect()
    }

    /// The scenario of that name.
    ///
    /// # Errors
    ///
    /// There is none; the message says which part of the name is wrong, or why the matrix leaves the combination out.
    pub fn named(&self, name: &str) -> Result<Scenario, InputError> {
        let cause = match name.parse::<Scenario>() {
            Ok(scenario) if self.scenarios.contains(&scenario) => return Ok(scenario),
            Ok(scenario) => {
                self.excluded_because(&scenario).unwrap_or("a value is on no axis of the file").to_owned()
            }
            Err(error) => error.to_string(),
        };
        let mut help = Vec::from_iter(self.near(name, true));
        help.push(format!("allowed: a whole name `{}`; `multivm scenarios` lists them", Scenario::NAME_FORM));
        Err(InputError::new(&format!("{} has no scenario `{name}`: {cause}", self.name), &help))
    }

    /// The scenarios that a selection chooses, in matrix order; it must choose one at least.
    ///
    /// # Errors
    ///
    /// It chooses none; the message says what was asked for and what is near.
    pub fn select_some(&self, set: &Set, selection: &Selection) -> Result<Vec<Scenario>, InputError> {
        let chosen: Vec<Scenario> = self
            .select(&set.selection())
            .into_iter()
            .filter(|scenario| selection.matches(&scenario.name()))
            .collect();
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        if selection.filters.is_empty() {
            let what = format!("everything in the set `{}` is skipped", set.name);
            return Err(InputError::new(
                &what,
                &["allowed: skips that leave at least one scenario".to_owned()],
            ));
        }
        let asked: Vec<String> = selection.filters.iter().map(|filter| format!("`{filter}`")).collect();
        let (whose, part) = if selection.exact {
            ("whose name is", "a whole name")
        } else {
            ("whose name contains", "any part of a name")
        };
        let mut help: Vec<String> =
            selection.filters.iter().filter_map(|filter| self.near(filter, selection.exact)).collect();
        help.push(format!("allowed: {part} `{}`; `multivm scenarios` lists them", Scenario::NAME_FORM));
        let what = format!("the set `{}` has no scenario {whose} {}", set.name, asked.join(" or "));
        Err(InputError::new(&what, &help))
    }

    /// The help line that names the scenario that is closest to `given`, or, unless it must be a whole name, the part
    /// of a scenario's name.
    fn near(&self, given: &str, whole: bool) -> Option<String> {
        let names: Vec<String> = self.scenarios.iter().map(Scenario::name).collect();
        let parts = names.iter().filter(|_| !whole).flat_map(|name| name.split("::"));
        did_you_mean(given, names.iter().map(String::as_str).chain(parts))
    }

    /// Why the matrix does not have the combination; `None` if it does, or if a value is on no axis of the file.
    pub fn excluded_because(&self, scenario: &Scenario) -> Option<&str> {
        self.constraints
            .iter()
            .find(|constraint| constraint.forbids(scenario))
            .map(|constraint| constraint.reason.as_str())
    }

    /// Every set, by name; `all` is always there.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.values()
    }

    /// The set of that name.
    ///
    /// # Errors
    ///
    /// There is none; the message lists those there are.
    pub fn set(&self, name: &str) -> Result<&Set, InputError> {
        self.lookup("set", &self.sets, name)
    }

    /// Every profile, by name; `lab` and `reference` are always there.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    /// The profile of that name.
    ///
    /// # Errors
    ///
    /// There is none; the message lists those there are.
    pub fn profile(&self, name: &str) -> Result<&Profile, InputError> {
        self.lookup("profile", &self.profiles, name)
    }

    /// The lines of guests' kernel logs that are no findings.
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

/// The values of `names`, each of which must be one of `allowed` and appear once.
fn values<V: AxisValue>(source: Source<'_>, names: &Names, allowed: &[V]) -> Result<Vec<V>, InputError> {
    let axis = V::AXIS;
    let allowed_help = || format!("allowed: {}", quoted_names(allowed));
    if names.get_ref().is_empty() {
        return Err(source.error(
            names.span(),
            &format!("no value for the axis `{axis}`"),
            "an empty list matches no scenario",
            &[allowed_help()],
        ));
    }

    let mut values = Vec::new();
    for name in names.get_ref() {
        let Some(value) = allowed.iter().copied().find(|v| v.name() == name.get_ref()) else {
            let mut help = vec![allowed_help()];
            help.extend(did_you_mean(name.get_ref(), allowed.iter().map(|v| v.name())));
            return Err(source.error(
                name.span(),
                &format!("unknown value `{name}` of the axis `{axis}`"),
                "",
                &help,
            ));
        };
        if values.contains(&value) {
            return Err(source.error(
                name.span(),
                &format!("the value `{name}` of the axis `{axis}` is there twice"),
                "would give two scenarios the same name",
                &[allowed_help(), "each value at most once".to_owned()],
            ));
        }
        values.push(value);
    }
    Ok(values)
}

/// The product of the axes, less what each constraint in turn takes away.
///
/// A constraint is judged by what those before it have left. One that changes nothing is a mistake in it, or has become
/// superfluous: both ways it says something about the matrix that is not so.
fn expand(
    source: Source<'_>,
    axes: &Axes,
    raw: &[raw::Constraint],
) -> Result<(Vec<Scenario>, Vec<Constraint>), InputError> {
    let mut scenarios = axes.product();
    let mut constraints = Vec::new();
    for raw in raw {
        let constraint = Constraint {
            when: restriction(source, &raw.when, axes)?,
            only: restriction(source, &raw.only, axes)?,
            reason: not_empty(source, &raw.reason, "a reason")?,
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

/// A `when` or `only`; its values must be declared on the axes of the file.
fn restriction(
    source: Source<'_>,
    raw: &toml::Spanned<raw::Restriction>,
    axes: &Axes,
) -> Result<Restriction, InputError> {
    fn some<V: AxisValue>(
        source: Source<'_>,
        names: Option<&Names>,
        declared: &[V],
    ) -> Result<Option<Vec<V>>, InputError> {
        names.map(|names| values(source, names, declared)).transpose()
    }
    let raw = raw.get_ref();
    Ok(Restriction {
        mode: some(source, raw.mode.as_ref(), &axes.mode)?,
        order: some(source, raw.order.as_ref(), &axes.order)?,
        location: some(source, raw.location.as_ref(), &axes.location)?,
        workload: some(source, raw.workload.as_ref(), &axes.workload)?,
    })
}

fn sets(
    source: Source<'_>,
    raw: &BTreeMap<toml::Spanned<String>, raw::Set>,
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
        if set.filters.get_ref().is_empty() {
            return Err(source.error(
                set.filters.span(),
                &format!("the set `{name}` has no filter"),
                "",
                &["allowed: at least one substring of a scenario's name; for every scenario there is the set `all`".to_owned()],
            ));
        }
        let mut filters = Vec::new();
        for filter in set.filters.get_ref() {
            let text = not_empty(source, filter, "a filter")?;
            if !names.iter().any(|name| name.contains(&text)) {
                let mut help =
                    vec![format!("allowed: any part of a scenario's name `{}`", Scenario::NAME_FORM)];
                help.extend(did_you_mean(&text, names.iter().map(String::as_str)));
                return Err(source.error(
                    filter.span(),
                    &format!("the filter `{text}` of the set `{name}` matches no scenario"),
                    "in no name of the matrix",
                    &help,
                ));
            }
            filters.push(text);
        }
        let set = Set {
            name: name.get_ref().clone(),
            description: not_empty(source, &set.description, "a description")?,
            filters,
        };
        sets.insert(set.name.clone(), set);
    }
    Ok(sets)
}

fn profiles(
    source: Source<'_>,
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

fn allowed_lines(source: Source<'_>, raw: &raw::KernelLog) -> Result<Vec<AllowedLine>, InputError> {
    raw.allow
        .iter()
        .map(|line| {
            Ok(AllowedLine {
                // An empty pattern is in every line: it would allow a kernel oops.
                pattern: not_empty(source, &line.pattern, "a pattern")?,
                reason: not_empty(source, &line.reason, "a reason")?,
            })
        })
        .collect()
}

/// The text, which must say something.
fn not_empty(source: Source<'_>, text: &toml::Spanned<String>, what: &str) -> Result<String, InputError> {
    if text.get_ref().trim().is_empty() {
        return Err(source.error(
            text.span(),
            &format!("{what} cannot be empty"),
            "",
            &["allowed: any other text".to_owned()],
        ));
    }
    Ok(text.get_ref().clone())
}
