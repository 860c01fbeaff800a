//! Whether the process that writes a record is still there.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::ledger::start_time;

/// Ticks of a process's start time in a second: USER_HZ, 100 on every Linux but for Alpha and IA-64 (proc(5), sysconf(3)).
const TICKS_PER_S: f64 = 100.0;

/// Clocks that were set between the start of a process and now shift what is computed of it.
const SLACK: Duration = Duration::from_secs(60);

/// The process that a run's name ends with: `20260102T030405Z-4711`, or `20260102T030405Z-4711-2`.
pub fn writer_of(run: &str) -> Option<i32> {
    run.split_once("Z-")?.1.split('-').next()?.parse().ok()
}

/// Whether a process of that number is there, of this machine, that is as old as a run that began at `began`: a number
/// is used again, a start time is not.
pub fn is_there(pid: i32, began: SystemTime) -> bool {
    match (start_time(pid), uptime()) {
        (Some(ticks), Some(uptime)) => {
            let age = (uptime - ticks as f64 / TICKS_PER_S).max(0.0);
            let born = SystemTime::now().checked_sub(Duration::from_secs_f64(age));
            born.is_none_or(|born| born <= began + SLACK)
        }
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// Seconds since this machine was started.
fn uptime() -> Option<f64> {
    fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("20260102T030405Z-4711", Some(4711))]
    #[case("20260102T030405Z-4711-2", Some(4711))]
    #[case("my copy of a run", None)]
    #[case("20260102T030405Z-", None)]
    fn the_name_of_a_run_has_its_process(#[case] run: &str, #[case] expected: Option<i32>) {
        assert_eq!(writer_of(run), expected);
    }

    #[test]
    fn a_younger_process_of_the_same_number_is_another() {
        let me = std::process::id() as i32;
        assert!(is_there(me, SystemTime::now()));
        assert!(!is_there(me, SystemTime::now() - Duration::from_secs(365 * 24 * 3600)));
    }

    #[test]
    fn a_process_that_has_ended_is_not_there() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        child.wait().unwrap();
        assert!(!is_there(pid, SystemTime::now()));
    }
}
