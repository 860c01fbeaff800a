//! The pair of libvirt hosts, each with a kept ssh session and a kept libvirt connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::load_folder::removal;
use super::{EventHub, LogMarks, QemuEnds};
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::inventory::{Accelerator, AcceleratorKind, HostEntry, Inventory};
use crate::libvirt::{Connection, Libvirt, Subscription, Version};
use crate::remote::{Agent, Remote};
use crate::scenario::Side;
use crate::sys::parallel::{at_once, locked};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long libvirtd may take to answer after its host does.
const LIBVIRT_LIMIT: Duration = Duration::from_secs(30);

/// How long our program may take to be copied to a host, and to answer.
const AGENT_LIMIT: Duration = Duration::from_secs(20);

/// The first QEMU whose TCG loses no writes of migrating guests: commit 03bfc2188f06 "physmem: Fix migration dirty bitmap
/// coherency with TCG memory access", released in 9.0.
const SOUND_UNDER_TCG: Version = Version::new(9, 0, 0);

/// One libvirt host.
pub struct Host {
    pub side: Side,
    pub entry: HostEntry,
    pub remote: Remote,
    /// Our program on the host. The first use copies it there, and dropping this value removes it.
    pub agent: Arc<Agent>,
    /// The connection for queries, statistics, events and orders, but never for a migration, which occupies a call of its
    /// connection for as long as it takes.
    pub control: Connection,
    pub qemu: Version,
    pub libvirt: Version,
    _events: Subscription,
}

/// The pair of hosts.
pub struct Hosts {
    pub source: Host,
    pub target: Host,
    pub events: EventHub,
    /// QEMUs that have ended by themselves since the last scenario took such ends.
    pub qemu_ends: QemuEnds,
    /// The end of the logs that the last scenario read; none if the next one begins anew.
    pub logs_read: Mutex<Option<LogMarks>>,
    /// The libvirt library of all connections.
    pub library: Libvirt,
    pub accelerator: Accelerator,
}

impl Host {
    /// The folder on the host for loads that write files. The starter of such a load makes the folder.
    pub fn load_folder(&self) -> String {
        format!("{}/load", self.entry.load_folder)
    }

    /// Ends every load on the host, and removes its files.
    pub fn end_loads(&self, limit: Duration) -> Result<()> {
        self.agent.end_strays(limit)?;
        self.remote.check(&removal(&self.load_folder()), limit).map(drop)
    }
}

impl Hosts {
    /// Connects to both hosts at the same time.
    pub fn connect(inventory: &Inventory, stop: &StopFlag) -> Result<Hosts> {
        let library = Libvirt::start().attempting(|| "start libvirt's event loop".into())?.until(stop);
        let library = library.slower(inventory.slowness);
        let events = EventHub::default();
        let qemu_ends = QemuEnds::of(&events);
        let sides = [(Side::Source, &inventory.source), (Side::Target, &inventory.target)];
        let mut hosts = at_once("connect to a host", sides, |(side, entry)| {
            connect(&library, side, entry, &inventory.owner, &events, stop)
        })
        .into_iter();
        let mut next = || hosts.next().unwrap_or_else(|| Err(Failure::new("connect to a host", "no result")));
        let (source, target) = (next(), next());
        Ok(Hosts {
            source: source?,
            target: target?,
            events,
            qemu_ends,
            logs_read: Mutex::default(),
            library,
            accelerator: inventory.accelerator.clone(),
        })
    }

    pub fn get(&self, side: Side) -> &Host {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// Hides the past of QEMUs and logs from the next scenario: guests that multivm makes or repairs end on purpose.
    pub fn forget_the_past(&self) {
        self.qemu_ends.take();
        *locked(&self.logs_read) = None;
    }

    pub fn both(&self) -> [&Host; 2] {
        [&self.source, &self.target]
    }

    /// Checks that libvirtd of both hosts answers over the kept connections.
    ///
    /// # Errors
    ///
    /// One does not answer; a closed connection stays closed.
    pub fn answer(&self) -> Result<()> {
        let asked = at_once("ask a host", self.both(), |host| {
            let attempted = || format!("ask libvirtd of {}", host.entry.name);
            if !host.control.is_alive() {
                let cause = Cause::new(FailureKind::Unreachable, "the connection is closed");
                return Err(Failure::new(attempted(), cause));
            }
            host.control.active().map(drop).attempting(attempted)
        });
        asked.into_iter().collect()
    }

    /// The older of the two hosts' QEMU.
    pub fn oldest_qemu(&self) -> Version {
        self.source.qemu.min(self.target.qemu)
    }

    /// The facts about the stack for the run's record.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        for host in self.both() {
            let name = &host.entry.name;
            facts.insert(format!("{name}.qemu"), host.qemu.to_string());
            facts.insert(format!("{name}.libvirt"), host.libvirt.to_string());
            for (key, value) in &host.entry.facts {
                facts.insert(format!("{name}.{key}"), value.clone());
            }
        }
        facts.insert("accelerator".into(), self.accelerator.kind.to_string());
        facts.insert("accelerator_reason".into(), self.accelerator.reason.clone());
        facts
    }

    /// A known defect of this stack that users should know before anything starts.
    pub fn warning(&self) -> Option<String> {
        if self.accelerator.kind != AcceleratorKind::Tcg {
            return None;
        }
        let old: Vec<String> = self
            .both()
            .into_iter()
            .filter(|host| host.qemu < SOUND_UNDER_TCG)
            .map(|host| format!("{} has QEMU {}", host.entry.name, host.qemu))
            .collect();
        (!old.is_empty()).then(|| {
            format!(
                "this stack is known to corrupt guests: {}, and before QEMU {SOUND_UNDER_TCG} live migration under \
                 TCG loses guest writes (fixed by QEMU commit 03bfc2188f06). Failures of memory-dirtying scenarios \
                 are to be expected, and are that defect",
                old.join(", ")
            )
        })
    }
}

fn connect(
    library: &Libvirt,
    side: Side,
    entry: &HostEntry,
    owner: &str,
    events: &EventHub,
    stop: &StopFlag,
) -> Result<Host> {
    let control = retry_connect(library, entry, stop)?;
    let attempted = || format!("ask {} for its versions and events", entry.name);
    let hub = events.clone();
    let subscription = control.subscribe(move |event| hub.publish(&event)).attempting(attempted)?;
    let remote = Remote::new(entry.name.as_str(), entry.login.clone());
    let agent = Arc::new(Agent::new(remote.clone()).for_loads_of(owner));
    if !agent.resume_log() {
        // This look sets the begin of the host's kernel log. If it fails, the first scenario reports it.
        let _ = agent.observe(AGENT_LIMIT);
    }
    Ok(Host {
        side,
        agent,
        remote,
        qemu: control.hypervisor_version().attempting(attempted)?,
        libvirt: control.daemon_version().attempting(attempted)?,
        control,
        entry: entry.clone(),
        _events: subscription,
    })
}

impl Drop for Host {
    fn drop(&mut self) {
        self.agent.remove();
    }
}

/// Opens a connection, and waits for a libvirtd that is just starting.
pub fn retry_connect(library: &Libvirt, entry: &HostEntry, stop: &StopFlag) -> Result<Connection> {
    wait_for(&format!("libvirtd of {} to answer", entry.name), LIBVIRT_LIMIT, stop, || {
        match library.connect(&entry.uri, &entry.name) {
            Ok(connection) => Poll::Ready(connection),
            Err(error) => Poll::again(error),
        }
    })
}
