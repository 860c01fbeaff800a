//! Packages that a host lacks: which programs a pair needs there, which package has them, and how it is installed and removed again.
//!
//! What is removed is exactly what was installed: the packages that are there afterwards, were not there before, and, where the
//! package manager says beforehand what it will install, are among those. Somebody else may install packages at the same time. Nothing
//! else is upgraded or removed for them, neither when they come nor when they go.

use std::time::Duration;
use std::{fmt, slice};

use super::change::Change;
use super::lease::LEASE;
use crate::inventory::file::{Consent, Pair, Server, SharedStorage};
use crate::remote::Facts;
use crate::scenario::{Load, Tool};

/// How long the installation may take.
pub const LIMIT: Duration = Duration::from_secs(600);

/// How long the removal may take.
const REMOVAL: Duration = Duration::from_secs(900);

/// Functions of dnf and zypper alike. Their plans are for people. A key that signs packages is one in rpm's eyes, and each is another version.
macro_rules! rpm {
    () => {
        "installed() { { rpm -qa --qf '%{NAME}.%{ARCH}\\n' | sed '/^gpg-pubkey[.]/d'\n\
         rpm -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}\\n' 'gpg-pubkey*'; } | sort -u; }\n\
         remains() { :; }\n\
         files() { rpm -ql \"$@\"; }\n\
         remove() { [ $1 = --purge ] || { shift; rpm -e \"$@\"; }; }\n\
         planned() { :; }\n\
         ours() { cat; }\n"
    };
}

/// Shell functions: `now` lists what is there, and fails where the package manager's list cannot be read; `news` lists what has come since
/// the list before, whole or not at all.
const LISTS: &str = "now() { installed > packages.now && [ -s packages.now ]; }\n\
                     news() { now && comm -13 packages.before packages.now | ours > packages.part && mv packages.part packages.new; }\n";

/// What a host may need of its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Qemu,
    Libvirt,
    NfsClient,
    NfsServer,
    /// What makes a load.
    Load(&'static Tool),
    /// Firmware for guests that boot by UEFI. No program shows it, and multivm does not install it.
    Uefi,
}

/// The programs of a distribution that install its packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Zypper,
}

/// A need: its row in the table.
struct ProgramRow {
    name: &'static str,
    /// Programs of which one is there where the need is met.
    shown_by: &'static [&'static str],
    /// The packages that meet the need, for apt-get (Debian, Ubuntu), dnf (Fedora, RHEL) and zypper (SUSE).
    packages: [&'static str; 3],
    /// Whether only some scenarios need it.
    is_extra: bool,
}

impl Program {
    const fn row(self) -> ProgramRow {
        match self {
            Program::Qemu => ProgramRow {
                name: "QEMU",
                shown_by: &["qemu-system-x86_64", "qemu-kvm"],
                packages: ["qemu-system-x86", "qemu-kvm", "qemu-x86"],
                is_extra: false,
            },
            Program::Libvirt => ProgramRow {
                name: "libvirt",
                shown_by: &["libvirtd", "virtqemud"],
                packages: [
                    "libvirt-daemon-system libvirt-clients",
                    "libvirt-daemon-kvm libvirt-client",
                    "libvirt-daemon-qemu libvirt-client",
                ],
                is_extra: false,
            },
            Program::NfsClient => ProgramRow {
                name: "an NFS client",
                shown_by: &["mount.nfs"],
                packages: ["nfs-common", "nfs-utils", "nfs-client"],
                is_extra: false,
            },
            Program::NfsServer => ProgramRow {
                name: "an NFS server",
                shown_by: &["exportfs"],
                packages: ["nfs-kernel-server", "nfs-utils", "nfs-kernel-server"],
                is_extra: false,
            },
            Program::Load(tool) => ProgramRow {
                name: tool.program,
                shown_by: slice::from_ref(&tool.program),
                packages: tool.packages,
                is_extra: true,
            },
            Program::Uefi => ProgramRow {
                name: "UEFI firmware for guests",
                shown_by: &[],
                packages: ["ovmf", "edk2-ovmf", "qemu-ovmf-x86_64"],
                is_extra: false,
            },
        }
    }

