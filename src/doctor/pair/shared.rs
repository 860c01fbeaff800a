//! Whether both hosts have one storage, tried with a file: root of the source makes it and gives it to QEMU's user, as libvirt does
//! with an image, and QEMU's user opens it for writing on both hosts. The file goes after a minute, whatever happens to multivm.

use std::time::Duration;

use super::Diagnosis;
use super::asked_host::AskedHost;
use crate::failure::{Failure, Result};
use crate::remote::quote;

const WHAT: &str = "storage of both";

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

/// Tries a file in the folder that both hosts are to share.
pub fn examine(hosts: &[AskedHost<'_>; 2], folder: &str) -> Vec<Diagnosis> {
    match tried(hosts, folder) {
        Ok(tried) => told(&tried, hosts, folder),
        Err(failure) => vec![Diagnosis::missing(
            WHAT,
            failure.to_string(),
            "may root write there? NFS with root_squash makes root nobody: no_root_squash for the two hosts",
        )],
    }
}

/// What became of the file.
struct Tried {
    owner: String,
    /// What each host said: `open`, `denied` or `missing`.
    seen: [String; 2],
}

fn tried(hosts: &[AskedHost<'_>; 2], folder: &str) -> Result<Tried> {
    let run = |host: &AskedHost<'_>, script: &str, path: &str| {
        let user = host.facts.one("qemu_user").unwrap_or_default();
        let command = format!("exec sh -s -- {} {}", quote(path), quote(user));
        let said = host.remote.run_with_input(&command, script.as_bytes(), LIMIT)?;
        if said.status == 0 {
            return Ok(said.stdout.trim().to_owned());
        }
        let said = said.stderr.trim().to_owned();
        Err(Failure::new(format!("make a file in {folder}"), said).at(host.remote.name()))
    };
    let [source, _] = hosts;
    let made = run(source, MAKE, &format!("{folder}/.multivm-doctor-XXXXXXXXXX"))?;
    let (path, owner) = made.split_once('\n').unwrap_or((&made, ""));
    // Nobody has asked for this name before, so no client of NFS remembers that it was not there.
    let seen = hosts.each_ref().map(|host| run(host, OPEN, path));
    source.remote.check(&format!("rm -f {}", quote(path)), LIMIT)?;
    let [source, target] = seen;
    Ok(Tried { owner: owner.to_owned(), seen: [source?, target?] })
}

fn told(Tried { owner, seen }: &Tried, hosts: &[AskedHost<'_>; 2], folder: &str) -> Vec<Diagnosis> {
    if seen[1] == "missing" {
        return vec![Diagnosis::missing(
            WHAT,
            format!("a file that the source wrote to {folder} is not there on the target"),
            "wanted: the same folder on both; findmnt -T there says what is mounted",
        )];
    }
    let mut findings = Vec::new();
    for (host, seen) in hosts.iter().zip(seen) {
        if seen == "denied" {
            let user = host.facts.one("qemu_user").unwrap_or("QEMU's user");
            findings.push(host.missing(
                WHAT,
                format!(
                    "root gave a file in {folder} to {user}, as libvirt does with an image; it belongs to {owner}, and {user} may not open \
                     it for writing"
                ),
                format!(
                    "wanted: {user} can get to the folder (x for everybody on the way), and root may give files away: no all_squash and \
                     no root_squash for the two hosts; an owner nobody may be NFS 4's idmapping: nfsidmap -d on both hosts"
                ),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Diagnosis::good(
            WHAT,
            "a file that the source wrote was there on the target, QEMU's users opened it on both, and it is removed",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[rstest]
    #[case::whole(["open", "open"], &[Grade::Good], "QEMU's users opened it on both")]
    #[case::another_folder(["open", "missing"], &[Grade::Missing], "is not there on the target")]
    #[case::squashed(["denied", "denied"], &[Grade::Missing, Grade::Missing], "belongs to nobody (65534), and qemu may not")]
    #[case::closed_on_one(["open", "denied"], &[Grade::Missing], "qemu may not open it")]
    fn both_must_have_it_and_qemu_must_open_it(
        #[case] seen: [&str; 2],
        #[case] expected: &[Grade],
        #[case] words: &str,
    ) {
        let pair = ordinary();
        let hosts = hosts(&pair, "qemu_user qemu", "qemu_user qemu");
        let tried = Tried { owner: "nobody (65534)".into(), seen: seen.map(str::to_owned) };
        let found = told(&tried, &hosts, "/srv");
        let grades: Vec<Grade> = found.iter().map(|found| found.verdict).collect();
        assert_eq!(grades, expected);
        assert!(found[0].seen.contains(words), "{}", found[0].seen);
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
