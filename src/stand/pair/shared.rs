//! Whether both hosts have one storage, tried with a file: root of the source makes it and gives it to QEMU's user, as libvirt
//! does with an image, and QEMU's user opens it for writing on both hosts. The file goes after a minute, whatever happens to
//! multivm.

use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::remote::{Facts, Remote, quote};

/// How long a host may take with the file.
const LIMIT: Duration = Duration::from_secs(20);

/// Makes the file, and says its path and who owns it when root has given it away.
const MAKE: &str = r#"
file=$(mktemp "$1") || exit 1
(sleep 60; rm -f "$file") >/dev/null 2>&1 </dev/null &
echo "$file"
[ -z "$2" ] || chown "$2" "$file" 2>/dev/null
stat -c '%U (%u)' "$file"
"#;

/// Says whether the file is there, and whether QEMU's user opens it for writing.
const OPEN: &str = r#"
if [ ! -e "$1" ]; then echo missing
elif [ -z "$2" ] || runuser -u "$2" -- sh -c ': <>"$1"' sh "$1" 2>/dev/null; then echo open
else echo denied
fi
"#;

/// What keeps guests from having their disks in a folder.
#[derive(Debug)]
pub struct NotShared {
    /// The host where it does, 0 for the source; none if it lies between them.
    pub host: Option<usize>,
    pub seen: String,
    /// Advice for the reader.
    pub advice: String,
}

/// Tries a file in the folder that both hosts are to share, and says what is in the way.
pub fn faults(hosts: [(&Remote, &Facts); 2], folder: &str) -> Vec<NotShared> {
    let users = hosts.map(|(_, facts)| facts.one("qemu_user").unwrap_or_default());
    let remotes = hosts.map(|(remote, _)| remote);
    match tried(remotes, users, folder) {
        Ok(tried) => told(&tried, users, folder),
        Err(failure) => vec![NotShared {
            host: None,
            seen: failure.to_string(),
            advice: "may root write there? NFS with root_squash makes root nobody: no_root_squash for the two hosts".into(),
        }],
    }
}

/// Proves that guests can have their disks in a folder of both hosts.
///
/// # Errors
///
/// The hosts do not share it, or QEMU may not write there.
pub fn prove(hosts: [(&Remote, &Facts); 2], folder: &str) -> Result<()> {
    let Some(NotShared { host, seen, advice }) = faults(hosts, folder).into_iter().next() else {
        return Ok(());
    };
    let failure = Failure::new(format!("share {folder} between the hosts"), seen).try_next(advice);
    Err(match host {
        Some(at) => failure.at(hosts[at].0.name()),
        None => failure,
    })
}

/// What became of the file.
struct TriedFile {
    owner: String,
    /// What each host said: `open`, `denied` or `missing`.
    seen: [String; 2],
}

fn tried(hosts: [&Remote; 2], users: [&str; 2], folder: &str) -> Result<TriedFile> {
    let run = |at: usize, script: &str, path: &str| {
        let command = format!("exec sh -s -- {} {}", quote(path), quote(users[at]));
        let said = hosts[at].run_with_input(&command, script.as_bytes(), LIMIT)?;
        if said.status == 0 {
            return Ok(said.stdout.trim().to_owned());
        }
        let said = said.stderr.trim().to_owned();
        Err(Failure::new(format!("try a file in {folder}"), said).at(hosts[at].name()))
    };
    let made = run(0, MAKE, &format!("{folder}/.multivm-doctor-XXXXXXXXXX"))?;
    let (path, owner) = made.split_once('\n').unwrap_or((&made, ""));
    // Nobody has asked for this name before, so no client of NFS remembers that it was not there.
    let seen = [0, 1].map(|at| run(at, OPEN, path));
    hosts[0].check(&format!("rm -f {}", quote(path)), LIMIT)?;
    let [source, target] = seen;
    Ok(TriedFile { owner: owner.to_owned(), seen: [source?, target?] })
}

fn told(TriedFile { owner, seen }: &TriedFile, users: [&str; 2], folder: &str) -> Vec<NotShared> {
    if seen[1] == "missing" {
        return vec![NotShared {
            host: None,
            seen: format!("a file that the source wrote to {folder} is not there on the target"),
            advice: "wanted: the same folder on both; findmnt -T there says what is mounted".into(),
        }];
    }
    let denied = [0, 1].into_iter().filter(|at| seen[*at] == "denied");
    let fault = |at: usize| {
        let user = if users[at].is_empty() { "QEMU's user" } else { users[at] };
        NotShared {
            host: Some(at),
            seen: format!(
                "root gave a file in {folder} to {user}, as libvirt does with an image; it belongs to {owner}, and {user} may not open \
                 it for writing"
            ),
            advice: format!(
                "wanted: {user} can get to the folder (x for everybody on the way), and root may give files away: no all_squash and \
                 no root_squash for the two hosts; an owner nobody may be NFS 4's idmapping: nfsidmap -d on both hosts"
            ),
        }
    };
    denied.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole(["open", "open"], &[], "")]
    #[case::another_folder(["open", "missing"], &[None], "is not there on the target")]
    #[case::squashed(["denied", "denied"], &[Some(0), Some(1)], "belongs to nobody (65534), and qemu may not")]
    #[case::closed_on_one(["open", "denied"], &[Some(1)], "qemu may not open it")]
    fn both_must_have_it_and_qemu_must_open_it(
        #[case] seen: [&str; 2],
        #[case] expected: &[Option<usize>],
        #[case] words: &str,
    ) {
        let tried = TriedFile { owner: "nobody (65534)".into(), seen: seen.map(str::to_owned) };
        let faults = told(&tried, ["qemu"; 2], "/srv");
        assert_eq!(faults.iter().map(|fault| fault.host).collect::<Vec<_>>(), expected);
        assert!(faults.iter().all(|fault| fault.seen.contains(words)), "{faults:?}");
    }

    #[test]
    fn the_scripts_do_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let run = |script: &str, path: &str| {
            let output =
                std::process::Command::new("sh").args(["-c", script, "sh", path, ""]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let made = run(MAKE, &format!("{}/.test-XXXXXXXXXX", folder.path().display()));
        let (path, owner) = made.split_once('\n').unwrap();
        assert!(owner.contains('('), "{made}");
        assert_eq!(run(OPEN, path), "open\n");
        std::fs::remove_file(path).unwrap();
        assert_eq!(run(OPEN, path), "missing\n");
    }
}
