//! One command's hold on this machine: the lock, the ledger, and the lab that is up or can be raised.

use std::collections::BTreeMap;
use std::fs;

use crate::failure::{Failure, Result};
use crate::inventory::{Inventory, Settings};
use crate::ledger::{Ledger, Lock, Owner, Thing, start_time, state_directory};
use crate::stand::lab::{self, Lab, Prepared, network};
use crate::sys::wait::StopFlag;

/// The lock, the ledger and the lab. Dropping it without [`Session::end`] leaves the undoing to the next command.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    cancel: StopFlag,
    ledger: Ledger,
    prepared: Option<Prepared>,
    lab: Option<Lab>,
    /// The lab was up before this command.
    attached: bool,
    /// The process that the lab belongs to if this command, or one before it for the same process, raised it.
    owner: Option<Owner>,
    /// The lab was up before, raised by another command of the same owner.
    shared: bool,
    /// What an earlier command had left, and this one has undone.
    cleared: Vec<Thing>,
    // Last: whoever waits for the lock finds everything else done.
    _lock: Lock,
}

impl Session {
    /// Takes the lock, clears what a killed run left, and finds a lab that was left up on purpose.
    ///
    /// What was cleared is said on standard error.
    pub fn begin(settings: Settings, cancel: StopFlag) -> Result<Session> {
        Session::begin_for(settings, cancel, None)
    }

    /// [`Session::begin`], for one of several commands of `owner` that share a lab: whichever of them raises it leaves it to
    /// the others, for as long as `owner` lives.
    pub fn begin_for(settings: Settings, cancel: StopFlag, owner: Option<Owner>) -> Result<Session> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Failure::new("work on this machine", "namespaces need root")
                .try_next("run it as root, or install sudo: multivm then uses it by itself"));
        }
        let directory = state_directory();
        let lock = Lock::take(&directory)?;
        let ledger = Ledger::open(&directory)?;
        let mut session = Session {
            settings,
            cancel,
            ledger,
            prepared: None,
            lab: None,
            attached: false,
            owner,
            shared: false,
            cleared: Vec::new(),
            _lock: lock,
        };
        if ledger_says_up(&session.ledger) {
            session.lab = Some(Lab::attach()?);
            session.attached = true;
            // Asked now: whatever is entered into the ledger from here on takes the note away.
            session.shared = session.owner.is_some() && session.ledger.kept_until() == session.owner;
            if session.shared && !session.is_of_these_suites() {
                // Such as a test that wants a stack of its own.
                eprintln!("multivm: the lab of this run has hosts of other suites; raising another");
                session.lab = None;
                (session.attached, session.shared) = (false, false);
                session.ledger.undo_all().into_iter().next().map_or(Ok(()), Err)?;
            }
        } else {
            session.cleared = session.reap()?;
        }
        Ok(session)
    }

    /// Whether the hosts of the lab that is up are what the settings ask for.
    fn is_of_these_suites(&self) -> bool {
        self.lab.as_ref().map(Lab::inventory).is_none_or(|inventory| {
            let is = |facts: &BTreeMap<String, String>, suite: &str| {
                facts.get("suite").is_none_or(|found| found == suite)
            };
            is(&inventory.source.facts, &self.settings.source_suite)
                && is(&inventory.target.facts, &self.settings.target_suite)
        })
    }

    /// Undoes what an earlier command left, and returns it; nothing if it left nothing.
    fn reap(&self) -> Result<Vec<Thing>> {
        let left = self.ledger.outstanding();
        if left.is_empty() {
            return Ok(left);
        }
        eprintln!("multivm: clearing what an earlier run left behind: {}", summary(&left));
        match self.ledger.undo_all().into_iter().next() {
            None => Ok(left),
            Some(failure) => Err(failure.try_next("multivm reap, when the cause is gone")),
        }
    }

    /// Makes what a lab needs and moves this thread into the lab's network. To be called before any thread that
    /// talks to the lab is started; packages are fetched here, while the machine's own network is still seen.
    pub fn prepare(&mut self) -> Result<()> {
        // One that is up and shared may have to be built again.
        if !self.attached || self.is_shared() {
            self.prepared = Some(lab::prepare(&self.settings, &self.ledger, &self.cancel)?);
        }
        if !self.attached {
            network::create_switch(&self.ledger)?;
        }
        network::join_switch()
    }

    /// The lab's inventory; raises the lab, with room for guests of that much memory (bytes), if it is not up.
    pub fn raise(&mut self, guests_memory: u64) -> Result<&Inventory> {
        if !network::in_switch() {
            return Err(Failure::new("raise the lab", "this thread is not in the lab's network namespace"));
        }
        let lab = match (self.lab.take(), &self.prepared) {
            (Some(lab), _) => lab,
            (None, Some(prepared)) => {
                Lab::raise(prepared, &self.settings, guests_memory, &self.ledger, &self.cancel)?
            }
            (None, None) => return Err(Failure::new("raise the lab", "it was not prepared")),
        };
        Ok(self.lab.insert(lab).inventory())
    }

    /// What the hosts are made of and which accelerator their guests get, in one line; none before it is known.
    pub fn stack(&self) -> Option<String> {
        match (&self.prepared, &self.lab) {
            (Some(prepared), _) => Some(prepared.to_string()),
            (None, Some(lab)) => Some(format!("the lab that is up, {}", lab.inventory().accelerator)),
            (None, None) => None,
        }
    }

    /// Takes the hosts and the storage server down, not the network that this process is in, so that they can be
    /// raised again.
    pub fn clear_hosts(&mut self) -> Result<()> {
        if self.attached && !self.is_shared() {
            return Err(Failure::new("rebuild the lab", "it was left up by an earlier command, whose it is")
                .try_next("multivm lab down, then run again"));
        }
        self.lab = None;
        (self.attached, self.shared) = (false, false);
        let switch = Thing::NetworkNamespace { name: network::SWITCH.into() };
        self.ledger.undo_all_but(|thing| *thing == switch).into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether the lab was up before, raised by another command of the same owner.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The process for as long as which the lab stays up; none if it stays for good, or is not up.
    pub fn until(&self) -> Option<Owner> {
        self.ledger.kept_until()
    }

    /// Whether the lab was up before.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// What [`Session::begin`] found of a killed run and undid.
    pub fn cleared(&self) -> &[Thing] {
        &self.cleared
    }

    /// What would go with [`Session::down`].
    pub fn things(&self) -> Vec<Thing> {
        self.ledger.outstanding()
    }

    pub fn stop_flag(&self) -> &StopFlag {
        &self.cancel
    }

    /// Leaves the lab up after this command.
    pub fn keep(self) -> Result<()> {
        self.ledger.keep()
    }

    /// Leaves the lab up for as long as a process lives.
    pub fn keep_until(self, owner: &Owner) -> Result<()> {
        self.ledger.keep_until(owner)
    }

    /// Ends this command's hold: takes down what it raised, or leaves it to the owner's next command. A lab that was up
    /// before stays.
    pub fn end(self) -> Vec<Failure> {
        if self.attached && !self.shared {
            return Vec::new();
        }
        match self.owner.clone() {
            // Its owner is being interrupted, too: there is no next one.
            Some(owner) if self.lab.is_some() && !self.cancel.is_set() => {
                self.keep_until(&owner).err().into_iter().collect()
            }
            _ => self.down(),
        }
    }

    /// Takes everything down, whoever raised it.
    pub fn down(mut self) -> Vec<Failure> {
        match self.lab.take() {
            Some(lab) => lab.down(&self.ledger),
            None => self.ledger.undo_all(),
        }
    }
}

