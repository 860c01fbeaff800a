//! What happens in a scenario, written to the record as it happens, and added up for the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::phase::{Phase, Stopwatch};
use crate::check::probe::Summary;
use crate::check::{Proof, budget};
use crate::guest::Guest;
use crate::load::Loads;
use crate::migration::LegReport;
use crate::migration::order::Leg;
use crate::outcome::Finding;
use crate::report::{Event, Record};

/// The account of one scenario.
pub struct Journal<'a> {
    scenario: String,
    record: &'a Record,
    findings: Vec<Finding>,
    migrations: u32,
    migrating: Duration,
    longest_migration: Duration,
    longest_qemu_downtime_ms: Option<u64>,
    longest_gap: Option<Duration>,
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
            findings: Vec::new(),
            migrations: 0,
            migrating: Duration::ZERO,
            longest_migration: Duration::ZERO,
            longest_qemu_downtime_ms: None,
            longest_gap: None,
            bytes: 0,
            compressed_pages: None,
            refusal: None,
            stopwatch: Stopwatch::start(),
        }
    }

    /// A record that cannot be written must not end the migrations under way; the run's end reports it.
    fn write(&self, event: &Event) {
        let _ = self.record.write(event);
    }

    pub fn started(&self) {
        self.write(&Event::ScenarioStarted { scenario: self.scenario.clone() });
    }

    /// Another phase of the scenario begins.
    pub fn enter(&mut self, phase: Phase) {
        self.stopwatch.enter(phase);
    }

    pub fn loads_started(&self, started: &Loads) {
        let place = started.place();
        let guest = place.guest().map(str::to_owned);
        for load in &started.loads {
            self.write(&Event::LoadStarted {
                scenario: self.scenario.clone(),
                host: guest.is_none().then(|| place.name().to_owned()),
                guest: guest.clone(),
                command: load.command.clone(),
                basis: load.basis.clone(),
                pid: u32::try_from(load.group).ok(),
            });
        }
    }

    pub fn leg_started(&self, guest: &Guest, leg: &Leg, step: usize) {
        self.write(&Event::LegStarted {
            scenario: self.scenario.clone(),
            guest: guest.name.clone(),
            round: leg.round,
            direction: leg.direction,
            step: step as u32 + 1,
        });
    }

    /// Writes a migration with its samples and events; one that failed is a finding.
    pub fn leg_finished(&mut self, guest: &Guest, leg: &Leg, step: usize, report: &LegReport) {
        for (_, stats) in &report.samples {
            self.write(&Event::JobSample {
                scenario: Some(self.scenario.clone()),
                guest: guest.name.clone(),
                stats: serde_json::to_value(stats).unwrap_or_default(),
            });
        }
        for event in &report.events {
            self.write(&Event::LibvirtEvent {
                scenario: Some(self.scenario.clone()),
                host: event.host.to_string(),
                guest: Some(event.domain.clone()),
                // The line is written when the migration is over; this says when it was.
                detail: match report.began {
                    Some(began) => {
                        format!(
                            "+{:.3} s: {}",
                            event.at.saturating_duration_since(began).as_secs_f64(),
                            event.kind
                        )
                    }
                    None => event.kind.to_string(),
                },
            });
        }
        self.write(&Event::LegFinished {
            scenario: self.scenario.clone(),
            guest: guest.name.clone(),
            round: leg.round,
            direction: leg.direction,
            step: step as u32 + 1,
            ok: report.error.is_none(),
            error: report.error.clone(),
            began_t_ms: report.began.map(|began| self.record.t_ms(began)),
            duration_s: report.duration.as_secs_f64(),
            stats: report
                .stats
                .as_ref()
                .and_then(|stats| serde_json::to_value(stats).ok())
                .unwrap_or_default(),
            switchover_s: report.switchover.map(|after| after.as_secs_f64()),
        });
        if let Some(error) = report.error.as_ref().filter(|_| report.refused && self.migrations == 0) {
            // Not a finding: nothing was tried, and nothing is wrong with the guest.
            self.refusal.get_or_insert_with(|| error.clone());
            return;
        }
        if let Some(error) = &report.error {
            let proof = Proof {
                check: "migration",
                ok: false,
                expected: "libvirt completes the migration".into(),
                seen: error.clone(),
                try_next: Some("libvirtd.log and QEMU's logs of both hosts are in the evidence".into()),
            };
            self.found(Some(&guest.name), Some(leg), proof);
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

    /// Writes a proof; one that did not hold is a finding.
    pub fn prove(&mut self, guest: Option<&str>, leg: Option<&Leg>, proof: Proof) {
        self.write(&Event::Check {
            scenario: self.scenario.clone(),
            guest: guest.map(str::to_owned),
            round: leg.map(|leg| leg.round),
            direction: leg.map(|leg| leg.direction),
            check: proof.check.into(),
            ok: proof.ok,
            expected: proof.expected.clone(),
            seen: proof.seen.clone(),
        });
        if !proof.ok {
            self.found(guest, leg, proof);
        }
    }

    fn found(&mut self, guest: Option<&str>, leg: Option<&Leg>, proof: Proof) {
        self.findings.push(Finding {
            check: proof.check.into(),
            guest: guest.map(str::to_owned),
            round: leg.map(|leg| leg.round),
            direction: leg.map(|leg| leg.direction),
            expected: proof.expected,
            seen: proof.seen,
            try_next: proof.try_next,
        });
    }

    pub fn probe(&mut self, summary: &Summary) {
        self.longest_gap = self.longest_gap.max(Some(summary.longest_gap));
        self.write(&Event::ProbeSummary {
            scenario: self.scenario.clone(),
            guest: summary.guest.clone(),
            sent: summary.sent,
            received: summary.received,
            longest_gap_ms: Some(milliseconds(summary.longest_gap)),
            longest_gap_at: Some(humantime::format_rfc3339_millis(summary.longest_gap_at).to_string()),
        });
    }

    pub fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    /// Whether something was found that is wrong with a guest or a host. A migration that only took longer than its
    /// budget is over, its guest is well, and the scenario can go on.
    pub fn has_damage(&self) -> bool {
        self.findings.iter().any(|finding| finding.check != budget::CHECK)
    }

    /// Why the stack cannot do what the scenario asks, in its own words.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// The guests of which a check found something.
    pub fn guests_with_finding(&self, check: &str) -> BTreeSet<String> {
        let found = self.findings.iter().filter(|finding| finding.check == check);
        found.filter_map(|finding| finding.guest.clone()).collect()
    }

    /// The findings, and the key numbers with their units in their names.
    pub fn finish(self) -> (Vec<Finding>, BTreeMap<String, String>) {
        let mut numbers = BTreeMap::from([("migrations".to_owned(), self.migrations.to_string())]);
        if self.migrations > 0 {
            let mean = self.migrating.as_secs_f64() / f64::from(self.migrations);
            numbers.insert("mean_migration_s".into(), format!("{mean:.3}"));
            let longest = self.longest_migration.as_secs_f64();
            numbers.insert("longest_migration_s".into(), format!("{longest:.3}"));
            numbers.insert("transferred_mib".into(), (self.bytes >> 20).to_string());
        }
        if let Some(downtime) = self.longest_qemu_downtime_ms {
            numbers.insert("longest_qemu_downtime_ms".into(), downtime.to_string());
        }
        if let Some(gap) = self.longest_gap {
            numbers.insert("longest_gap_ms".into(), format!("{:.0}", milliseconds(gap)));
        }
        if let Some(pages) = self.compressed_pages {
            numbers.insert("compressed_pages".into(), pages.to_string());
        }
        numbers.extend(self.stopwatch.numbers());
        (self.findings, numbers)
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
