//! Counts QEMU's connections from the source to each address and port of the destination while a migration goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::failure::Result;
use crate::remote::{Remote, quote};
use crate::sys::parallel::locked;
use crate::sys::watch::Watch;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What all looks at one migration saw together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    /// The most connections to one address and port at the same time.
    pub most: usize,
    /// The address and port of that most.
    pub peer: String,
    /// How many looks succeeded.
    pub looks: usize,
    /// Why the last failed look failed.
    pub failure: Option<String>,
}

impl Connections {
    /// Adds one look.
    fn add(&mut self, look: Result<BTreeMap<String, usize>>) {
        match look {
            Ok(seen) => {
                self.looks += 1;
                // All channels of a migration go to one port of the destination. QEMU has only one connection to any other
                // port.
                if let Some((peer, count)) = seen.into_iter().max_by_key(|(_, count)| *count)
                    && count > self.most
                {
                    (self.peer, self.most) = (peer, count);
                }
            }
            Err(failure) => self.failure = Some(failure.to_string()),
        }
    }
}

impl fmt::Display for Connections {
    /// `5 connections at once to 10.0.0.2:49152, in 12 looks`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            0 => f.write_str("no connection")?,
            1 => write!(f, "one connection to {}", self.peer)?,
            most => write!(f, "{most} connections at once to {}", self.peer)?,
        }
        write!(f, ", in {} looks", self.looks)?;
        self.failure.iter().try_for_each(|failure| write!(f, "; the last look that failed: {failure}"))
    }
}

/// Counts connections beside a migration, in a thread of its own that nobody waits for. Dropping it ends the count.
pub struct Counting {
    seen: Arc<Mutex<Connections>>,
    _thread: Watch<()>,
}

impl Counting {
    /// Starts to count the connections of a guest's QEMU on a host.
    pub fn start(host: Remote, guest: &str) -> Result<Counting> {
        let command = command(guest);
        let seen = Arc::new(Mutex::default());
        let shared: Arc<Mutex<Connections>> = Arc::clone(&seen);
        let thread = Watch::start("connections", move |stop| {
            while !stop.is_set() {
                let look = host.check(&command, LIMIT).map(|listed| by_peer(&listed));
                if !stop.is_set() {
                    locked(&shared).add(look);
                }
                stop.pause(PAUSE);
            }
        })?;
        Ok(Counting { seen, _thread: thread })
    }

    /// The count so far.
    pub fn seen(&self) -> Connections {
        locked(&self.seen).clone()
    }
}

/// A shell command that lists a host's established TCP connections below the pid of the guest's QEMU. libvirt keeps that pid
/// in this file; a guest that has left has none, and the command lists nothing.
fn command(guest: &str) -> String {
    let file = quote(&format!("/run/libvirt/qemu/{guest}.pid")).into_owned();
    format!("if [ -e {file} ]; then cat {file}; echo; ss -Htnp state established; fi")
}

/// Counts the connections of the process whose pid is the first line, by address and port of the peer. The other lines are
/// ss(8)'s: `Recv-Q Send-Q Local:Port Peer:Port users:(("name",pid=1,fd=2))`.
fn by_peer(listed: &str) -> BTreeMap<String, usize> {
    let mut lines = listed.lines();
    let pid = lines.next().unwrap_or_default().trim();
    let mut counts = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, peer, owners @ ..] = &words[..]
            && owners.concat().split([',', ')']).any(|part| part.strip_prefix("pid=") == Some(pid))
        {
            *counts.entry((*peer).to_owned()).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LISTED: &str = "\
417

0      0      10.77.0.2:22         10.77.0.1:50112 users:((\"sshd\",pid=88,fd=4))
0      99904  10.77.0.2:44010      10.77.0.3:49152 users:((\"qemu-system-x86\",pid=417,fd=31))
0      0      10.77.0.2:44012      10.77.0.3:49152 users:((\"qemu-system-x86\",pid=417,fd=40))
0      0      10.77.0.2:44020      10.77.0.3:49153 users:((\"qemu-system-x86\",pid=4170,fd=31))
0      0      10.77.0.2:44022      10.77.0.3:49153 users:((\"qemu-system-x86\",pid=4170,fd=32))
0      0      10.77.0.2:44024      10.77.0.3:49153 users:((\"qemu-system-x86\",pid=4170,fd=33))
0      0      10.77.0.2:5900       10.77.0.1:50200 users:((\"a child\",pid=9,fd=3),(\"qemu-system-x86\",pid=417,fd=9))
0      0      10.77.0.2:2049       10.77.0.3:700
";

    #[test]
    fn connections_of_one_process_are_counted_by_their_other_side() {
        let expected = [("10.77.0.1:50200".to_owned(), 1), ("10.77.0.3:49152".to_owned(), 2)];
        assert_eq!(by_peer(LISTED), BTreeMap::from(expected));
    }

    #[rstest]
    #[case::gone("")]
    #[case::without_connections("417\n\n")]
    #[case::no_number("\n0 0 10.77.0.2:44010 10.77.0.3:49152 users:((\"qemu\",pid=417,fd=31))\n")]
    fn a_process_that_is_gone_has_none(#[case] listed: &str) {
        assert_eq!(by_peer(listed), BTreeMap::new());
    }

    #[test]
    fn the_most_of_all_looks_is_kept() {
        let mut seen = Connections::default();
        let look = |count| Ok(BTreeMap::from([("a:1".to_owned(), 1), ("b:49152".to_owned(), count)]));
        [2, 5, 1].into_iter().for_each(|count| seen.add(look(count)));
        seen.add(Ok(BTreeMap::new()));
        assert_eq!(seen.to_string(), "5 connections at once to b:49152, in 4 looks");
    }

    #[test]
    fn a_look_that_fails_says_why_and_counts_for_nothing() {
        let mut seen = Connections::default();
        seen.add(Err(crate::failure::Failure::new("run `ss`", "no such program").at("source")));
        assert_eq!((seen.most, seen.looks), (0, 0));
        assert_eq!(
            seen.to_string(),
            "no connection, in 0 looks; the last look that failed: cannot run `ss` on source: no such program"
        );
    }

    /// The command itself, on this machine: no guest of that name runs here.
    #[test]
    fn a_guest_that_does_not_run_lists_nothing() {
        let output =
            std::process::Command::new("sh").args(["-c", &command("no such guest")]).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
}
