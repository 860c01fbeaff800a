//! Every Debian suite that is offered comes up, as hosts and as guests, and migrates; a pair of versions that does not says why. The versions
//! that were really installed are those that docs/ci.md lists.
//!
//! ```sh
//! MULTIVM_GUESTS=2 cargo test --test stacks -- --ignored
//! ```

use std::process::ExitCode;
use std::time::Duration;

use multivm::check::{kernel_log, memory, migration};
use multivm::guest::Fleet;
use multivm_fixtures::selftest::{Expected, StackTest, Suites, stack_main};

/// Pre-copy and post-copy, with something at work.
const SCENARIOS: &[&str] =
    &["precopy_orderly::in_vms::stress_cpu", "postcopy_simultaneous::in_vms::stress_memory"];

/// What QEMU before 9.0 under TCG may do to guests that migrate: it loses their writes.
const CORRUPTED: Expected = Expected::Migrated { corrupted: &[&memory::ABOUT, &kernel_log::ABOUT] };

const BASE: StackTest = StackTest {
    name: "",
    suites: None,
    variables: &[],
    scenarios: SCENARIOS,
    look: Some(is_listed),
    expected: Expected::Passed,
};

static STACKS: [StackTest; 6] = [
    StackTest {
        name: "stacks::bullseye",
        suites: Some(Suites::all("bullseye")),
        expected: CORRUPTED,
        ..BASE
    },
    StackTest {
        name: "stacks::bookworm",
        suites: Some(Suites::all("bookworm")),
        expected: CORRUPTED,
        ..BASE
    },
    StackTest { name: "stacks::trixie", suites: Some(Suites::all("trixie")), ..BASE },
    StackTest { name: "stacks::forky", suites: Some(Suites::all("forky")), ..BASE },
    StackTest {
        name: "stacks::guests_of_trixie_on_forky",
        suites: Some(Suites { source: "forky", target: "forky", guests: "trixie" }),
        ..BASE
    },
    // forky's QEMU does not load the state of trixie's virtio devices. libvirt's words say nothing of the cause; the evidence does.
    StackTest {
        name: "stacks::from_trixie_to_forky",
        suites: Some(Suites { source: "trixie", target: "forky", guests: "trixie" }),
        scenarios: &["precopy_orderly::in_vms::stress_cpu"],
        expected: Expected::Refused {
            check: &migration::ABOUT,
            evidence: "-devices.txt",
            words: "Properties of its devices that one side does not have, on source and target:",
        },
        ..BASE
    },
];

fn main() -> ExitCode {
    stack_main(&STACKS)
}

const DOCUMENTATION: &str = include_str!("../docs/ci.md");

/// How long a guest may take to say what its kernel is.
const LIMIT: Duration = Duration::from_secs(30);

/// What was really installed is what the documentation lists.
fn is_listed(suites: Suites, fleet: &Fleet) -> Result<(), String> {
    let guest = fleet.guests[0].agent.remote();
    let release = guest.check("uname -r", LIMIT).map_err(|failure| failure.to_string())?;
    let [source, target] = fleet.hosts.both();
    let seen = [
        (suites.source, "QEMU", source.qemu.to_string()),
        (suites.source, "libvirt", source.libvirt.to_string()),
        (suites.target, "QEMU", target.qemu.to_string()),
        (suites.target, "libvirt", target.libvirt.to_string()),
        (suites.guests, "guest kernel", release),
    ];
    for (suite, what, version) in seen {
        let row = row(suite).ok_or_else(|| format!("docs/ci.md has no row for the suite {suite}"))?;
        if !row.iter().any(|cell| release_of(cell) == release_of(&version)) {
            let row = row.join(" | ");
            return Err(format!("docs/ci.md lists for {suite}: {row}\nseen: {what} {version}"));
        }
    }
    Ok(())
}

/// `10.0` of `10.0.13`, `6.12` of `6.12.117+deb13-cloud-amd64`: what comes after that is mended within a suite.
fn release_of(version: &str) -> Vec<&str> {
    version.trim().split('.').take(2).collect()
}

/// The cells of the row of a suite in the table of stacks.
fn row(suite: &str) -> Option<Vec<&'static str>> {
    let begin = format!("| `{suite}` |");
    let line = DOCUMENTATION.lines().find(|line| line.starts_with(&begin))?;
    Some(line.trim_matches('|').split('|').map(str::trim).collect())
}
