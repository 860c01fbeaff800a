//! The logs of hosts and storage from a moment on: of a log with entries of other scenarios, only the later part.

use std::time::Duration;

use super::{Hosts, LogMarks, Storage, journal};
use crate::failure::Result;
use crate::remote::{Remote, quote};
use crate::sys::parallel::at_once;

/// The logs on a host: of its libvirt daemons (one, or one for each driver), and two for each guest, from QEMU and from its
/// console.
const OF_HOST: &str = "/var/log/libvirt/*.log /var/log/libvirt/qemu/*.log";

/// The logs of an NFS server: NFS-Ganesha's, where the lab or a distribution puts them. A kernel's server has none of its
/// own.
const OF_STORAGE: &str = "/var/log/multivm/nfs.log /var/log/ganesha/*.log /var/log/ganesha.log";

const LIMIT: Duration = Duration::from_secs(30);

/// How much of a log's end is of interest, in bytes.
const MOST: u64 = 4 << 20;

/// The name, in place of a path, of what libvirt's daemons have told a host's journal.
const JOURNAL: &str = "libvirt-journal.log";

/// The line between two logs in one answer.
const NEXT: &str = "multivm-next-log";

/// What was added on a machine: its logs, its files' lengths, and the place in its journal if that has grown.
type Added = (Vec<AddedLog>, Lengths, Option<String>);

/// The lengths in bytes of one machine's logs, by path.
type Lengths = Vec<(String, u64)>;

/// The text added to a log since its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedLog {
    /// The machine of the log; `path` is the path there, or the name of what its journal has.
    pub machine: String,
    pub path: String,
    pub text: String,
}

/// A machine with logs.
struct LoggedMachine<'a> {
    name: &'a str,
    remote: &'a Remote,
    logs: &'static str,
    has_daemons: bool,
}

fn machines<'a>(hosts: &'a Hosts, storage: &'a Storage) -> Vec<LoggedMachine<'a>> {
    let host = hosts.both().map(|host| LoggedMachine {
        name: &host.entry.name,
        remote: &host.remote,
        logs: OF_HOST,
        has_daemons: true,
    });
    let storage = LoggedMachine {
        name: &storage.entry.name,
        remote: &storage.remote,
        logs: OF_STORAGE,
        has_daemons: false,
    };
    host.into_iter().chain([storage]).collect()
}

impl LogMarks {
    /// Notes the present end of every log.
    pub fn set(hosts: &Hosts, storage: &Storage) -> Result<LogMarks> {
        let machines = machines(hosts, storage);
        let ends = at_once("measure the logs", &machines, |machine| {
            let cursor = if machine.has_daemons { journal::end(machine.remote)? } else { None };
            Ok((lengths(machine.remote, machine.logs)?, cursor))
        });
        let mut marks = LogMarks::default();
        for (machine, end) in machines.iter().zip(ends) {
            let (lengths, cursor) = end?;
            marks.add(machine.name, lengths, cursor);
        }
        Ok(marks)
    }

    fn add(&mut self, machine: &str, lengths: Lengths, cursor: Option<String>) {
        self.files.entry(machine.to_owned()).or_default().extend(lengths);
        self.journals.extend(cursor.map(|cursor| (machine.to_owned(), cursor)));
    }

    /// The text added to one log of a machine, at most the last `most` bytes of it.
    pub fn added(&self, machine: &str, remote: &Remote, path: &str, most: u64) -> Result<String> {
        let Some((_, length)) = lengths(remote, &quote(path))?.into_iter().next() else {
            return Ok(String::new());
        };
        let from = self.begin(machine, path, length, most);
        remote.check(&format!("tail -c +{} {}", from + 1, quote(path)), LIMIT)
    }

    /// The text added to all logs of all machines, and the marks at its end: the next call on those continues there.
    pub fn all_added(&self, hosts: &Hosts, storage: &Storage) -> Result<(Vec<AddedLog>, LogMarks)> {
        let machines = machines(hosts, storage);
        let added = at_once("collect the logs", &machines, |machine| self.added_on(machine));
        let (mut logs, mut marks) = (Vec::new(), self.clone());
        for (machine, added) in machines.iter().zip(added) {
            let (added, lengths, cursor) = added?;
            logs.extend(added);
            marks.add(machine.name, lengths, cursor);
        }
        Ok((logs, marks))
    }

    fn added_on(&self, machine: &LoggedMachine<'_>) -> Result<Added> {
        let (mut logs, lengths) = self.added_to_files(machine)?;
        let said = match self.journals.get(machine.name) {
            Some(cursor) => journal::since(machine.remote, cursor, MOST)?,
            None => None,
        };
        let cursor = said.map(|(text, cursor)| {
            logs.push(AddedLog { machine: machine.name.to_owned(), path: JOURNAL.to_owned(), text });
            cursor
        });
        Ok((logs, lengths, cursor))
    }