    /// What makes the loads, each once.
    pub fn of_loads() -> impl Iterator<Item = Program> {
        Load::tools().into_iter().map(Program::Load)
    }

    /// Whether only scenarios with load on hosts need it.
    pub fn is_extra(self) -> bool {
        self.row().is_extra
    }

    /// The command that installs it on a host; none where multivm knows none.
    pub fn command(self, facts: &Facts) -> Option<String> {
        Manager::of(facts).map(|manager| format!("{} install {}", manager.name(), manager.packages(self)))
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// What a host of a pair needs and has not; the source is the first one.
pub fn missing(pair: &Pair, is_source: bool, facts: &Facts) -> Vec<Program> {
    let nfs: &[Program] = match (&pair.storage, is_source) {
        (SharedStorage::Mount(_), _) => &[],
        (SharedStorage::ServeOn(Server::Source), true) | (SharedStorage::ServeOn(Server::Target), false) => {
            &[Program::NfsClient, Program::NfsServer]
        }
        (SharedStorage::Export { .. } | SharedStorage::ServeOn(_), _) => &[Program::NfsClient],
    };
    let ground = [Program::Qemu, Program::Libvirt].into_iter().chain(nfs.iter().copied());
    let needed = ground.chain(Program::of_loads());
    needed.filter(|program| !program.row().shown_by.iter().any(|name| facts.has(name))).collect()
}

impl Manager {
    /// What a host installs packages by; none if it installs none while it runs.
    fn of(facts: &Facts) -> Option<Manager> {
        if facts.one("image_mode").is_some() {
            return None;
        }
        [Manager::Apt, Manager::Dnf, Manager::Zypper].into_iter().find(|manager| facts.has(manager.name()))
    }

    const fn name(self) -> &'static str {
        match self {
            Manager::Apt => "apt-get",
            Manager::Dnf => "dnf",
            Manager::Zypper => "zypper",
        }
    }

    fn packages(self, program: Program) -> &'static str {
        program.row().packages[self as usize]
    }

    /// Shell functions: `installed` says what is there, without versions, since somebody may upgrade it meanwhile; `remains` what was removed
    /// and left its settings; `files` what packages have; `remove` removes these packages and fails where another one needs them, and those that stay are as they were:
    /// dpkg marks each for removal before it refuses, and whoever ends pending removals would take them from who needs them. `plan` says
    /// what an installation would do, `others` takes out of that what it would do to other packages, `planned` what it would bring;
    /// `ours` keeps what was planned; `install` does it. zypper has statuses that are no errors: 102 and 103 tell of a reboot and a
    /// restart that are due, 106 of a repository that does not answer.
    const fn functions(self) -> &'static str {
        match self {
            Manager::Apt => {
                "all() { dpkg-query -W -f '${db:Status-Abbrev}|${binary:Package}\\n' \"$@\"; }\n\
                 installed() { all | sed -n '/^.[nc]/!s/^[^|]*|//p' | sort; }\n\
                 remains() { all | sed -n 's/^.c[^|]*|//p' | sort; }\n\
                 files() { dpkg -L \"$@\"; }\n\
                 remove() { DEBIAN_FRONTEND=noninteractive dpkg \"$@\" || { shift; keep \"$@\"; return 1; }; }\n\
                 keep() { all \"$@\" 2> /dev/null | sed -n 's/^ri |\\(.*\\)/\\1 install/p' | dpkg --set-selections; }\n\
                 plan() { apt-get -s -q -y --no-install-recommends --no-upgrade install \"$@\" 2>&1; }\n\
                 others() { sed -n -e 's/^Remv \\([^ ]*\\).*/\\1/p' -e 's/^Inst \\([^ ]*\\) \\[.*/\\1/p'; }\n\
                 planned() { sed -n 's/^Inst \\([^ :]*\\).*/\\1/p'; }\n\
                 ours() { awk -F : 'NR == FNR { planned[$1]; next } $1 in planned' packages.planned -; }\n\
                 refresh() { apt-get -q update; }\n\
                 install() { DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=120 \
                 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install \"$@\"; }\n"
            }
            Manager::Dnf => {
                concat!(
                    rpm!(),
                    "\
                 plan() { dnf --assumeno --setopt=install_weak_deps=False install \"$@\" 2>&1 | grep . ; }\n\
                 others() { grep -E '^(Upgrading|Downgrading|Removing|Reinstalling)|^ +replacing '; }\n\
                 refresh() { :; }\n\
                 install() { dnf -y --setopt=install_weak_deps=False install \"$@\"; }\n"
                )
            }
            Manager::Zypper => {
                concat!(
                    rpm!(),
                    "\
                 noted() { \"$@\" || case $? in 102 | 103 | 106) ;; *) return 1 ;; esac; }\n\
                 plan() { noted zypper --non-interactive install --no-recommends --dry-run \"$@\" 2>&1; }\n\
                 others() { grep -E 'going to be (upgraded|downgraded|REMOVED|reinstalled)|going to change'; }\n\
                 refresh() { :; }\n\
                 install() { noted zypper --non-interactive install --no-recommends \"$@\"; }\n"
                )
            }
        }
    }
}

