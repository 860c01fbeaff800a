//! The kernel's account of a process.

use procfs::process::{Process, Stat, all_processes};

/// The living process of that pid; none for one that is gone or only waits to be reaped.
pub fn living(pid: i32) -> Option<Stat> {
    let stat = Process::new(pid).and_then(|process| process.stat()).ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat)
}

/// The command line of the process of that pid; empty for one that is gone.
pub fn arguments(pid: i32) -> Vec<String> {
    Process::new(pid).and_then(|process| process.cmdline()).unwrap_or_default()
}

/// Whether a process runs whose command line ends with these arguments.
pub fn runs_with(arguments: &[String]) -> bool {
    let lines = all_processes().into_iter().flatten().flatten().filter_map(|process| process.cmdline().ok());
    lines.into_iter().any(|line| line.ends_with(arguments))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use std::time::Duration;

    use super::*;
    use crate::sys::stop::StopFlag;
    use crate::sys::wait::{Poll, wait_for};

    fn await_that(what: &str, is_so: impl Fn() -> bool) {
        let look = || if is_so() { Poll::Ready(()) } else { Poll::NotYet("not yet".into()) };
        wait_for(what, Duration::from_secs(20), &StopFlag::new(), look).unwrap();
    }

    #[test]
    fn a_process_lives_until_it_has_ended_and_not_until_its_parent_takes_note() {
        let mut child = Command::new("sleep").arg("613.25").spawn().unwrap();
        let pid = child.id() as i32;
        let seen = living(pid).unwrap();
        assert_eq!((seen.pid, seen.ppid), (pid, std::process::id() as i32));
        child.kill().unwrap();
        await_that("it to end", || living(pid).is_none());
        assert!(Process::new(pid).is_ok(), "its parent has not taken note");
        child.wait().unwrap();
        assert!(living(pid).is_none());
    }

    #[test]
    fn a_command_line_is_found_by_its_end() {
        let arguments = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut child = Command::new("sleep").args(["614.25", "0"]).spawn().unwrap();
        // It is this program until it has become `sleep`.
        await_that("its command line", || runs_with(&arguments(&["614.25", "0"])));
        assert!(!runs_with(&arguments(&["sleep", "614.25"])));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
