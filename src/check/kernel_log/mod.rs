//! No new trouble in a kernel's log, of a guest or of a host.

mod device;
mod oom;
mod process;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::lost::{self, AFTER_ALL, BETWEEN, LOST};
use super::{
    About, Advice, AfterAll, Asked, Check, Close, GuestLook, HostsLook, Moment, Outage, Proof, Scene, Silence,
};
use crate::failure::Result;
use crate::guest::{Fleet, LaterLook, LossKind, console_path};
use crate::host::{Host, LogMarks};
use crate::remote::{KernelLine, Observation};
use crate::scenario::{AllowedLine, Load, LogOwner, Side};
use oom::Reports;
use process::Household;
use trouble::{CALL_TRACE, HUNG, IO_ERROR, KERNEL, Trouble};

pub static ABOUT: About = About {
    id: "kernel_log",
    summary: "kernels clean",
    how: "no new line of trouble in the kernel logs of guests and hosts: emergency to critical, oops, BUG, call trace, warning, \
          lockup, hung task, RCU stall, I/O error, OOM kill; of a guest that does not answer, on its console, \
          where a panic is found within a second. What a kernel says between two scenarios counts for the later one, and lines that it \
          overwrote before multivm had read them are a finding, too. On a host an OOM kill, \
          a hung task and memory that is refused count if they befall what runs there for multivm, and I/O errors if they befall a device \
          that the hosts or the storage stand on; lines that user space writes to /dev/kmsg are not the kernel's",
    asked: &[Moment::Start, Moment::Always, Moment::Leg, Moment::Step, Moment::End],
    advice: &[GUEST, HOST, CONSOLE, OVERRUN, LOST],
    ..About::BASE
};

const GUEST: Advice = Advice::new(
    "a guest's kernel is in trouble",
    "the guest's whole kernel log is in the evidence; a harmless line goes to [[kernel_log.allow]] of scenarios.toml, with its \
     reason, or of one image to [[image.kernel_log.allow]] of the catalogue",
);

const HOST: Advice = Advice::new(
    "a host's kernel is in trouble",
    "the lines around it are in the host's kernel log (dmesg); a harmless line goes to [[kernel_log.allow]] of scenarios.toml, \
     with its reason",
);

const CONSOLE: Advice = Advice::new(
    "a guest does not answer, and its kernel said why on its console",
    "the whole console is HOST-GUEST-console.log in the evidence; what it says first is what happened first. Where libvirt \
     reported success of the migration before it, memory was lost on the way",
);

const OVERRUN: Advice = Advice::new(
    "a kernel's log has a hole",
    "the kernel overwrote lines before multivm had read them, and nobody knows what they said: find out what floods the log (dmesg \
     there), or enlarge it, by `log_buf_len=4M` on that kernel's command line",
);

/// The check.
pub struct KernelsClean;

impl Check for KernelsClean {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn after_all(&self, after: &AfterAll<'_>) -> Vec<Proof> {
        let [source, target] = &after.hosts;
        let one_kernel =
            matches!((source, target), (Ok(source), Ok(target)) if source.boot_id == target.boot_id);
        let logs = host_logs(after.fleet, one_kernel).into_iter();
        let judge = |(side, mut log): (Side, HostLog)| {
            let (seen, name) =
                (&after.hosts[usize::from(side == Side::Target)], &after.fleet.hosts.get(side).entry.name);
            match seen {
                Ok(seen) if seen.whole_log => Vec::new(),
                Ok(seen) => {
                    let allowed = after.file.allowed_lines();
                    log.learn_devices(after.fleet, seen);
                    let unread = seen.kernel_log_error.iter().map(|error| unreadable(name, error));
                    let proofs =
                        [log.prove_between(&seen.kernel_log, AFTER_ALL, allowed), log.finish(allowed)];
                    proofs.into_iter().chain(unread).chain(log.overrun(seen)).collect()
                }
                Err(failure) if after.was_whole => vec![unreadable(name, &failure.to_string())],
                Err(_) => Vec::new(),
            }
        };
        let mut proofs = lost::after_all(&ABOUT, after, LossKind::Panicked, &LOST);
        proofs.extend(of_later_looks(&after.since.looks, AFTER_ALL, after.file.allowed_lines()));
        proofs.extend(logs.flat_map(judge));
        proofs
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(KernelLogAsked::new(scene)))
    }
}

