use std::time::{Duration, SystemTime};

use super::*;
use crate::record::read;
use crate::record::results_of;
use crate::record::{Finding, LostLines, Outcome, RecordedProfile, Stats, Verdict};
use crate::scenario::Direction;

const BEGAN: Duration = Duration::from_secs(1_700_000_000);

/// A part that began so many seconds after the first, with its events, each some ms after its beginning.
struct Written {
    root: tempfile::TempDir,
}

impl Written {
    fn new() -> Written {
        Written { root: tempfile::tempdir().unwrap() }
    }

    fn part(&self, run: &str, after_s: u64, facts: &[(&str, &str)], events: &[(u64, Event)]) -> PathBuf {
        let folder = self.root.path().join(run);
        fs::create_dir_all(&folder).unwrap();
        let at = |t_ms: u64| SystemTime::UNIX_EPOCH + BEGAN + Duration::from_millis(after_s * 1000 + t_ms);
        let header = RunHeader {
            run: run.to_owned(),
            command: vec!["migration".into(), run.into()],
            profile: Some(RecordedProfile { guests: Some(3), ..RecordedProfile::default() }),
            ..RunHeader::default()
        };
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let ready = Event::FixtureReady { name: "hosts".into(), duration_s: 1.0, facts };
        let beginning = [(0, Event::RunStarted(header)), (5, ready)];
        let mut text = String::new();
        for (t_ms, event) in beginning.iter().chain(events) {
            let envelope = Envelope { at: at(*t_ms), t_ms: *t_ms };
            text.push_str(&line::text(&envelope, event).unwrap());
        }
        fs::write(folder.join("record.jsonl"), text).unwrap();
        folder
    }
}

fn started(scenario: &str) -> Event {
    Event::ScenarioStarted { scenario: scenario.into(), ignored: false }
}

fn finished(scenario: &str, verdict: Verdict) -> Event {
    Event::ScenarioFinished(Outcome::new(scenario, verdict, SystemTime::UNIX_EPOCH + BEGAN))
}

fn end(passed: u32, failed: u32) -> Event {
    Event::RunFinished(RunEnd { passed, failed, ignored: 0, errors: 0, duration_s: 1.5 })
}

fn passing(scenario: &str) -> Vec<(u64, Event)> {
    vec![(100, started(scenario)), (1000, finished(scenario, Verdict::Passed)), (1001, end(1, 0))]
}

fn parts(events: &[(Envelope, Event)]) -> Vec<&Part> {
    let parts = events.iter().filter_map(|(_, event)| match event {
        Event::PartStarted(part) => Some(part),
        _ => None,
    });
    parts.collect()
}