/// Installs what is missing on a host; none if nothing is, or if the host has nothing that installs it.
pub fn change(missing: &[Program], facts: &Facts) -> Option<Change> {
    let manager = Manager::of(facts).filter(|_| !missing.is_empty())?;
    let functions = manager.functions();
    Some(Change {
        name: "05-packages",
        consent: Some(Consent::Packages),
        unless: "false".into(),
        note: format!(
            "{functions}installed > packages.before && [ -s packages.before ] && remains > packages.remains && : > packages.planned"
        ),
        act: manager.installation(missing),
        undo: manager.removal(),
        instead: format!(
            "install there: {}",
            missing.iter().map(|program| manager.packages(*program)).collect::<Vec<_>>().join(" ")
        ),
    })
}

impl Manager {
    /// The script that installs what is missing.
    fn installation(self, missing: &[Program]) -> String {
        let functions = self.functions();
        let packages = |extra: bool| {
            let of = missing.iter().filter(|program| program.is_extra() == extra);
            of.map(|program| self.packages(*program)).collect::<Vec<_>>()
        };
        let (needed, extra) = (packages(false).join(" "), packages(true));
        let need = if needed.is_empty() { String::new() } else { format!("get {needed} || exit 1\n") };
        // Not every distribution has them, and most scenarios do without.
        let extra: String = extra.iter().map(|package| format!("get {package} || :\n")).collect();
        // Scripts of Fedora's packages start nothing.
        let start = if missing.contains(&Program::Libvirt) {
            "[ ! -d /run/systemd/system ] || systemctl -q is-active libvirtd.socket virtqemud.socket ||\n\
             systemctl start virtqemud.socket 2> /dev/null || systemctl start libvirtd.socket"
        } else {
            ":"
        };
        // The lists are on the disk when this begins, and are not to be trusted before.
        format!(
            "{functions}{LISTS}: > packages.begun\n\
             again() {{ [ -e packages.refreshed ] || {{ : > packages.refreshed; refresh; }}; }}\n\
             get() {{\n\
             said=$(plan \"$@\") || {{ again; said=$(plan \"$@\"); }} || {{ echo \"$said\"; return 1; }} >&2\n\
             other=$(echo \"$said\" | others)\n\
             [ -z \"$other\" ] || {{ echo \"$*: multivm changes no other packages for them:\" $other; return 1; }} >&2\n\
             echo \"$said\" | planned >> packages.planned && {{ sync packages.planned 2> /dev/null || sync; }}\n\
             install \"$@\" > packages.said 2>&1 || {{ tail -n 20 packages.said; return 1; }} >&2\n\
             }}\n\
             {need}{extra}\
             news || {{ echo 'the list of packages cannot be read' >&2; exit 1; }}\n{start}"
        )
    }