/// How much of the end of a guest's console the check reads, in bytes: a dying kernel writes some tens of lines.
const CONSOLE_KEPT: u64 = 64 << 10;

struct KernelLogAsked<'a> {
    fleet: &'a Fleet,
    allowed: &'a [AllowedLine],
    logs: Option<&'a LogMarks>,
    /// One log per kernel, with the side of the host that reads it: hosts under one kernel share its log.
    hosts: Vec<(Side, HostLog)>,
    /// Proofs about the hosts' lines between the last scenario and this one.
    before: Vec<Proof>,
    /// Proofs about kernels of guests that panicked or said something before the scenario. The end reports them: the guests are whole
    /// again, and move.
    guests_before: Vec<Proof>,
    /// Texts that user space of each guest has written to its kernel's log. The console does not tell them from the
    /// kernel's.
    strangers: HashMap<String, BTreeSet<String>>,
    /// Guests whose panic the check has reported.
    panicked: BTreeSet<String>,
    /// Hosts of which the check has reported that they do not answer, and that have not answered since.
    silent: BTreeSet<String>,
}

impl<'a> KernelLogAsked<'a> {
    fn new(scene: &Scene<'a>) -> KernelLogAsked<'a> {
        let [source, target] = scene.hosts;
        let allowed = scene.file.allowed_lines();
        let mut logs = host_logs(scene.fleet, source.boot_id == target.boot_id);
        // What the boots of a fleet overwrite is multivm's own doing.
        let booted = scene.fleet.take_booted();
        let before = logs.iter_mut().zip(scene.hosts).flat_map(|((_, log), seen)| {
            log.learn_devices(scene.fleet, seen);
            // A whole log contains lines from before the run.
            let is_news = !seen.whole_log && !seen.kernel_log.is_empty();
            let proof = is_news.then(|| log.prove_between(&seen.kernel_log, BETWEEN, allowed));
            proof.into_iter().chain(log.overrun(seen).filter(|_| !booted)).collect::<Vec<_>>()
        });
        let before = before.collect();
        let mut guests_before = lost::before(&ABOUT, scene.fleet, LossKind::Panicked, &LOST);
        guests_before.extend(of_later_looks(&scene.fleet.take_later_looks(), BETWEEN, allowed));
        KernelLogAsked {
            before,
            guests_before,
            fleet: scene.fleet,
            allowed,
            logs: scene.logs,
            hosts: logs,
            strangers: HashMap::new(),
            panicked: BTreeSet::new(),
            silent: BTreeSet::new(),
        }
    }

    fn of_guest(&mut self, look: &GuestLook) -> Vec<Proof> {
        let strange = look.seen.kernel_log.iter().filter(|line| line.facility != KERNEL);
        let strange = strange.map(|line| line.text.clone());
        self.strangers.entry(look.guest.name.clone()).or_default().extend(strange);
        let allowed = allowed_in(look.guest.member.image.as_deref(), self.allowed);
        in_guest(&look.seen, &allowed).into_iter().map(|proof| look.proof(proof)).collect()
    }
}

/// The lines that the log of a guest of that image may have.
fn allowed_in(image: Option<&str>, allowed: &[AllowedLine]) -> Vec<AllowedLine> {
    allowed.iter().filter(|line| line.is_for(image)).cloned().collect()
}

/// The proofs about what a look into a guest has read of its kernel's log.
fn in_guest(seen: &Observation, allowed: &[AllowedLine]) -> Vec<Proof> {
    let proof = match &seen.kernel_log_error {
        Some(error) => unreadable("the guest", error),
        None => guest(&seen.kernel_log, allowed),
    };
    [proof].into_iter().chain(overrun("the guest", seen.lost_lines)).collect()
}

/// The proofs about what guests' kernels have said outside of scenarios; `when` tells the reader which time that is.
fn of_later_looks(looks: &[LaterLook], when: &str, allowed: &[AllowedLine]) -> Vec<Proof> {
    let proofs = looks.iter().flat_map(|look| {
        let proofs = in_guest(&look.seen, &allowed_in(look.image.as_deref(), allowed)).into_iter();
        proofs.map(|proof| Proof { expected: format!("{}, {when}", proof.expected), ..proof }.of(&look.guest))
    });
    proofs.collect()
}

/// The finding about lines that a kernel overwrote before anybody had read them; none if it overwrote none.
fn overrun(whose: &str, lost: u64) -> Option<Proof> {
    let lines = if lost == 1 { "line" } else { "lines" };
    let seen = format!("{lost} {lines} lost before they were read");
    let expected = format!("every line of the kernel log of {whose} is read");
    (lost > 0).then(|| Proof::new(&ABOUT, false, expected, seen).advise(&OVERRUN))
}

/// One log per kernel, with the side of the host that reads it.
fn host_logs(fleet: &Fleet, one_kernel: bool) -> Vec<(Side, HostLog)> {
    let hosts = fleet.hosts.both();
    // The kernel may kill these on hosts, because a scenario runs them there.
    let loads = Load::programs();
    let group = |host: &Host| host.entry.control_group.clone();
    if one_kernel {
        let groups = hosts.iter().filter_map(|host| group(host)).collect();
        let names = hosts.map(|host| host.entry.name.as_str());
        vec![(hosts[0].side, HostLog::new(&names, &loads, groups))]
    } else {
        let log = |host: &Host| HostLog::new(&[&host.entry.name], &loads, Vec::from_iter(group(host)));
        hosts.into_iter().map(|host| (host.side, log(host))).collect()
    }
}

impl Asked for KernelLogAsked<'_> {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        if look.has_news() { self.of_guest(look) } else { Vec::new() }
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        self.of_guest(look)
    }

    /// Reads the last words of a silent guest's kernel from its console.
    fn on_silence(&mut self, silence: &Silence<'_>) -> Vec<Proof> {
        let Silence { guest, leg, .. } = silence;
        // The guest may have moved since then, or died on its way, so both hosts' files count.
        let path = console_path(&guest.name);
        let added = |logs: &LogMarks| {
            let hosts = self.fleet.hosts.both().into_iter();
            let texts: Vec<String> = hosts
                .filter_map(|host| logs.added(&host.entry.name, &host.remote, &path, CONSOLE_KEPT).ok())
                .collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        };
        let none = BTreeSet::new();
        let allowed = allowed_in(guest.member.image.as_deref(), self.allowed);
        let strange = self.strangers.get(&guest.name).unwrap_or(&none);
        let proof = self.logs.and_then(added).map(|text| console(&text, strange, &allowed));
        proof.filter(|proof| !proof.ok).map(|proof| proof.of(&guest.name).after(*leg)).into_iter().collect()
    }

    fn on_hosts(&mut self, look: &HostsLook<'_>) -> Vec<Proof> {
        let mut proofs = Vec::new();
        for (host, seen) in &look.hosts {
            let name = &host.entry.name;
            let log = self.hosts.iter_mut().find(|(side, _)| *side == host.side);
            if seen.is_ok() {
                self.silent.remove(name);
            }
            let proof = match (seen, log) {
                (Ok(seen), Some((_, log))) => {
                    if log.is_about_another_device(&seen.kernel_log) {
                        log.learn_devices(self.fleet, seen);
                    }
                    let proof = log.prove(&seen.kernel_log, self.allowed);
                    proofs.extend(log.overrun(seen).map(|proof| proof.after(look.leg)));
                    seen.kernel_log_error.as_ref().map_or(proof, |error| unreadable(name, error))
                }
                // This host has the kernel of the other host, whose log has been proved.
                (Ok(_), None) => continue,
                (Err(_), _) if !self.silent.insert(name.clone()) => continue,
                (Err(failure), _) => unreadable(name, &failure.to_string()),
            };
            proofs.push(proof.after(look.leg));
        }
        proofs
    }

    /// Reports panics at once: they are known long before the guest counts as silent.
    fn meanwhile(&mut self) -> Vec<Proof> {
        let panicked = self.fleet.guests.iter().filter_map(|guest| {
            let panic = self.fleet.consoles.panic_of(&guest.name)?;
            self.panicked.insert(guest.name.clone()).then(|| {
                let expected = "no line of trouble on the console of the guest";
                let proof = Proof::new(&ABOUT, false, expected, panic.to_string()).advise(&CONSOLE);
                proof.of(&guest.name).tells(Outage::cause(panic.at))
            })
        });
        std::mem::take(&mut self.before).into_iter().chain(panicked).collect()
    }

    fn at_close(&mut self, close: &Close<'_>) -> Vec<Proof> {
        let mut proofs = close.hosts.as_ref().map(|look| self.on_hosts(look)).unwrap_or_default();
        proofs.append(&mut self.guests_before);
        proofs.extend(self.hosts.iter_mut().map(|(_, log)| log.finish(self.allowed)));
        proofs
    }
}