/// Whether the ledger describes a lab that was left up on purpose and is still whole.
fn ledger_says_up(ledger: &Ledger) -> bool {
    ledger.is_kept() && is_whole(&ledger.outstanding()) && lab::running().is_ok()
}

/// Whether every process and network namespace that a ledger names is still there.
pub(super) fn is_whole(things: &[Thing]) -> bool {
    things.iter().all(|thing| match thing {
        Thing::Process { pid, start, .. } => start_time(*pid) == Some(*start),
        Thing::NetworkNamespace { name } => fs::exists(network::path(name)).unwrap_or(false),
        _ => true,
    })
}

/// "3 processes, 3 network namespaces, 4 control groups, 1 directory".
pub fn summary(things: &[Thing]) -> String {
    let count = |one: &str, many: &str, matches: fn(&Thing) -> bool| {
        let number = things.iter().filter(|thing| matches(thing)).count();
        (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { many }))
    };
    let parts = [
        count("process", "processes", |thing| matches!(thing, Thing::Process { .. })),
        count("network namespace", "network namespaces", |thing| {
            matches!(thing, Thing::NetworkNamespace { .. })
        }),
        count("control group", "control groups", |thing| matches!(thing, Thing::Cgroup { .. })),
        count("controller setting", "controller settings", |thing| {
            matches!(thing, Thing::CgroupController { .. })
        }),
        count("directory", "directories", |thing| matches!(thing, Thing::Directory { .. })),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
