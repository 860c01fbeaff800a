//! Several records as one: the parts of a matrix that ran on several machines, or in several processes of cargo-nextest.
//!
//! - **The parts come one after the other**, in the order in which they began, each behind a [`Event::PartStarted`]. Their
//!   `t_ms`, and the times in their events that are on that clock, are moved to follow on the part before: parts that ran at
//!   the same time do not overlap, since views take a record for one run on one pair of hosts. `at` stays the wall clock of
//!   the machine that wrote it.
//! - **The header has what the parts have in common.** A fact in which they differ stands there with each value and whose
//!   it is, and in the parts' own lines; command lines and profiles that differ are in those lines only.
//! - **A part that was cut off** gives the scenario that it was at a result, an error, as a report of that part alone
//!   does. The merged record then has no `run_finished` and counts as cut off, too.
//! - **A scenario that is in several parts** stays there as often; the later parts say so.
//! - **Evidence** that lies in the folder of its part is referred to there, wherever that folder has been copied to.
//! - **Events that this multivm does not know are left out**; the parts still have them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Envelope, Event, Fold, Part, ReportError, RunEnd, RunHeader, Tail, atomic, line, writer};

/// How many runs a differing fact names.
const MOST_NAMED: usize = 3;

/// The records in the subfolders of a folder without a record, by name; none for anything else.
pub fn parts_of(folder: &Path) -> Vec<PathBuf> {
    if folder.join(writer::FILE_NAME).exists() {
        return Vec::new();
    }
    let mut parts: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        // A link, such as `latest`, leads to a folder that is here anyway.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        // A process is just making an empty one.
        .filter(|path| fs::metadata(path.join(writer::FILE_NAME)).is_ok_and(|file| file.len() > 0))
        .collect();
    parts.sort();
    parts
}

/// The name of a run's folder: the last part of its path, with links followed.
pub(super) fn name_of(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The records at these paths, files or folders of runs or of several, as the record of one run of that name.
///
/// A run that is there twice, as under `latest` and under its own name, counts once: also where a copy, such as an artifact
/// of a CI, has made a folder of the link.
///
/// # Errors
/// When one cannot be read, or has no beginning.
pub fn merge(name: &str, paths: &[PathBuf]) -> Result<Vec<(Envelope, Event)>, ReportError> {
    let mut seen = HashSet::new();
    let mut runs = Vec::new();
    for path in paths {
        let below = parts_of(path);
        for path in if below.is_empty() { vec![path.clone()] } else { below } {
            let folder = match path.parent() {
                _ if path.is_dir() => path.clone(),
                Some(parent) if parent != Path::new("") => parent.to_path_buf(),
                _ => PathBuf::from("."),
            };
            if seen.insert(fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone())) {
                runs.push(PartRun::read(&path, folder)?);
            }
        }
    }
    let mut known = HashSet::new();
    runs.retain(|run: &PartRun| known.insert((run.header.run.clone(), run.start.at)));
    runs.sort_by(|one, other| (one.start.at, &one.header.run).cmp(&(other.start.at, &other.header.run)));
    Ok(join(name, runs))
}

/// Writes a merged record into a folder, which is created and must not have a record yet.
///
/// # Errors
/// When the folder has a record, or it cannot be written.
pub fn write_merged(folder: &Path, events: &[(Envelope, Event)]) -> Result<(), ReportError> {
    fs::create_dir_all(folder).map_err(ReportError::io("create the folder", folder))?;
    let path = folder.join(writer::FILE_NAME);
    if path.exists() {
        let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(ReportError::io("create the record", &path)(error));
    }
    let mut text = String::new();
    for (envelope, event) in events {
        text.push_str(&line::text(envelope, event).map_err(ReportError::encode(event, &path))?);
    }
    atomic::write(&path, text.as_bytes())
}

/// A part, read.
struct PartRun {
    folder: PathBuf,
    start: Envelope,
    /// The header, with the facts of all fixtures.
    header: RunHeader,
    /// The scenarios that began or ended in it.
    scenarios: BTreeSet<String>,
    /// The part's end, if that was orderly.
    end: Option<RunEnd>,
    /// Everything between the beginning and that end.
    events: Vec<(Envelope, Event)>,
}

impl PartRun {
    fn read(path: &Path, folder: PathBuf) -> Result<PartRun, ReportError> {
        let mut events = Tail::open(path)?.poll()?;
        let fold = Fold::<()>::of(&events);
        let made_up = fold.plays.iter().filter(|play| !play.ended());
        for outcome in made_up.map(|play| fold.outcome(play)) {
            events.extend(fold.last.clone().map(|end| (end, Event::ScenarioFinished(outcome))));
        }
        events.retain(|(_, event)| {
            !matches!(event, Event::RunStarted(_) | Event::RunFinished(_) | Event::Unknown)
        });
        Ok(PartRun {
            folder,
            start: fold.began.ok_or_else(|| ReportError::NoRun { path: path.to_path_buf() })?,
            header: fold.header,
            scenarios: fold.plays.into_iter().map(|play| play.scenario).collect(),
            end: fold.end,
            events,
        })
    }

