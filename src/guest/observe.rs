//! What is seen inside a guest: everything that the proofs need, in one
//! answer of our program there, over one kept connection.

use std::time::{Duration, Instant};

use crate::failure::{Done, Failure};
use crate::host::Dialogue;

/// Before and after the kernel log in the agent's answer.
const LOG_MARK: &str = "multivm-kernel-log\n";
const END_MARK: &str = "multivm-end";

/// A guest at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// `/proc/sys/kernel/random/boot_id`: a new one with every boot.
    pub boot_id: String,
    /// Seconds since boot, by the guest's boot clock.
    pub uptime_s: f64,
    /// Seconds since 1970, by the guest's realtime clock.
    pub realtime_s: f64,
    pub processes: Vec<Process>,
    pub kernel_log: Vec<KernelLine>,
    /// When the answer came, by this machine's clock.
    pub at: Instant,
}

/// A line of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub name: String,
    /// One letter: R running, S sleeping, T stopped, Z zombie, ...
    pub state: char,
    pub group: i32,
    /// User and system time, clock ticks (1/100 s).
    pub ticks: u64,
    /// Resident memory, pages.
    pub resident_pages: u64,
}

/// A line of the kernel's log.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelLine {
    /// syslog severity, 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Seconds since boot.
    pub time_s: f64,
    pub text: String,
}

impl Observation {
    /// Asks our program in the guest.
    pub fn take(agent: &mut Dialogue, limit: Duration) -> Done<Observation> {
        let answer = agent.ask("observe", END_MARK, limit)?;
        parse(&answer).ok_or_else(|| {
            let head: String = answer.chars().take(200).collect();
            Failure::new("look into the guest", format!("unexpected answer {head:?}"))
        })
    }

    /// Processes of one process group.
    pub fn group(&self, group: i32) -> Vec<&Process> {
        self.processes.iter().filter(|process| process.group == group && process.state != 'Z').collect()
    }
}

fn parse(text: &str) -> Option<Observation> {
    let (head, log) = text.split_once(LOG_MARK)?;
    let log = log.trim_end().strip_suffix(END_MARK)?;
    let mut lines = head.lines();
    let boot_id = lines.next()?.trim().to_owned();
    let uptime_s = lines.next()?.split_whitespace().next()?.parse().ok()?;
    let realtime_s = lines.next()?.trim().parse().ok()?;
    Some(Observation {
        boot_id,
        uptime_s,
        realtime_s,
        processes: lines.filter_map(process).collect(),
        kernel_log: log.lines().filter_map(kernel_line).collect(),
        at: Instant::now(),
    })
}

/// Fields as numbered in proc_pid_stat(5): state 3, pgrp 5, utime 14, stime 15, rss 24.
fn process(line: &str) -> Option<Process> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Process {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        ticks: number(14)? + number(15)?,
        resident_pages: number(24)?,
    })
}

/// `<level>[seconds] text`; the level is of syslog(2), the facility in its upper bits.
fn kernel_line(line: &str) -> Option<KernelLine> {
    let (level, rest) = line.strip_prefix('<')?.split_once('>')?;
    let (time, text) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
    Some(KernelLine {
        level: (level.parse::<u32>().ok()? & 7) as u8,
        time_s: time.trim().parse().ok()?,
        text: text.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let text = "0b0e6f38-6e0f-4c4f-9f5e-5bb9b3a7e1c4\n12.34 10.00\n1763889600.250000\n\
                    1 (init) S 0 1 1 0 -1 4194560 80 0 0 0 3 4 0 0 20 0 1 0 5 2600960 90 18446744073709551615 0\n\
                    77 (stress (x)) R 1 70 1 0 -1 4194560 80 0 0 0 300 4 0 0 20 0 1 0 5 2600960 8192 1 0\n\
                    multivm-kernel-log\n\
                    <6>[    0.000000] Linux version 6.12\n<4>[   11.500000] WARNING: CPU: 0\nnoise\nmultivm-end\n";
        let seen = parse(text).unwrap();
        assert_eq!((seen.uptime_s, seen.realtime_s), (12.34, 1_763_889_600.25));
        assert_eq!(seen.group(70).len(), 1);
        let stress = seen.group(70)[0];
        assert_eq!((stress.name.as_str(), stress.ticks, stress.resident_pages), ("stress (x)", 304, 8192));
        assert_eq!(seen.kernel_log.len(), 2);
        assert_eq!((seen.kernel_log[1].level, seen.kernel_log[1].time_s), (4, 11.5));
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(parse("0b0e6f38\n12.34 10.00\n"), None);
        assert_eq!(parse("0b0e6f38\n12.34 10.00\n1.0\nmultivm-kernel-log\n<6>[ 0.1] cut"), None);
    }
}
