//! Tells trouble in a kernel log: the texts by which the kernel announces it, at whatever severity, and every severe line.
//!
//! The texts are the formats of the kernel's own sources, which each group names. Some lines look like trouble and are none:
//!
//! - Any line that user space writes to /dev/kmsg, as `WARNING: backup has started`: its facility is not the kernel's.
//! - `[Firmware Bug]: ...` and `Spectre V2 : WARNING: ...`: the kernel's opinion of the machine, at every boot.
//! - `NMI watchdog: Enabled`, `... permanently disabled`: the watchdog's own state.
//! - `EXT4-fs (vda1): mounted filesystem ... Opts: errors=remount-ro`: an option.
//! - `operation not supported error, dev ...`: a discard that the disk does not know (block/blk-core.c).
//! - `clocksource: timekeeping watchdog ...: Marking clocksource 'tsc' as unstable because the skew is too large`: a
//!   warning (kernel/time/clocksource.c), after which the kernel uses another clock. A guest that waits for its host's
//!   CPU, or has moved to another host's TSC, does that. The check `clock` proves its time.

use super::device;
use super::process::{self, Household};
use crate::remote::KernelLine;

pub(super) const CALL_TRACE: &str = "call trace";
pub(super) const OOM_KILL: &str = "oom kill";
const CRASH: &str = "process crash";
pub(super) const HUNG: &str = "hung task";
pub(super) const IO_ERROR: &str = "I/O error";
const SEVERE_LINE: &str = "severe";
const NO_MEMORY: &str = "allocation failure";

/// syslog's facility of the kernel's own lines. A line that user space writes to /dev/kmsg has another one.
pub(super) const KERNEL: u8 = 0;

/// syslog's severity up to which any line is trouble: 0 emergency, 1 alert, 2 critical.
const SEVERE: u8 = 2;

/// The signs of trouble: the class, the beginning of the line, and a text within it as whole words. The first sign that
/// fits gives the class. An empty text fits all.
const SIGNS: [(&str, &str, &str); 68] = [
    // kernel/panic.c
    ("panic", "", "Kernel panic"),
    // kernel/watchdog.c, watchdog_hld.c, workqueue.c
    ("lockup", "", "BUG: soft lockup"),
    ("lockup", "", "hard LOCKUP"),
    ("lockup", "", "BUG: workqueue lockup"),
    // kernel/rcu/tree_stall.h, tree_exp.h, tasks.h
    ("rcu stall", "", "self-detected stall"),
    ("rcu stall", "", "detected stalls"),
    ("rcu stall", "", "detected expedited stalls"),
    ("rcu stall", "", "kthread starved for"),
    ("rcu stall", "", "kthread timer wakeup didn't happen for"),
    // kernel/hung_task.c: "blocked for more than", "blocked in I/O wait for more than", "is blocked on a mutex ..."
    (HUNG, "INFO: task ", "blocked"),
    // arch/x86/mm/fault.c, kernel/traps.c, kernel/dumpstack.c: "[#1]" is the count of the oopses
    ("oops", "", "Oops:"),
    ("oops", "", "[#"),
    ("oops", "", "unable to handle kernel"),
    ("oops", "", "Unable to handle kernel"),
    ("oops", "", "unable to handle page fault"),
    ("oops", "", "BUG: kernel NULL pointer dereference"),
    ("oops", "", "double fault"),
    ("oops", "general protection fault", ""),
    // mm/kasan, mm/kfence, mm/page_alloc.c, memory.c, slub.c, swapfile.c, pgtable-generic.c, lib/list_debug.c,
    // refcount.c, arch/x86/mm/fault.c
    ("memory corruption", "", "KASAN:"),
    ("memory corruption", "", "KFENCE:"),
    ("memory corruption", "", "BUG: Bad"),
    ("memory corruption", "BUG ", "):"),
    ("memory corruption", "", "Bad swap"),
    ("memory corruption", "", "bad pgd"),
    ("memory corruption", "", "bad p4d"),
    ("memory corruption", "", "bad pud"),
    ("memory corruption", "", "bad pmd"),
    ("memory corruption", "", "Corrupted page table"),
    ("memory corruption", "", "list_add corruption"),
    ("memory corruption", "", "list_add double add"),
    ("memory corruption", "", "list_del corruption"),
    ("memory corruption", "", "refcount_t:"),
    // arch/x86/kernel/cpu/mce, drivers/acpi/apei, drivers/edac; mm/memory-failure.c
    ("machine check", "", "[Hardware Error]:"),
    ("machine check", "Memory failure: 0x", ""),
    // lib/bug.c, ubsan.c, kernel/sched/core.c, locking/lockdep.c
    ("bug", "", "BUG:"),
    ("bug", "", "kernel BUG at"),
    ("bug", "", "Kernel BUG at"),
    ("bug", "", "scheduling while atomic"),
    ("bug", "UBSAN:", ""),
    // kernel/panic.c: "WARNING: CPU: 0 PID: 1 at ...", since 6.18 "WARNING: FILE:LINE at ..."; kernel/locking/lockdep.c
    ("warning", "WARNING: ", ""),
    // mm/oom_kill.c; "Killed process" begins the line before 4.19
    (OOM_KILL, "", "invoked oom-killer"),
    (OOM_KILL, "oom-kill:", ""),
    (OOM_KILL, "oom_reaper: ", ""),
    (OOM_KILL, "Killed process ", ""),
    (OOM_KILL, "", "Out of memory"),
    (OOM_KILL, "", "Memory cgroup out of memory"),
    // mm/page_alloc.c: names the subject of the call trace after it
    (NO_MEMORY, "", "page allocation failure"),
    // block/blk-core.c: "STATUS error, dev NAME, sector ..."; "blk_update_request: " before it until 5.16
    (IO_ERROR, "", "I/O error"),
    (IO_ERROR, "", "I/O Error"),
    (IO_ERROR, "", "timeout error, dev"),
    (IO_ERROR, "", "transport error, dev"),
    (IO_ERROR, "", "protection error, dev"),
    (IO_ERROR, "", "offline error, dev"),
    (IO_ERROR, "", "critical medium error"),
    (IO_ERROR, "", "critical target error"),
    (IO_ERROR, "", "critical space allocation error"),
    // mm/page_io.c, fs/ext4/super.c, fs/jbd2/journal.c, fs/xfs, fs/btrfs
    (IO_ERROR, "", "-error on swap-device"),
    (IO_ERROR, "EXT4-fs error", ""),
    (IO_ERROR, "EXT4-fs (", "error"),
    (IO_ERROR, "Aborting journal on device", ""),
    (IO_ERROR, "XFS (", "error"),
    (IO_ERROR, "XFS (", "corruption"),
    (IO_ERROR, "XFS (", "Corruption"),
    (IO_ERROR, "BTRFS error ", ""),
    (IO_ERROR, "BTRFS: error ", ""),
    (IO_ERROR, "BTRFS", "csum failed"),
    // arch/x86/kernel/dumpstack.c, arch/arm64/kernel/stacktrace.c
    (CALL_TRACE, "Call Trace:", ""),
    (CALL_TRACE, "Call trace:", ""),
];