    /// The script that removes what was installed. The other changes are taken back by programs of these packages, and a
    /// removal that is cut off leaves a package half removed.
    fn removal(self) -> String {
        let functions = self.functions();
        format!(
            "# limit {}\ncd {LEASE} && [ -e packages.begun ] || exit 0\n\
             for change in changes/*; do\n\
             [ \"$change\" = changes/05-packages ] || {{ echo \"they stay for what could not be put back: $change\"; exit 1; }}\n\
             done\n\
             {functions}{LISTS}\
             now && {{ [ -e packages.new ] || news; }} || {{ echo 'the list of packages cannot be read'; exit 1; }}\n\
             ours=$(comm -12 packages.new packages.now)\n\
             if [ -n \"$ours\" ]; then\n\
             units=$(files $ours | sed -n 's,^.*/systemd/system/\\([^/@]*[.]\\(socket\\|service\\|timer\\)\\)$,\\1,p' | sort -u)\n\
             [ -z \"$units\" ] || [ ! -d /run/systemd/system ] || systemctl stop $units > /dev/null 2>&1\n\
             remove --remove $ours || exit 1\n\
             fi\n\
             settings=$(remains | comm -12 - packages.new | comm -23 - packages.remains)\n\
             [ -z \"$settings\" ] || remove --purge $settings",
            REMOVAL.as_secs()
        )
    }
}

#[cfg(test)]
mod rpm_tests;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Output;

    use super::super::testing::{Sandbox, content};
    use super::*;
    use crate::inventory::file::{Folders, InventoryFile};

    /// A dpkg-query, dpkg and apt-get whose packages are the lines of a file, `STATUS|NAME`.
    const DPKG_QUERY: &str = r#"#!/bin/sh
all=$(dirname "$0")/../dpkg
shift 3
[ $# != 0 ] || exec cat "$all"
for name in "$@"; do grep "|$name\$" "$all"; done
"#;

    const DPKG: &str = r#"#!/bin/sh
all=$(dirname "$0")/../dpkg
how=$1
shift
if [ "$how" = --set-selections ]; then
    while read -r name selection; do sed -i "s/^.\(.\) |$name\$/${selection%nstall}\1 |$name/" "$all"; done
    exit
fi
for name in "$@"; do
    [ "$how" != -L ] || { echo "/usr/lib/systemd/system/$name.service"; continue; }
    case "$name $*" in
        *nfs-common*) ;;
        libnfs\ *) ! grep -q '^ii |nfs-common' "$all" || { echo "nfs-common needs libnfs" >&2; exit 1; } ;;
    esac
    ! grep -q -x "needs $name" "$all.needs" 2>/dev/null || {
        echo "$name is needed" >&2
        sed -i "s/^ii |$name\$/ri |$name/" "$all"
        exit 1
    }
    sed -i "/|$name\$/d" "$all"
    [ "$how" != --remove ] || echo "rc |$name" >>"$all"
done
"#;

    /// With nfs-common comes libnfs, and somebody installs a kernel meanwhile; stress is not known; nfs-kernel-server takes another libc.
    const APT_GET: &str = r#"#!/bin/sh
all=$(dirname "$0")/../dpkg
put() { sed -i "/|$1\$/d" "$all"; echo "ii |$1" >>"$all"; }
case $* in
    *update | *install\ stress) exit 1 ;;
    -s*nfs-kernel-server) echo 'Inst libc6 [2.40] (2.41 Debian)' ;;
    -s*nfs-common) printf 'Inst %s (1 Debian)\nConf %s (1 Debian)\n' libnfs libnfs nfs-common nfs-common ;;
    -s*stress-ng) echo 'Inst stress-ng:amd64 (1 Debian)' ;;
    *nfs-common*) put libnfs; put nfs-common; ! [ -e "$all.kernel" ] || put linux-image; [ ! -e "$all.fails" ] ;;
    *stress-ng) put stress-ng ;;
