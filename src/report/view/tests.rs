//! Views of small records made by hand.

use std::time::{Duration, SystemTime};

use super::*;
use crate::libvirt::{Detail, LifecycleEvent};
use crate::record::{
    Clocks, DomainEvent, DowntimeClock, Outcome, Part, Phase, PhaseSpan, RepairedPart, RunEnd, RunHeader,
    Stats, Verdict,
};
use crate::scenario::Direction;

const NAME: &str = "postcopy_cross::in_vms::stress_cpu";

fn at(t_ms: u64) -> Envelope {
    Envelope { at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + t_ms), t_ms }
}

fn begun() -> Vec<(Envelope, Event)> {
    vec![(at(0), Event::RunStarted(RunHeader::new("r1", ["multivm".to_string()])))]
}

fn started() -> Event {
    Event::ScenarioStarted { scenario: NAME.into(), ignored: false }
}

fn finished(verdict: Verdict) -> Event {
    let mut outcome = Outcome::new(NAME, verdict, at(1_000).at);
    outcome.duration = Duration::from_secs(9);
    Event::ScenarioFinished(outcome)
}

fn leg_started(guest: &str, step: u32) -> Event {
    Event::LegStarted { guest: guest.into(), round: 1, direction: Direction::Out, step }
}

fn leg_finished(guest: &str, step: u32, began_t_ms: Option<f64>) -> Event {
    Event::LegFinished {
        guest: guest.into(),
        round: 1,
        direction: Direction::Out,
        step,
        error: None,
        began_t_ms,
        duration_s: 2.0,
        stats: Stats::new([
            ("time_elapsed", 1900),
            ("downtime", 40),
            ("memory_total", 1000),
            ("memory_processed", 1500),
        ]),
        switchover_s: Some(1.25),
    }
}

fn libvirt(guest: &str, host: &str, what: DomainEvent) -> Event {
    Event::LibvirtEvent { host: host.into(), guest: Some(guest.into()), what }
}

fn sample(guest: &str, elapsed_ms: u64) -> Event {
    Event::JobSample {
        guest: guest.into(),
        stats: Stats::new([
            ("time_elapsed", elapsed_ms),
            ("memory_remaining", 4096),
            ("memory_dirty_rate", 2),
        ]),
    }
}

fn clocks(reported_ms: f64) -> Event {
    Event::Downtime {
        guest: "vm1".into(),
        round: 1,
        direction: Direction::Out,
        step: 1,
        clocks: Clocks { reported_ms, network_ms: Some(reported_ms), ..Clocks::default() },
    }
}

fn view_of(events: Vec<(Envelope, Event)>) -> RunView {
    let mut all = begun();
    all.extend(events);
    from_events(all).unwrap()
}

#[test]
fn a_migration_as_it_is_recorded_while_it_happens() {
    let view = view_of(vec![
        (at(1_000), started()),
        (at(2_000), leg_started("vm1", 1)),
        (at(2_300), sample("vm1", 250)),
        (at(2_500), libvirt("vm1", "source", DomainEvent::Iteration { pass: 1 })),
        (at(2_600), sample("vm1", 550)),
        (
            at(3_200),
            libvirt("vm1", "source", DomainEvent::lifecycle(LifecycleEvent::Suspended, Detail::PostCopy)),
        ),
        (
            at(3_300),
            libvirt("vm1", "target", DomainEvent::lifecycle(LifecycleEvent::Resumed, Detail::PostCopy)),
        ),
        (at(4_060), leg_finished("vm1", 1, Some(2_050.5))),
        (at(4_070), clocks(120.5)),
        (at(4_080), libvirt("vm1", "source", DomainEvent::Iteration { pass: 9 })),
        (at(10_000), finished(Verdict::Passed)),
        (
            at(10_500),
            Event::RunFinished(RunEnd { passed: 1, failed: 0, ignored: 0, errors: 0, duration_s: 10.5 }),
        ),
    ]);
    assert!(view.finished);
    assert_eq!((view.duration_s, view.count(Verdict::Passed)), (10.5, 1));
    let scenario = &view.scenarios[0];
    assert_eq!((scenario.group().as_str(), scenario.play.times), ("postcopy_cross", 1));
    assert_eq!(scenario.guests(), ["vm1"]);
    assert_eq!(scenario.longest_downtime_ms(), Some((120.5, true)));
    let LegView { leg, samples } = &scenario.legs()[0];
    assert_eq!((leg.began_t_ms, leg.end.as_ref().map(|end| end.t_ms)), (2_050.5, Some(4_050.5)));
    assert_eq!(samples.iter().map(|sample| sample.t_ms).collect::<Vec<_>>(), [2_300.0, 2_600.0]);
    assert_eq!(samples[0].dirty_bytes_per_s, Some(8192.0));
    assert_eq!(leg.passes, [(2_500.0, 1)], "what comes after the migration is not a part of it");
    assert_eq!(leg.volume(), Some((1500.0, Some(1.5))));
    let phases: Vec<_> =
        leg.spans(0.0).iter().map(|span| (span.phase, span.from_t_ms, span.to_t_ms)).collect();
    assert_eq!(
        phases,
        [
            (Phase::Setup, 2_050.5, 2_500.0),
            (Phase::PreCopy, 2_500.0, 3_200.0),
            (Phase::Switchover, 3_200.0, 3_300.0),
            (Phase::PostCopy, 3_300.0, 4_050.5),
        ]
    );
}

