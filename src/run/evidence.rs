//! The logs that a scenario made: libvirtd's, QEMU's and the guests' consoles, of both hosts, from the moment the
//! scenario began; and, of one that failed, the guests' kernel logs and domains.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Attempt, Result};
use crate::guest::Fleet;
use crate::host::Host;
use crate::remote::quote;
use crate::sys::parallel::at_once;

/// Logs on a host: the daemon's own, one per guest from QEMU, one per guest from its console.
const LOGS: &str = "/var/log/libvirt/libvirtd.log /var/log/libvirt/qemu/*.log";

const LIMIT: Duration = Duration::from_secs(30);

/// How much of a log is kept, bytes: its end is what matters.
const KEPT: u64 = 4 << 20;

/// The lengths of the logs when the scenario began.
pub struct Evidence {
    marks: HashMap<(String, String), u64>,
}

impl Evidence {
    /// Notes where every log ends now.
    pub fn begin(fleet: &Fleet) -> Result<Evidence> {
        let mut marks = HashMap::new();
        let hosts = fleet.hosts.both();
        for (host, lengths) in hosts.iter().zip(at_once("measure the logs", hosts, lengths)) {
            for (path, length) in lengths? {
                marks.insert((host.entry.name.clone(), path), length);
            }
        }
        Ok(Evidence { marks })
    }

    /// What was added since to a log of a host, at most so many bytes of its end.
    pub fn added(&self, host: &Host, path: &str, most: u64) -> Result<String> {
        let lengths = lengths(host)?;
        let Some((_, length)) = lengths.iter().find(|(known, _)| known == path) else {
            return Ok(String::new());
        };
        let from = self.since(host, path, *length).max(length.saturating_sub(most));
        host.remote.check(&format!("tail -c +{} {}", from + 1, quote(path)), LIMIT)
    }

    /// Where a log ended when the scenario began, by its present length.
    fn since(&self, host: &Host, path: &str, length: u64) -> u64 {
        let since = self.marks.get(&(host.entry.name.clone(), path.to_owned())).copied().unwrap_or(0);
        // A log that shrank was made anew.
        if since > length { 0 } else { since }
    }

    /// Writes what was added since into `folder`/evidence; more of a scenario that failed.
    pub fn collect(&self, fleet: &Fleet, folder: &Path, failed: bool) -> Result<PathBuf> {
        let folder = folder.join("evidence");
        fs::create_dir_all(&folder).attempting(|| format!("create {}", folder.display()))?;
        at_once("collect the logs", fleet.hosts.both(), |host| self.collect_host(host, &folder))
            .into_iter()
            .collect::<Result<()>>()?;
        if failed {
            collect_guests(fleet, &folder)?;
        }
        Ok(folder)
    }

    fn collect_host(&self, host: &Host, folder: &Path) -> Result<()> {
        let grown: Vec<(String, u64)> = lengths(host)?
            .into_iter()
            .filter_map(|(path, length)| {
                let from = self.since(host, &path, length).max(length.saturating_sub(KEPT));
                (from < length).then_some((path, from))
            })
            .collect();
        let commands: Vec<String> = grown
            .iter()
            .map(|(path, from)| format!("tail -c +{} {}; echo; echo {NEXT}", from + 1, quote(path)))
            .collect();
        if commands.is_empty() {
            return Ok(());
        }
        let texts = host.remote.check(&commands.join("; "), LIMIT)?;
        for ((path, _), text) in grown.iter().zip(texts.split(&format!("\n{NEXT}\n"))) {
            let file = path.rsplit('/').next().unwrap_or("log");
            write(&folder.join(format!("{}-{file}", host.entry.name)), text)?;
        }
        Ok(())
    }
}

/// Between two logs.
const NEXT: &str = "multivm-next-log";

fn lengths(host: &Host) -> Result<Vec<(String, u64)>> {
    // wc's last line is the total when there are several files; a pattern that matches nothing is no error.
    let output = host.remote.run(&format!("wc -c {LOGS} 2> /dev/null"), LIMIT)?;
    Ok(output
        .stdout
        .lines()
        .filter_map(|line| {
            let (length, path) = line.trim().split_once(' ')?;
            (path.starts_with('/')).then(|| Some((path.to_owned(), length.parse().ok()?))).flatten()
        })
        .collect())
}

/// The guests as they are now; what cannot be had of a broken guest is said in its place.
fn collect_guests(fleet: &Fleet, folder: &Path) -> Result<()> {
    for guest in &fleet.guests {
        let log = guest
            .agent
            .remote()
            .check("dmesg", Duration::from_secs(10))
            .unwrap_or_else(|failure| failure.to_string());
        write(&folder.join(format!("{}-dmesg.txt", guest.name)), &log)?;
        for host in fleet.hosts.both() {
            let text = guest
                .known_on(host)
                .and_then(|domain| {
                    let attempted = || format!("describe {}", guest.name);
                    let state = domain.state().attempting(attempted)?;
                    Ok(format!("<!-- {state} -->\n{}", domain.xml().attempting(attempted)?))
                })
                .unwrap_or_else(|failure| format!("<!-- {failure} -->\n"));
            write(&folder.join(format!("{}-{}.xml", host.entry.name, guest.name)), &text)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).attempting(|| format!("write {}", path.display()))
}
