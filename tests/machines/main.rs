//! Hosts by inventory, for real: machine hosts, of which nothing is known but a password. A run prepares them, plays a scenario under
//! KVM, and puts them back; a run that is killed is put back from another machine's point of view.
//!
//! The emulated KVM now and then loses a guest, or its host (docs/hosts.md, "Machine hosts"). A run that failed for that alone is
//! repeated once, and the test says so.

#[path = "../again/mod.rs"]
mod again;
mod doctor;
mod emulated;
mod firewalls;
mod interrupted;
mod killed;
mod lost;
mod served;
mod stopped;

use std::cell::RefCell;
use std::net::AddrParseError;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use multivm::inventory::file::InventoryFile;
use multivm::remote::Remote;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use again::Run;
use stopped::Machines;

/// Set for a run.
const CHILD: &str = "MULTIVM_SELFTEST_ON_MACHINES";

/// What a run keeps of the variables of this test.
const KEPT: [&str; 3] = ["MULTIVM_STATE", "MULTIVM_CACHE", "MULTIVM_MIRROR"];

/// Played with one guest: a machine host has two CPUs that are emulated.
const SCENARIO: &str = "precopy_orderly::in_vms::stress_cpu";

/// How long a run may take on a busy machine: preparation, a boot, two migrations, and putting back.
const RUN_LIMIT: Duration = Duration::from_secs(1500);

/// How long a host may take to answer a command.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return multivm::harness::main();
    }
    let arguments = Arguments::from_args();
    let trial = |name: &str, work: fn() -> Result<Completion, Failed>| {
        Trial::ignorable_test(name, move || {
            if !geteuid().is_root() {
                return Ok(Completion::ignored_with("needs root"));
            }
            work()
        })
    };
    let trials = vec![
        Trial::test("machines::what_the_emulation_breaks_is_told_from_failures", || {
            emulated::is_told_from_failures().map_err(Failed::from)
        }),
        trial("machines::prepared_from_the_password_played_under_kvm_and_put_back", from_the_password),
        trial("machines::the_doctor_names_every_way_in_which_hosts_are_broken", doctor::says_what_is_wrong)
            .with_ignored_flag(true),
        trial("machines::killed_at_random_moments_and_put_back_from_elsewhere", killed::at_random_moments)
            .with_ignored_flag(true),
        trial(
            "machines::ctrl_c_ends_a_run_soon_and_the_hosts_are_as_before",
            interrupted::in_preparation_and_in_a_move,
        )
        .with_ignored_flag(true),
        trial("machines::a_host_is_lost_and_put_back_when_it_is_back", lost::one_of_two)
            .with_ignored_flag(true),
        trial("machines::served_by_this_machine", served::by_this_machine).with_ignored_flag(true),
        trial("machines::firewalls_open_for_the_other_host_alone", firewalls::gates).with_ignored_flag(true),
        trial("machines::firewalls_played_through", firewalls::played_through).with_ignored_flag(true),
    ];
    // There is one pair of machine hosts.
    let arguments = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// How often a run is played at most that the emulated KVM breaks.
const PLAYS: u32 = 2;

/// How late the last play may begin, so that one that takes its time leaves the other tests theirs.
const LAST_BEGIN: Duration = Duration::from_secs(480);

/// How long a run may take to end when it is told to, while one of its hosts answers nothing: the ways to that host have their
/// deadlines one after the other.
const LOST_HOST_LIMIT: Duration = Duration::from_secs(480);

fn from_the_password() -> Result<Completion, Failed> {
    let begin = Instant::now();
    for play in 0..PLAYS {
        if play > 0 && begin.elapsed() > LAST_BEGIN {
            break;
        }
        // A host that the emulation has restarted is not the one of the snapshot any more: each play has new ones.
        let hosts = match Raised::up() {
            // Two machines take more memory than everybody has who runs the tests.
            Err(failure) if failure.message().is_some_and(|text| text.contains("MiB are available")) => {
                return Ok(Completion::ignored_with("too little memory for two machines"));
            }
            raised => raised?,
        };
        let broken = prepared_played_and_put_back(&hosts)?;
        hosts.down()?;
        let Err(failure) = broken else { return Ok(Completion::Completed) };
        eprintln!("machines: the emulated KVM broke the run. This one:\n{failure:?}");
    }
    Ok(Completion::ignored_with("the emulated KVM reset the guest, or its host, in every play"))
}

/// Plays the scenario on hosts that stay, again where the emulated KVM breaks it.
fn played(hosts: &Raised) -> Result<(), Failed> {
    for _ in 1..PLAYS {
        let Err(failure) = prepared_played_and_put_back(hosts)? else { return Ok(()) };
        eprintln!("machines: the emulated KVM broke the run, which is repeated. This one:\n{failure:?}");
    }
    prepared_played_and_put_back(hosts)?
}

