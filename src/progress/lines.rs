//! Turns the present state of a run into lines of text. Pure: callers draw them.

use std::fmt::Write;

use super::live::{Live, LiveGuest};
use crate::record::{Phase, RecordedEnd, RecordedLeg, Verdict};
use crate::scenario::Side;
use crate::sys::terminal::ScreenSize;
use crate::sys::words::{counted, first_line};

/// The importance of a line, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// The line with the run's progress.
    Strong,
    Bad,
    /// A less important line.
    Faint,
}

/// A line that fits on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    pub text: String,
    pub tone: Tone,
}

/// What is shown of a run: its state, the time on the clock of `t_ms`, and the estimate of the remaining seconds.
#[derive(Clone, Copy, Debug)]
pub struct RunStatus<'a> {
    pub live: &'a Live,
    pub now_ms: f64,
    pub left_s: Option<f64>,
}

/// The length of a bar in characters.
const BAR: usize = 20;

/// The most failed proofs to show; the scenario's outcome has all of them.
const BROKEN: usize = 3;

impl StatusLine {
    /// The text, with the codes of its tone around it if `colours` allows.
    pub fn paint(&self, colours: bool) -> String {
        let code = match self.tone {
            Tone::Strong => "1",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Plain => return self.text.clone(),
        };
        if colours { format!("\x1b[{code}m{}\x1b[0m", self.text) } else { self.text.clone() }
    }
}

/// The lines below libtest's line of the scenario: where the run is, and what its guests do.
pub fn status(snapshot: &RunStatus<'_>, size: ScreenSize) -> Vec<StatusLine> {
    with_scenario(vec![line(Tone::Strong, heading(snapshot))], None, snapshot, size)
}

/// The whole state of a run, for `multivm watch`.
pub fn whole(snapshot: &RunStatus<'_>, size: ScreenSize) -> Vec<StatusLine> {
    let run = &snapshot.live.run;
    let part =
        |selected: u32| format!("{}  ", bar(run.results().count() as f64 / f64::from(selected.max(1))));
    let overall = format!("{}{}", run.header.scenarios.map(part).unwrap_or_default(), heading(snapshot));
    let mut lines = about_run(snapshot.live);
    lines.push(line(Tone::Strong, overall));
    let name = run.playing().map(|playing| line(Tone::Plain, playing.scenario.clone()));
    with_scenario(lines, name, snapshot, size)
}

/// Adds what both views end with: lost lines, the scenario's `name` and its guests.
fn with_scenario(
    mut lines: Vec<StatusLine>,
    name: Option<StatusLine>,
    snapshot: &RunStatus<'_>,
    size: ScreenSize,
) -> Vec<StatusLine> {
    lines.extend(lost(snapshot.live));
    lines.extend(name);
    let rows = size.rows.saturating_sub(lines.len());
    scenario(snapshot, size, rows, &mut lines);
    fit(lines, size)
}

/// A line about lines that the record lacks.
fn lost(live: &Live) -> Option<StatusLine> {
    let lines = live.lost_lines();
    let text =
        format!("{} could not be written", counted(lines, "line of the record", "lines of the record"));
    (lines > 0).then(|| line(Tone::Bad, text))
}

/// Lines about the run's identity, sizes and stack.
fn about_run(live: &Live) -> Vec<StatusLine> {
    let header = &live.run.header;
    let profile = header.profile.clone().unwrap_or_default();
    let mut first = format!("run {}", header.run);
    if let Some(name) = &profile.name {
        let _ = write!(first, ", profile {name}");
    }
    if let (Some(guests), Some(fleet)) = (profile.guests, &profile.fleet) {
        let _ = write!(first, ": {} ({fleet})", counted(guests, "guest", "guests"));
    } else if let (Some(guests), Some(vcpus), Some(memory)) =
        (profile.guests, profile.vcpus, profile.memory_bytes)
    {
        let guests = counted(guests, "guest", "guests");
        let _ = write!(first, ": {guests} with {} and {}", counted(vcpus, "CPU", "CPUs"), amount(memory));
    }
    if let Some(rounds) = profile.rounds {
        let _ = write!(first, ", {}", counted(rounds, "round", "rounds"));
    }
    let pair = |what: &str, name: &str| {
        let [Some(source), Some(target)] = header.of_hosts(name) else { return None };
        Some(if source == target {
            format!("{what} {source}")
        } else {
            format!("{what} {source} to {target}")
        })
    };
    let stack: Vec<String> =
        [pair("QEMU", "qemu"), pair("libvirt", "libvirt"), header.stack.get("accelerator").cloned()]
            .into_iter()
            .flatten()
            .collect();
    let mut lines = vec![line(Tone::Faint, first)];
    if !stack.is_empty() {
        lines.push(line(Tone::Faint, stack.join(", ")));
    }
    lines
}

