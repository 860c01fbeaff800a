//! How guests of a fleet are started in the real lab: a kernel that panics while it boots is known by its words, and
//! boots once more; so does a guest whose QEMU ends meanwhile.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use multivm::failure::{Failure, FailureKind, Result};
use multivm::guest::{Fleet, GuestNews};
use multivm::inventory::Inventory;
use multivm::stage::Stage;
use multivm::stand::lab;
use multivm::sys::stop::StopFlag;
use multivm_fixtures::selftest::{FleetTest, cases_main};

fn main() -> ExitCode {
    cases_main(CASES, |profile| (profile.guests, profile.load_guests) = (2, 1))
}

const CASES: &[FleetTest] = &[
    ("start::kernel_that_panics_once_boots_again", panics_once),
    ("start::guest_whose_qemu_ends_boots_again", qemu_ends_once),
    ("start::kernel_that_panics_twice_is_a_failure_with_its_words", panics_twice),
];

/// How long a command on a host may take.
const LIMIT: Duration = Duration::from_secs(30);

/// An initramfs on the source, and one in which there is nothing to boot: the kernel panics for want of a root.
const OWN: &str = "/run/multivm-selftest-initramfs";

/// What was told of guests, a word each.
type Told = Arc<Mutex<Vec<String>>>;

/// What befalls vm1 while it is started.
#[derive(Clone, Copy)]
struct Befalls {
    /// Makes the file [`OWN`] before that.
    before: fn(&Fleet, &Inventory) -> Result<()>,
    /// At the first word that it is waited for.
    waited_for: fn(&Fleet) -> Result<()>,
    /// Before it is started again.
    again: fn(&Fleet, &Inventory) -> Result<()>,
}

const NOTHING_TO_BOOT: Befalls = Befalls {
    before: |fleet, _| fleet.hosts.source.remote.check(&format!("echo nothing > {OWN}"), LIMIT).map(drop),
    waited_for: |_| Ok(()),
    again: |_, _| Ok(()),
};

/// Makes [`OWN`] an initramfs that boots.
fn whole(fleet: &Fleet, inventory: &Inventory) -> Result<()> {
    let copy = format!("cp {} {OWN}", inventory.guests.initramfs);
    fleet.hosts.source.remote.check(&copy, LIMIT).map(drop)
}

/// Starts the fleet as another command would do that finds all of it but vm1, which boots from the file [`OWN`].
fn start(stage: &Arc<Stage>, befalls: Befalls) -> Result<(Result<()>, Vec<String>), Failed> {
    let (fleet, _) = stage.fleet(&stage.profile)?;
    fleet.remove(&fleet.guests[0])?;
    let found = lab::running()?;
    (befalls.before)(&fleet, &found)?;
    let mut inventory = found.clone();
    inventory.guests.initramfs = OWN.to_owned();
    let told = Told::default();
    let (hear, keeper) = (Arc::clone(&told), Arc::clone(&fleet));
    let waited_for = Once::new();
    let done = |done: Result<()>| done.map_or_else(|failure| failure.to_string(), |()| String::new());
    let news = move |news: GuestNews<'_>| {
        let word = match news {
            GuestNews::Answering { answering, of } => format!("{answering} of {of}"),
            GuestNews::Waiting { .. } => {
                let mut failed = String::new();
                waited_for.call_once(|| failed = done((befalls.waited_for)(&keeper)));
                if failed.is_empty() {
                    return;
                }
                failed
            }
            // No guest of these has an image of its own.
            GuestNews::Copying { image, .. } => format!("{image} is copied"),
            GuestNews::FirstBoot { guest, errors } => format!("{}: {}", guest.name, errors.join("; ")),
            GuestNews::Panicked { guest, panic } => format!("{}: {panic}", guest.name),
            GuestNews::StartedAgain { guest, .. } => {
                format!("{} again{}", guest.name, done((befalls.again)(&keeper, &found)))
            }
        };
        hear.lock().unwrap().push(word);
    };
    let started =
        Fleet::start(&inventory, &fleet.asked, &StopFlag::new(), Arc::new(news), &|_, _| {}).map(drop);
    fleet.hosts.source.remote.check(&format!("rm {OWN}"), LIMIT)?;
    let told = told.lock().unwrap().clone();
    Ok((started, told))
}

fn panics_once(stage: &Arc<Stage>) -> Result<(), Failed> {
    let (started, told) = start(stage, Befalls { again: whole, ..NOTHING_TO_BOOT })?;
    started?;
    let [first, again, answers] = &told[..] else { return Err(format!("it was told {told:?}").into()) };
    expect(first.contains("vm1: its kernel panicked on source: VFS: Unable to mount root fs"), &told)?;
    expect(again == "vm1 again" && answers == "1 of 1", &told)
}

fn qemu_ends_once(stage: &Arc<Stage>) -> Result<(), Failed> {
    let begin = Instant::now();
    let kill = |fleet: &Fleet| fleet.hosts.source.remote.check("pkill -KILL -f guest=vm1,", LIMIT).map(drop);
    let (started, told) = start(stage, Befalls { before: whole, waited_for: kill, ..NOTHING_TO_BOOT })?;
    started?;
    expect(told == ["vm1 again", "1 of 1"], &told)?;
    // Nobody has waited for the first one until the limit of a start was over.
    let (fleet, _) = stage.fleet(&stage.profile)?;
    // The last look would find that its QEMU was killed.
    fleet.take_ends().for_each(drop);
    expect(begin.elapsed() < fleet.asked.start_limit(100), &begin.elapsed())
}

fn panics_twice(stage: &Arc<Stage>) -> Result<(), Failed> {
    let (started, told) = start(stage, NOTHING_TO_BOOT)?;
    let failure = started.err().ok_or_else(|| Failure::new("fail", "the fleet was started"))?;
    // Nobody has waited for it until a limit was over.
    expect(failure.kind() == FailureKind::Other, &failure)?;
    let text = failure.to_string();
    for words in [
        "vm1",
        "its kernel panicked on source: VFS: Unable to mount root fs",
        "a second time",
        "Kernel panic",
    ] {
        expect(text.contains(words), &text)?;
    }
    expect(told.len() == 3 && told[1] == "vm1 again" && told[0] == told[2], &told)
}

fn expect(holds: bool, seen: &dyn std::fmt::Debug) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("seen: {seen:?}").into()) }
}
