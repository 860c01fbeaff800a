//! No new trouble in a guest's kernel log.

use super::Proof;
use crate::guest::Observation;
use crate::scenario::AllowedLine;

const CHECK: &str = "kernel_log";

/// Severity of syslog from which on any line is trouble: 0 emergency, 1 alert, 2 critical.
const SEVERE: u8 = 2;

/// Texts by which the kernel announces trouble at lower severities.
const TROUBLE: [&str; 15] = [
    "BUG:",
    "Oops",
    "WARNING:",
    "Call Trace",
    "Kernel panic",
    "general protection fault",
    "soft lockup",
    "hard LOCKUP",
    "blocked for more than",
    "detected stalls",
    "self-detected stall",
    "I/O error",
    "Out of memory",
    "EXT4-fs error",
    "stuck for",
];

/// Lines shown in a finding; the rest is in the evidence.
const SHOWN: usize = 8;

/// Looks at what the guest's kernel said after `since_s`, seconds since its boot.
pub fn check(since_s: f64, after: &Observation, allowed: &[AllowedLine]) -> Proof {
    let trouble: Vec<String> = after
        .kernel_log
        .iter()
        .filter(|line| line.time_s > since_s)
        .filter(|line| line.level <= SEVERE || TROUBLE.iter().any(|text| line.text.contains(text)))
        .filter(|line| !allowed.iter().any(|allowed| line.text.contains(&allowed.pattern)))
        .map(|line| format!("<{}>[{:.6}] {}", line.level, line.time_s, line.text))
        .collect();
    let expected = format!("no new line of trouble after {since_s:.2} s of uptime");
    if trouble.is_empty() {
        return Proof::new(CHECK, true, expected, "none");
    }
    let mut seen = trouble.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    if trouble.len() > SHOWN {
        seen.push_str(&format!("\nand {} more", trouble.len() - SHOWN));
    }
    Proof::new(CHECK, false, expected, seen)
        .try_next("the guest's whole kernel log is in the evidence; a harmless line goes to [[kernel_log.allow]] of scenarios.toml, with its reason")
}

/// Uptime of the last line: what comes later is new.
pub fn last_line(seen: &Observation) -> f64 {
    seen.kernel_log.last().map_or(0.0, |line| line.time_s)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;
    use crate::guest::KernelLine;

    #[rstest]
    #[case(4, 11.0, "WARNING: CPU: 0 PID: 1 at mm/page.c", false)]
    #[case(4, 9.0, "WARNING: CPU: 0 PID: 1 at mm/page.c", true)]
    #[case(1, 11.0, "anything this severe", false)]
    #[case(6, 11.0, "virtio_net virtio1 eth0: link becomes ready", true)]
    #[case(4, 11.0, "WARNING: harmless clock skew", true)]
    fn only_new_trouble_counts(#[case] level: u8, #[case] time_s: f64, #[case] text: &str, #[case] ok: bool) {
        let seen = Observation {
            boot_id: String::new(),
            uptime_s: 12.0,
            realtime_s: 0.0,
            processes: Vec::new(),
            kernel_log: vec![KernelLine { level, time_s, text: text.into() }],
            at: Instant::now(),
        };
        let allowed = [AllowedLine { pattern: "harmless".into(), reason: "a test".into() }];
        let proof = check(10.0, &seen, &allowed);
        assert_eq!(proof.ok, ok);
        assert_eq!(proof.seen.contains(text), !ok);
    }
}
