//! The state that lists of events lead to, and what the views say of it.

use std::time::{Duration, SystemTime};

use rstest::rstest;

use super::*;
use crate::failure::FailureKind;
use crate::libvirt::{Detail, LifecycleEvent};
use crate::progress::lines::{self, RunStatus, StatusLine, Tone};
use crate::progress::telling;
use crate::record::{
    Clocks, DomainEvent, Finding, LegError, LostLines, Outcome, Phase, RecordedProfile, RepairedPart, RunEnd,
    RunHeader, Stats, Verdict,
};
use crate::scenario::Direction;
use crate::sys::terminal::ScreenSize;

const SCENARIO: &str = "precopy_cross::in_vms::stress_cpu";
const MIB: u64 = 1 << 20;
const SWITCHED: DomainEvent =
    DomainEvent::Lifecycle { kind: LifecycleEvent::Suspended, detail: Detail::PostCopy };

fn started() -> Event {
    Event::ScenarioStarted { scenario: SCENARIO.into(), ignored: false }
}

fn leg(guest: &str, direction: Direction) -> Event {
    Event::LegStarted { guest: guest.into(), round: 1, direction, step: 1 }
}

fn told(guest: &str, what: DomainEvent) -> Event {
    Event::LibvirtEvent { host: "source".into(), guest: Some(guest.into()), what }
}

fn sample(guest: &str, remaining: u64) -> Event {
    let stats = Stats::new([
        ("memory_total", 256 * MIB),
        ("memory_remaining", remaining),
        ("memory_bps", 86 * MIB),
        ("memory_iteration", 2),
        ("memory_page_size", 4096),
        ("memory_dirty_rate", 24 * MIB / 4096),
        ("auto_converge_throttle", 20),
    ]);
    Event::JobSample { guest: guest.into(), stats }
}

fn arrived(guest: &str, direction: Direction, error: Option<&str>) -> Event {
    Event::LegFinished {
        guest: guest.into(),
        round: 1,
        direction,
        step: 1,
        error: error.map(|words| LegError {
            kind: FailureKind::Other,
            libvirt_code: None,
            words: words.into(),
        }),
        began_t_ms: None,
        duration_s: 2.75,
        stats: Stats::new([("downtime", 168)]),
        switchover_s: None,
    }
}

fn failed(guest: Option<&str>) -> Event {
    Event::CheckFailed(Finding {
        check: "memory".into(),
        guest: guest.map(Into::into),
        round: None,
        direction: None,
        expected: "8192 pages as they must be".into(),
        seen: "page 7 is \x1b[2Jold\nand page 8".into(),
        try_next: None,
    })
}

fn held(guest: Option<&str>) -> Event {
    Event::ChecksHeld {
        guest: guest.map(Into::into),
        round: None,
        direction: None,
        held: vec![("memory".into(), "8192 pages".into())],
    }
}

fn finished(verdict: Verdict) -> Event {
    let mut outcome = Outcome::new(SCENARIO, verdict, SystemTime::UNIX_EPOCH);
    outcome.duration = Duration::from_millis(13_900);
    Event::ScenarioFinished(outcome)
}

/// Events a second apart, the first at 0.
fn after(events: &[Event]) -> Live {
    let mut live = Live::default();
    for (number, event) in events.iter().enumerate() {
        live.apply(&at(number as u64 * 1000), event);
    }
    live
}

fn at(t_ms: u64) -> Envelope {
    Envelope { at: SystemTime::UNIX_EPOCH, t_ms }
}

fn header(scenarios: Option<u32>) -> Event {
    Event::RunStarted(RunHeader {
        run: "20260102T030405Z-4711".into(),
        command: vec!["migration".into()],
        profile: Some(RecordedProfile {
            name: Some("lab".into()),
            guests: Some(2),
            vcpus: Some(1),
            memory_bytes: Some(256 * MIB),
            rounds: Some(1),
            ..RecordedProfile::default()
        }),
        scenarios,
        ..RunHeader::default()
    })
}

fn texts(lines: Vec<StatusLine>) -> Vec<String> {
    lines.into_iter().map(|line| line.text).collect()
}

fn status(live: &Live, now_ms: f64, columns: usize, rows: usize) -> Vec<String> {
    texts(lines::status(&RunStatus { live, now_ms, left_s: None }, ScreenSize { columns, rows }))
}

// --- One migration

