//! Records made up for the report: every kind of event, at times of our choosing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use multivm::libvirt::{Detail, LifecycleEvent};
use multivm::record::{
    Clocks, DomainEvent, Envelope, Event, Finding, Outcome, RecordedProfile, RunHeader, Stats, Verdict,
    line_text,
};
use multivm::scenario::Direction;

/// What would be markup or script if it were not text.
pub const HOSTILE: &str = "</script><script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\"><!-- & 'quoted' \u{1b}[31m";

pub const PASSED: &str = "precopy_orderly::in_vms::stress_cpu";
pub const FAILED: &str = "postcopy_cross::on_source::stress_memory_half";
pub const DIED: &str = "precopy_cross::in_vms::stress_memory";
pub const IGNORED: &str = "precopy_orderly::booting::load_vm";

/// A record that grows.
pub struct Story {
    lines: String,
}

impl Story {
    pub fn new() -> Story {
        let mut header = RunHeader::new("20260102T030405Z-1", ["cargo".to_string(), "test".to_string()]);
        header.profile =
            Some(RecordedProfile { name: Some("lab".into()), guests: Some(2), ..RecordedProfile::default() });
        let mut story = Story { lines: String::new() };
        story.tell(0, &Event::RunStarted(header));
        let facts = [
            ("accelerator", "TCG"),
            ("accelerator_reason", "a trial boot failed"),
            ("source.qemu", "10.0.13"),
            ("target.qemu", HOSTILE),
        ];
        let facts = facts.map(|(name, value)| (name.to_string(), value.to_string())).into();
        story.tell(900, &Event::FixtureReady { name: "hosts".into(), duration_s: 0.9, facts });
        story
    }

    /// One scenario that passed, one that failed, one that was ignored, and one during which the run was cut off.
    pub fn cut_off() -> Story {
        let mut story = Story::new();
        story.scenario(1_000, PASSED, Verdict::Passed);
        story.scenario(22_000, FAILED, Verdict::Failed);
        let mut ignored = Outcome::new(IGNORED, Verdict::Ignored, clock(43_000));
        ignored.reason = Some("needs KVM".into());
        story.tell(43_000, &Event::ScenarioFinished(ignored));
        story.tell(43_100, &Event::ScenarioStarted { scenario: DIED.into(), ignored: false });
        story.tell(43_200, &leg_started("vm1", Direction::Out, 1));
        story
    }

    pub fn tell(&mut self, t_ms: u64, event: &Event) {
        self.lines += &line_text(&Envelope { at: clock(t_ms), t_ms }, event).unwrap();
    }

    /// 20 s with two guests that go and come back.
    pub fn scenario(&mut self, begin: u64, name: &str, verdict: Verdict) {
        let scenario = || name.to_string();
        let postcopy = name.starts_with("postcopy");
        self.tell(begin, &Event::ScenarioStarted { scenario: scenario(), ignored: false });
        self.tell(
            begin + 100,
            &Event::LoadStarted {
                guest: Some("vm1".into()),
                host: None,
                command: "stress --cpu 1".into(),
                basis: None,
                pid: Some(7),
            },
        );
        let mut step = 0;
        for direction in [Direction::Out, Direction::Back] {
            for guest in ["vm1", "vm2"] {
                step += 1;
                self.leg(begin + 4_000 * u64::from(step), guest, direction, step, postcopy);
            }
        }
        for guest in ["vm1", "vm2"] {
            let samples = (0..400u32).map(|index| {
                let t_ms = begin + u64::from(index) * 50;
                (t_ms, if index % 80 < 4 { 9_000 } else { 400 + u64::from(index % 7) })
            });
            self.tell(begin + 19_000, &Event::GuestSpeed { guest: guest.into(), samples: samples.collect() });
            self.tell(
                begin + 19_000,
                &Event::ProbeSummary {
                    guest: guest.into(),
                    sent: 1000,
                    received: 990,
                    longest_gap_ms: Some(90.5),
                    gaps: vec![(begin as f64 + 5_000.0, 90.5)],
                },
            );
        }
        let mut outcome = Outcome::new(name, verdict, clock(begin));
        outcome.duration = Duration::from_secs(20);
        outcome.numbers.migrating_s = Some(15.5);
        outcome.numbers.proving_s = Some(2.5);
        outcome.evidence = Some(
            format!("/somewhere/20260102T030405Z-1/scenarios/{}/evidence", name.replace("::", ".")).into(),
        );
        self.tell(begin + 20_000, &Event::ScenarioFinished(outcome));
    }