/// The most lines that a finding shows; the rest is in the evidence.
const SHOWN: usize = 8;

/// Judges new lines of a guest's kernel. A guest has no excuse: any process that its kernel kills is trouble, even the
/// load.
pub fn guest(lines: &[KernelLine], allowed: &[AllowedLine]) -> Proof {
    let found = lines.iter().filter_map(Trouble::of).collect();
    proof(LogOwner::Guest, "no new line of trouble in the guest's kernel log".into(), found, allowed)
}

/// Judges the console of a silent guest. With `quiet` on its command line the kernel prints only errors and worse there,
/// such as `[   16.104096] kernel BUG at lib/list_debug.c:62!`. `strange` has the texts that are known to be user space's.
pub fn console(text: &str, strange: &BTreeSet<String>, allowed: &[AllowedLine]) -> Proof {
    let printed = (0..).zip(text.lines()).filter_map(|(number, line)| printed(number, line));
    let lines: Vec<KernelLine> = printed.filter(|line| !strange.contains(&line.text)).collect();
    Proof { expected: "no line of trouble on the console of the guest".into(), ..guest(&lines, allowed) }
        .advise(&CONSOLE)
}

/// Parses a line of the log as the kernel prints it (CONFIG_PRINTK_TIME). The kernel does not print the level, so this
/// takes that of errors, and the text decides.
fn printed(sequence: u64, line: &str) -> Option<KernelLine> {
    const ERROR: u8 = 3;
    let (time, text) = line.trim_start_matches('\r').strip_prefix('[')?.split_once(']')?;
    Some(KernelLine {
        facility: KERNEL,
        level: ERROR,
        sequence,
        time_s: time.trim().parse().ok()?,
        text: text.trim().to_owned(),
    })
}