#[rstest]
#[case::called(&[], Phase::Setup, None)]
#[case::first_pass(&[DomainEvent::Iteration { pass: 1 }], Phase::PreCopy, Some(1))]
#[case::second_pass(&[DomainEvent::Iteration { pass: 1 }, DomainEvent::Iteration { pass: 2 }], Phase::PreCopy, Some(2))]
#[case::pass_after_the_switch(&[SWITCHED, DomainEvent::Iteration { pass: 3 }], Phase::Switchover, Some(3))]
#[case::completed(&[DomainEvent::Iteration { pass: 2 }, DomainEvent::JobCompleted], Phase::Completed, Some(2))]
fn libvirts_events_are_phases(
    #[case] happened: &[DomainEvent],
    #[case] phase: Phase,
    #[case] pass: Option<u64>,
) {
    let mut events = vec![started(), leg("vm1", Direction::Out)];
    events.extend(happened.iter().map(|event| told("vm1", *event)));
    let live = after(&events);
    let leg = live.guests[0].moving().unwrap();
    assert_eq!((leg.phase(), leg.pass()), (phase, pass));
}

#[test]
fn lines_that_the_record_lacks_are_shown() {
    let mut live = after(&[started()]);
    live.unwritten = 2;
    assert_eq!(status(&live, 1e3, 80, 9)[1], "2 lines of the record could not be written");
    let lost = |lines| {
        Event::LinesLost(LostLines {
            lines: [("check".into(), lines)].into(),
            from_t_ms: 1000,
            to_t_ms: 2000,
            why: "No space left on device".into(),
        })
    };
    let live = after(&[header(None), started(), lost(1), finished(Verdict::Passed), lost(2)]);
    let snapshot = RunStatus { live: &live, now_ms: 4e3, left_s: None };
    let whole = texts(lines::whole(&snapshot, ScreenSize { columns: 80, rows: 9 }));
    assert_eq!(whole.last().unwrap(), "3 lines of the record could not be written");
    assert!(live.has_failures());
    let told = telling::line(&live, &lost(2)).unwrap();
    assert!(
        told.contains("the record is not whole: 2 of its lines are missing (2 check), due 1.0 to"),
        "{told}"
    );
}

#[test]
fn statistics_are_progress() {
    let live = after(&[started(), leg("vm1", Direction::Out), sample("vm1", 64 * MIB)]);
    let leg = live.guests[0].moving().unwrap();
    assert_eq!(leg.fraction(), Some(0.75));
    assert_eq!((leg.stats.dirty_bytes_per_s(), leg.pass()), (Some(24 * MIB), Some(2)));
}

#[test]
fn statistics_before_the_first_pass_are_none() {
    let empty = Stats::new([("memory_total", 0), ("memory_remaining", 0), ("memory_iteration", 0)]);
    let sample = Event::JobSample { guest: "vm1".into(), stats: empty };
    let live = after(&[started(), leg("vm1", Direction::Out), sample]);
    let leg = live.guests[0].moving().unwrap();
    assert_eq!((leg.fraction(), leg.phase(), leg.pass()), (None, Phase::Setup, None));
}

/// The moves of a step end in the record when the last of them is over.
#[test]
fn a_migration_that_waits_for_others_is_completed() {
    let live = after(&[
        started(),
        leg("vm1", Direction::Out),
        sample("vm1", 8 * MIB),
        told("vm1", DomainEvent::JobCompleted),
    ]);
    let line = &status(&live, 60e3, 100, 9)[1];
    assert_eq!(line, "  vm1  source to target  [####################] 100 %  completed, 2 s");
}

#[test]
fn guests_are_where_their_migrations_led() {
    let mut live = after(&[
        started(),
        held(Some("vm10")),
        leg("vm2", Direction::Out),
        arrived("vm2", Direction::Out, None),
        leg("vm1", Direction::Out),
        arrived("vm1", Direction::Out, Some("no route to host")),
    ]);
    let places = |live: &Live| -> Vec<(String, Side)> {
        live.guests.iter().map(|guest| (guest.name.clone(), guest.at)).collect()
    };
    let expected = [("vm1", Side::Source), ("vm2", Side::Target), ("vm10", Side::Source)];
    assert_eq!(places(&live), expected.map(|(name, side)| (name.to_owned(), side)));
    live.apply(&at(10_000), &leg("vm2", Direction::Back));
    live.apply(&at(11_000), &arrived("vm2", Direction::Back, None));
    assert!(places(&live).iter().all(|(_, side)| *side == Side::Source));
}

#[test]
fn what_comes_after_the_end_of_a_migration_changes_nothing_but_its_downtime() {
    let mut live = after(&[started(), leg("vm1", Direction::Out), arrived("vm1", Direction::Out, None)]);
    let before = live.guests.clone();
    live.apply(&at(9_000), &told("vm1", SWITCHED));
    live.apply(&at(9_000), &sample("vm1", 0));
    assert_eq!(live.guests, before);
    let downtime = |step| Event::Downtime {
        guest: "vm1".into(),
        round: 1,
        direction: Direction::Out,
        step,
        clocks: Clocks { reported_ms: 180.4, network_ms: Some(180.4), ..Clocks::default() },
    };
    live.apply(&at(9_000), &downtime(2));
    assert_eq!(live.guests, before, "of another step");
    live.apply(&at(9_000), &downtime(1));
    let leg = live.guests[0].leg.as_ref().unwrap();
    assert_eq!(leg.downtime_ms(), Some((180.4, true)));
}

