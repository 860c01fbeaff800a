//! What the lab's hosts had when they were raised. A rule of the packet filter, a route, a mount or a link that has come
//! since then would damage every scenario to come, and no daemon's restart takes it away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Result};
use crate::inventory::Inventory;
use crate::remote::protocol::Traces;
use crate::remote::{Agent, Remote};
use crate::sys::parallel::at_once;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long our program may take to look at a host.
const LIMIT: Duration = Duration::from_secs(20);

/// How long libvirtd may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a vanishing thing may take to vanish, as the tap of a QEMU that has just ended does.
const SETTLING: Duration = Duration::from_secs(5);

/// How much more of its memory a host may have in files than when it was raised: logs grow.
const MORE_MIB: u64 = 256;

/// Where a host has files. All of them are in its memory, of which guests need the rest.
const PLACES: &str = "/ /run /tmp /dev/shm";

/// What each host has.
type Had = BTreeMap<String, Has>;

/// What a host has, in words, and how many MiB its files take at each of [`PLACES`].
#[derive(Debug, Default, Serialize, Deserialize)]
struct Has {
    things: Vec<String>,
    files_mib: BTreeMap<String, u64>,
}

/// Writes down what the hosts have, as soon as libvirtd has set what it sets at its start.
pub(super) fn note(inventory: &Inventory, lab: &Path, stop: &StopFlag) -> Result<()> {
    await_libvirtd(inventory, stop)?;
    let path = path(lab);
    let text = serde_json::to_string_pretty(&look(inventory)?)
        .attempting(|| "describe what the hosts have".to_owned())?;
    fs::write(&path, text).attempting(|| format!("write {}", path.display()))
}

/// Waits until libvirtd answers on both hosts. It serves nobody before it has started the networks that start with it, whose bridges, routes
/// and rules a host has from then on: a layer over a host's image may bring one.
fn await_libvirtd(inventory: &Inventory, stop: &StopFlag) -> Result<()> {
    at_once("wait for libvirtd", [&inventory.source, &inventory.target], |host| {
        let remote = Remote::new(host.name.as_str(), host.login.clone());
        wait_for(&format!("libvirtd of {} to answer", host.name), START_LIMIT, stop, || {
            match remote.check("virsh -q -c qemu:///system uri", LIMIT) {
                Ok(_) => Poll::Ready(()),
                Err(failure) => Poll::again(failure.cause),
            }
        })
    })
    .into_iter()
    .collect()
}

/// Checks that the hosts have what was written down, and no more.
///
/// # Errors
///
/// They have more, or lack something, or cannot be looked at.
pub(super) fn check(inventory: &Inventory, lab: &Path) -> Result<()> {
    let path = path(lab);
    let attempted = || format!("read {}", path.display());
    let text = fs::read_to_string(&path).attempting(attempted)?;
    let then: Had = serde_json::from_str(&text).attempting(attempted)?;
    wait_for("the hosts to be as they were raised", SETTLING, &StopFlag::new(), || match look(inventory) {
        Ok(now) => match changes(&then, &now) {
            changes if changes.is_empty() => Poll::Ready(()),
            changes => Poll::again(changes.join("; ")),
        },
        Err(failure) => Poll::again(failure.cause),
    })
}

fn path(lab: &Path) -> PathBuf {
    lab.join("as-raised.json")
}

/// Looks at the hosts, and at the storage server.
fn look(inventory: &Inventory) -> Result<Had> {
    let Inventory { storage, source, target, .. } = inventory;
    let logins =
        [(&storage.name, &storage.login), (&source.name, &source.login), (&target.name, &target.login)];
    let seen = at_once("look what a host has", logins, |(name, login)| {
        let agent = Agent::new(Remote::new(name.as_str(), login.clone()));
        let traces = agent.traces(&[], LIMIT);
        agent.remove();
        let used = Remote::new(name.as_str(), login.clone()).check(&format!("df -P -k {PLACES}"), LIMIT)?;
        Ok((name.clone(), Has { things: things(traces?), files_mib: files_mib(&used) }))
    });
    seen.into_iter().collect()
}