/// The log of one kernel under hosts: of a host, or of the machine whose kernel the lab's hosts share. A line does not tell
/// which of them it is about, so one proof stands for all of them.
///
/// The log remembers an OOM report without an end: the victim decides whether the report is trouble.
#[derive(Debug)]
pub struct HostLog {
    /// The hosts under the kernel, in words.
    whose: String,
    reports: Reports,
    /// Sequence number of the next line, unless lines are lost.
    next: Option<u64>,
}

impl HostLog {
    /// `names` are the hosts under this kernel. `loads` are the beginnings of the names of the programs that multivm itself
    /// runs there as load; the kernel may kill them, because a load may be larger than the host's memory on purpose.
    /// `groups` are the control groups of the hosts, if the kernel has other processes, too.
    pub fn new(names: &[&str], loads: &[&str], groups: Vec<String>) -> HostLog {
        let loads = loads.iter().map(|&name| name.to_owned()).collect();
        let shared = if names.len() > 1 { " (one kernel)" } else { "" };
        HostLog {
            whose: format!("{}{shared}", names.join(" and ")),
            reports: Reports::new(Household { loads, groups, devices: None }),
            next: None,
        }
    }

    /// Whether lines of trouble are about a device of which nobody has said yet that the hosts stand on it.
    fn is_about_another_device(&self, lines: &[KernelLine]) -> bool {
        let household = &self.reports.household;
        let troubles = lines.iter().filter_map(Trouble::of);
        troubles
            .into_iter()
            .any(|trouble| trouble.device().is_some_and(|device| !household.stands_on(device)))
    }

    /// Learns which devices the hosts and the storage under this kernel stand on, in addition to those that they stood on
    /// before: a disk that fails may be gone by now. If nobody knows, every device counts.
    fn learn_devices(&mut self, fleet: &Fleet, seen: &Observation) {
        let now = fleet.devices().ok().and_then(|devices| devices.under(&seen.boot_id).cloned());
        self.stand_on(now);
    }

    fn stand_on(&mut self, devices: Option<BTreeSet<String>>) {
        let known = self.reports.household.devices.take().unwrap_or_default();
        self.reports.household.devices = devices.map(|devices| devices.into_iter().chain(known).collect());
    }