#[test]
fn overlapping_migrations_are_kept_apart_by_guest() {
    let view = view_of(vec![
        (at(1_000), started()),
        (at(2_000), leg_started("vm10", 1)),
        (at(2_000), leg_started("vm2", 1)),
        (at(2_100), sample("vm2", 100)),
        (at(2_200), sample("vm10", 200)),
        (at(4_000), leg_finished("vm2", 1, Some(2_000.0))),
        (at(4_100), sample("vm10", 2_000)),
    ]);
    let scenario = &view.scenarios[0];
    assert_eq!(scenario.guests(), ["vm2", "vm10"]);
    assert_eq!(scenario.legs().iter().map(|leg| leg.samples.len()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_scenario_that_was_played_again_counts_with_its_last_play() {
    let view = view_of(vec![
        (at(1_000), started()),
        (at(2_000), leg_started("vm1", 1)),
        (at(4_002), leg_finished("vm1", 1, None)),
        (
            at(4_500),
            Event::Repair {
                part: RepairedPart::Scenario,
                what: "play again".into(),
                why: "it was across".into(),
            },
        ),
        (at(5_000), started()),
        (at(10_000), finished(Verdict::Passed)),
    ]);
    assert_eq!(view.scenarios.len(), 1);
    let scenario = &view.scenarios[0];
    assert_eq!((scenario.play.times, scenario.play.began_t_ms(), scenario.legs().len()), (2, 5_000.0, 0));
    assert_eq!(scenario.details().repairs[0].what, "play again");
    assert_eq!(scenario.outcome.verdict, Verdict::Passed);
}

#[test]
fn none_of_several_of_one_name_hides_another() {
    let part = |run: &str| Event::PartStarted(Part { run: run.into(), ..Part::default() });
    let view = view_of(vec![
        (at(500), part("a")),
        (at(1_000), started()),
        (at(2_000), leg_started("vm1", 1)),
        (at(10_000), finished(Verdict::Failed)),
        (at(10_500), part("b")),
        (at(11_000), started()),
        (at(20_000), finished(Verdict::Passed)),
        (at(21_000), finished(Verdict::Ignored)),
    ]);
    let told: Vec<_> = view
        .scenarios
        .iter()
        .map(|scenario| {
            (scenario.title.clone(), scenario.outcome.verdict, scenario.play.times, scenario.legs().len())
        })
        .collect();
    assert_eq!(
        told,
        [
            (NAME.to_string(), Verdict::Failed, 1, 1),
            (format!("{NAME} #2"), Verdict::Passed, 1, 0),
            (format!("{NAME} #3"), Verdict::Ignored, 0, 0),
        ]
    );
    assert_eq!(view.parts.iter().map(|part| part.run.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_run_that_was_cut_off_has_what_there_was() {
    let view = view_of(vec![
        (
            at(500),
            Event::FixtureReady {
                name: "hosts".into(),
                duration_s: 1.0,
                facts: [("a".into(), "b".into())].into(),
            },
        ),
        (at(1_000), started()),
        (at(2_000), leg_started("vm1", 1)),
        (at(2_300), sample("vm1", 250)),
    ]);
    assert!(!view.finished);
    assert_eq!(view.header.stack["a"], "b");
    let scenario = &view.scenarios[0];
    assert_eq!((scenario.play.ended(), scenario.outcome.verdict), (false, Verdict::Error));
    assert!(scenario.outcome.reason.as_ref().unwrap().contains("its last event is job_sample"));
    assert_eq!(scenario.outcome.duration, Duration::from_millis(1_300));
    let LegView { leg, samples } = &scenario.legs()[0];
    assert_eq!((leg.end.as_ref(), samples.len()), (None, 1));
    assert_eq!(leg.spans(2_300.0), [PhaseSpan { phase: Phase::Setup, from_t_ms: 2_000.0, to_t_ms: 2_300.0 }]);
}

#[test]
fn nothing_is_no_run() {
    assert!(from_events(Vec::new()).is_none());
    assert!(from_events(vec![(at(1), started())]).is_none());
}

#[test]
fn a_downtime_longer_than_its_migration_is_not_believed() {
    let mut finish = leg_finished("vm1", 1, None);
    if let Event::LegFinished { stats, .. } = &mut finish {
        // What QEMU 7.2 said of a post-copy migration: its host's uptime.
        stats.update(&Stats::new([("downtime", 2_452_130)]));
    }
    let view = view_of(vec![(at(1_000), started()), (at(2_000), leg_started("vm1", 1)), (at(4_000), finish)]);
    let leg = &view.scenarios[0].legs()[0].leg;
    assert_eq!((leg.libvirt_said_ms(), leg.libvirt_ms()), (Some(2_452_130.0), None));
    assert_eq!(view.distributions(), []);
}

#[test]
fn a_reported_downtime_counts_more_than_a_longer_one_by_libvirt() {
    let mut longer = leg_finished("vm2", 1, None);
    if let Event::LegFinished { stats, .. } = &mut longer {
        stats.update(&Stats::new([("downtime", 900)]));
    }
    let legs = vec![
        (at(1_000), started()),
        (at(2_000), leg_started("vm1", 1)),
        (at(2_000), leg_started("vm2", 1)),
        (at(4_000), leg_finished("vm1", 1, None)),
        (at(4_000), longer),
    ];
    assert_eq!(view_of(legs.clone()).scenarios[0].longest_downtime_ms(), Some((900.0, false)));
    let reported = [legs, vec![(at(4_001), clocks(120.5))]].concat();
    assert_eq!(view_of(reported).scenarios[0].longest_downtime_ms(), Some((120.5, true)));
}

#[test]
fn downtimes_are_distributed_by_clock_and_group() {
    let view = view_of(vec![
        (at(1_000), started()),
        (at(2_000), leg_started("vm1", 1)),
        (at(4_000), leg_finished("vm1", 1, None)),
        (at(4_001), clocks(120.5)),
        (at(10_000), finished(Verdict::Passed)),
    ]);
    let told: Vec<_> = view
        .distributions()
        .iter()
        .map(|part| (part.group.clone(), part.clock, part.count, part.p50, part.max))
        .collect();
    let of = |group: &str, clock: DowntimeClock, ms| (group.to_owned(), clock.name(), 1, ms, ms);
    assert_eq!(
        told,
        [
            of("all", DowntimeClock::Reported, 120.5),
            of("all", DowntimeClock::Network, 120.5),
            of("all", DowntimeClock::Libvirt, 40.0),
            of("postcopy_cross", DowntimeClock::Reported, 120.5),
            of("postcopy_cross", DowntimeClock::Network, 120.5),
            of("postcopy_cross", DowntimeClock::Libvirt, 40.0),
        ]
    );
}

#[test]
fn what_was_measured_beside_the_migrations_is_there() {
    let guest = || "vm1".to_string();
    let view = view_of(vec![
        (at(1_000), started()),
        (at(1_500), Event::BusyCpus { hosts: [("source".into(), 1.5)].into() }),
        (at(2_000), Event::GuestSpeed { guest: guest(), samples: vec![(1_100, 400)] }),
        (at(2_100), Event::GuestSpeed { guest: guest(), samples: vec![(1_200, 900)] }),
        (
            at(2_200),
            Event::ProbeSummary {
                guest: guest(),
                sent: 10,
                received: 9,
                longest_gap_ms: None,
                gaps: vec![(1_900.5, 61.0)],
            },
        ),
        (
            at(2_300),
            Event::ProbeSummary {
                guest: "vm2".into(),
                sent: 10,
                received: 10,
                longest_gap_ms: Some(12.0),
                gaps: Vec::new(),
            },
        ),
    ]);
    let scenario = view.scenarios[0].details();
    assert_eq!(scenario.cpu["source"], [(1_500.0, 1.5)]);
    assert_eq!(scenario.speeds["vm1"], [(1_100.0, 400.0), (1_200.0, 900.0)]);
    assert_eq!((&scenario.probes[0].guest, &*scenario.probes[0].gaps), (&guest(), &[(1_900.5, 61.0)][..]));
    assert_eq!((scenario.probes[0].sent, scenario.probes[0].received), (10, 9));
    let longest = scenario.probes.iter().map(|probe| probe.longest_gap_ms);
    assert_eq!(longest.collect::<Vec<_>>(), [Some(61.0), Some(12.0)], "one of the gaps, if there are any");
}