/// Plays the scenario; a failure inside is one that the emulated KVM causes. Hosts that were not restarted must be as before in
/// either case.
fn prepared_played_and_put_back(hosts: &Raised) -> Result<Result<(), Failed>, Failed> {
    let boots = hosts.boots()?;
    let mut run = start(&hosts.inventory)?;
    let machines = hosts.machines()?;
    let lost = RefCell::new(None);
    run.until(RUN_LIMIT, |_| {
        lost.replace(machines.stopped_by_now());
        lost.borrow().is_some()
    });
    if let Some(host) = lost.into_inner() {
        run.signal(Signal::SIGINT)?;
        let (status, folder) = run.ends(LOST_HOST_LIMIT)?;
        let said = std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
        return Ok(Err(format!("{host} stopped; the run ended with {status}; it said:\n{said}").into()));
    }
    let (status, folder) = run.ends(RUN_LIMIT)?;
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap_or_default();
    let (said, record) = (read("said"), read("results/latest/record.jsonl"));
    eprintln!("machines: {}", said.lines().find(|line| line.contains("s of scenarios")).unwrap_or_default());
    let failed = || Failed::from(format!("the run ended with {status}; it said:\n{said}"));
    // Nobody but the emulation stops a host, or restarts it.
    if !status.success() && (machines.stopped().is_some() || hosts.boots()? != boots) {
        return Ok(Err(failed()));
    }
    hosts.are_as_before()?;
    // It fails as well if a host is not what it was before.
    if !status.success() && emulated::broke_the_guest(&record) && !said.contains("it is not what it was") {
        return Ok(Err(failed()));
    }
    expect(status.success(), &format!("the run ended with {status}; it said:\n{said}"))?;
    expect(record.contains("\"accelerator\":\"KVM\""), "the guests did not run under KVM")?;
    let legs =
        record.lines().filter(|line| line.contains("\"leg_finished\"") && !line.contains("\"error\":"));
    expect(legs.count() == 2, "the guest did not go there and come back")?;
    Ok(Ok(()))
}

fn start(inventory: &Path) -> Result<Run, Failed> {
    let is_own = |name: &str| name.starts_with("MULTIVM_") && !KEPT.contains(&name);
    Run::start(SCENARIO, is_own, |command| {
        let command = command.args(["--profile", "lab", "--inventory"]).arg(inventory);
        command.envs([(CHILD, "1"), ("MULTIVM_GUESTS", "1")])
    })
}

fn expect(held: bool, otherwise: &str) -> Result<(), Failed> {
    if held { Ok(()) } else { Err(otherwise.into()) }
}

/// Machine hosts that are up for this test. They are taken down when this goes, whatever happened.
struct Raised {
    inventory: PathBuf,
    is_up: bool,
}

impl Raised {
    fn up() -> Result<Raised, Failed> {
        let mut up = Command::new(env!("CARGO_BIN_EXE_multivm"));
        let said = up.args(["lab", "up", "--kind", "machines"]).env_remove("MULTIVM_SUITE").output()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        expect(said.status.success(), &format!("lab up: {}", String::from_utf8_lossy(&said.stderr)))?;
        let inventory = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("inventory")?.split_whitespace().next())
            .ok_or("lab up says no inventory")?;
        Ok(Raised { inventory: inventory.into(), is_up: true })
    }

    /// The source and the target, each with its address.
    fn hosts(&self) -> Result<[(String, Remote); 2], Failed> {
        let file = InventoryFile::load(&self.inventory, None).map_err(|error| error.to_string())?;
        let machines: Vec<_> = file.machines().collect();
        let [source, target] = machines[..] else { return Err("a pair has two hosts".into()) };
        Ok([source, target].map(|machine| {
            let remote = Remote::new(machine.address.as_str(), machine.login(&file.known_hosts()));
            (machine.address.clone(), remote)
        }))
    }

    fn machines(&self) -> Result<Machines, Failed> {
        let parsed = |(address, remote): (String, Remote)| Ok((address.parse()?, remote));
        let machines: Result<Vec<_>, AddrParseError> = self.hosts()?.into_iter().map(parsed).collect();
        Ok(Machines::new(machines?))
    }

    /// The ids of the boots of both hosts.
    fn boots(&self) -> Result<[String; 2], Failed> {
        let [source, target] = self
            .hosts()?
            .map(|(_, remote)| remote.check("cat /proc/sys/kernel/random/boot_id", ANSWER_LIMIT));
        Ok([source?, target?])
    }

    /// A command of the program about the inventory, which must succeed; what it says.
    fn multivm(&self, arguments: &[&str], state: Option<&Path>) -> Result<String, Failed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multivm"));
        command.args(arguments).arg(&self.inventory);
        if let Some(state) = state {
            command.env("MULTIVM_STATE", state);
        }
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = format!("multivm {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        expect(output.status.success(), &wrong).map(|()| said)
    }

    /// Nothing of multivm's is on a host. Whatever else may differ, the command that put it back compares.
    fn are_as_before(&self) -> Result<(), Failed> {
        for (address, remote) in self.hosts()? {
            let left = remote.check(
                "ls -d /var/lib/multivm* /run/multivm-* /etc/exports.d/multivm* 2> /dev/null; virsh -q list --all --name; \
                 grep -s multivm /root/.ssh/authorized_keys; grep multivm /proc/mounts; pgrep -x multivm-agent; :",
                ANSWER_LIMIT,
            )?;
            expect(left.trim().is_empty(), &format!("left on {address}: {left}"))?;
        }
        Ok(())
    }

    fn down(mut self) -> Result<(), Failed> {
        self.is_up = false;
        let down = Command::new(env!("CARGO_BIN_EXE_multivm")).args(["lab", "down"]).status()?;
        expect(down.success(), "the machines did not go down")
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if self.is_up {
            // The failure that led here is what counts.
            let _ = Command::new(env!("CARGO_BIN_EXE_multivm")).args(["lab", "down"]).status();
        }
    }
}