    fn added_to_files(&self, machine: &LoggedMachine<'_>) -> Result<(Vec<AddedLog>, Lengths)> {
        let lengths = lengths(machine.remote, machine.logs)?;
        let grown = self.grown(machine.name, &lengths);
        if grown.is_empty() {
            return Ok((Vec::new(), lengths));
        }
        // Each command stops at the measured length, because a log grows while it is read.
        let commands: Vec<String> = grown
            .iter()
            .map(|(path, from, to)| {
                format!("tail -c +{} {} | head -c {}; echo; echo {NEXT}", from + 1, quote(path), to - from)
            })
            .collect();
        let texts = machine.remote.check(&commands.join("; "), LIMIT)?;
        Ok((apart(machine.name, grown, &texts), lengths))
    }

    /// The logs that grew, each with the range of bytes to read.
    fn grown(&self, machine: &str, lengths: &[(String, u64)]) -> Vec<(String, u64, u64)> {
        let grown = lengths.iter().filter_map(|(path, length)| {
            let from = self.begin(machine, path, *length, MOST);
            (from < *length).then(|| (path.clone(), from, *length))
        });
        grown.collect()
    }

    /// The position from which on to read a log of a given length.
    fn begin(&self, machine: &str, path: &str, length: u64, most: u64) -> u64 {
        let mark = self.files.get(machine).and_then(|files| files.get(path)).copied().unwrap_or(0);
        // A log that shrank is a new file.
        let since = if mark > length { 0 } else { mark };
        since.max(length.saturating_sub(most))
    }
}

/// Splits one answer into the texts of several logs.
fn apart(machine: &str, grown: Vec<(String, u64, u64)>, texts: &str) -> Vec<AddedLog> {
    let texts = texts.split(&format!("\n{NEXT}\n")).map(str::to_owned).collect::<Vec<_>>();
    grown
        .into_iter()
        .zip(texts)
        .map(|((path, ..), text)| AddedLog { machine: machine.to_owned(), path, text })
        .collect()
}

fn lengths(remote: &Remote, logs: &str) -> Result<Lengths> {
    // A pattern that matches nothing is no error.
    Ok(counts(&remote.run(&format!("wc -c {logs} 2> /dev/null"), LIMIT)?.stdout))
}

/// Parses the output of `wc -c`: a length and a path a line, and a total at the end when there are several.
fn counts(output: &str) -> Lengths {
    let counts = output.lines().filter_map(|line| {
        let (length, path) = line.trim().split_once(' ')?;
        Some((path.starts_with('/').then(|| path.to_owned())?, length.parse().ok()?))
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rstest::rstest;

    use super::*;

    const PATH: &str = "/var/log/libvirt/qemu/vm1.log";

    fn marks(at: u64) -> LogMarks {
        let files = HashMap::from([("source".to_owned(), HashMap::from([(PATH.to_owned(), at)]))]);
        LogMarks { files, journals: HashMap::new() }
    }

    #[test]
    fn lengths_are_read_and_the_total_is_not() {
        let output = format!("  120 {PATH}\n   7 /var/log/libvirt/with space.log\n  127 total\n");
        assert_eq!(
            counts(&output),
            [(PATH.to_owned(), 120), ("/var/log/libvirt/with space.log".to_owned(), 7)]
        );
        assert!(counts("").is_empty());
    }

    #[rstest]
    #[case::grew(100, 120, 50, 100)]
    #[case::grew_a_lot(100, 500, 50, 450)]
    #[case::same(120, 120, 50, 120)]
    #[case::made_anew(500, 20, 50, 0)]
    #[case::made_anew_and_long(500, 90, 50, 40)]
    fn a_log_is_read_from_its_mark_on(
        #[case] mark: u64,
        #[case] length: u64,
        #[case] most: u64,
        #[case] from: u64,
    ) {
        assert_eq!(marks(mark).begin("source", PATH, length, most), from);
    }

    #[test]
    fn a_log_of_another_machine_has_another_mark() {
        assert_eq!(marks(100).begin("target", PATH, 120, 200), 0);
    }

    #[test]
    fn only_what_grew_is_collected() {
        let lengths = vec![(PATH.to_owned(), 100), ("/new.log".to_owned(), 5), ("/empty.log".to_owned(), 0)];
        assert_eq!(marks(100).grown("source", &lengths), [("/new.log".to_owned(), 0, 5)]);
    }

    #[test]
    fn texts_come_apart_where_they_were_put_together() {
        let grown = vec![("/a".to_owned(), 0, 8), ("/b".to_owned(), 3, 8)];
        let added = apart("source", grown, "one\ntwo\n\nmultivm-next-log\nthree\nmultivm-next-log\n");
        let texts: Vec<(&str, &str)> = added.iter().map(|log| (&*log.path, &*log.text)).collect();
        assert_eq!(texts, [("/a", "one\ntwo\n"), ("/b", "three")]);
    }
}
