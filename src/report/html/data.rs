//! The data that the page's scripts draw, as JSON. It is small, so that the report of a whole matrix opens at once.
//!
//! Times are milliseconds since the scenario began, numbers are rounded to what a picture can show, and curves are thinned
//! out. The record has all of it.

use serde_json::{Map, Value, json};

use super::PageLocation;
use super::facts::{LONGEST_TEXT, cut, evidence_link, verdict_signs};
use crate::record::{DowntimeClock, Finding, Phase, rfc3339_text};
use crate::report::view::{LegView, RunView, SampleView, ScenarioView, at_most, extremes};
use crate::scenario::Direction;
use crate::scenario::Scenario;

/// The most samples of all migrations of a run together; each has 7 values.
const MOST_SAMPLES: usize = 60_000;

/// The most points of all write speed and CPU curves of a run together.
const MOST_POINTS: usize = 250_000;

/// The most gaps of one scenario: the longest ones.
const MOST_GAPS: usize = 200;

/// Checks within this time are one mark on a timeline, milliseconds.
const ONE_MARK_MS: f64 = 50.0;

/// The most characters of the text of a proof that held.
const LONGEST_SEEN: usize = 200;

/// The phases that a migration's spans can have, in their order. A span has its phase's place in this list.
pub(super) const PHASES: [Phase; 6] =
    [Phase::Setup, Phase::PreCopy, Phase::Suspended, Phase::Switchover, Phase::PostCopy, Phase::Completion];

/// The data of the matrix, the table of scenarios and the downtime curves.
pub(super) fn overview(run: &RunView) -> Value {
    let matrix: Vec<Cell> = run.scenarios.iter().map(Cell::of).collect();
    let rows = ordered(matrix.iter().map(|place| (&place.row, place.row_order)));
    let columns = ordered(matrix.iter().map(|place| (&place.column, place.column_order)));
    let scenarios: Vec<Value> = run
        .scenarios
        .iter()
        .zip(&matrix)
        .map(|(scenario, place)| {
            let outcome = &scenario.outcome;
            let downtime = scenario.longest_downtime_ms();
            json!({
                "name": scenario.title,
                "group": scenario.group(),
                "row": rows.iter().position(|row| *row == place.row),
                "column": columns.iter().position(|column| *column == place.column),
                "verdict": outcome.verdict,
                "time_s": rounded(outcome.duration.as_secs_f64(), 1),
                "downtime_ms": number(downtime.map(|(ms, _)| ms), 1),
                "downtime_by": downtime.map(|(_, reported)| if reported { "reported" } else { "libvirt" }),
                "migrations": scenario.legs().len(),
                "plays": scenario.play.times,
                "headline": if outcome.findings.is_empty() && outcome.reason.is_none() {
                    String::new()
                } else {
                    cut(&outcome.headline(), LONGEST_SEEN)
                },
            })
        })
        .collect();
    let legs: Vec<Value> = run
        .scenarios
        .iter()
        .enumerate()
        .flat_map(|(index, scenario)| scenario.legs().iter().map(move |leg| (index, leg)))
        .filter(|(_, leg)| leg.leg.succeeded())
        .map(|(index, leg)| {
            let mut values = vec![json!(index)];
            values.extend(DowntimeClock::ALL.map(|clock| number(leg.leg.by_clock(clock), 1)));
            Value::Array(values)
        })
        .collect();
    json!({
        "run": run.header.run,
        "rows": rows,
        "columns": columns,
        "clocks": DowntimeClock::ALL.map(DowntimeClock::name),
        "phases": PHASES.map(|phase| phase.to_string()),
        "verdicts": verdict_signs(),
        "scenarios": scenarios,
        "legs": legs,
    })
}

/// The place of a scenario in the matrix.
struct Cell {
    row: String,
    row_order: usize,
    column: [String; 2],
    column_order: usize,
}

impl Cell {
    fn of(scenario: &ScenarioView) -> Cell {
        let name = &scenario.outcome.scenario;
        match name.parse::<Scenario>() {
            Ok(parts) => Cell {
                row: match parts.sizing {
                    Some(sizing) => format!("{} {sizing}", parts.result_group()),
                    None => parts.result_group(),
                },
                row_order: parts.group_place(),
                column: [parts.location.to_string(), parts.workload.to_string()],
                column_order: parts.load_place(),
            },
            // A name that this version does not know comes last.
            Err(_) => {
                let mut parts = name.splitn(3, "::");
                let mut part = || parts.next().unwrap_or_default().to_owned();
                let row = part();
                Cell { row, row_order: usize::MAX, column: [part(), part()], column_order: usize::MAX }
            }
        }
    }
}

