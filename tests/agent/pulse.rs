//! How long the witness stood still, and how fast it wrote memory. What it answers is taken apart as multivm does it.
//! Witness and test have the same clock here, so that what [`ClockMap`] promises can be held against the truth.

use multivm::guest::{ClockMap, DiskWork, Pulse, TRANSFER_BYTES};
use multivm::remote::protocol::PulseGap;

use super::*;

/// Numbers of the system calls that a thread waits in which waits for somebody else.
const FUTEX: &str = "202";
const ACCEPT: &str = "288";

/// What a time in microseconds may lack for a fraction.
const ROUNDED: Duration = Duration::from_micros(5);

impl Witness {
    fn pulse(&mut self, from_us: u64) -> Pulse {
        self.mapped_pulse(from_us).0
    }

    fn mapped_pulse(&mut self, from_us: u64) -> (Pulse, ClockMap) {
        let asked = Instant::now();
        let answer = self.ask(&format!("pulse {from_us}"));
        let answered = Instant::now();
        let pulse: Pulse = answer.join("\n").parse().unwrap_or_else(|_| panic!("{answer:?}"));
        let map = ClockMap::new(&pulse, asked, answered);
        (pulse, map)
    }

    fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.process.0.id());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// A file of each of its threads.
    fn threads(&self, file: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.0.id())).unwrap();
        tasks.map(|task| fs::read_to_string(task.unwrap().path().join(file)).unwrap()).collect()
    }

    /// Until every thread waits for somebody else.
    fn until_at_rest(&self) {
        eventually(|| {
            let calls = self.threads("syscall");
            calls.iter().all(|call| [FUTEX, ACCEPT].contains(&call.split(' ').next().unwrap())).then_some(())
        });
    }
}

fn wait(time: Duration) {
    let begin = Instant::now();
    eventually(|| (begin.elapsed() > time).then_some(()));
}

fn micros(us: u64) -> Duration {
    Duration::from_micros(us)
}

#[rstest]
fn a_standstill_is_told_once_and_at_its_place(mut witness: Witness) {
    const STANDSTILL: Duration = Duration::from_millis(300);
    witness.begin(1000);
    let before = witness.pulse(0);
    witness.signal("STOP");
    eventually(|| witness.threads("stat").iter().all(|stat| fields(stat)[0] == "T").then_some(()));
    let stopped = Instant::now();
    wait(STANDSTILL);
    let continued = Instant::now();
    witness.signal("CONT");
    // The witness may answer before the thread is on again: then it is in a later answer to the same question.
    let (told, PulseGap { at_us, length_us }) = eventually(|| {
        let (told, map) = witness.mapped_pulse(before.now_us);
        let slack = map.error + ROUNDED;
        let covers = |&&PulseGap { at_us, length_us }: &&PulseGap| {
            map.at(at_us) <= stopped + slack && map.at(at_us + length_us) + slack >= continued
        };
        let gap = told.gaps.iter().find(covers).copied();
        gap.map(|gap| (told, gap))
    });
    assert!(micros(length_us) + ROUNDED >= STANDSTILL && told.longest_us >= length_us, "{told:?}");
    // Between two looks there is one gap at most.
    assert!(told.gaps.windows(2).all(|two| two[0].at_us + two[0].length_us <= two[1].at_us), "{told:?}");
    assert_eq!((told.gaps_dropped, told.interval_us, told.threshold_us), (0, 1000, 5000));
    let after = witness.pulse(told.now_us);
    assert!(after.gaps.iter().all(|later| later.at_us >= at_us + length_us), "{after:?}");
}

#[rstest]
fn speeds_come_while_memory_is_rewritten(mut witness: Witness) {
    witness.begin(20);
    let told = eventually(|| Some(witness.pulse(0)).filter(|told| told.speeds.len() > 3));
    assert!(told.speeds.iter().all(|speed| speed.at_us < told.now_us && speed.ms_per_gib > 0.0), "{told:?}");
    assert!(told.speeds.is_sorted_by(|one, next| one.at_us < next.at_us), "{told:?}");
    // Not more than one for each tenth of a second since it was started.
    assert!(told.speeds.len() as u64 <= told.now_us / 100_000 + 1, "{told:?}");
    assert_eq!(told.speeds_dropped, 0);
}

