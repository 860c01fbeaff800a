//! The journal of a scenario: writes events to the record as they happen, and adds them up for the outcome.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::activity::{Activity, Stopwatch};
use crate::check::{LegDowntime, Proof};
use crate::load::Loads;
use crate::migration::{LegReport, Progress};
use crate::plan::Leg;
use crate::probe::Summary;
use crate::record::{DomainEvent, Event, Finding, LegError, Numbers, Record, Stats, median};

/// The journal of one scenario.
pub struct Journal<'a> {
    scenario: String,
    record: &'a Record,
    samples: Samples,
    findings: Vec<Finding>,
    /// The findings that tell of an outage.
    causes: Vec<Proof>,
    /// Proofs that do not hold and that tell of an outage, but not of its cause. At the end each is a finding, or is explained by one.
    outages: Vec<Proof>,
    /// Why each of those findings may be chance that may be.
    chances: Vec<&'static str>,
    /// How many of those findings know nothing, because libvirt on a host gave no answer.
    unanswered: usize,
    damaged: bool,
    silent: BTreeSet<String>,
    migrations: u32,
    migrating: Duration,
    longest_migration: Duration,
    longest_qemu_downtime_ms: Option<u64>,
    longest_gap: Option<Duration>,
    /// The reported downtime of each leg, milliseconds.
    downtimes: Vec<f64>,
    /// The typical and the longest synced write of each leg, milliseconds.
    writes: Vec<(f64, f64)>,
    /// Legs whose clocks disagree.
    disagreements: u32,
    bytes: u64,
    compressed_pages: Option<u64>,
    refusal: Option<String>,
    stopwatch: Stopwatch,
}

