//! What the emulated KVM does to guests, by the record of a run: no migration's failure, and no proof of one.

/// What is found of a guest that stops without a word: everything that asks it, or listens to it.
const ASKS_THE_GUEST: [&str; 9] =
    ["clock", "connection", "disk", "kernel_log", "live", "load", "memory", "reachable", "recovery"];

/// Whether the emulated KVM broke the guest: libvirt told of a reset, which nobody asked for, the target's KVM refused the state of
/// the source's, or the guest was silent to its end, and nothing but its silence was found.
pub fn broke_the_guest(record: &str) -> bool {
    // The record has libvirt's events of moves alone: a reset between two moves is there by the check that heard of it.
    let told =
        |line: &str| line.contains("\"event\":\"libvirt_event\"") && line.contains("\"kind\":\"rebooted\"");
    let found = |line: &str| is_finding(line) && line.contains("libvirt reported a reset on");
    let refused = |line: &str| line.contains("Failed to set nested state");
    record.lines().any(|line| told(line) || found(line) || refused(line)) || fell_silent(record)
}

fn fell_silent(record: &str) -> bool {
    let findings: Vec<&str> = record.lines().filter(|line| is_finding(line)).collect();
    let by = |line: &&str, check: &str| line.contains(&format!("\"check\":\"{check}\""));
    findings.iter().any(|line| by(line, "recovery") && line.contains("silent for "))
        && findings.iter().all(|line| ASKS_THE_GUEST.iter().any(|check| by(line, check)))
}

fn is_finding(line: &str) -> bool {
    line.contains("\"event\":\"check_failed\"")
}

/// Records of runs that failed, each told for what it is.
pub fn is_told_from_failures() -> Result<(), String> {
    let found = |check: &str, seen: &str| {
        format!(r#"{{"event":"check_failed","guest":"vm1","check":"{check}","expected":"","seen":"{seen}"}}"#)
    };
    let silent = found("recovery", "silent for 71.210 s, 3.120 s after its start");
    let silent_for_a_move = found("reachable", "longest gap 9.100 s");
    let reset = found("reboot", "libvirt reported a reset on target");
    let told = r#"{"event":"libvirt_event","host":"source","kind":"rebooted","guest":"vm1"}"#.to_owned();
    let refused =
        found("migration", "Failed to set nested state: Invalid argument; the guest stays on source");
    let lost = found("connection", "lost: timed out");
    let misplaced = found("placement", "active but not running on source");
    let records: [(&[&String], bool); 8] = [
        (&[&reset], true),
        (&[&told, &lost], true),
        (&[&refused], true),
        (&[&silent], true),
        (&[&silent, &lost, &silent_for_a_move], true),
        (&[&silent, &misplaced], false),
        (&[&silent_for_a_move, &lost], false),
        (&[], false),
    ];
    for (lines, is_emulation) in records {
        let record = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        if broke_the_guest(&record) != is_emulation {
            return Err(format!("the emulation's failure: {}, of\n{record}", !is_emulation));
        }
    }
    Ok(())
}