    /// The run's lines as a part that begins at that time of the merged record.
    fn into_part(
        mut self,
        mut part: Part,
        from: u64,
        differing: &BTreeMap<String, String>,
    ) -> Vec<(Envelope, Event)> {
        let start = Envelope { t_ms: from, ..self.start.clone() };
        let by = from as f64 - self.start.t_ms as f64;
        let mut lines = Vec::new();
        match self.events.iter_mut().find_map(|(_, event)| match event {
            Event::PartStarted(first) => Some(first),
            _ => None,
        }) {
            // The part is a merged record: its own parts become parts of this one.
            Some(first) => first.again.append(&mut part.again),
            None => lines.push((start, Event::PartStarted(part))),
        }
        for (envelope, mut event) in std::mem::take(&mut self.events) {
            event.shift(by);
            match &mut event {
                Event::FixtureReady { facts, .. } => facts.retain(|fact, _| !differing.contains_key(fact)),
                Event::ScenarioFinished(outcome) => {
                    let here = outcome.evidence.as_deref().and_then(|told| self.evidence(told));
                    outcome.evidence = here.or(outcome.evidence.take());
                }
                _ => {}
            }
            let t_ms = from + envelope.t_ms.saturating_sub(self.start.t_ms);
            lines.push((Envelope { t_ms, ..envelope }, event));
        }
        lines
    }

    /// The present place of this part's evidence: `.../scenarios/NAME/evidence` in its own folder, if that exists.
    fn evidence(&self, told: &Path) -> Option<PathBuf> {
        let parts: Vec<_> = told.components().collect();
        let at = parts.iter().rposition(|part| part.as_os_str() == "scenarios")?;
        let here = self.folder.join(parts[at..].iter().collect::<PathBuf>());
        here.exists().then_some(here)
    }
}

fn join(name: &str, runs: Vec<PartRun>) -> Vec<(Envelope, Event)> {
    let differing = differing(&runs);
    let header = header(name, &runs, &differing);
    let total = total(&runs);
    let mut end = runs.first().map(|run| Envelope { t_ms: 0, ..run.start.clone() });
    let mut joined: Vec<_> =
        end.iter().map(|start| (start.clone(), Event::RunStarted(header.clone()))).collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for mut run in runs {
        let part = Part {
            run: run.header.run.clone(),
            command: run.header.command.clone(),
            stack: differing
                .keys()
                .filter_map(|fact| run.header.stack.get_key_value(fact))
                .map(own)
                .collect(),
            // The header has what all parts share.
            profile: run.header.profile.clone().filter(|_| header.profile.is_none()),
            seed: run.header.seed.filter(|_| header.seed.is_none()),
            complete: run.end.is_some(),
            again: run.scenarios.intersection(&seen).cloned().collect(),
        };
        seen.append(&mut run.scenarios);
        // A part begins where the one before it ended.
        let from = end.as_ref().map_or(0, |end| end.t_ms);
        joined.extend(run.into_part(part, from, &differing));
        end = joined.last().map(|(last, _)| last.clone());
    }
    joined.extend(end.zip(total.map(Event::RunFinished)));
    joined
}

/// The header with what all parts share.
fn header(name: &str, runs: &[PartRun], differing: &BTreeMap<String, String>) -> RunHeader {
    let mut stack: BTreeMap<String, String> = BTreeMap::new();
    for run in runs {
        stack.extend(run.header.stack.clone());
    }
    stack.extend(differing.clone());
    RunHeader {
        run: name.to_owned(),
        stack,
        profile: shared(runs, |header| header.profile.clone()).flatten(),
        command: shared(runs, |header| header.command.clone()).unwrap_or_default(),
        seed: shared(runs, |header| header.seed).flatten(),
        catalogue: shared(runs, |header| header.catalogue.clone()).flatten(),
        // The sum exists only if every part has the number.
        scenarios: runs.iter().map(|run| run.header.scenarios).sum(),
        ..RunHeader::default()
    }
}

fn own((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// What the headers of all parts have alike; none if they differ, or without parts.
fn shared<T: PartialEq>(runs: &[PartRun], of: impl Fn(&RunHeader) -> T) -> Option<T> {
    let mut values = runs.iter().map(|run| of(&run.header));
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// The facts in which parts differ, each with its values and the runs that have them.
fn differing(runs: &[PartRun]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for run in runs {
        for (fact, value) in &run.header.stack {
            values.entry(fact).or_default().entry(value).or_default().push(&run.header.run);
        }
    }
    values
        .into_iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|(fact, values)| {
            let told: Vec<String> =
                values.into_iter().map(|(value, runs)| format!("{value} ({})", named(&runs))).collect();
            (fact.to_owned(), told.join("; "))
        })
        .collect()
}

fn named(runs: &[&str]) -> String {
    match runs.len().saturating_sub(MOST_NAMED) {
        0 => runs.join(", "),
        more => format!("{} and {more} more", runs[..MOST_NAMED].join(", ")),
    }
}

/// The sum of all parts' ends; none if one part has no end.
fn total(runs: &[PartRun]) -> Option<RunEnd> {
    runs.iter().try_fold(RunEnd::default(), |sum, run| {
        let end = run.end?;
        Some(RunEnd {
            passed: sum.passed + end.passed,
            failed: sum.failed + end.failed,
            ignored: sum.ignored + end.ignored,
            errors: sum.errors + end.errors,
            duration_s: sum.duration_s + end.duration_s,
        })
    })
}

#[cfg(test)]
mod tests;