/// The settings of a host's kernel and the links that no guest has open.
fn things(traces: Traces) -> Vec<String> {
    let links = traces.links.into_iter().filter(|link| link.pid == 0);
    let links = links.map(|link| format!("link {}", link.name));
    traces.settings.into_iter().chain(links).collect()
}

/// The MiB in use at each place, as `df -P -k` lists them: `FILESYSTEM BLOCKS USED AVAILABLE CAPACITY POINT`, below a
/// line with the names of the columns.
fn files_mib(text: &str) -> BTreeMap<String, u64> {
    let place = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(((*words.get(5)?).to_owned(), words.get(2)?.parse::<u64>().ok()? >> 10))
    };
    text.lines().filter_map(place).collect()
}

/// What has changed on each host.
fn changes(then: &Had, now: &Had) -> Vec<String> {
    let nothing = Has::default();
    let of_host = |(host, now): (&String, &Has)| {
        let then = then.get(host).unwrap_or(&nothing);
        let (more, less) = (without(&now.things, &then.things), without(&then.things, &now.things));
        let more = (!more.is_empty()).then(|| format!("{host} has {}", more.join(", ")));
        let less = (!less.is_empty()).then(|| format!("{host} lacks {}", less.join(", ")));
        let filled = now.files_mib.iter().filter_map(|(place, mib)| {
            let more = mib.saturating_sub(*then.files_mib.get(place)?);
            (more > MORE_MIB).then(|| format!("{host} has {more} MiB more of files in {place}"))
        });
        [more, less].into_iter().flatten().chain(filled).collect::<Vec<_>>()
    };
    now.iter().flat_map(of_host).collect()
}

/// What remains of a list without another one: of equal things one for one.
fn without(list: &[String], other: &[String]) -> Vec<String> {
    let mut other = other.to_vec();
    let mut is_new = |thing: &&String| match other.iter().position(|known| known == *thing) {
        Some(at) => {
            other.swap_remove(at);
            false
        }
        None => true,
    };
    list.iter().filter(|thing| is_new(thing)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(lines: &str) -> Traces {
        lines.replace('|', "\t").parse().unwrap()
    }

    const RAISED: &str =
        "setting|mount of tmpfs at /run\nsetting|mount of tmpfs at /run\nlink|eth0|0|-|br0\n";

    fn told(now: &str) -> Vec<String> {
        let of = |lines: &str| {
            let has = Has { things: things(traces(lines)), ..Has::default() };
            Had::from([("source".to_owned(), has)])
        };
        changes(&of(RAISED), &of(now))
    }

    #[test]
    fn guests_that_come_and_go_change_nothing() {
        let guest = "domain|70|vm1\nlink|vnet0|70|tap|br0\nport|tcp|49152|70\n";
        assert_eq!(told(&format!("{RAISED}{guest}")), [""; 0]);
    }

    #[test]
    fn what_somebody_added_or_took_away_is_told() {
        let more = "setting|packet filter: table inet left\nlink|vnet0|0|tap|br0\n";
        assert_eq!(
            told(&format!("{RAISED}{more}")),
            ["source has packet filter: table inet left, link vnet0"]
        );
        let less = RAISED.replacen("setting|mount of tmpfs at /run\n", "", 1);
        assert_eq!(told(&less), ["source lacks mount of tmpfs at /run"]);
    }

    #[test]
    fn files_that_fill_a_hosts_memory_are_told() {
        let of = |kib: u64| {
            let table = format!(
                "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                 overlay 12000000 20480 11979520 1% /\ntmpfs 12000000 {kib} 11000000 1% /run\n"
            );
            let has = Has { files_mib: files_mib(&table), ..Has::default() };
            Had::from([("target".to_owned(), has)])
        };
        assert_eq!(changes(&of(4096), &of(100 << 10)), [""; 0], "logs grow");
        let told = changes(&of(4096), &of(300 << 10));
        assert_eq!(told, ["target has 296 MiB more of files in /run"]);
    }
}