/// `scenario 3 of 54, 0:12; 2 passed; about 11 min left`.
fn heading(snapshot: &RunStatus<'_>) -> String {
    let live = snapshot.live;
    if let Some(end) = live.run.end {
        return format!("finished after {}; {}", clock(end.duration_s), counts(live));
    }
    let played = live.run.results().count();
    let mut number = format!("scenario {}", played + 1);
    if let Some(selected) = live.run.header.scenarios {
        if played >= selected as usize {
            return format!("cleaning up; {}", counts(live));
        }
        let _ = write!(number, " of {selected}");
    }
    let doing = match (live.run.playing(), &live.fixture) {
        (Some(playing), _) => clock((snapshot.now_ms - playing.began_t_ms()) / 1e3),
        (None, _) if live.starting.is_some() => {
            let (answering, of) = live.starting.unwrap_or_default();
            format!("preparing, {answering} of {of} guests answer")
        }
        (None, Some(fixture)) if played == 0 => format!("preparing, {fixture} ready"),
        (None, _) => "preparing".to_owned(),
    };
    let mut parts = vec![format!("{number}, {doing}")];
    if played > 0 {
        parts.push(counts(live));
    }
    parts.extend(snapshot.left_s.map(|seconds| format!("{} left", about(seconds))));
    parts.join("; ")
}

/// The counts of verdicts, `2 passed, 1 failed`, without those that no scenario has.
pub fn counts(live: &Live) -> String {
    use Verdict::{Error, Failed, Ignored, Interrupted, NotRun, Passed};
    let parts: Vec<String> = [Passed, Failed, Error, Ignored, Interrupted, NotRun]
        .into_iter()
        .map(|verdict| (live.run.count(verdict), verdict))
        .filter(|(count, _)| *count > 0)
        .map(|(count, verdict)| format!("{count} {verdict}"))
        .collect();
    if parts.is_empty() { "nothing played".to_owned() } else { parts.join(", ") }
}

/// Adds the guests of the present scenario, and its failed proofs.
fn scenario(snapshot: &RunStatus<'_>, size: ScreenSize, rows: usize, lines: &mut Vec<StatusLine>) {
    let live = snapshot.live;
    let Some(playing) = live.run.playing() else { return };
    let broken = broken(&playing.details);
    let rows = rows.saturating_sub(broken.len());
    // Without room for all guests, migrating ones come first.
    let mut shown: Vec<&LiveGuest> = live.guests.iter().collect();
    if shown.len() > rows {
        shown.sort_by_key(|guest| guest.moving().is_none());
        shown.truncate(rows.saturating_sub(1));
    }
    let width = live.guests.iter().map(|guest| guest.name.len()).max().unwrap_or_default();
    lines.extend(shown.iter().map(|guest| guest_line(guest, width, snapshot.now_ms, size.columns)));
    let hidden: Vec<&LiveGuest> =
        live.guests.iter().filter(|guest| !shown.iter().any(|shown| shown.name == guest.name)).collect();
    if !hidden.is_empty() {
        let on =
            |side: Side| hidden.iter().filter(|guest| guest.moving().is_none() && guest.at == side).count();
        let moving = hidden.iter().filter(|guest| guest.moving().is_some()).count();
        let mut text = format!(
            "  and {} more: {} on source, {} on target",
            hidden.len(),
            on(Side::Source),
            on(Side::Target)
        );
        if moving > 0 {
            let _ = write!(text, ", {moving} migrating");
        }
        lines.push(line(Tone::Faint, text));
    }
    lines.extend(broken);
}

fn broken(proofs: &[String]) -> Vec<StatusLine> {
    let mut lines: Vec<StatusLine> =
        proofs.iter().take(BROKEN).map(|what| line(Tone::Bad, format!("  {what}"))).collect();
    if proofs.len() > BROKEN {
        let more = proofs.len() - BROKEN;
        lines.push(line(Tone::Bad, format!("  and {more} more that did not hold")));
    }
    lines
}

