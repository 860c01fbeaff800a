//! What is seen on a host or inside a guest: everything that the proofs need, in one answer of our program there.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Before the kernel log, in the agent's answer.
const LOG_MARK: &str = "multivm-kernel-log\n";

/// In place of its lines, if it cannot be read.
const NO_LOG_MARK: &str = "multivm-no-kernel-log: ";

/// Before the memory's size and what is left of it.
const MEMORY_MARK: &str = "multivm-memory ";

/// Bytes of a page on x86-64.
const PAGE: u64 = 4096;

/// A machine at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// `/proc/sys/kernel/random/boot_id`: a new one with every boot.
    pub boot_id: String,
    /// Seconds since boot, by its boot clock.
    pub uptime_s: f64,
    /// Seconds since 1970, by its realtime clock.
    pub realtime_s: f64,
    /// Those of user space.
    pub processes: Vec<Process>,
    /// `MemAvailable` of `/proc/meminfo`, bytes.
    pub memory_available: u64,
    /// Lines that no earlier observation had.
    pub kernel_log: Vec<KernelLine>,
    /// Why the kernel log could not be read.
    pub kernel_log_error: Option<String>,
    /// The lines are all there are: no earlier observation of this boot was made.
    pub whole_log: bool,
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
    /// User and system time, clock ticks (1/100 s), with that of its children that have ended.
    pub ticks: u64,
    /// Resident memory, pages.
    pub resident_pages: u64,
}

/// A line of the kernel's log.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelLine {
    /// syslog severity, 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Number of the line since boot, as `/dev/kmsg` counts.
    pub sequence: u64,
    /// Seconds since boot.
    pub time_s: f64,
    pub text: String,
}

impl Observation {
    /// Memory that its processes have resident, bytes. Shared pages count once for each.
    pub fn resident_bytes(&self) -> u64 {
        self.processes.iter().map(|process| process.resident_pages * PAGE).sum()
    }
}

impl Process {
    /// Bytes of memory that it has resident.
    pub fn resident_bytes(&self) -> u64 {
        self.resident_pages * PAGE
    }

    /// It has not ended. One that has is in the list until its parent has taken note.
    pub fn is_alive(&self) -> bool {
        self.state != 'Z' && self.state != 'X'
    }
}

/// This machine's realtime, seconds since 1970.
pub fn realtime_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Reads the answer to the question `observe`.
pub(super) fn observation(text: &str) -> Option<Observation> {
    let (head, log) = text.split_once(LOG_MARK)?;
    let mut lines = head.lines();
    let boot_id = lines.next()?.trim().to_owned();
    let uptime_s = lines.next()?.split_whitespace().next()?.parse().ok()?;
    let realtime_s = lines.next()?.trim().parse().ok()?;
    let memory = head.lines().find_map(|line| line.strip_prefix(MEMORY_MARK))?;
    Some(Observation {
        boot_id,
        uptime_s,
        realtime_s,
        processes: lines.filter_map(process).collect(),
        memory_available: memory.split_whitespace().nth(1)?.parse().ok()?,
        kernel_log: log.lines().filter_map(kernel_line).collect(),
        kernel_log_error: log.lines().find_map(|line| line.strip_prefix(NO_LOG_MARK)).map(str::to_owned),
        whole_log: false,
        at: Instant::now(),
    })
}

/// Reads the answer to the question `processes`.
pub(super) fn processes(text: &str) -> Option<Vec<Process>> {
    Some(text.lines().filter_map(process).collect())
}

/// Fields as numbered in proc_pid_stat(5): state 3, pgrp 5, utime 14, stime 15, cutime 16,
/// cstime 17, rss 24.
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
        ticks: number(14)? + number(15)? + number(16)? + number(17)?,
        resident_pages: number(24)?,
    })
}

/// `<level>sequence[seconds] text`; the level is of syslog(2), the facility in its upper bits.
fn kernel_line(line: &str) -> Option<KernelLine> {
    let (level, rest) = line.strip_prefix('<')?.split_once('>')?;
    let (sequence, rest) = rest.split_once('[')?;
    let (time, text) = rest.split_once(']')?;
    Some(KernelLine {
        level: (level.parse::<u32>().ok()? & 7) as u8,
        sequence: sequence.parse().ok()?,
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
                    77 (stress (x)) R 1 70 1 0 -1 4194560 80 0 0 0 300 4 10 1 20 0 1 0 5 2600960 8192 1 0\n\
                    multivm-memory 268435456 201326592\n\
                    multivm-kernel-log\n\
                    <6>0[0.000000] Linux version 6.12\n<4>7[11.500000] WARNING: CPU: 0\nnoise\nmultivm-end\n";
        let seen = observation(text).unwrap();
        assert_eq!((seen.uptime_s, seen.realtime_s), (12.34, 1_763_889_600.25));
        assert_eq!(seen.memory_available, 192 << 20);
        let stress = &seen.processes[1];
        assert_eq!((stress.name.as_str(), stress.group), ("stress (x)", 70));
        assert_eq!((stress.ticks, stress.resident_pages), (315, 8192));
        assert_eq!(seen.kernel_log.len(), 2);
        assert_eq!(seen.kernel_log_error, None);
        let line = &seen.kernel_log[1];
        assert_eq!((line.level, line.sequence, line.time_s), (4, 7, 11.5));
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(observation("0b0e6f38\n12.34 10.00\n"), None);
        assert_eq!(observation("0b0e6f38\n12.34 10.00\n1.0\nmultivm-kernel-log\n<6>[ 0.1] cut"), None);
    }
}
