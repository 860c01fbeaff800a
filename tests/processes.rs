//! A run of several processes, as cargo-nextest makes one: the lab stays up between them. What befalls it there is the later one's
//! finding, and each compares what daemons hold with the first one's end.

#[path = "again/mod.rs"]
#[allow(dead_code)]
mod again;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use multivm::harness::one_at_a_time;
use nix::unistd::geteuid;

use again::Run;
use multivm::plan::{Leg, Order, PlanInput, SEED_VARIABLE, Seed, Step};
use multivm::record::{Event, read};

/// Set for a process of the run, which is this program, started again as the scenarios' target.
const CHILD: &str = "MULTIVM_SELFTEST_PROCESS";

const SCENARIO: &str = "precopy_orderly::in_vms::stress_cpu";

/// The longest time for one process. The first one may have to make images.
const LIMIT: Duration = Duration::from_secs(900);

/// Something that happens between two processes, and what the second one says.
struct Between {
    name: &'static str,
    /// The sizes of both fleets.
    guests: [&'static str; 2],
    /// Shell commands. `$on MACHINE -- COMMAND` runs a command on a host or in a guest.
    happens: &'static str,
    finds: &'static [&'static str],
}

static BETWEEN: [Between; 10] = [
    Between {
        name: "processes::qemu_aborts_between_two",
        guests: ["2", "2"],
        // The kernel of this machine is the hosts' kernel.
        happens: "pid=$(pgrep -o -f guest=vm2,); kill -ABRT $pid; while kill -0 $pid 2> /dev/null; do sleep 0.1; done; sleep 1",
        finds: &["vm2", "stopped (crashed) on source at ", SINCE],
    },
    Between {
        name: "processes::guest_kernel_panics_between_two",
        guests: ["2", "2"],
        happens: "$on vm2 -- '(sleep 1; echo c > /proc/sysrq-trigger) > /dev/null 2>&1 < /dev/null &'; \
                  $on source -- 'until grep -q \"end Kernel panic\" /var/log/libvirt/qemu/vm2-console.log; do sleep 0.1; done'",
        finds: &["vm2", "its kernel panicked on source: sysrq triggered crash", SINCE],
    },
    Between {
        name: "processes::guest_resets_between_two",
        guests: ["2", "2"],
        happens: "$on source -- virsh reset vm1",
        finds: &["vm1", "boot id ", SINCE],
    },
    Between {
        name: "processes::guest_kernel_kills_its_witness_between_two",
        guests: ["2", "2"],
        happens: "$on vm1 -- 'for victim in $(pidof multivm-witness); do echo 1000 > /proc/$victim/oom_score_adj; done; \
                  echo f > /proc/sysrq-trigger; until dmesg | grep -q \"Killed process .*(multivm-witness)\"; do sleep 0.1; done'",
        finds: &["vm1", "killed: multivm-witness", SINCE],
    },
    Between {
        name: "processes::guest_disk_is_read_only_between_two",
        guests: ["2", "2"],
        happens: "$on vm1 -- 'echo u > /proc/sysrq-trigger; until grep -q \"^/dev/vda / ext4 ro\" /proc/mounts; do sleep 0.1; done'",
        finds: &["vm1", "/ of /dev/vda has become read-only", SINCE],
    },
    Between {
        name: "processes::guest_is_undefined_between_two",
        guests: ["2", "2"],
        happens: "$on source -- virsh undefine vm1",
        finds: &["vm1", "source defines it otherwise: domain: transient instead of persistent", SINCE],
    },
    Between {
        name: "processes::guest_is_suspended_between_two",
        guests: ["2", "2"],
        happens: "$on source -- virsh suspend vm2",
        finds: &["vm2", "on source it is paused", SINCE],
    },
    Between {
        name: "processes::guest_hangs_between_two",
        guests: ["2", "2"],
        happens: "pkill -STOP -f guest=vm2,",
        finds: &["vm2", "no answer to ", SINCE],
    },
    Between {
        name: "processes::guest_of_a_larger_fleet_is_suspended_between_two",
        guests: ["3", "2"],
        happens: "$on source -- virsh suspend vm3",
        finds: &["vm3", "on source it is paused", SINCE],
    },
    Between {
        name: "processes::guest_resets_and_a_libvirtd_ends_between_two",
        guests: ["2", "2"],
        happens: "$on source -- virsh reset vm1; $on target -- pkill -KILL libvirtd",
        finds: &["vm1", "boot id ", SINCE],
    },
];

/// When it happened, in the second one's words.
const SINCE: &str = ", between the last scenario and this one";

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return multivm::harness::main();
    }
    let seed = trial("processes::printed_seed_replays_the_moves", printed_seed_replays_the_moves);
    let between = |it: &'static Between| trial(it.name, || it.test());
    let daemon = trial(
        "processes::daemon_has_more_open_than_after_the_first",
        daemon_has_more_open_than_after_the_first,
    );
    let trials = BETWEEN.iter().map(between).chain([daemon, seed]).collect();
    libtest_mimic::run(&one_at_a_time(&Arguments::from_args()), trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let test = move || {
        if !geteuid().is_root() {
            return Ok(Completion::ignored_with("needs root"));
        }
        test().map(|()| Completion::Completed)
    };
    Trial::ignorable_test(name, test).with_ignored_flag(true)
}

