//! Packages of hosts with dnf or zypper, by programs of paper that note how they are called.

use std::fs;
use std::process::Output;

use rstest::rstest;

use super::super::testing::{Sandbox, content};
use super::*;

/// An rpm whose packages are the lines of a file, `NAME.ARCH`, and `gpg-pubkey-VERSION-RELEASE` for a key that signs packages.
const RPM: &str = r#"#!/bin/sh
all=$(dirname "$0")/../rpm
how=$1
shift
case $how in
    -qa) if [ "$3" = 'gpg-pubkey*' ]; then grep '^gpg-pubkey-' "$all"; else sed 's/^gpg-pubkey-.*/gpg-pubkey.(none)/' "$all"; fi ;;
    -ql) for name; do echo "/usr/lib/systemd/system/${name%.*}.service"; done ;;
    -e)
        echo "rpm -e $*" >>"$all.called"
        for name; do
            ! grep -q -x "$name" "$all.needed" 2>/dev/null || { echo "error: Failed dependencies: $name is needed" >&2; exit 1; }
        done
        for name; do sed -i "/^$name\$/d" "$all"; done
        ;;
esac
"#;

/// A dnf or zypper. stress is not known; with the others comes numad, and with libvirt the key that it is signed by. A file may have what else
/// it would do, and another one how it ends.
const MANAGER: &str = r#"#!/bin/sh
all=$(dirname "$0")/../rpm
echo "$(basename "$0") $*" >>"$all.called"
case $* in
    *install\ stress | *--dry-run\ stress | *recommends\ stress) echo 'no such package'; exit 104 ;;
    --assumeno*) echo 'Installing:'; cat "$all.plan" 2>/dev/null; exit 1 ;;
    *--dry-run*) echo 'The following 2 NEW packages are going to be installed:'; cat "$all.plan" 2>/dev/null; exit 0 ;;
    *stress-ng) echo stress-ng.x86_64 >>"$all" ;;
    *) printf '%s\n' libvirt-client.x86_64 numad.noarch gpg-pubkey-29b700a4-62b07e22 >>"$all" ;;
esac
exit "$(cat "$all.status" 2>/dev/null || echo 0)"
"#;

const BEFORE: &str = "bash.x86_64\ngpg-pubkey-fd431d51-4ae0493b\n";

fn facts(manager: &str) -> Facts {
    Facts::parse(&format!("has {manager}\nend yes\n")).unwrap()
}

fn host(manager: &str) -> Sandbox {
    let host = Sandbox::leased();
    host.program("rpm", RPM);
    host.program(manager, MANAGER);
    host.program("systemctl", "#!/bin/sh\necho \"systemctl $*\" >>\"$(dirname \"$0\")/../rpm.called\"\n");
    fs::create_dir_all(host.path("systemd/system")).unwrap();
    fs::write(host.path("rpm"), BEFORE).unwrap();
    host
}

fn install(host: &Sandbox, manager: &str, programs: &[Program]) -> Output {
    host.make(&[change(programs, &facts(manager)).unwrap()], &[Consent::Packages])
}

fn called(host: &Sandbox) -> String {
    content(&host.path("rpm.called")).unwrap_or_default()
}

const DNF: &str = "\
dnf --assumeno --setopt=install_weak_deps=False install libvirt-daemon-kvm libvirt-client
dnf -y --setopt=install_weak_deps=False install libvirt-daemon-kvm libvirt-client
dnf --assumeno --setopt=install_weak_deps=False install stress
dnf -y --setopt=install_weak_deps=False install stress
dnf --assumeno --setopt=install_weak_deps=False install stress-ng
dnf -y --setopt=install_weak_deps=False install stress-ng
";

const ZYPPER: &str = "\
zypper --non-interactive install --no-recommends --dry-run libvirt-daemon-qemu libvirt-client
zypper --non-interactive install --no-recommends libvirt-daemon-qemu libvirt-client
zypper --non-interactive install --no-recommends --dry-run stress
zypper --non-interactive install --no-recommends --dry-run stress
zypper --non-interactive install --no-recommends --dry-run stress-ng
zypper --non-interactive install --no-recommends stress-ng
";

