//! The last look of a run: what has befallen hosts and guests since the last scenario's end, which no other scenario
//! reports.

use std::time::SystemTime;

use super::journal::Journal;
use super::lookout::Look;
use super::lost::guests_since;
use crate::check::{AfterAll, CHECKS, Proof};
use crate::guest::Fleet;
use crate::host::LogMarks;
use crate::libvirt::HostEvent;
use crate::record::{Outcome, Record, Verdict};
use crate::scenario::ScenarioFile;

/// Looks at a fleet once more. What is found is the result of one more play of `scenario`, the last one. `was_whole` says
/// that the last scenario found no damage to the fleet.
pub fn last_look(
    scenario: &str,
    fleet: &Fleet,
    was_whole: bool,
    file: &ScenarioFile,
    record: &Record,
) -> Option<Outcome> {
    // Before the ends are taken, so that none falls between this process and the next one.
    if was_whole && let Ok(marks) = LogMarks::set(&fleet.hosts, &fleet.storage) {
        marks.note();
    }
    let mut outcome = Outcome::new(scenario, Verdict::Failed, SystemTime::now());
    let ends: Vec<HostEvent> = fleet.take_ends().collect();
    // Of what a scenario that failed has damaged, it has its findings.
    let mut since = fleet.take_since();
    if was_whole {
        since.add(guests_since(fleet, &ends));
        let has_finding = |guest: &str| {
            since.lost.iter().any(|loss| loss.guest == guest) || ends.iter().any(|end| end.domain == guest)
        };
        fleet.leave_looks(has_finding);
    }
    let after = AfterAll { fleet, was_whole, ends: &ends, since: &since, file, hosts: fleet.hosts() };
    let proofs = CHECKS.iter().flat_map(|check| check.after_all(&after));
    let found: Vec<Proof> = proofs.filter(|proof| !proof.ok).collect();
    if found.is_empty() {
        return None;
    }
    let mut journal = Journal::new(scenario, record);
    journal.started(scenario.parse().is_ok_and(|scenario| file.ignored_because(&scenario).is_some()));
    journal.prove(found);
    (outcome.findings, outcome.numbers) = journal.finish();
    Some(outcome)
}