// --- A run

#[test]
fn a_run_is_counted() {
    let mut live = after(&[header(Some(3)), started(), finished(Verdict::Passed), started()]);
    assert_eq!(
        (live.run.results().count(), live.run.count(Verdict::Passed), live.has_failures()),
        (1, 1, false)
    );
    live.apply(&at(5_000), &finished(Verdict::Failed));
    assert!(live.has_failures() && live.run.playing().is_none());
    let ended = Event::RunFinished(RunEnd { passed: 1, failed: 1, ignored: 0, errors: 0, duration_s: 754.0 });
    live.apply(&at(6_000), &ended);
    assert_eq!(status(&live, 7e3, 80, 9), ["finished after 12:34; 1 passed, 1 failed"]);
}

#[rstest]
#[case(Verdict::Passed, false)]
#[case(Verdict::Ignored, false)]
#[case(Verdict::Failed, true)]
#[case(Verdict::Error, true)]
#[case(Verdict::Interrupted, true)]
#[case(Verdict::NotRun, true)]
fn what_did_not_come_out_is_a_failure(#[case] verdict: Verdict, #[case] expected: bool) {
    assert_eq!(after(&[started(), finished(verdict)]).has_failures(), expected);
}

#[test]
fn a_scenario_that_is_played_again_is_one() {
    let live = after(&[started(), leg("vm1", Direction::Out), started(), finished(Verdict::Passed)]);
    assert_eq!(live.run.results().count(), 1);
    assert_eq!(live.guests[0].leg, None);
}

// --- Views

#[test]
fn the_status_says_where_the_run_and_its_guests_are() {
    let live = after(&[
        header(Some(54)),
        started(),
        held(Some("vm3")),
        leg("vm1", Direction::Out),
        leg("vm2", Direction::Back),
        arrived("vm2", Direction::Back, None),
        sample("vm1", 64 * MIB),
    ]);
    let snapshot = RunStatus { live: &live, now_ms: 13e3, left_s: Some(660.0) };
    assert_eq!(
        texts(lines::status(&snapshot, ScreenSize { columns: 130, rows: 9 })),
        [
            "scenario 1 of 54, 0:12; about 11 min left",
            "  vm1  source to target  [###############.....]  75 %  pre-copy pass 2, 10 s, 64 MiB left, 86 MiB/s, \
             dirty 24 MiB/s, throttle 20 %",
            "  vm2  on source         target to source in 2.8 s, downtime 168 ms (libvirt)",
            "  vm3  on source",
        ]
    );
    // No number is cut in two.
    assert_eq!(
        status(&live, 13e3, 79, 9)[1],
        "  vm1  source to target  [###############.....]  75 %  pre-copy pass 2, 10 s"
    );
}

#[rstest]
#[case::nothing(&[], "scenario 1, preparing")]
#[case::number(&[header(Some(54))], "scenario 1 of 54, preparing")]
#[case::fixture(
    &[header(Some(54)), Event::FixtureReady { name: "hosts".into(), duration_s: 1.0, facts: [].into() }],
    "scenario 1 of 54, preparing, hosts ready"
)]
#[case::starting(
    &[header(Some(54)), Event::GuestsAnswer { answering: 27, of: 30 }],
    "scenario 1 of 54, preparing, 27 of 30 guests answer"
)]
#[case::started(
    &[
        header(Some(54)),
        Event::GuestsAnswer { answering: 30, of: 30 },
        Event::FixtureReady { name: "fleet".into(), duration_s: 1.0, facts: [].into() }
    ],
    "scenario 1 of 54, preparing, fleet ready"
)]
#[case::between(
    &[header(Some(54)), started(), finished(Verdict::Passed)],
    "scenario 2 of 54, preparing; 1 passed"
)]
#[case::all(&[header(Some(1)), started(), finished(Verdict::Passed)], "cleaning up; 1 passed")]
fn before_and_between_scenarios(#[case] events: &[Event], #[case] expected: &str) {
    assert_eq!(status(&after(events), 9e3, 80, 9), [expected]);
}