impl Between {
    fn test(&self) -> Result<(), Failed> {
        let results = tempfile::tempdir()?;
        let play = |guests: &str| play(results.path(), SCENARIO, &[("MULTIVM_GUESTS", guests)]);
        let (first, said) = play(self.guests[0])?;
        expect(first.success(), "of a healthy lab", &said)?;
        let script = format!("set -e; on='{} lab ssh'; {}", env!("CARGO_BIN_EXE_multivm"), self.happens);
        let happened = Command::new("timeout").args(["60", "sh", "-c", &script]).status()?;
        expect(happened.success(), self.happens, &happened.to_string())?;
        let (second, said) = play(self.guests[1])?;
        for words in self.finds {
            expect(said.contains(words), words, &said)?;
        }
        expect(!second.success(), "after that", &said)?;
        let (third, said) = play(self.guests[1])?;
        expect(third.success(), "once more", &said)
    }
}

/// More than a daemon may have open in all scenarios of a run; none of them opens any.
const CLIENTS: u32 = 70;

fn daemon_has_more_open_than_after_the_first() -> Result<(), Failed> {
    let results = tempfile::tempdir()?;
    let play = || play(results.path(), SCENARIO, &[("MULTIVM_GUESTS", "2")]);
    let (first, said) = play()?;
    expect(first.success(), "of a healthy lab", &said)?;
    let clients = Clients::of_libvirtd()?;
    let (second, said) = play()?;
    let found = ["leftovers", " libvirtd (pid ", " file descriptors, "];
    let tells = found.iter().all(|words| said.contains(words));
    expect(!second.success() && tells, &format!("with {CLIENTS} clients more of a libvirtd"), &said)?;
    drop(clients);
    let (third, said) = play()?;
    expect(third.success(), "without them", &said)
}

/// Clients of a host's libvirtd, in a process of this machine, until this is dropped.
struct Clients(Child);

impl Clients {
    fn of_libvirtd() -> Result<Clients, Failed> {
        let listed = Command::new("pgrep").args(["-o", "-x", "libvirtd"]).output()?;
        let daemon = String::from_utf8(listed.stdout)?;
        let script = format!(
            "@held = map {{ IO::Socket::UNIX->new(Peer => '/run/libvirt/libvirt-sock') or die $! }} 1..{CLIENTS}; \
             $| = 1; print \"held\\n\"; sleep {}",
            LIMIT.as_secs()
        );
        let mut child = Command::new("nsenter")
            .args(["--target", daemon.trim(), "--mount", "perl", "-MIO::Socket::UNIX", "-e", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let clients = Clients(child);
        let mut line = String::new();
        output.map(|output| BufReader::new(output).read_line(&mut line)).transpose()?;
        expect(line == "held\n", "connect to a libvirtd", &line)?;
        Ok(clients)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run without a seed chooses one. The moves that it made are those that `explain` tells of the seed that it printed, and a run with
/// that seed makes the same ones.
fn printed_seed_replays_the_moves() -> Result<(), Failed> {
    const RANDOM: &str = "precopy_random::in_vms::stress_cpu";
    let play = |seed: &str| -> Result<(Vec<String>, String), Failed> {
        let results = tempfile::tempdir()?;
        let (status, said) = play(
            results.path(),
            RANDOM,
            &[(SEED_VARIABLE, seed), ("MULTIVM_ROUNDS", "2"), ("MULTIVM_GUESTS", "2")],
        )?;
        expect(status.success(), "a run of a random order", &said)?;
        Ok((steps_of(results.path())?, said))
    };
    let (moves, said) = play("")?;
    let seed = said.split_once(&format!("{SEED_VARIABLE}=")).and_then(|(_, rest)| rest.split(' ').next());
    let seed: Seed = seed.ok_or("a run of a random order prints no seed")?.parse()?;
    let plan = PlanInput { guests: 2, rounds: 2, seed };
    let planned: Vec<String> = Order::Random.steps(&plan)?.iter().map(Step::to_string).collect();
    expect(moves == planned, &format!("the moves of the seed {seed}, {planned:?}"), &format!("{moves:?}"))?;
    let (again, _) = play(&seed.to_string())?;
    expect(
        again == moves,
        &format!("the moves of the seed {seed} once more, {moves:?}"),
        &format!("{again:?}"),
    )
}

/// The steps of the only scenario below a results folder, in words, as its record has them.
fn steps_of(results: &Path) -> Result<Vec<String>, Failed> {
    let records: Vec<_> = walk(results)?.into_iter().filter(|path| path.ends_with("record.jsonl")).collect();
    let mut steps: BTreeMap<u32, Vec<Leg>> = BTreeMap::new();
    for path in records {
        let folder = path.parent().ok_or("a record is in a folder")?;
        for (_, event) in read(folder).map_err(|error| error.to_string())? {
            if let Event::LegStarted { guest, round, direction, step } = event {
                let number: usize = guest.trim_start_matches("vm").parse()?;
                steps.entry(step).or_default().push(Leg { guest: number - 1, direction, round });
            }
        }
    }
    Ok(steps.into_values().map(|legs| Step::of(legs).to_string()).collect())
}

/// All files below a folder.
fn walk(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(walk(&entry.path())?)
        } else {
            files.push(entry.path())
        }
    }
    Ok(files)
}

/// Plays a scenario in a process of its own, and gives what it said.
fn play(results: &Path, scenario: &str, variables: &[(&str, &str)]) -> Result<(ExitStatus, String), Failed> {
    let run = format!("selftest-{}", std::process::id());
    let started = Run::start(
        scenario,
        |name| name == CHILD,
        |command| {
            let command = command.env(CHILD, "1").envs(variables.iter().copied());
            // One of the matrix is played all the same.
            command.arg("--include-ignored").env("NEXTEST_RUN_ID", run).env("MULTIVM_RESULTS", results)
        },
    )?;
    let (status, folder) = started.ends(LIMIT)?;
    Ok((status, fs::read_to_string(folder.path().join("said"))?))
}

fn expect(holds: bool, what: &str, seen: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}: {seen}").into()) }
}
