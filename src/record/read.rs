//! Reads a whole record back: a file, the folder of a run, or a folder of several runs.

use std::path::Path;

use super::{Envelope, Event, ReportError, Tail, merge};

/// Reads the events of the record at `path`, a `record.jsonl` or the folder of a run, in the order of writing.
///
/// An incomplete last line is left out, as after a power loss or while the run still writes. A folder without a record whose
/// subfolders have some, such as that of a nextest run, reads as one merged record.
///
/// # Errors
///
/// When the file cannot be read, another line is not an event, or a later multivm wrote it.
pub fn read(path: &Path) -> Result<Vec<(Envelope, Event)>, ReportError> {
    let parts = merge::parts_of(path);
    if !parts.is_empty() {
        return merge::merge(&merge::name_of(path), &parts);
    }
    Tail::open(path)?.poll()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::failure::FailureKind;
    use crate::record::{Clocks, LegError, LostLines, Part, Record, RepairedPart, RunEnd, RunHeader};
    use crate::record::{DomainEvent, Stats, event_name, line_text, read};
    use crate::record::{Finding, Outcome, Verdict};
    use crate::scenario::Direction;
    use rstest::rstest;

    fn all_events() -> Vec<Event> {
        let facts = BTreeMap::from([("source.qemu".to_string(), "10.0.2".to_string())]);
        let scenario = "precopy_cross::in_vms::stress_cpu".to_string();
        let guest = "vm1".to_string();
        let (round, direction, step) = (1, Direction::Back, 2);
        let outcome = Outcome::new(scenario.clone(), Verdict::Failed, SystemTime::UNIX_EPOCH);
        vec![
            Event::FixtureReady { name: "fleet".into(), duration_s: 3.0, facts },
            Event::ScenarioStarted { scenario: scenario.clone(), ignored: false },
            Event::LoadStarted {
                basis: None,
                guest: Some(guest.clone()),
                host: None,
                command: "stress -c 2".into(),
                pid: Some(7),
            },
            Event::LegStarted { guest: guest.clone(), round, direction, step },
            Event::LibvirtEvent {
                host: "source".into(),
                guest: Some(guest.clone()),
                what: DomainEvent::Iteration { pass: 2 },
            },
            Event::JobSample { guest: guest.clone(), stats: Stats::new([("memory_remaining", 4096)]) },
            Event::LegFinished {
                guest: guest.clone(),
                round,
                direction,
                step,
                error: Some(LegError {
                    kind: FailureKind::Cancelled,
                    libvirt_code: Some(78),
                    words: "operation aborted".into(),
                }),
                began_t_ms: Some(1000.25),
                duration_s: 12.5,
                stats: Stats::default(),
                switchover_s: Some(0.75),
            },
            Event::Downtime {
                guest: guest.clone(),
                round,
                direction,
                step,
                clocks: Clocks { reported_ms: 120.5, network_ms: Some(120.5), ..Clocks::default() },
            },
            Event::GuestSpeed { guest: guest.clone(), samples: vec![(1500, 410), (1600, 900)] },
            Event::BusyCpus { hosts: [("source".into(), 1.5)].into() },
            Event::ChecksHeld {
                guest: Some(guest.clone()),
                round: Some(round),
                direction: Some(direction),
                held: vec![("reboot".into(), "s".into()), ("memory".into(), "s".into())],
            },
            Event::CheckFailed(Finding {
                check: "reachable".into(),
                guest: None,
                round: Some(1),
                direction: Some(direction),
                expected: "e\u{2028}\n\"".into(),
                seen: "s".into(),
                try_next: Some("t".into()),
            }),
            Event::ProbeSummary {
                guest,
                sent: 10,
                received: 9,
                longest_gap_ms: Some(120.5),
                gaps: vec![(1500.5, 120.5)],
            },
            Event::Repair { part: RepairedPart::Host, what: "rebuilt vm1".into(), why: "it was gone".into() },
            Event::LinesLost(LostLines {
                lines: [("check".into(), 2)].into(),
                from_t_ms: 10,
                to_t_ms: 20,
                why: "w".into(),
            }),
            Event::PartStarted(Part { run: "r0".into(), again: vec!["a::b".into()], ..Part::default() }),
            Event::ScenarioFinished(outcome),
            Event::RunFinished(RunEnd { passed: 1, failed: 1, ignored: 0, errors: 0, duration_s: 60.0 }),
        ]
    }

    fn recorded() -> (tempfile::TempDir, Record) {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::new("r1", ["multivm".to_string()])).unwrap();
        for event in all_events() {
            record.write(&event).unwrap();
        }
        (folder, record)
    }

    #[test]
    fn what_was_written_is_read() {
        let (folder, record) = recorded();
        let events: Vec<Event> = read(folder.path()).unwrap().into_iter().map(|(_, event)| event).collect();
        assert_eq!(events[1..], all_events());
        let text = fs::read_to_string(record.path()).unwrap();
        for event in &events {
            assert!(text.contains(&format!("\"event\":\"{}\"", event.name())), "{}", event.name());
        }
    }

    #[test]
    fn a_name_is_seen_without_parsing() {
        let (_folder, record) = recorded();
        let text = fs::read_to_string(record.path()).unwrap();
        let events = read(record.path()).unwrap();
        for (line, (_, event)) in text.lines().zip(&events) {
            assert_eq!(event_name(line.as_bytes()), Some(event.name()));
        }
        assert_eq!(event_name(br#"{"v":2,"at":"2026"#), None);
        assert_eq!(event_name(b"\xff\xff"), None);
    }

    #[test]
    fn a_line_cut_at_any_byte_costs_only_itself() {
        let (_folder, record) = recorded();
        let bytes = fs::read(record.path()).unwrap();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let last_but_one = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for end in last_but_one..bytes.len() - 1 {
            fs::write(record.path(), &bytes[..end]).unwrap();
            assert_eq!(read(record.path()).unwrap().len(), lines - 1, "cut at byte {end}");
        }
    }

    /// Lines behind the first, which is sound.
    #[rstest]
    #[case::spoilt("{\"t_ms\":1,oops\n", "cannot read line 2 of the record ")]
    #[case::no_time("{\"event\":\"repair\"}\n", "missing field `t_ms`")]
    #[case::earlier(
        "{\"v\":1,\"t_ms\":1}\n",
        "format version 1, this multivm reads version 2 only; use the multivm that"
    )]
    #[case::later("{\"v\":3}\n", "format version 3, this multivm reads version 2 only")]
    fn other_lines_are_not_guessed_at(#[case] line: &str, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let text = fs::read_to_string(record.path()).unwrap();
        fs::write(record.path(), text + line).unwrap();
        let error = read(record.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_line_is_as_much_later_than_the_first_as_its_t_ms_says() {
        let at = |ms| SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(ms);
        let lines = [
            (Event::RunStarted(RunHeader::default()), Envelope { at: at(1_700_000_000_000), t_ms: 3 }),
            (
                Event::ScenarioStarted { scenario: "a".into(), ignored: false },
                Envelope { at: at(0), t_ms: 1_503 },
            ),
        ];
        let text: String =
            lines.iter().map(|(event, envelope)| line_text(envelope, event).unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.jsonl");
        fs::write(&path, text).unwrap();
        let events = read(&path).unwrap();
        assert_eq!(events[1].0, Envelope { at: at(1_700_000_001_500), t_ms: 1_503 });
    }
}