    fn leg(&mut self, begin: u64, guest: &str, direction: Direction, step: u32, postcopy: bool) {
        let (from, to) = match direction {
            Direction::Out => ("source", "target"),
            Direction::Back => ("target", "source"),
        };
        let libvirt = |host: &str, what: DomainEvent| Event::LibvirtEvent {
            host: host.into(),
            guest: Some(guest.into()),
            what,
        };
        self.tell(begin, &leg_started(guest, direction, step));
        self.tell(begin + 300, &libvirt(from, DomainEvent::Iteration { pass: 1 }));
        for index in 0..9u64 {
            let sent = index * 25_000_000;
            self.tell(
                begin + 310 + index * 250,
                &Event::JobSample {
                    guest: guest.into(),
                    stats: Stats::new([
                        ("time_elapsed", 310 + index * 250),
                        ("memory_iteration", if index < 6 { 1 } else { 2 }),
                        ("memory_processed", sent),
                        ("memory_remaining", 250_000_000u64.saturating_sub(sent)),
                        ("memory_total", 269_230_080),
                        ("memory_bps", 100_000_000),
                        ("memory_dirty_rate", if index < 6 { 0 } else { 6000 }),
                        ("memory_page_size", 4096),
                    ]),
                },
            );
            self.tell(
                begin + 311 + index * 250,
                &Event::BusyCpus { hosts: [("source".into(), 1.25)].into() },
            );
        }
        self.tell(begin + 1_800, &libvirt(from, DomainEvent::Iteration { pass: 2 }));
        let (stop, go) = if postcopy {
            (
                DomainEvent::lifecycle(LifecycleEvent::Suspended, Detail::PostCopy),
                DomainEvent::lifecycle(LifecycleEvent::Resumed, Detail::PostCopy),
            )
        } else {
            (
                DomainEvent::lifecycle(LifecycleEvent::Suspended, Detail::Migrated),
                DomainEvent::lifecycle(LifecycleEvent::Resumed, Detail::Migrated),
            )
        };
        self.tell(begin + 2_400, &libvirt(from, stop));
        self.tell(begin + 2_490, &libvirt(to, go));
        self.tell(
            begin + 3_000,
            &Event::LegFinished {
                guest: guest.into(),
                round: 1,
                direction,
                step,
                error: None,
                began_t_ms: Some(begin as f64 + 0.5),
                duration_s: 3.0,
                stats: Stats::new([
                    ("time_elapsed", 2_900),
                    ("downtime", 40 + step),
                    ("setup_time", 6),
                    ("memory_iteration", 3),
                    ("memory_total", 269_230_080),
                    ("memory_processed", 225_000_000),
                ]),
                switchover_s: postcopy.then_some(2.4),
            },
        );
        let network = 80.0 + f64::from(step) * 10.0;
        self.tell(
            begin + 3_010,
            &Event::Downtime {
                guest: guest.into(),
                round: 1,
                direction,
                step,
                clocks: Clocks {
                    reported_ms: network,
                    network_ms: Some(network),
                    network_error_ms: Some(10.0),
                    guest_ms: Some(network - 5.0),
                    guest_error_ms: Some(1.0),
                    qemu_ms: Some(f64::from(38 + step)),
                    ..Clocks::default()
                },
            },
        );
        for check in ["memory", "disk", "kernel_log"] {
            let ok = !(check == "kernel_log" && postcopy && step == 2);
            self.tell(
                begin + 3_100,
                &if ok {
                    Event::ChecksHeld {
                        guest: Some(guest.into()),
                        round: Some(1),
                        direction: Some(direction),
                        held: vec![(check.into(), "what is good".into())],
                    }
                } else {
                    Event::CheckFailed(Finding {
                        check: check.into(),
                        guest: Some(guest.into()),
                        round: Some(1),
                        direction: Some(direction),
                        expected: "no new line of trouble".into(),
                        seen: format!("1 line of trouble: {HOSTILE}"),
                        try_next: None,
                    })
                },
            );
        }
    }

    /// Writes the record into a folder, and returns its path.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("record.jsonl");
        fs::write(&path, &self.lines).unwrap();
        path
    }
}

fn leg_started(guest: &str, direction: Direction, step: u32) -> Event {
    Event::LegStarted { guest: guest.into(), round: 1, direction, step }
}

fn clock(t_ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_000 + t_ms)
}