/// What the disk was asked is told once, with the time that it took: a record is read before it is overwritten, and in every fifth
/// round it is many.
#[rstest]
fn what_the_disk_was_asked_is_told(mut witness: Witness) {
    witness.begin(20);
    let transfers = |told: &Pulse| told.disk.iter().filter(|time| time.work == DiskWork::Transfer).count();
    let told = eventually(|| Some(witness.pulse(0)).filter(|told| transfers(told) > 1));
    assert!(told.disk.iter().all(|time| time.at_us + time.took_us <= told.now_us), "{told:?}");
    assert!(told.disk.is_sorted_by(|one, next| one.at_us + one.took_us <= next.at_us), "{told:?}");
    assert!(told.disk.iter().any(|time| time.took_us > 0), "a disk takes some time: {told:?}");
    let round = [DiskWork::Read, DiskWork::Write];
    let expected: Vec<DiskWork> = round.repeat(4).into_iter().chain([DiskWork::Transfer]).collect();
    let works: Vec<DiskWork> = told.disk.iter().map(|time| time.work).collect();
    assert_eq!(works[..2 * expected.len()], [&expected[..], &expected[..]].concat());
    assert_eq!(told.disk_dropped, 0);
    let last = told.disk.last().unwrap().at_us;
    let later = eventually(|| Some(witness.pulse(told.now_us)).filter(|later| !later.disk.is_empty()));
    assert!(later.disk.iter().all(|time| time.at_us > last), "{later:?}");
    let proof = witness.prove();
    proof.assert_clean();
    // Ten rounds at least, of which two had many.
    assert!(proof.disk("written") >= 8 + 2 * (TRANSFER_BYTES / PAGE) as u64, "{proof:?}");
}

#[rstest]
fn a_witness_that_rests_costs_nothing_and_has_nothing_to_tell(mut witness: Witness) {
    witness.until_at_rest();
    let idle = witness.pulse(0);
    assert_eq!((idle.turns, idle.longest_us, idle.interval_us), (0, 0, 0));
    assert!(idle.gaps.is_empty() && idle.speeds.is_empty() && idle.disk.is_empty(), "{idle:?}");

    witness.begin(20);
    eventually(|| (witness.pulse(0).turns > 5).then_some(()));
    witness.begin(0);
    witness.until_at_rest();
    // The last speed is told when its tenth of a second is over.
    wait(Duration::from_millis(150));
    let paused = witness.pulse(0);
    wait(Duration::from_millis(150));
    let later = witness.pulse(paused.now_us);
    assert!(later.gaps.is_empty() && later.speeds.is_empty(), "{later:?}");
    assert_eq!((later.turns, later.longest_us), (paused.turns, paused.longest_us));
    assert_eq!(later.interval_us, 1000, "what it told has this resolution");

    // The pause itself is no standstill.
    witness.begin(20);
    eventually(|| (witness.pulse(0).turns > later.turns).then_some(()));
    let again = witness.pulse(paused.now_us);
    assert!(again.gaps.iter().all(|gap| gap.at_us >= later.now_us), "{again:?}");
}

#[rstest]
fn every_answer_goes_on_where_the_last_one_ended(mut witness: Witness) {
    witness.begin(20);
    let (mut gaps, mut speeds, mut from_us) = (Vec::new(), Vec::new(), 0);
    eventually(|| {
        let told = witness.pulse(from_us);
        assert!(told.now_us > from_us);
        from_us = told.now_us;
        gaps.extend(told.gaps);
        speeds.extend(told.speeds);
        (speeds.len() > 3).then_some(())
    });
    let all = witness.pulse(0);
    assert!(all.gaps.starts_with(&gaps) && all.speeds.starts_with(&speeds), "{gaps:?} {speeds:?} {all:?}");
    let nothing = witness.pulse(u64::MAX);
    assert!(nothing.gaps.is_empty() && nothing.speeds.is_empty(), "{nothing:?}");
}

#[rstest]
fn the_interval_can_be_chosen(mut witness: Witness) {
    assert_eq!(witness.ask("begin 20 10000"), ["ok"]);
    let told = eventually(|| Some(witness.pulse(0)).filter(|told| told.turns > 5));
    assert_eq!((told.interval_us, told.threshold_us), (10_000, 14_000));
    assert!(told.longest_us >= 10_000 && told.turns * 10_000 <= told.now_us, "{told:?}");
    assert!(told.gaps.iter().all(|gap| gap.length_us >= 14_000), "{told:?}");
    // Memory and records go on without it.
    assert_eq!(witness.ask("begin 20 0"), ["ok"]);
    let told = witness.pulse(0);
    let later = eventually(|| Some(witness.pulse(told.now_us)).filter(|later| later.speeds.len() > 3));
    assert!(later.interval_us == 0 && later.turns <= told.turns + 1, "{told:?} {later:?}");
}

#[rstest]
#[case("pulse")]
#[case("pulse all")]
#[case("pulse -1")]
#[case("pulse 1 2")]
#[case("begin 20 99999999999")]
#[case("begin 1 2 3")]
fn a_question_that_is_none(mut witness: Witness, #[case] question: &str) {
    // The program on the machine passes on what it understands; the witness has limits of its own.
    let told = &witness.ask(question)[0];
    assert!(told.starts_with("unknown question: ") && told.ends_with(question), "{told}");
}