fn header(events: &[(Envelope, Event)]) -> &RunHeader {
    match &events[0].1 {
        Event::RunStarted(header) => header,
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_follow_each_other_in_the_order_of_their_beginning() {
    let written = Written::new();
    let leg = Event::LegFinished {
        guest: "vm1".into(),
        round: 1,
        direction: Direction::Out,
        step: 1,
        error: None,
        began_t_ms: Some(200.5),
        duration_s: 0.5,
        stats: Stats::default(),
        switchover_s: None,
    };
    let gap = Event::ProbeSummary {
        guest: "vm1".into(),
        sent: 10,
        received: 9,
        longest_gap_ms: None,
        gaps: vec![(300.25, 100.0)],
    };
    let speed = Event::GuestSpeed { guest: "vm1".into(), samples: vec![(250, 400), (350, 500)] };
    let lost = Event::LinesLost(LostLines {
        lines: [("check".into(), 1)].into(),
        from_t_ms: 260,
        to_t_ms: 270,
        why: "w".into(),
    });
    let later = written.part(
        "r2",
        1,
        &[],
        &[
            (100, started("a")),
            (700, leg),
            (800, gap),
            (900, speed),
            (950, lost),
            (1000, finished("a", Verdict::Passed)),
            (1001, end(1, 0)),
        ],
    );
    let earlier = written.part("r1", 0, &[], &passing("b"));
    let events = merge("both", &[later, earlier]).unwrap();

    assert_eq!(parts(&events).iter().map(|part| part.run.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
    assert!(events.windows(2).all(|pair| pair[0].0.t_ms <= pair[1].0.t_ms));
    // r1's last line that is kept is at 1000 ms; there r2 begins.
    let moved: Vec<f64> = events
        .iter()
        .flat_map(|(_, event)| match event {
            Event::LegFinished { began_t_ms, .. } => vec![began_t_ms.unwrap()],
            Event::ProbeSummary { gaps, .. } => gaps.iter().map(|(from, _)| *from).collect(),
            Event::LinesLost(lost) => vec![lost.from_t_ms as f64, lost.to_t_ms as f64],
            Event::GuestSpeed { samples, .. } => samples.iter().map(|(at, _)| *at as f64).collect(),
            _ => vec![],
        })
        .collect();
    assert_eq!(moved, [1200.5, 1300.25, 1250.0, 1350.0, 1260.0, 1270.0]);
    // The wall clock stays.
    let (of_leg, _) = events.iter().find(|(_, event)| matches!(event, Event::LegFinished { .. })).unwrap();
    assert_eq!(of_leg.t_ms, 1700);
    assert_eq!(of_leg.at, SystemTime::UNIX_EPOCH + BEGAN + Duration::from_millis(1700));
    let Some((_, Event::RunFinished(RunEnd { passed: 2, duration_s, .. }))) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert_eq!(*duration_s, 3.0);
}

#[test]
fn facts_are_together_where_they_are_the_same_and_apart_where_they_differ() {
    let written = Written::new();
    let paths = ["r1", "r2", "r3", "r4", "r5"].map(|run| {
        let qemu = if run == "r2" { "10.1" } else { "10.0" };
        written.part(run, 0, &[("source.qemu", qemu), ("accelerator", "TCG")], &passing(run))
    });
    let events = merge("all", &paths).unwrap();
    let head = header(&events);
    assert_eq!((head.run.as_str(), &head.command), ("all", &vec![]));
    assert_eq!(head.stack["accelerator"], "TCG");
    assert_eq!(head.stack["source.qemu"], "10.0 (r1, r3, r4 and 1 more); 10.1 (r2)");
    assert_eq!(head.profile.as_ref().unwrap().guests, Some(3));
    let parts = parts(&events);
    assert_eq!(parts[1].stack, BTreeMap::from([("source.qemu".to_owned(), "10.1".to_owned())]));
    assert_eq!(parts[1].command, ["migration", "r2"]);
    assert!(parts.iter().all(|part| part.profile.is_none() && part.complete));
    // A reader that collects facts from fixtures must not let the last part win.
    let told = results_of(&events).unwrap().header;
    assert_eq!(told.stack, head.stack);
}

#[test]
fn a_part_that_was_cut_off_is_said_and_its_scenario_gets_a_result() {
    let written = Written::new();
    let cut = written.part("cut", 0, &[], &[(100, started("a")), (2000, started("died"))]);
    let good = written.part("good", 1, &[], &passing("died"));
    let events = merge("both", &[cut, good]).unwrap();
    assert_eq!(parts(&events).iter().map(|part| part.complete).collect::<Vec<_>>(), [false, true]);
    assert_eq!(parts(&events)[1].again, ["died"]);
    assert!(!matches!(events.last(), Some((_, Event::RunFinished(_)))));
    let outcomes = results_of(&events).unwrap().outcomes;
    let verdicts: Vec<_> = outcomes.iter().map(|one| (one.scenario.as_str(), one.verdict)).collect();
    assert_eq!(verdicts, [("a", Verdict::Error), ("died", Verdict::Error), ("died", Verdict::Passed)]);
    assert!(outcomes[0].reason.as_ref().unwrap().starts_with("no result: "), "{outcomes:?}");
}

#[test]
fn each_play_keeps_its_findings() {
    let found = |check: &str| Event::CheckFailed(Finding::in_a_test(check));
    let written = Written::new();
    let whole = [started("a"), found("missed"), started("a"), found("one"), finished("a", Verdict::Failed)];
    let whole: Vec<_> = (1..).zip(whole).collect();
    let cut: Vec<_> = (1..).zip([started("a"), found("two"), started("b"), found("three")]).collect();
    let paths = [written.part("whole", 0, &[], &whole), written.part("cut", 1, &[], &cut)];
    let out = written.root.path().join("out");
    write_merged(&out, &merge("both", &paths).unwrap()).unwrap();
    assert!(!fs::read_to_string(out.join("record.jsonl")).unwrap().contains("findings"));
    let outcomes = results_of(&read(&out).unwrap()).unwrap().outcomes;
    let checks = outcomes.iter().map(|one| one.findings.iter().map(|found| &*found.check).collect());
    let checks: Vec<Vec<_>> = checks.collect();
    assert_eq!(checks, [["one"], ["two"], ["three"]]);
}

#[test]
fn what_is_given_twice_counts_once() {
    let written = Written::new();
    let one = written.part("r1", 0, &[], &passing("a"));
    let link = written.root.path().join("latest");
    std::os::unix::fs::symlink("r1", &link).unwrap();
    let file = one.join("record.jsonl");
    let copy = written.root.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(&file, copy.join("record.jsonl")).unwrap();
    let events = merge("all", &[one, link, file, copy, written.root.path().to_owned()]).unwrap();
    assert_eq!(parts(&events).len(), 1);
}

#[test]
fn evidence_is_found_where_its_part_has_been_copied_to() {
    let written = Written::new();
    let mut outcome = Outcome::new("a", Verdict::Failed, SystemTime::UNIX_EPOCH + BEGAN);
    outcome.evidence = Some("/elsewhere/r1/scenarios/a/evidence".into());
    let mut lost = Outcome::new("b", Verdict::Failed, SystemTime::UNIX_EPOCH + BEGAN);
    lost.evidence = Some("/elsewhere/r1/scenarios/b/evidence".into());
    let folder = written.part(
        "r1",
        0,
        &[],
        &[(1, Event::ScenarioFinished(outcome)), (2, Event::ScenarioFinished(lost.clone()))],
    );
    let here = folder.join("scenarios/a/evidence");
    fs::create_dir_all(&here).unwrap();
    let events = merge("all", &[folder]).unwrap();
    let outcomes = results_of(&events).unwrap().outcomes;
    assert_eq!(outcomes[0].evidence.as_deref(), Some(&*here));
    assert_eq!(outcomes[1].evidence, lost.evidence);
}

#[test]
fn a_folder_of_parts_is_read_as_one_run() {
    let written = Written::new();
    written.part("r1", 0, &[], &passing("a"));
    written.part("r2", 5, &[], &passing("b"));
    fs::create_dir_all(written.root.path().join("no part")).unwrap();
    let events = read(written.root.path()).unwrap();
    assert_eq!(header(&events).run, name_of(written.root.path()));
    let outcomes = results_of(&events).unwrap().outcomes;
    assert_eq!(outcomes.len(), 2);
    assert!(parts_of(&written.root.path().join("r1")).is_empty());
}

#[test]
fn what_was_written_is_read_and_never_overwritten() {
    let written = Written::new();
    let paths = [written.part("r1", 0, &[], &passing("a")), written.part("r2", 5, &[], &passing("b"))];
    let events = merge("out", &paths).unwrap();
    let out = written.root.path().join("deep/out");
    write_merged(&out, &events).unwrap();
    assert_eq!(read(&out).unwrap(), events);
    let error = write_merged(&out, &events).unwrap_err().to_string();
    assert!(error.starts_with("cannot create the record "), "{error}");
    // Merging again what was merged loses nothing.
    let again = merge("again", &[out]).unwrap();
    assert_eq!(parts(&again), parts(&events));
    assert_eq!(results_of(&again).unwrap().outcomes, results_of(&events).unwrap().outcomes);
}

#[test]
fn what_is_no_record_is_refused() {
    let written = Written::new();
    let path = written.root.path().join("record.jsonl");
    fs::write(&path, "").unwrap();
    assert!(
        merge("x", std::slice::from_ref(&path)).unwrap_err().to_string().contains("no run_started event")
    );
    let gone = written.root.path().join("gone");
    assert!(merge("x", &[gone]).unwrap_err().to_string().contains("cannot open the record"));
}