/// The name of a process that died of its own fault, from `NAME[PID]: segfault at ...` (arch/x86/mm/fault.c) or
/// `traps: NAME[PID] general protection fault ip:...` (arch/x86/kernel/traps.c).
fn crashed(text: &str) -> Option<&str> {
    let text = match text.strip_prefix("traps: ") {
        Some(trap) if has_words(trap, "ip:") => trap,
        _ if has_words(text, "segfault at") => text,
        _ => return None,
    };
    Some(text.split_once('[')?.0)
}

/// The name in `INFO: task NAME:PID blocked for more than ...` and `INFO: task NAME:PID is blocked on a ...`.
fn hung(text: &str) -> Option<&str> {
    let task = text.strip_prefix("INFO: task ")?.split(" blocked ").next()?;
    Some(task.strip_suffix(" is").unwrap_or(task).rsplit_once(':')?.0)
}

/// The name in `NAME: page allocation failure: order:0, ...`.
fn refused(text: &str) -> Option<&str> {
    Some(text.split_once(": page allocation failure")?.0)
}

/// A line of trouble.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trouble {
    /// Short name of the kind, for the finding.
    pub class: &'static str,
    pub line: KernelLine,
}

impl Trouble {
    /// The trouble of a guest's line, if it is one.
    pub fn of(line: &KernelLine) -> Option<Trouble> {
        if line.facility != KERNEL {
            return None;
        }
        let text = line.text.as_str();
        let class = SIGNS
            .iter()
            .find(|(_, begins, has)| text.starts_with(begins) && has_words(text, has))
            .map(|&(class, ..)| class)
            .or_else(|| crashed(text).map(|_| CRASH))
            .or_else(|| (line.level <= SEVERE).then_some(SEVERE_LINE))?;
        Some(Trouble { class, line: line.clone() })
    }

    /// The block device that it is about, if it is about one and nothing else.
    pub fn device(&self) -> Option<&str> {
        device::device(&self.line.text).filter(|_| [IO_ERROR, SEVERE_LINE].contains(&self.class))
    }

    /// Whether it befalls a process or a device of somebody else's, and nothing else.
    pub fn is_strangers(&self, household: &Household) -> bool {
        if let Some(device) = self.device() {
            return !household.stands_on(device);
        }
        let text = self.line.text.as_str();
        self.line.level > SEVERE
            && match self.class {
                CRASH => !crashed(text).is_some_and(process::is_ours),
                HUNG => hung(text).is_some_and(|name| !household.concerns(name)),
                NO_MEMORY => refused(text).is_some_and(|name| !household.concerns(name)),
                _ => false,
            }
    }
}

/// Whether `text` has `words` with no letter, digit or `_` right before or after: "DEBUG:" is no "BUG:".
fn has_words(text: &str, words: &str) -> bool {
    let inner = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    words.is_empty()
        || text.match_indices(words).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + words.len()..]);
            !(inner(words.chars().next()) && inner(before.chars().next_back())
                || inner(words.chars().next_back()) && inner(after.chars().next()))
        })
}