/// How a host's programs are called while packages come, and while they go.
#[rstest]
#[case::dnf("dnf", DNF)]
#[case::zypper("zypper", ZYPPER)]
fn what_was_installed_is_removed_by_rpm_and_nothing_else(#[case] manager: &str, #[case] installs: &str) {
    const STARTS: &str = "systemctl -q is-active libvirtd.socket virtqemud.socket\n";
    const OURS: &str = "gpg-pubkey-29b700a4-62b07e22 libvirt-client.x86_64 numad.noarch stress-ng.x86_64";
    const STOPS: &str = "systemctl stop gpg-pubkey-29b700a4-62b07e22.service libvirt-client.service numad.service stress-ng.service\n";
    let host = host(manager);
    let wanted: Vec<Program> = [Program::Libvirt].into_iter().chain(Program::of_loads()).collect();
    let done = install(&host, manager, &wanted);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(called(&host), format!("{installs}{STARTS}"));
    // Somebody else installs one meanwhile.
    fs::write(host.path("rpm"), content(&host.path("rpm")).unwrap() + "vim.x86_64\n").unwrap();
    fs::remove_file(host.path("rpm.called")).unwrap();
    assert!(host.put_back().status.success());
    assert_eq!(called(&host), format!("{STOPS}rpm -e {OURS}\n"));
    assert_eq!(content(&host.path("rpm")).unwrap(), format!("{BEFORE}vim.x86_64\n"));
}

#[rstest]
#[case::dnf_upgrades("dnf", "Upgrading:\n glibc  x86_64  2.41-8  updates  2.0 M")]
#[case::dnf_replaces("dnf", "     replacing  qemu-old.x86_64 8.0-1")]
#[case::dnf5_replaces("dnf", "   replacing glibc x86_64 2.41-5 updates 6.7 MiB")]
#[case::dnf_removes("dnf", "Removing dependent packages:\n qemu-old  x86_64  8.0-1  @System  1.0 M")]
#[case::dnf_goes_back("dnf", "Downgrading:\n glibc  x86_64  2.40-1  updates  2.0 M")]
#[case::zypper_upgrades("zypper", "The following package is going to be upgraded:\n  glibc")]
#[case::zypper_removes("zypper", "The following 2 packages are going to be REMOVED:\n  qemu-old x")]
#[case::zypper_changes_a_vendor(
    "zypper",
    "The following package is going to change vendor:\n  glibc  SUSE -> me"
)]
fn nothing_that_is_there_is_changed_for_them(#[case] manager: &str, #[case] plan: &str) {
    let host = host(manager);
    fs::write(host.path("rpm.plan"), format!("{plan}\n")).unwrap();
    let refused = install(&host, manager, &[Program::Libvirt]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("multivm changes no other packages for them"),
        "{said}"
    );
    assert!(host.put_back().status.success());
    assert_eq!(called(&host).lines().count(), 1, "it was asked for the plan alone");
    assert_eq!(content(&host.path("rpm")).unwrap(), BEFORE);
}

/// zypper(8), "EXIT CODES": what is 100 or more is not always an error.
#[rstest]
#[case::done("zypper", "0", true)]
#[case::with_a_reboot_that_is_due("zypper", "102", true)]
#[case::with_a_restart_of_its_own_that_is_due("zypper", "103", true)]
#[case::without_a_repository_that_does_not_answer("zypper", "106", true)]
#[case::with_a_script_that_failed("zypper", "107", false)]
#[case::not_done("zypper", "8", false)]
#[case::not_done("dnf", "1", false)]
fn an_installation_ends_in_several_ways(#[case] manager: &str, #[case] status: &str, #[case] ok: bool) {
    let host = host(manager);
    fs::write(host.path("rpm.status"), status).unwrap();
    assert_eq!(install(&host, manager, &[Program::Libvirt]).status.success(), ok);
    // Whatever has come goes again.
    assert!(host.put_back().status.success());
    assert_eq!(content(&host.path("rpm")).unwrap(), BEFORE);
}

#[rstest]
#[case::dnf("dnf")]
#[case::zypper("zypper")]
fn what_somebody_needs_by_now_stays_and_is_said(#[case] manager: &str) {
    let host = host(manager);
    assert!(install(&host, manager, &[Program::Libvirt]).status.success());
    fs::write(host.path("rpm.needed"), "numad.noarch\n").unwrap();
    let kept = host.put_back();
    assert!(!kept.status.success());
    assert!(String::from_utf8_lossy(&kept.stdout).contains("numad.noarch is needed"));
    fs::remove_file(host.path("rpm.needed")).unwrap();
    assert!(host.put_back().status.success());
    assert_eq!(content(&host.path("rpm")).unwrap(), BEFORE);
}

#[rstest]
#[case::dnf("dnf", Program::Qemu, "qemu-kvm")]
#[case::dnf("dnf", Program::NfsClient, "nfs-utils")]
#[case::dnf("dnf", Program::NfsServer, "nfs-utils")]
#[case::zypper("zypper", Program::Qemu, "qemu-x86")]
#[case::zypper("zypper", Program::NfsClient, "nfs-client")]
#[case::zypper("zypper", Program::NfsServer, "nfs-kernel-server")]
fn each_need_has_its_package(#[case] manager: &str, #[case] need: Program, #[case] package: &str) {
    let host = host(manager);
    assert!(install(&host, manager, &[need]).status.success());
    assert!(
        called(&host).lines().all(|line| line.starts_with(manager) && line.ends_with(&format!(" {package}")))
    );
}