esac
"#;

    fn facts(said: &str) -> Facts {
        Facts::parse(&format!("has apt-get\n{said}\nend yes\n")).unwrap()
    }

    fn host(packages: &str) -> Sandbox {
        let host = Sandbox::leased();
        for (name, script) in [("dpkg-query", DPKG_QUERY), ("dpkg", DPKG), ("apt-get", APT_GET)] {
            host.program(name, script);
        }
        host.program("systemctl", "#!/bin/sh\necho \"$*\" >>\"$(dirname \"$0\")/../systemctl\"\n");
        fs::write(host.path("dpkg"), packages).unwrap();
        host
    }

    fn install(host: &Sandbox, programs: &[Program]) -> Output {
        host.make(&[change(programs, &facts("")).unwrap()], &[Consent::Packages])
    }

    fn packages(host: &Sandbox) -> Vec<String> {
        let text = content(&host.path("dpkg")).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_was_installed_is_removed_and_nothing_else() {
        let host = host("ii |bash\nrc |old\n");
        let wanted: Vec<Program> = [Program::NfsClient].into_iter().chain(Program::of_loads()).collect();
        let done = install(&host, &wanted);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(packages(&host), ["ii |bash", "ii |libnfs", "ii |nfs-common", "ii |stress-ng", "rc |old"]);
        // Somebody else installs one meanwhile.
        fs::write(host.path("dpkg"), content(&host.path("dpkg")).unwrap() + "ii |vim\n").unwrap();
        assert!(host.put_back().status.success());
        assert_eq!(packages(&host), ["ii |bash", "ii |vim", "rc |old"]);
    }

    #[test]
    fn what_had_left_its_settings_leaves_them_again() {
        let host = host("ii |bash\nrc |libnfs\n");
        assert!(install(&host, &[Program::NfsClient]).status.success());
        assert!(host.put_back().status.success());
        assert_eq!(packages(&host), ["ii |bash", "rc |libnfs"]);
    }

    #[test]
    fn an_installation_that_fails_half_way_is_taken_back() {
        let host = host("ii |bash\n");
        fs::write(host.path("dpkg.fails"), "").unwrap();
        assert!(!install(&host, &[Program::NfsClient]).status.success());
        assert!(packages(&host).len() > 1);
        assert!(host.put_back().status.success());
        assert_eq!(packages(&host), ["ii |bash"]);
    }

    #[test]
    fn what_somebody_else_installs_at_the_same_time_stays() {
        for fails in [false, true] {
            let host = host("ii |bash\n");
            fs::write(host.path("dpkg.kernel"), "").unwrap();
            if fails {
                fs::write(host.path("dpkg.fails"), "").unwrap();
            }
            assert_eq!(install(&host, &[Program::NfsClient]).status.success(), !fails);
            assert!(host.put_back().status.success());
            assert_eq!(packages(&host), ["ii |bash", "ii |linux-image"]);
        }
    }

    /// A host that lost its power may have an empty list, with which everything is new.
    #[test]
    fn a_list_of_nothing_removes_nothing() {
        let host = host("ii |bash\nii |libnfs\n");
        let change = change(&[Program::NfsClient], &facts("")).unwrap();
        fs::write(host.lease("changes/05-packages"), host.moved(&change.undo)).unwrap();
        for list in ["packages.before", "packages.remains", "packages.planned"] {
            fs::write(host.lease(list), "").unwrap();
        }
        assert!(host.put_back().status.success());
        assert_eq!(packages(&host), ["ii |bash", "ii |libnfs"]);
    }

    /// Without virsh nobody would end guests that did not end.
    #[test]
    fn packages_stay_as_long_as_anything_else_cannot_be_put_back() {
        let host = host("ii |bash\n");
        assert!(install(&host, &[Program::NfsClient]).status.success());
        let guests = Change::own("90-guests", ":", "[ -e ../ended ]");
        assert!(host.make(&[guests], &[]).status.success());
        let kept = host.put_back();
        assert!(!kept.status.success() && packages(&host).len() > 1);
        let said = String::from_utf8_lossy(&kept.stdout).into_owned();
        assert!(said.contains("they stay for what could not be put back: changes/90-guests"), "{said}");
        fs::write(host.path("multivm/ended"), "").unwrap();
        assert!(host.put_back().status.success() && packages(&host) == ["ii |bash"]);
    }

    #[test]
    fn packages_that_cannot_be_listed_are_not_taken_for_gone() {
        let host = host("ii |bash\n");
        assert!(install(&host, &[Program::NfsClient]).status.success());
        host.program("dpkg-query", "#!/bin/sh\nexit 2\n");
        let kept = host.put_back();
        assert!(!kept.status.success());
        assert!(String::from_utf8_lossy(&kept.stdout).contains("the list of packages cannot be read"));
        host.program("dpkg-query", DPKG_QUERY);
        assert!(host.put_back().status.success() && packages(&host) == ["ii |bash"]);
    }

    #[test]
    fn no_other_package_is_upgraded() {
        let host = host("ii |bash\nii |libc6\n");
        let refused = install(&host, &[Program::NfsServer]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains("multivm changes no other packages for them: libc6"),
            "{said}"
        );
        assert_eq!(packages(&host), ["ii |bash", "ii |libc6"]);
    }

    #[test]
    fn what_somebody_needs_by_now_stays_and_is_said() {
        let host = host("ii |bash\nri |vim\n");
        assert!(install(&host, &[Program::NfsClient]).status.success());
        fs::write(host.path("dpkg.needs"), "needs libnfs\n").unwrap();
        for _ in 0..2 {
            let kept = host.put_back();
            assert!(!kept.status.success());
            assert!(String::from_utf8_lossy(&kept.stdout).contains("libnfs is needed"));
            // What somebody else has marked for removal is not ours.
            let left = packages(&host);
            assert!(
                left.contains(&"ii |libnfs".to_owned()) && left.contains(&"ri |vim".to_owned()),
                "{left:?}"
            );
        }
        fs::remove_file(host.path("dpkg.needs")).unwrap();
        assert!(host.put_back().status.success() && packages(&host) == ["ii |bash", "ri |vim"]);
    }

    #[test]
    fn a_pair_needs_what_it_is_to_do() {
        let text = "[[pair]]\nname = 'p'\n[pair.source]\naddress = 'a'\n[pair.target]\naddress = 'b'\n\
                    [pair.storage]\nserve_on = 'target'\n[pair.network]\nnat = true\n";
        let folders = Folders { file: std::path::Path::new("/"), home: None };
        let pair = InventoryFile::parse("test.toml", text, &folders).unwrap().pairs.remove(0);
        let has = facts("has qemu-kvm\nhas virtqemud\nhas stress\nhas stress-ng");
        assert_eq!(missing(&pair, true, &has), [Program::NfsClient]);
        assert_eq!(missing(&pair, false, &has), [Program::NfsClient, Program::NfsServer]);
        assert_eq!(missing(&pair, true, &facts("has mount.nfs")).len(), 4);
    }

    /// A program that a host is not asked for would be missing on every host. The programs of loads come with the question, from doctor.
    #[test]
    fn hosts_are_asked_for_every_program() {
        let script = include_str!("../../remote/facts.sh");
        let asked =
            script.lines().find_map(|line| line.strip_prefix("for program in ")?.strip_suffix("; do"));
        let asked: Vec<&str> = asked.unwrap().split(' ').collect();
        for program in [Program::Qemu, Program::Libvirt, Program::NfsClient, Program::NfsServer] {
            for name in program.row().shown_by {
                assert!(asked.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn a_system_that_comes_as_an_image_gets_no_packages() {
        assert!(change(&[Program::Qemu], &facts("image_mode yes")).is_none());
        assert!(change(&[], &facts("")).is_none());
        let dnf = Facts::parse("has dnf\nend yes\n").unwrap();
        assert!(change(&[Program::Qemu], &dnf).unwrap().instead.ends_with("qemu-kvm"));
    }
}
