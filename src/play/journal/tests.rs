//! The journal on a real record in a folder of its own.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use crate::check::{LegDowntime, Outage, Proof, budget, memory, qemu, reachable};
use crate::failure::Failure;
use crate::libvirt::{self, Detail, EventKind, JobStats, LifecycleEvent, Value};
use crate::probe::{Counts, Gap};
use crate::record::{Clocks, Disagreement, DowntimeClock, RunHeader, read};
use crate::scenario::Direction;

const OUT: Leg = Leg { guest: 0, direction: Direction::Out, round: 1 };

struct Written {
    record: Record,
    _folder: TempDir,
}

impl Written {
    fn new() -> Written {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        Written { record, _folder: folder }
    }

    fn journal(&self) -> Journal<'_> {
        Journal::new("a::b", &self.record)
    }

    /// The events behind the header.
    fn events(&self) -> Vec<Event> {
        read(self.record.path()).unwrap().into_iter().skip(1).map(|(_, event)| event).collect()
    }

    /// The lines as they stand in the file, from `"event"` on.
    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.record.path()).unwrap();
        let lines = text.lines().skip(1).filter_map(|line| line.split_once(",\"event\":"));
        lines.map(|(_, event)| event.to_owned()).collect()
    }
}

fn sample(remaining: u64) -> JobStats {
    let values = [("memory_total", 100), ("memory_remaining", remaining), ("compression_bytes", 0)];
    let raw = values.map(|(name, value)| (name.to_owned(), Value::Unsigned(value)));
    JobStats { raw: raw.into(), ..JobStats::default() }
}

fn completed(downtime_ms: u64) -> LegReport {
    let mut stats = sample(0);
    stats.downtime_ms = Some(downtime_ms);
    stats.data_processed_bytes = Some(3 << 20);
    LegReport { duration: Duration::from_millis(2_500), stats: Some(stats), ..LegReport::default() }
}

#[test]
fn an_event_is_written_with_its_kind_and_not_in_words() {
    let written = Written::new();
    let kind = EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail: Detail::PostCopy };
    let event = libvirt::HostEvent {
        host: Arc::from("source"),
        domain: "vm1".into(),
        at: Instant::now(),
        wall: SystemTime::now(),
        kind,
    };
    written.journal().reporter()("vm1", Progress::Event(&event));
    let expected =
        r#""libvirt_event","host":"source","guest":"vm1","kind":"suspended","detail":"post-copy"}"#;
    assert_eq!(written.lines(), [expected]);
    let what = DomainEvent::lifecycle(LifecycleEvent::Suspended, Detail::PostCopy);
    assert_eq!(
        written.events(),
        [Event::LibvirtEvent { host: "source".into(), guest: Some("vm1".into()), what }]
    );
}