fn guest_line(guest: &LiveGuest, width: usize, now_ms: f64, columns: usize) -> StatusLine {
    let name = &guest.name;
    let Some(leg) = &guest.leg else {
        return line(Tone::Faint, format!("  {name:<width$}  on {}", guest.at));
    };
    let Some(end) = &leg.end else {
        let mut text = format!("  {name:<width$}  {}  ", leg.direction);
        text.push_str(&match leg.fraction() {
            Some(fraction) => format!("{} {:>3.0} %  ", bar(fraction), fraction * 100.0),
            None => format!("{} {:5}  ", bar(0.0), ""),
        });
        append(&mut text, &details(leg, now_ms), columns);
        return line(Tone::Plain, text);
    };
    let tone = if end.error.is_none() { Tone::Faint } else { Tone::Bad };
    line(tone, format!("  {name:<width$}  on {:<13}  {}", guest.at.to_string(), ending(leg, end)))
}

/// The end of a migration: `source to target in 2.8 s, downtime 168 ms (libvirt)`.
pub fn ending(leg: &RecordedLeg, end: &RecordedEnd) -> String {
    let seconds = leg.duration_ms().unwrap_or_default() / 1e3;
    if let Some(error) = &end.error {
        return format!("{} FAILED after {seconds:.1} s: {}", leg.direction, first_line(&error.words));
    }
    let mut text = format!("{} in {seconds:.1} s", leg.direction);
    if let Some((downtime, reported)) = leg.downtime_ms() {
        let whose = if reported { "" } else { " (libvirt)" };
        let _ = write!(text, ", downtime {downtime:.0} ms{whose}");
    }
    text
}

/// The present state of a migration, the most important detail first.
fn details(leg: &RecordedLeg, now_ms: f64) -> Vec<String> {
    let pass = leg.pass().map(|pass| format!(" pass {pass}")).unwrap_or_default();
    let phase = match leg.phase() {
        Phase::PreCopy | Phase::Suspended => format!("{}{pass}", leg.phase()),
        other => other.to_string(),
    };
    let until_ms = leg.completed_t_ms().unwrap_or(now_ms);
    let mut details = vec![phase, format!("{:.0} s", ((until_ms - leg.began_t_ms) / 1e3).max(0.0))];
    details.extend((leg.round > 1).then(|| format!("round {}", leg.round)));
    if leg.phase() == Phase::Completed {
        return details;
    }
    details.extend(leg.remaining().map(|bytes| format!("{} left", amount(bytes))));
    details.extend(leg.positive("memory_bps").map(|bytes| format!("{}/s", amount(bytes))));
    details.extend(
        leg.stats
            .dirty_bytes_per_s()
            .filter(|rate| *rate > 0)
            .map(|bytes| format!("dirty {}/s", amount(bytes))),
    );
    details.extend(leg.positive("auto_converge_throttle").map(|percent| format!("throttle {percent} %")));
    details.extend(leg.positive("memory_postcopy_requests").map(|requests| format!("{requests} requests")));
    details
}

/// Appends as many details as fit as a whole: half of a number would be a wrong number.
fn append(text: &mut String, details: &[String], columns: usize) {
    for (number, detail) in details.iter().enumerate() {
        let separator = if number == 0 { "" } else { ", " };
        if text.len() + separator.len() + detail.len() > columns {
            return;
        }
        text.push_str(separator);
        text.push_str(detail);
    }
}

/// `[#####.....]`.
fn bar(fraction: f64) -> String {
    // The bar is full only at the very end: 99.9 % is not there yet.
    let full = ((fraction.clamp(0.0, 1.0) * BAR as f64) as usize).min(BAR);
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

/// `0:07`, `12:07`, `1:02:07`.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// An estimated time.
fn about(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        _ if seconds < 10.0 => "a few seconds".to_owned(),
        _ if seconds < 90.0 => format!("about {:.0} s", (seconds / 10.0).ceil() * 10.0),
        ..90 => format!("about {minutes} min"),
        _ => format!("about {} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// `7.3 MiB`, `113 MiB`, `12.0 GiB`.
fn amount(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        ..10.0 => format!("{mib:.1} MiB"),
        ..10_000.0 => format!("{mib:.0} MiB"),
        _ => format!("{:.1} GiB", mib / 1024.0),
    }
}

fn line(tone: Tone, text: String) -> StatusLine {
    StatusLine { text, tone }
}

/// Cuts the lines to the screen. Anything but printable ASCII - from a guest's kernel log, say - must not reach a terminal,
/// and would not be one column wide.
fn fit(mut lines: Vec<StatusLine>, size: ScreenSize) -> Vec<StatusLine> {
    lines.truncate(size.rows);
    for line in &mut lines {
        line.text = printable(&line.text).chars().take(size.columns).collect();
    }
    lines
}

/// The text with a `?` for everything but printable ASCII.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}