impl<'a> Journal<'a> {
    pub fn new(scenario: &str, record: &'a Record) -> Journal<'a> {
        Journal {
            scenario: scenario.to_owned(),
            record,
            samples: Samples::default(),
            findings: Vec::new(),
            causes: Vec::new(),
            outages: Vec::new(),
            chances: Vec::new(),
            unanswered: 0,
            damaged: false,
            silent: BTreeSet::new(),
            migrations: 0,
            migrating: Duration::ZERO,
            longest_migration: Duration::ZERO,
            longest_qemu_downtime_ms: None,
            longest_gap: None,
            downtimes: Vec::new(),
            writes: Vec::new(),
            disagreements: 0,
            bytes: 0,
            compressed_pages: None,
            refusal: None,
            stopwatch: Stopwatch::start(Instant::now()),
        }
    }

    /// Writes an event. A record that cannot be written must not end the migrations under way: the run's end reports it.
    fn write(&self, event: &Event) {
        let _ = self.record.write(event);
    }

    /// Writes the scenario's beginning; `ignored` says that the scenario lies beyond the matrix.
    pub fn started(&self, ignored: bool) {
        self.write(&Event::ScenarioStarted { scenario: self.scenario.clone(), ignored });
    }

    /// A callback that writes the progress of migrations.
    pub fn reporter(&self) -> impl Fn(&str, Progress<'_>) + Sync + use<'a> {
        let (samples, record) = (self.samples.clone(), self.record);
        move |guest, news| {
            match news {
                Progress::Event(event) => {
                    let _ = record.write(&Event::LibvirtEvent {
                        host: event.host.to_string(),
                        guest: Some(guest.to_owned()),
                        what: DomainEvent::from(&event.kind),
                    });
                }
                Progress::Sample(stats) => samples.write(record, guest, &Stats::new(stats.raw.clone())),
            };
        }
    }

    /// Notes that the scenario waits for something from now on.
    pub fn wait(&mut self, activity: Activity, what: &str) {
        self.stopwatch.enter(activity, what, Instant::now());
    }

    pub fn loads_started(&self, started: &Loads) {
        let place = started.place();
        let guest = place.guest().map(str::to_owned);
        for load in &started.loads {
            self.write(&Event::LoadStarted {
                host: guest.is_none().then(|| place.name().to_owned()),
                guest: guest.clone(),
                command: load.command.clone(),
                basis: load.basis.clone(),
                pid: u32::try_from(load.group).ok(),
            });
        }
    }

    pub fn leg_started(&self, guest: &str, leg: &Leg, step: usize) {
        self.samples.forget(guest);
        self.write(&Event::LegStarted {
            guest: guest.to_owned(),
            round: leg.round,
            direction: leg.direction,
            step: step as u32 + 1,
        });
    }

    /// Writes the end of a migration. The record has its progress already.
    pub fn leg_finished(&mut self, guest: &str, leg: &Leg, step: usize, report: &LegReport) {
        self.write(&Event::LegFinished {
            guest: guest.to_owned(),
            round: leg.round,
            direction: leg.direction,
            step: step as u32 + 1,
            error: report.error.as_ref().map(LegError::from),
            began_t_ms: report.began.map(|began| rounded(self.record.t_ms(began))),
            duration_s: rounded(report.duration.as_secs_f64()),
            stats: report.stats.as_ref().map(|stats| Stats::new(stats.raw.clone())).unwrap_or_default(),
            switchover_s: report.switchover.map(|after| rounded(after.as_secs_f64())),
        });
        if let Some((began, ended)) = report.began.zip(report.ended) {
            self.stopwatch.migrated(began, ended);
        }
        if report.error.is_some() {
            return;
        }
        self.migrations += 1;
        self.migrating += report.duration;
        self.longest_migration = self.longest_migration.max(report.duration);
        if let Some(stats) = &report.stats {
            self.longest_qemu_downtime_ms = self.longest_qemu_downtime_ms.max(stats.downtime_ms);
            self.bytes += stats.data_processed_bytes.unwrap_or_default();
            if let Some(pages) = stats.compression_pages {
                *self.compressed_pages.get_or_insert(0) += pages;
            }
        }
    }

    /// Writes the proofs of one moment: each that does not hold as it comes, as a finding, unless another one may come to explain it,
    /// and what held at the end of the moment, in one line for each guest and move.
    pub fn prove(&mut self, proofs: impl IntoIterator<Item = Proof>) {
        let mut held: Vec<HeldChecks> = Vec::new();
        for proof in proofs {
            if !proof.ok {
                self.failed(proof);
                continue;
            }
            let what = (proof.about.id.to_owned(), proof.seen);
            match held.iter_mut().find(|line| (&line.guest, line.leg) == (&proof.guest, proof.leg)) {
                Some(line) => line.checks.push(what),
                None => held.push(HeldChecks { guest: proof.guest, leg: proof.leg, checks: vec![what] }),
            }
        }
        for HeldChecks { guest, leg, checks } in held {
            let (round, direction) = leg.map(|leg| (leg.round, leg.direction)).unzip();
            self.write(&Event::ChecksHeld { guest, round, direction, held: checks });
        }
    }

    /// Takes a proof that does not hold.
    fn failed(&mut self, proof: Proof) {
        self.damaged |= proof.is_damage();
        if proof.silent {
            self.silent.extend(proof.guest.clone());
        }
        match proof.outage {
            Some(outage) if outage.is_cause() => {
                self.found(&proof);
                self.causes.push(proof);
            }
            Some(_) => self.outages.push(proof),
            None => self.found(&proof),
        }
    }

    /// Writes what tells of an outage and waits: with the finding that explains it, or as a finding. What tells most comes first, so that
    /// nothing is explained by what is explained itself.
    pub fn settle(&mut self) {
        let mut outages = std::mem::take(&mut self.outages);
        outages.sort_by_key(|proof| Reverse(proof.outage.map(|outage| outage.telling)));
        for proof in outages {
            match self.causes.iter().find(|cause| cause.explains(&proof)) {
                Some(cause) => self.explained(&proof, cause),
                None => {
                    self.found(&proof);
                    self.causes.push(proof);
                }
            }
        }
    }

    /// Writes a proof that does not hold, and is none of its own.
    fn explained(&self, proof: &Proof, cause: &Proof) {
        let (round, direction) = proof.leg.map(|leg| (leg.round, leg.direction)).unzip();
        self.write(&Event::CheckExplained {
            guest: proof.guest.clone(),
            round,
            direction,
            check: proof.about.id.into(),
            seen: proof.seen.clone(),
            by: cause.about.id.into(),
        });
    }

    /// Writes a finding.
    fn found(&mut self, proof: &Proof) {
        self.chances.extend(proof.about.chance);
        self.unanswered += usize::from(proof.unanswered);
        let (round, direction) = proof.leg.map(|leg| (leg.round, leg.direction)).unzip();
        let finding = Finding {
            check: proof.about.id.into(),
            guest: proof.guest.clone(),
            round,
            direction,
            expected: proof.expected.clone(),
            seen: proof.seen.clone(),
            try_next: proof.advice.map(|advice| advice.text.to_owned()),
        };
        self.write(&Event::CheckFailed(finding.clone()));
        self.findings.push(finding);
    }

    /// Writes the summary of one guest's probes, and every gap.
    pub fn probe(&mut self, summary: &Summary) {
        let longest = summary.longest.length;
        self.longest_gap = self.longest_gap.max(Some(longest));
        let is_told = summary.gaps.iter().any(|gap| gap.length == longest);
        self.write(&Event::ProbeSummary {
            guest: summary.guest.clone(),
            sent: summary.sent,
            received: summary.received,
            longest_gap_ms: (!is_told).then(|| milliseconds(longest)),
            gaps: summary
                .gaps
                .iter()
                .map(|gap| (rounded(self.record.t_ms(gap.from)), milliseconds(gap.length)))
                .collect(),
        });
    }

    /// Writes a guest's write speeds with their moments: milliseconds per GiB.
    pub fn guest_speed(&self, guest: &str, speeds: &[(Instant, f64)]) {
        let samples = speeds.iter().map(|(at, speed)| (whole(self.record.t_ms(*at)), whole(*speed)));
        self.write(&Event::GuestSpeed { guest: guest.to_owned(), samples: samples.collect() });
    }

    /// Writes the downtime of one migration.
    pub fn downtime(&mut self, LegDowntime { guest, leg, step, clocks }: &LegDowntime) {
        self.downtimes.push(clocks.reported_ms);
        self.writes.extend(clocks.typical_write_ms.zip(clocks.worst_write_ms));
        self.disagreements += u32::from(!clocks.disagreements.is_empty());
        self.write(&Event::Downtime {
            guest: guest.clone(),
            round: leg.round,
            direction: leg.direction,
            step: *step as u32 + 1,
            clocks: clocks.clone(),
        });
    }

    pub fn has_findings(&self) -> bool {
        !self.findings.is_empty() || !self.outages.is_empty()
    }

    /// Whether there is a finding after which no guest may move.
    pub fn has_damage(&self) -> bool {
        self.damaged
    }

    /// Notes a refusal by the stack. It is no finding: nothing was tried, and the guest is well.
    pub fn refused(&mut self, words: String) {
        self.refusal.get_or_insert(words);
    }

    /// The stack's own words for what it cannot do.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// The guests that did not answer.
    pub fn silent_guests(&self) -> &BTreeSet<String> {
        &self.silent
    }

    /// The number of findings.
    pub fn findings(&self) -> usize {
        self.findings.len()
    }

    /// Why findings may be chance: one reason for each finding that may be.
    pub fn chances(&self) -> &[&'static str] {
        &self.chances
    }

    /// How many findings know nothing, because libvirt on a host gave no answer.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Ends the journal, and returns the findings and the numbers.
    pub fn finish(mut self) -> (Vec<Finding>, Numbers) {
        self.settle();
        let mut numbers = Numbers {
            migrations: Some(self.migrations),
            longest_qemu_downtime_ms: self.longest_qemu_downtime_ms,
            longest_gap_ms: self.longest_gap.map(|gap| whole(milliseconds(gap))),
            compressed_pages: self.compressed_pages,
            ..Numbers::default()
        };
        if self.migrations > 0 {
            numbers.mean_migration_s = Numbers::seconds(self.migrating / self.migrations);
            numbers.longest_migration_s = Numbers::seconds(self.longest_migration);
            numbers.transferred_mib = Some(self.bytes >> 20);
        }
        if let Some(longest) = self.downtimes.iter().copied().reduce(f64::max) {
            numbers.longest_downtime_ms = Some(whole(longest));
            numbers.median_downtime_ms = median(&self.downtimes).map(whole);
            numbers.disagreeing_downtimes = Some(self.disagreements);
        }
        numbers.longest_synced_write_ms = self.writes.iter().map(|(_, worst)| *worst).reduce(f64::max);
        let typical: Vec<f64> = self.writes.iter().map(|(typical, _)| *typical).collect();
        numbers.median_synced_write_ms = median(&typical).map(rounded);
        self.stopwatch.finish(Instant::now()).note(&mut numbers);
        (self.findings, numbers)
    }
}

/// What held at one moment for one guest after one move.
struct HeldChecks {
    guest: Option<String>,
    leg: Option<Leg>,
    /// The name of each check, and what it saw.
    checks: Vec<(String, String)>,
}

/// What a reader of the record knows of each guest's migration by its samples: the next sample has only what differs.
#[derive(Clone, Default)]
struct Samples(Arc<Mutex<BTreeMap<String, Stats>>>);

impl Samples {
    /// Forgets a guest's samples, because its next migration begins.
    fn forget(&self, guest: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(guest);
    }

    fn write(&self, record: &Record, guest: &str, stats: &Stats) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = samples.entry(guest.to_owned()).or_default();
        let changed = stats.changed_since(known);
        // Of a line that could not be written the reader knows nothing.
        if record.write(&Event::JobSample { guest: guest.to_owned(), stats: changed.clone() }).is_ok() {
            known.update(&changed);
        }
    }
}

/// Rounds to a whole number: multivm measures a guest's speed no more exactly.
fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

/// Rounds to a thousandth: further digits of milliseconds are noise.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests;
