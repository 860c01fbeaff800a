//! A fleet for tests on two hosts of libvirt's test driver. Nothing answers by ssh: not the hosts, the storage or the guests.

use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Fleet, made};
use crate::guest::console::Consoles;
use crate::guest::role::Role;
use crate::guest::testing::{inventory, profile};
use crate::guest::{Guest, identity};
use crate::host::{Hosts, Storage};
use crate::libvirt::testing::{TestNode, domain_xml};
use crate::libvirt::{MARK_NAMESPACE, OurDomain};
use crate::remote::{Agent, Remote};
use crate::scenario::{Profile, Side};
use crate::sys::stop::StopFlag;

/// The owner of the fleet.
pub const OWNER: &str = "a";

/// The owner of another fleet.
pub const OTHER: &str = "b";

/// Three guests and a load guest, none of which is on a host yet.
pub struct TestFleet {
    fleet: Fleet,
    _node: TestNode,
}

impl TestFleet {
    pub fn new() -> TestFleet {
        let mut inventory = inventory(OWNER);
        // All of these addresses are this machine's own.
        inventory.guests.addresses = "127.0.7.0/24".parse().unwrap();
        let node = TestNode::new();
        inventory.source.uri = node.uri();
        inventory.target.uri = node.uri();
        let remote = Remote::new("storage", inventory.storage.login.clone());
        let agent = Arc::new(Agent::new(remote.clone()));
        let stop = StopFlag::new();
        // Two guests boot at the same time, and are not waited for.
        let profile = Profile { guests: 3, vcpus: 2, boot_timeout: Duration::from_millis(50), ..profile() };
        let guest = |role, number| {
            Arc::new(identity::guest(role, number, profile.member(number), &inventory).unwrap())
        };
        let fleet = Fleet {
            consoles: Arc::new(Consoles::unread()),
            hosts: Hosts::connect(&inventory, &stop).unwrap(),
            storage: Storage { entry: inventory.storage.clone(), remote, agent },
            guests: (1..=3).map(|number| guest(Role::Fleet, number)).collect(),
            load_guests: vec![guest(Role::Load, 1)],
            asked: profile.clone(),
            profile: profile.clone(),
            inventory: inventory.clone(),
            stop,
            defined: made::Defined::default(),
            since: Mutex::default(),
            booted: AtomicBool::new(false),
            news: Arc::new(|_| {}),
        };
        TestFleet { fleet, _node: node }
    }

    /// Defines a domain on a host as a run with a profile would have done.
    pub fn put_of_profile(&self, side: Side, name: &str, run: &str, profile: &str) -> OurDomain {
        let mark = format!("<m:owner xmlns:m='{MARK_NAMESPACE}' run='{run}' profile='{profile}'/>");
        let xml = domain_xml(name).replace("<memory>", &format!("<metadata>{mark}</metadata><memory>"));
        let domain = self.hosts.get(side).control.define(&xml).unwrap();
        OurDomain::claim(domain, run).unwrap().unwrap()
    }

    /// Defines a domain of a run on a host, without a start.
    pub fn put(&self, side: Side, name: &str, run: &str) -> OurDomain {
        self.put_of_profile(side, name, run, "p")
    }

    /// Defines a domain of a run on a host, and starts it.
    pub fn put_running(&self, side: Side, name: &str, run: &str) -> OurDomain {
        let domain = self.put(side, name, run);
        domain.start().unwrap();
        domain
    }

    /// The names of the domains on a host, sorted.
    pub fn names(&self, side: Side) -> Vec<String> {
        let domains = self.hosts.get(side).control.domains().unwrap();
        let mut names: Vec<String> = domains.into_iter().map(|domain| domain.name).collect();
        names.sort();
        names
    }

    /// The guest of the fleet with this number, from 1.
    pub fn guest(&self, number: usize) -> &Arc<Guest> {
        &self.guests[number - 1]
    }
}

impl Deref for TestFleet {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.fleet
    }
}
