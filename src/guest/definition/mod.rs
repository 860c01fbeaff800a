//! A host's definition of a guest, and the differences between two definitions that matter.

mod tree;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Result};
use crate::libvirt::Domain;
use tree::Tree;

/// A host's definition of an active guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub autostart: bool,
    /// The number of snapshots, which are in neither XML.
    snapshots: u32,
    /// The definition that QEMU runs.
    live: Tree,
    /// The definition of libvirt's next start; none for a transient domain, which does not outlive its stop.
    persistent: Option<Tree>,
}

impl Definition {
    /// Asks a host for a guest's definition; none where the guest is not active, because only a running guest has a live
    /// definition.
    pub fn read(domain: &Domain) -> Result<Option<Definition>> {
        let attempted = || format!("read the definition of {}", domain.name());
        let asked = || -> crate::libvirt::Result<_> {
            let persistent = domain.is_persistent()?.then(|| domain.inactive_xml()).transpose()?;
            let (autostart, snapshots, live) = (domain.autostarts()?, domain.snapshots()?, domain.xml()?);
            // Asked last: what a guest that leaves meanwhile answered before was of a running guest only if it runs still.
            Ok((autostart, snapshots, live, persistent, domain.is_active()?))
        };
        let (autostart, snapshots, live, persistent, true) = asked().attempting(attempted)? else {
            return Ok(None);
        };
        let live = Tree::of_live(&live).attempting(attempted)?;
        let persistent = persistent.map(|xml| Tree::of_inactive(&xml)).transpose().attempting(attempted)?;
        Ok(Some(Definition { autostart, snapshots, live, persistent }))
    }

    /// The differences between this definition and a later one, without autostart. `another_libvirt`: another version of
    /// libvirt gave the later one, and may write down what the first left out; but it gives no guest another disk or title.
    pub fn differences(&self, later: &Definition, another_libvirt: bool) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut compare = |which: &'static str, before: &Tree, after: &Tree| {
            let differences = before.differences(after).into_iter();
            let counts =
                |found: &tree::Differing| !another_libvirt || found.before.is_some() || found.is_somebodys();
            found.extend(differences.filter(counts).map(|one| Difference::new(which, one)));
        };
        compare("live XML", &self.live, &later.live);
        match (&self.persistent, &later.persistent) {
            (Some(before), Some(after)) => compare("persistent XML", before, after),
            (before, after) if before.is_some() != after.is_some() => {
                let word = |tree: &Option<Tree>| if tree.is_some() { "persistent" } else { "transient" };
                found.push(Difference {
                    what: "domain".into(),
                    expected: word(before).into(),
                    seen: word(after).into(),
                });
            }
            _ => {}
        }
        if self.snapshots != later.snapshots {
            found.push(Difference {
                what: "snapshots".into(),
                expected: self.snapshots.to_string(),
                seen: later.snapshots.to_string(),
            });
        }
        found
    }
}

/// One difference between two definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The definition, and the path in it.
    pub what: String,
    pub expected: String,
    pub seen: String,
}

/// The most characters that a message shows of a long value.
const SHOWN: usize = 120;

/// The most of these characters before the first difference.
const BEFORE: usize = 20;

impl Difference {
    fn new(which: &str, tree::Differing { path, before, after }: tree::Differing) -> Difference {
        let (expected, seen) = (before.unwrap_or("nothing"), after.unwrap_or("nothing"));
        let same = expected.chars().zip(seen.chars()).take_while(|(one, other)| one == other).count();
        let from = if expected.chars().count().max(seen.chars().count()) > SHOWN {
            same.saturating_sub(BEFORE)
        } else {
            0
        };
        Difference {
            what: format!("{which}, {path}"),
            expected: excerpt(expected, from),
            seen: excerpt(seen, from),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} instead of {}", self.what, self.seen, self.expected)
    }
}

fn excerpt(text: &str, from: usize) -> String {
    let mut shown: String = text.chars().skip(from).take(SHOWN).collect();
    if from > 0 {
        shown.insert_str(0, "...");
    }
    if text.chars().count() > from + SHOWN {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(persistent: Option<&str>) -> Definition {
        let tree =
            |inside: &str| Tree::of_inactive(&format!("<domain><name>vm1</name>{inside}</domain>")).unwrap();
        Definition { autostart: false, snapshots: 0, live: tree(""), persistent: persistent.map(tree) }
    }

    #[test]
    fn a_domain_that_lost_its_definition_is_transient() {
        let found = definition(Some("")).differences(&definition(None), false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "domain: transient instead of persistent");
        assert!(definition(None).differences(&definition(None), false).is_empty());
    }

    #[test]
    fn a_snapshot_is_a_difference() {
        let found = definition(None).differences(&Definition { snapshots: 1, ..definition(None) }, true);
        assert_eq!(found[0].to_string(), "snapshots: 1 instead of 0");
    }

    #[test]
    fn another_version_of_libvirt_may_add_what_the_first_left_out_and_change_nothing() {
        let (old, new) =
            (definition(Some("<vcpu>1</vcpu>")), definition(Some("<vcpu>1</vcpu><audio id='1'/>")));
        assert!(old.differences(&new, true).is_empty());
        assert_eq!(old.differences(&new, false)[0].what, "persistent XML, audio");
        let found = old.differences(&definition(Some("<vcpu>3</vcpu>")), true);
        assert_eq!(found[0].to_string(), "persistent XML, vcpu: 3 instead of 1");
        assert_eq!(new.differences(&old, true).len(), 1);
    }

    #[test]
    fn no_version_of_libvirt_gives_a_guest_a_device_by_itself() {
        let with = |devices: &str| definition(Some(&format!("<devices>{devices}</devices>")));
        let disk = "<disk type='file'><target dev='vda'/></disk>";
        let added = |more: &str| {
            let found = with(disk).differences(&with(&format!("{disk}{more}")), true);
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let of = |device: &str| format!("persistent XML, devices/{device}: there instead of nothing");
        assert_eq!(added("<disk><target dev='vdb'/></disk>"), of("disk[target=vdb]"));
        assert_eq!(
            added("<interface type='bridge'><mac address='52:54:00:00:00:07'/></interface>"),
            of("interface[mac=52:54:00:00:00:07]")
        );
        assert_eq!(added("<hostdev mode='subsystem' type='pci'/>"), of("hostdev"));
        assert_eq!(added("<filesystem><source dir='/'/></filesystem>"), of("filesystem"));
        assert_eq!(added("<rng model='virtio'/>"), of("rng"));
        assert_eq!(
            added("<controller type='pci' index='7'/><audio id='1'/><memballoon model='virtio'/>"),
            ""
        );
        let told = with("<disk type='file'><target dev='vda'/><driver discard='unmap'/></disk>");
        assert!(with(disk).differences(&told, true).is_empty(), "it tells more of a disk that was there");
    }

    #[test]
    fn no_version_of_libvirt_says_something_of_a_guest() {
        for said in [
            "<title>web</title>",
            "<description>web</description>",
            "<metadata><a xmlns='b'>c</a></metadata>",
        ] {
            assert_eq!(definition(Some("")).differences(&definition(Some(said)), true).len(), 1, "{said}");
        }
    }

    #[test]
    fn a_long_value_is_shown_around_what_differs() {
        let line = |end: &str| format!("<cmdline>{}{end}</cmdline>", "x".repeat(500));
        let found = definition(Some(&line("a"))).differences(&definition(Some(&line("b"))), false);
        assert_eq!(found[0].seen, format!("...{}b", "x".repeat(20)));
        assert_eq!(found[0].expected, format!("...{}a", "x".repeat(20)));
    }
}