#[test]
fn broken_proofs_are_seen_at_once_and_cannot_write_to_the_terminal() {
    let live = after(&[started(), held(Some("vm1")), failed(Some("vm1")), failed(None)]);
    let lines = lines::status(
        &RunStatus { live: &live, now_ms: 4e3, left_s: None },
        ScreenSize { columns: 80, rows: 9 },
    );
    assert_eq!(lines[2].text, "  memory of vm1: page 7 is ?[2Jold");
    assert_eq!((lines[3].text.as_str(), lines[3].tone), ("  memory: page 7 is ?[2Jold", Tone::Bad));
    assert_eq!(lines[3].paint(true), "\x1b[31m  memory: page 7 is ?[2Jold\x1b[0m");
    assert_eq!(lines[3].paint(false), lines[3].text);
}

#[test]
fn a_failed_migration_is_told() {
    let events =
        [started(), leg("vm1", Direction::Out), arrived("vm1", Direction::Out, Some("no route\nto host"))];
    let line = &status(&after(&events), 9e3, 80, 9)[1];
    assert_eq!(line, "  vm1  on source         source to target FAILED after 2.8 s: no route");
}

#[test]
fn many_guests_fit_into_few_rows() {
    let mut events = vec![started()];
    events.extend((1..=10).map(|number| held(Some(&format!("vm{number}")))));
    events.push(leg("vm9", Direction::Out));
    events.push(arrived("vm9", Direction::Out, None));
    events.push(leg("vm10", Direction::Out));
    let lines = status(&after(&events), 14e3, 80, 4);
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("  vm10  source to target  ["), "{lines:?}");
    assert_eq!(lines[3], "  and 8 more: 7 on source, 1 on target");
    // Whatever the room, what is given fits.
    for (columns, rows) in [(0, 0), (1, 1), (10, 2), (80, 3), (300, 50)] {
        let lines = status(&after(&events), 14e3, columns, rows);
        assert!(lines.len() <= rows && lines.iter().all(|line| line.len() <= columns), "{lines:?}");
    }
}

#[test]
fn a_viewer_sees_what_runs_on_what() {
    let facts = [
        ("source.qemu", "10.0.13"),
        ("target.qemu", "10.1.0"),
        ("source.libvirt", "11.3.0"),
        ("target.libvirt", "11.3.0"),
        ("accelerator", "TCG"),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let live = after(&[
        header(Some(2)),
        Event::FixtureReady { name: "fleet".into(), duration_s: 12.0, facts },
        started(),
        finished(Verdict::Passed),
        started(),
        leg("vm1", Direction::Out),
    ]);
    let snapshot = RunStatus { live: &live, now_ms: 7e3, left_s: Some(75.0) };
    assert_eq!(
        texts(lines::whole(&snapshot, ScreenSize { columns: 100, rows: 24 })),
        [
            "run 20260102T030405Z-4711, profile lab: 2 guests with 1 CPU and 256 MiB, 1 round",
            "QEMU 10.0.13 to 10.1.0, libvirt 11.3.0, TCG",
            "[##########..........]  scenario 2 of 2, 0:03; 1 passed; about 80 s left",
            SCENARIO,
            "  vm1  source to target  [....................]        setup, 2 s",
        ]
    );
}

#[test]
fn in_a_pipe_every_event_that_matters_is_a_line() {
    let events = [
        header(Some(2)),
        Event::FixtureReady { name: "fleet".into(), duration_s: 12.04, facts: [].into() },
        started(),
        held(Some("vm1")),
        leg("vm1", Direction::Out),
        told("vm1", DomainEvent::Iteration { pass: 1 }),
        sample("vm1", MIB),
        arrived("vm1", Direction::Out, None),
        failed(Some("vm1")),
        Event::Repair {
            part: RepairedPart::Guest,
            what: "renew vm1".into(),
            why: "its memory is spoilt".into(),
        },
        finished(Verdict::Failed),
        Event::RunFinished(RunEnd { passed: 0, failed: 1, ignored: 0, errors: 0, duration_s: 11.0 }),
    ];
    let mut live = Live::default();
    let mut lines = Vec::new();
    for (number, event) in events.iter().enumerate() {
        live.apply(&at(number as u64 * 1000), event);
        lines.extend(telling::line(&live, event));
    }
    assert_eq!(
        lines,
        [
            "    0:00  run 20260102T030405Z-4711, 2 scenarios: migration",
            "    0:01  fleet ready after 12.0 s",
            "    0:02  1/2 precopy_cross::in_vms::stress_cpu",
            "    0:07    vm1: source to target in 2.8 s, downtime 168 ms (libvirt)",
            "    0:08    FAILED memory of vm1: page 7 is ?[2Jold (expected: 8192 pages as they must be)",
            "    0:09    repair: renew vm1: its memory is spoilt",
            "    0:10  1/2 precopy_cross::in_vms::stress_cpu FAILED after 13.9 s: memory: guest vm1",
            "    0:11  finished after 0:11: 1 failed",
        ]
    );
}