#[test]
fn a_sample_says_what_changed_since_the_one_before_of_that_guest() {
    let written = Written::new();
    let journal = written.journal();
    let hear = journal.reporter();
    for (guest, remaining) in [("vm1", 80), ("vm2", 90), ("vm1", 40), ("vm1", 40)] {
        hear(guest, Progress::Sample(&sample(remaining)));
    }
    let line = |guest: &str, stats: &str| format!(r#""job_sample","guest":"{guest}","stats":{{{stats}}}}}"#);
    assert_eq!(
        written.lines(),
        [
            line("vm1", r#""memory_remaining":80,"memory_total":100"#),
            line("vm2", r#""memory_remaining":90,"memory_total":100"#),
            line("vm1", r#""memory_remaining":40"#),
            line("vm1", ""),
        ]
    );
}

/// The statistics are those that libvirt gave of a real migration with XBZRLE, which has the most of them. Whole, a sample of it
/// is twice as long.
#[test]
fn a_sample_of_a_real_migration_costs_at_most_300_bytes_on_average() {
    const MOST_BYTES: usize = 300;
    /// What a line has before its event, after half an hour.
    const HEAD: &str = r#"{"t_ms":1800000,"event":"#;
    let written = Written::new();
    let journal = written.journal();
    let samples = include_str!("tests/samples.jsonl");
    for sample in samples.lines() {
        let raw: BTreeMap<String, u64> = serde_json::from_str(sample).unwrap();
        let raw = raw.into_iter().map(|(name, value)| (name, Value::Unsigned(value)));
        let stats = JobStats { raw: raw.collect(), ..JobStats::default() };
        journal.reporter()("vm1", Progress::Sample(&stats));
    }
    let lines = written.lines();
    assert_eq!(lines.len(), samples.lines().count());
    let bytes: usize = lines.iter().map(|line| HEAD.len() + line.len() + 1).sum();
    assert!(bytes <= MOST_BYTES * lines.len(), "{bytes} bytes:\n{}", lines.join("\n"));
}

#[test]
fn the_next_migration_of_a_guest_begins_with_everything() {
    let written = Written::new();
    let journal = written.journal();
    let hear = journal.reporter();
    hear("vm1", Progress::Sample(&sample(80)));
    journal.leg_started("vm1", &OUT, 1);
    hear("vm1", Progress::Sample(&sample(80)));
    let lines = written.lines();
    assert_eq!(lines[0], lines[2]);
    assert_eq!(lines[1], r#""leg_started","guest":"vm1","round":1,"direction":"out","step":2}"#);
}

#[test]
fn a_migration_that_completed_counts() {
    let written = Written::new();
    let mut journal = written.journal();
    let began = Instant::now();
    let ended = began + Duration::from_secs(2);
    let mut first = LegReport { began: Some(began), ended: Some(ended), ..completed(40) };
    let mut second = LegReport { duration: Duration::from_millis(500), ..completed(9) };
    for (report, pages) in [(&mut first, 3), (&mut second, 4)] {
        report.stats.as_mut().unwrap().compression_pages = Some(pages);
    }
    journal.leg_finished("vm1", &OUT, 4, &first);
    journal.leg_finished("vm2", &OUT, 4, &second);
    let (findings, numbers) = journal.finish();
    assert_eq!((numbers.compressed_pages, numbers.migrating_s), (Some(7), Some(2.0)));
    assert_eq!(findings, []);
    assert_eq!(
        (numbers.migrations, numbers.mean_migration_s, numbers.longest_migration_s),
        (Some(2), Some(1.5), Some(2.5))
    );
    assert_eq!((numbers.transferred_mib, numbers.longest_qemu_downtime_ms), (Some(6), Some(40)));
    let Event::LegFinished { error: None, step: 5, stats, .. } = &written.events()[0] else {
        panic!("{:?}", written.events())
    };
    // All of them, also what is 0.
    assert_eq!(
        serde_json::to_string(stats).unwrap(),
        r#"{"compression_bytes":0,"memory_remaining":0,"memory_total":100}"#
    );
}

#[test]
fn a_migration_that_failed_is_no_number() {
    let written = Written::new();
    let mut journal = written.journal();
    let failed = LegReport::not_begun(Failure::new("migrate vm1", "no route to host"));
    let failed = LegReport { duration: Duration::from_secs(9), stats: completed(40).stats, ..failed };
    journal.leg_finished("vm1", &OUT, 0, &failed);
    assert_eq!(journal.refusal(), None);
    let (_, numbers) = journal.finish();
    assert_eq!((numbers.migrations, numbers.mean_migration_s), (Some(0), None));
    assert_eq!((numbers.longest_migration_s, numbers.transferred_mib), (None, None));
    let Event::LegFinished { error: Some(error), .. } = &written.events()[0] else {
        panic!("{:?}", written.events())
    };
    assert_eq!(error.to_string(), "cannot migrate vm1: no route to host");
}

#[test]
fn the_first_refusal_is_what_is_told() {
    let written = Written::new();
    let mut journal = written.journal();
    journal.refused("multifd is not supported".into());
    journal.refused("nor is it for vm2".into());
    assert_eq!(journal.refusal(), Some("multifd is not supported"));
    assert!(!journal.has_findings());
}

#[test]
fn a_finding_is_damage_unless_its_check_lets_the_scenario_go_on() {
    let written = Written::new();
    let mut journal = written.journal();
    journal.prove([Proof::new(&budget::ABOUT, false, "at most 1 s", "2 s").of("vm1").after(OUT)]);
    assert!(journal.has_findings() && !journal.has_damage());
    journal.prove([Proof::new(&memory::ABOUT, true, "whole", "whole").of("vm1")]);
    assert!(!journal.has_damage());
    journal.prove([Proof::new(&memory::ABOUT, false, "whole", "one bad page").of("vm1").after(OUT)]);
    assert!(journal.has_damage() && journal.silent_guests().is_empty());
    let (findings, _) = journal.finish();
    assert_eq!(findings[1].headline(), "memory: guest vm1, round 1, source to target");
    assert_eq!(findings[1].try_next, None);
}

#[test]
fn a_finding_has_the_advice_of_its_proof() {
    let written = Written::new();
    let mut journal = written.journal();
    let advice = &memory::ABOUT.advice[0];
    journal.prove([Proof::new(&memory::ABOUT, false, "whole", "one bad page").advise(advice)]);
    assert_eq!(journal.finish().0[0].try_next.as_deref(), Some(advice.text));
}

#[test]
fn after_a_sample_that_was_lost_the_next_one_says_what_changed_since_the_one_before_it() {
    let written = Written::new();
    let journal = written.journal();
    let hear = journal.reporter();
    hear("vm1", Progress::Sample(&sample(80)));
    let file = written.record.write_to(OpenOptions::new().append(true).open("/dev/full").unwrap());
    hear("vm1", Progress::Sample(&sample(40)));
    written.record.write_to(file);
    hear("vm1", Progress::Sample(&sample(0)));
    let last = written.lines().pop().unwrap();
    assert_eq!(last, r#""job_sample","guest":"vm1","stats":{"memory_remaining":0}}"#);
}

#[test]
fn a_guest_that_did_not_answer_is_remembered_as_silent() {
    let written = Written::new();
    let mut journal = written.journal();
    journal.prove([reachable::silent("no answer", Instant::now()).of("vm2")]);
    assert_eq!(journal.silent_guests(), &BTreeSet::from(["vm2".to_owned()]));
}

#[test]
fn what_held_of_a_guest_is_one_line_and_does_not_repeat_what_was_expected() {
    let written = Written::new();
    let mut journal = written.journal();
    journal.prove([
        Proof::new(&budget::ABOUT, true, "at most 1 s", "0.5 s").of("vm1").after(OUT),
        Proof::new(&memory::ABOUT, true, "whole", "every page").of("vm1"),
        Proof::new(&budget::ABOUT, false, "at most 1 s", "2 s"),
        Proof::new(&memory::ABOUT, true, "whole", "each page").of("vm1").after(OUT),
    ]);
    assert_eq!(
        written.lines(),
        [
            r#""check_failed","check":"budget","expected":"at most 1 s","seen":"2 s"}"#,
            r#""checks_held","guest":"vm1","round":1,"direction":"out","held":[["budget","0.5 s"],["memory","each page"]]}"#,
            r#""checks_held","guest":"vm1","held":[["memory","every page"]]}"#,
        ]
    );
    let (findings, _) = journal.finish();
    assert_eq!((findings.len(), findings[0].expected.as_str()), (1, "at most 1 s"));
}

#[test]
fn probes_are_one_line_a_guest_with_every_gap() {
    let written = Written::new();
    let mut journal = written.journal();
    let from = Instant::now();
    let gap = |length| Gap { from, length: Duration::from_millis(length) };
    let summary = Summary {
        guest: "vm1".into(),
        sent: 10,
        received: 7,
        counts: Counts::new(from),
        gaps: vec![gap(61), gap(45)],
        longest: gap(61),
        readings: Vec::new(),
        bursts: Vec::new(),
        stalls: Arc::default(),
    };
    journal.probe(&summary);
    let at = rounded(written.record.t_ms(from));
    let expected = Event::ProbeSummary {
        guest: "vm1".into(),
        sent: 10,
        received: 7,
        longest_gap_ms: None,
        gaps: vec![(at, 61.0), (at, 45.0)],
    };
    assert_eq!(written.events(), [expected], "the longest is one of the gaps");
    journal.probe(&Summary { guest: "vm2".into(), longest: gap(25), gaps: Vec::new(), ..summary.clone() });
    // A track keeps no more than so many gaps.
    journal.probe(&Summary { guest: "vm3".into(), longest: gap(70), gaps: vec![gap(61)], ..summary });
    let longest: Vec<Option<f64>> = written.events()[1..]
        .iter()
        .map(|event| match event {
            Event::ProbeSummary { longest_gap_ms, .. } => *longest_gap_ms,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(longest, [Some(25.0), Some(70.0)]);
    assert_eq!(journal.finish().1.longest_gap_ms, Some(70), "of all guests");
}

#[test]
fn downtimes_come_to_their_median_and_longest() {
    let written = Written::new();
    let mut journal = written.journal();
    let late = Disagreement { clock: DowntimeClock::Libvirt, with: DowntimeClock::Reported };
    for (reported_ms, disagreements) in
        [(300.4, vec![]), (100.0, vec![late]), (150.0, vec![]), (250.0, vec![])]
    {
        let typical_write_ms = Some(reported_ms / 10.0);
        let worst_write_ms = Some(reported_ms);
        let clocks =
            Clocks { reported_ms, typical_write_ms, worst_write_ms, disagreements, ..Clocks::default() };
        journal.downtime(&LegDowntime { guest: "vm1".into(), leg: OUT, step: 2, clocks });
    }
    assert!(matches!(&written.events()[0], Event::Downtime { step: 3, .. }), "steps count from 1");
    journal.guest_speed("vm1", &[(Instant::now(), 410.4)]);
    let numbers = journal.finish().1;
    assert_eq!((numbers.longest_downtime_ms, numbers.median_downtime_ms), (Some(300), Some(200)));
    let writes = (numbers.longest_synced_write_ms, numbers.median_synced_write_ms);
    assert_eq!(writes, (Some(300.4), Some(20.0)), "the mean of the two in the middle");
    assert_eq!(numbers.disagreeing_downtimes, Some(1));
    let Some(Event::GuestSpeed { samples, .. }) = written.events().pop() else { panic!("no speed") };
    assert_eq!(samples[0].1, 410);
}

#[test]
fn every_phase_has_its_time() {
    let written = Written::new();
    let mut journal = written.journal();
    journal.wait(Activity::Looking, "vm1");
    let spent = journal.finish().1.spent();
    let measured = spent.iter().filter(|(_, seconds)| seconds.is_some()).count();
    assert_eq!(measured, Activity::ALL.len() + 1, "{spent:?}");
}

/// Proofs of vm1 that do not hold: a part of a look that had no answer, the look after it that had none, and the end of its QEMU.
fn of_an_outage() -> [Proof; 3] {
    let now = Instant::now();
    let unheard = Proof::new(&memory::ABOUT, false, "whole", "not known").tells(Outage::part(now));
    let ended = Proof::new(&qemu::ABOUT, false, "it goes on", "crashed").tells(Outage::cause(now));
    [unheard.after(OUT), reachable::silent("no answer", now), ended].map(|proof| proof.of("vm1"))
}

/// The checks of the findings, and of what is explained with what explains it, as the record has them in the end.
fn settled(proofs: impl IntoIterator<Item = Proof>) -> (Vec<String>, Vec<(String, String)>) {
    let written = Written::new();
    let mut journal = written.journal();
    journal.prove(proofs);
    assert!(journal.has_findings() && journal.has_damage(), "known before it is known what explains what");
    let (findings, _) = journal.finish();
    let mut failed = Vec::new();
    let mut explained = Vec::new();
    for event in written.events() {
        match event {
            Event::CheckFailed(finding) => failed.push(finding.check),
            Event::CheckExplained { check, by, .. } => explained.push((check, by)),
            _ => {}
        }
    }
    assert!(failed.iter().eq(findings.iter().map(|finding| &finding.check)));
    (failed, explained)
}

#[test]
fn what_a_cause_explains_is_no_finding_whatever_came_first() {
    let explained = [("reachable", "qemu"), ("memory", "qemu")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let [unheard, silent, ended] = of_an_outage();
    for order in [[&unheard, &silent, &ended], [&ended, &silent, &unheard], [&silent, &ended, &unheard]] {
        let (found, why) = settled(order.map(Clone::clone));
        assert_eq!(found, ["qemu"]);
        assert_eq!(why, explained);
    }
}

#[test]
fn without_a_cause_what_tells_most_is_the_finding() {
    let [unheard, silent, _] = of_an_outage();
    let by = [("memory".to_owned(), "reachable".to_owned())];
    assert_eq!(settled([unheard.clone(), silent]), (vec!["reachable".to_owned()], by.to_vec()));
    assert_eq!(settled([unheard]).0, ["memory"], "nothing else was found");
}

#[test]
fn what_befell_another_guest_explains_nothing() {
    let [unheard, _, ended] = of_an_outage();
    let (found, explained) = settled([unheard.of("vm2"), ended]);
    assert_eq!(found, ["qemu", "memory"]);
    assert!(explained.is_empty());
}

#[test]
fn a_cause_is_written_at_once_and_a_guest_is_known_to_be_silent_at_once() {
    let written = Written::new();
    let mut journal = written.journal();
    let [unheard, silent, ended] = of_an_outage();
    journal.prove([unheard, silent]);
    assert!(written.events().is_empty() && journal.silent_guests().contains("vm1"));
    journal.prove([ended]);
    assert!(matches!(&written.events()[..], [Event::CheckFailed(found)] if found.check == "qemu"));
    journal.settle();
    let line = r#""check_explained","guest":"vm1","round":1,"direction":"out","check":"memory","seen":"not known","by":"qemu"}"#;
    assert_eq!(written.lines().last().unwrap(), line);
    assert_eq!(written.events().len(), 3);
}