    /// Judges the new lines since the last call, which must be all of them, in their order.
    pub fn prove(&mut self, new: &[KernelLine], allowed: &[AllowedLine]) -> Proof {
        let mut found = Vec::new();
        for line in new {
            if self.next != Some(line.sequence) {
                self.reports.cut(&mut found);
            }
            self.next = Some(line.sequence + 1);
            self.reports.take(line, &mut found);
        }
        self.reports.pause(&mut found);
        self.proof(found, allowed)
    }

    /// Judges the lines since the end of the last scenario; `when` tells the reader which time that is.
    pub fn prove_between(&mut self, new: &[KernelLine], when: &str, allowed: &[AllowedLine]) -> Proof {
        let proof = self.prove(new, allowed);
        Proof { expected: format!("{}, {when}", proof.expected), ..proof }
    }

    /// Judges an open report: there will be no further lines.
    pub fn finish(&mut self, allowed: &[AllowedLine]) -> Proof {
        let mut found = Vec::new();
        self.reports.settle(&mut found);
        self.proof(found, allowed)
    }

    /// The finding about lines that nobody has read. A kernel that kills what the hosts may lose, such as a load that is larger than
    /// their memory, writes a long report each time: what such a flood overwrites is multivm's own doing.
    fn overrun(&self, seen: &Observation) -> Option<Proof> {
        let kills = |line: &KernelLine| self.reports.is_about_what_may_be_lost(line);
        overrun(&self.whose, seen.lost_lines).filter(|_| !seen.kernel_log.iter().any(kills))
    }

    fn proof(&self, found: Vec<Trouble>, allowed: &[AllowedLine]) -> Proof {
        let expected = format!("no new line of trouble in the kernel log of {}", self.whose);
        proof(LogOwner::Host, expected, found, allowed)
    }
}

/// The proof about these lines of trouble.
fn proof(owner: LogOwner, expected: String, mut found: Vec<Trouble>, allowed: &[AllowedLine]) -> Proof {
    found.retain(|trouble| !allowed.iter().any(|allowed| allowed.allows(owner, &trouble.line.text)));
    // A report with a late verdict has earlier lines than those found meanwhile.
    found.sort_by_key(|trouble| trouble.line.sequence);
    if found.is_empty() {
        return Proof::new(&ABOUT, true, expected, "none");
    }

    let mut classes: Vec<&str> = Vec::new();
    for trouble in &found {
        if !classes.contains(&trouble.class) {
            classes.push(trouble.class);
        }
    }
    let lines = if found.len() == 1 { "line" } else { "lines" };
    let mut seen = format!("{} {lines} of trouble ({})", found.len(), classes.join(", "));
    let killed: BTreeSet<String> = found
        .iter()
        .filter_map(|trouble| oom::victim(&trouble.line.text))
        .map(|name| if process::is_guest(name) { format!("a guest ({name})") } else { name.to_owned() })
        .collect();
    if !killed.is_empty() {
        seen += &format!("; killed: {}", Vec::from_iter(killed).join(", "));
    }
    seen.push(':');
    for Trouble { line, .. } in found.iter().take(SHOWN) {
        seen += &format!("\n<{}>[{:.6}] {}", line.level, line.time_s, line.text);
    }
    if found.len() > SHOWN {
        seen += &format!("\nand {} more", found.len() - SHOWN);
    }
    let proof = Proof::new(&ABOUT, false, expected, seen);
    match owner {
        LogOwner::Guest if waits_for_disk(&classes) => {
            proof.advise(&GUEST).tells(Outage::of_disk(Instant::now()))
        }
        LogOwner::Guest => proof.advise(&GUEST),
        LogOwner::Host => proof.advise(&HOST),
    }
}

/// Whether all trouble is what a disk that does not answer makes.
fn waits_for_disk(classes: &[&str]) -> bool {
    let waits = |class: &&str| [HUNG, IO_ERROR].contains(class);
    classes.iter().any(waits) && classes.iter().all(|class| waits(class) || *class == CALL_TRACE)
}

/// The finding about a kernel log that cannot be read.
pub fn unreadable(whose: &str, error: &str) -> Proof {
    Proof::new(&ABOUT, false, format!("the kernel log of {whose} can be read"), error)
}