/// Each value once, by its order number; equal numbers keep their sequence.
fn ordered<'a, T: PartialEq + Clone + 'a>(all: impl Iterator<Item = (&'a T, usize)>) -> Vec<T> {
    let mut kept: Vec<(&T, usize)> = Vec::new();
    for (value, order) in all {
        if !kept.iter().any(|(other, _)| *other == value) {
            kept.push((value, order));
        }
    }
    kept.sort_by_key(|(_, order)| *order);
    kept.into_iter().map(|(value, _)| value.clone()).collect()
}

/// The data of each scenario's page, in the order of [`overview`]'s scenarios. The page reads one when a reader opens it.
pub(super) fn details(run: &RunView, place: PageLocation) -> Vec<Value> {
    let legs: usize = run.scenarios.iter().map(|scenario| scenario.legs().len()).sum();
    let curves: usize = run
        .scenarios
        .iter()
        .map(|scenario| scenario.details().speeds.len() + scenario.details().cpu.len())
        .sum();
    let limits = CurveLimits {
        samples: (MOST_SAMPLES / legs.max(1)).clamp(8, 400),
        points: (MOST_POINTS / curves.max(1)).clamp(16, 6000),
    };
    run.scenarios.iter().map(|scenario| detail(run, scenario, place, &limits)).collect()
}

struct CurveLimits {
    /// The most samples of one migration.
    samples: usize,
    /// The most points of one curve.
    points: usize,
}

fn detail(run: &RunView, scenario: &ScenarioView, place: PageLocation, limits: &CurveLimits) -> Value {
    let outcome = &scenario.outcome;
    let (began, details) = (scenario.play.began_t_ms(), scenario.details());
    let end = began + outcome.duration.as_secs_f64() * 1e3;
    let curves = |curves: &std::collections::BTreeMap<String, Vec<(f64, f64)>>, digits| {
        let curve = |points: &Vec<(f64, f64)>| {
            let points = extremes(points, limits.points);
            let times: Vec<Value> = points.iter().map(|(t_ms, _)| rounded(t_ms - began, 0)).collect();
            let values: Vec<Value> = points.iter().map(|(_, value)| rounded(*value, digits)).collect();
            json!([times, values])
        };
        Value::Object(curves.iter().map(|(name, points)| (name.clone(), curve(points))).collect())
    };
    let probes = details.probes.iter();
    let mut gaps: Vec<_> =
        probes.flat_map(|probe| probe.gaps.iter().map(|gap| (&probe.guest, gap))).collect();
    gaps.sort_by(|(_, (_, a)), (_, (_, b))| b.total_cmp(a));
    let shown = gaps.iter().take(MOST_GAPS);
    json!({
        "name": scenario.title,
        "verdict": outcome.verdict,
        "reason": outcome.reason.as_ref().map(|reason| cut(reason, LONGEST_TEXT)),
        "findings": outcome.findings.iter().map(finding).collect::<Vec<_>>(),
        "started": rfc3339_text(outcome.started),
        "duration_ms": rounded(outcome.duration.as_secs_f64() * 1e3, 0),
        "plays": scenario.play.times,
        "numbers": outcome.numbers,
        "spent": outcome.numbers.spent().map(|(what, seconds)| json!([what, seconds.unwrap_or_default()])),
        "evidence": outcome.evidence.as_ref().map(|path| path.to_string_lossy()),
        "evidence_link": evidence_link(run, outcome, place),
        "rerun": outcome.rerun_command(),
        "guests": scenario.guests(),
        "legs": scenario.legs().iter().map(|leg| self::leg(leg, began, end, limits)).collect::<Vec<_>>(),
        "marks": marks(scenario, began),
        "proofs": proofs(scenario),
        "loads": details.loads.iter().map(|load| json!({
            "t": rounded(load.t_ms - began, 0),
            "place": load.guest.as_ref().or(load.host.as_ref()),
            "command": load.command,
            "basis": load.basis,
        })).collect::<Vec<_>>(),
        "repairs": details.repairs.iter().map(|repair| json!([repair.what, repair.why])).collect::<Vec<_>>(),
        "probes": details.probes.iter().map(|probe| {
            json!([probe.guest, probe.sent, probe.received, number(probe.longest_gap_ms, 1)])
        }).collect::<Vec<_>>(),
        "gaps": shown.map(|(guest, (from_t_ms, length_ms))| {
            json!([guest, rounded(from_t_ms - began, 1), rounded(*length_ms, 1)])
        }).collect::<Vec<_>>(),
        "gap_count": gaps.len(),
        "speeds": curves(&details.speeds, 0),
        "cpu": curves(&details.cpu, 2),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "headline": finding.headline(),
        "expected": cut(&finding.expected, LONGEST_TEXT),
        "seen": cut(&finding.seen, LONGEST_TEXT),
        "try_next": finding.try_next,
    })
}

fn leg(view: &LegView, began: f64, end: f64, limits: &CurveLimits) -> Value {
    let leg = &view.leg;
    let at = |t_ms: f64| rounded(t_ms - began, 0);
    let over = leg.end.as_ref();
    let completed = |name: &str| number(leg.at_its_end(name), 0);
    let clocks = leg.clocks.clone().unwrap_or_default();
    let phases = leg.spans(end);
    let volume = leg.volume();
    let mut object = json!({
        "guest": leg.guest,
        "round": leg.round,
        "back": leg.direction == Direction::Back,
        "step": leg.step,
        "began": at(leg.began_t_ms),
        "ended": over.map(|end| at(end.t_ms)),
        "ok": over.map(|_| leg.succeeded()),
        "error": over.and_then(|end| end.error.as_ref()).map(|error| cut(&error.words, LONGEST_TEXT)),
        "switchover_ms": number(over.and_then(|end| end.switchover_s).map(|seconds| seconds * 1e3), 0),
        "phases": phases.iter().map(|span| {
            let phase = PHASES.iter().position(|phase| *phase == span.phase);
            json!([phase, at(span.from_t_ms), at(span.to_t_ms)])
        }).collect::<Vec<_>>(),
        "iterations": leg.passes.iter().map(|(t_ms, pass)| json!([at(*t_ms), pass])).collect::<Vec<_>>(),
        "reported_ms": number(leg.reported_ms(), 1),
        "network_ms": number(clocks.network_ms, 1),
        "network_error_ms": number(clocks.network_error_ms, 1),
        "guest_ms": number(clocks.guest_ms, 1),
        "guest_error_ms": number(clocks.guest_error_ms, 1),
        "libvirt_ms": number(leg.libvirt_said_ms(), 1),
        "nonsense": leg.has_impossible_downtime(),
        "qemu_ms": number(clocks.qemu_ms, 1),
        "disagreement": leg.disagreement(),
        "typical_write_ms": number(clocks.typical_write_ms, 1),
        "worst_write_ms": number(clocks.worst_write_ms, 1),
        "total_ms": completed("time_elapsed"),
        "setup_ms": completed("setup_time"),
        "sent_bytes": number(volume.map(|(sent, _)| sent), 0),
        "ratio": number(volume.and_then(|(_, ratio)| ratio), 2),
        "passes": completed("memory_iteration"),
        "requests": completed("memory_postcopy_requests"),
        "throttle": completed("auto_converge_throttle"),
        "samples": samples(&with_ends(view), began, limits.samples),
    });
    if let Value::Object(fields) = &mut object {
        // Unknown values take no room.
        let nothing = [Value::Null, json!([]), json!({})];
        fields.retain(|name, value| !nothing.contains(value) && (name == "ok" || *value != json!(false)));
    }
    object
}

/// The samples of a migration with two more for its ends, which are known without any: a short migration may have none.
fn with_ends(view: &LegView) -> Vec<SampleView> {
    let (leg, mut samples) = (&view.leg, view.samples.clone());
    let (Some(completed), Some(end)) = (view.completed(), &leg.end) else { return samples };
    let first_pass = leg.passes.first().map_or(leg.began_t_ms, |(t_ms, _)| *t_ms);
    // Before the first pass QEMU sends nothing, and libvirt does not know yet what remains.
    samples.retain(|sample| sample.t_ms > first_pass && sample.t_ms < end.t_ms);
    let nothing_sent = SampleView {
        t_ms: first_pass,
        processed_bytes: Some(0.0),
        remaining_bytes: leg.at_its_end("memory_total"),
        ..SampleView::default()
    };
    samples.insert(0, nothing_sent);
    if leg.succeeded() {
        samples.push(SampleView { dirty_bytes_per_s: None, ..completed });
    }
    samples
}

/// The samples in columns, without empty ones.
fn samples(samples: &[SampleView], began: f64, most: usize) -> Value {
    let samples = at_most(samples, most);
    let mut columns = Map::new();
    let mut column = |name: &str, value: &dyn Fn(&SampleView) -> Option<f64>| {
        let values: Vec<Value> = samples.iter().map(|sample| number(value(sample), 0)).collect();
        if values.iter().any(|value| !value.is_null()) {
            columns.insert(name.to_owned(), Value::Array(values));
        }
    };
    const KIB: f64 = 1024.0;
    column("t", &|sample| Some(sample.t_ms - began));
    column("remaining_kib", &|sample| sample.remaining_bytes.map(|bytes| bytes / KIB));
    column("sent_kib", &|sample| sample.processed_bytes.map(|bytes| bytes / KIB));
    column("bandwidth_kib_s", &|sample| sample.bandwidth_bytes_per_s.map(|bytes| bytes / KIB));
    column("dirty_kib_s", &|sample| sample.dirty_bytes_per_s.map(|bytes| bytes / KIB));
    column("throttle", &|sample| sample.throttle_percent);
    column("requests", &|sample| sample.postcopy_requests.filter(|requests| *requests > 0.0));
    Value::Object(columns)
}

/// The checks as marks on a timeline. A mark has the checks of one moment: those that held, and those that did not.
fn marks(scenario: &ScenarioView, began: f64) -> Vec<Value> {
    struct CheckMark<'a> {
        t_ms: f64,
        guest: Option<&'a str>,
        held: Vec<&'a str>,
        failed: Vec<&'a str>,
    }
    let mut marks: Vec<CheckMark<'_>> = Vec::new();
    for check in &scenario.details().checks {
        let guest = check.guest.as_deref();
        let near = |mark: &&mut CheckMark<'_>| mark.guest == guest && check.t_ms - mark.t_ms <= ONE_MARK_MS;
        // Only the last few can be near.
        let mark = match marks.iter_mut().rev().take(64).find(near) {
            Some(mark) => mark,
            None => {
                marks.push(CheckMark { t_ms: check.t_ms, guest, held: Vec::new(), failed: Vec::new() });
                let last = marks.len() - 1;
                &mut marks[last]
            }
        };
        let names = if check.ok { &mut mark.held } else { &mut mark.failed };
        names.push(&check.check);
    }
    marks
        .iter()
        .map(|mark| {
            json!([rounded(mark.t_ms - began, 0), mark.guest, mark.held.join(" "), mark.failed.join(" ")])
        })
        .collect()
}

/// Every check: how many proofs it made, how many held, and the text of the first that did not, or else of the last.
fn proofs(scenario: &ScenarioView) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for check in &scenario.details().checks {
        if !names.contains(&check.check.as_str()) {
            names.push(&check.check);
        }
    }
    names
        .into_iter()
        .filter_map(|name| {
            let all: Vec<_> = scenario.details().checks.iter().filter(|check| check.check == name).collect();
            let held = all.iter().filter(|check| check.ok).count();
            let shown = all.iter().find(|check| !check.ok).or(all.last())?;
            let seen = cut(&shown.seen, if shown.ok { LONGEST_SEEN } else { LONGEST_TEXT });
            let text = match &shown.expected {
                Some(expected) => format!("{seen}\nexpected: {}", cut(expected, LONGEST_SEEN)),
                None => seen,
            };
            Some(json!([name, all.len(), held, text]))
        })
        .collect()
}

/// A number with at most so many decimals: whole numbers without a point, NaN as null.
fn rounded(value: f64, digits: i32) -> Value {
    let factor = 10f64.powi(digits);
    let value = (value * factor).round() / factor;
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

fn number(value: Option<f64>, digits: i32) -> Value {
    value.map_or(Value::Null, |value| rounded(value, digits))
}
