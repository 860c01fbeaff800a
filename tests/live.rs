//! What a run shows on a terminal while it goes on, and what stays there: by the real code on a real pseudo-terminal, with
//! events that are made up. No lab.
//!
//! This program is also what the tests look at: with [`CHILD`] in its environment it plays trials as a run does.

#[path = "live/emulator.rs"]
mod emulator;
#[path = "live/pty.rs"]
mod pty;

use std::io::stdin;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use libtest_mimic::{Arguments, Failed, Trial};
use multivm::progress::LiveStatus;
use multivm::record::{Event, Outcome, Record, RunEnd, RunFolder, RunHeader, Stats, Verdict};
use multivm::run::process_of;
use multivm::scenario::Direction;
use multivm::sys::stop::StopFlag;
use pty::OnTerminal;

/// Says that this is the program to look at; its value is the results folder.
const CHILD: &str = "MULTIVM_TEST_LIVE_RESULTS";

const NAMES: [&str; 4] = [
    "precopy_cross::in_vms::stress_cpu",
    "postcopy_cross::in_vms::stress_memory",
    "precopy_cross::panics",
    "precopy_cross::on_both",
];

fn main() -> ExitCode {
    if let Some(results) = std::env::var_os(CHILD) {
        return child(Path::new(&results));
    }
    let trials = vec![
        Trial::test("what_stays_are_libtests_lines", || what_stays_are_libtests_lines(30, 120)),
        Trial::test("also_where_there_is_little_room", || what_stays_are_libtests_lines(5, 50)),
        Trial::test("a_panic_is_told_whole", a_panic_is_told_whole),
        Trial::test("no_picture_where_none_is_wanted", no_picture_where_none_is_wanted),
        Trial::test("no_colours_where_none_are_wanted", no_colours_where_none_are_wanted),
        Trial::test("a_run_is_watched_to_its_end", a_run_is_watched_to_its_end),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

// --- What is looked at

/// Plays the trials of a run; each goes on when a line comes in.
fn child(results: &Path) -> ExitCode {
    let folder = RunFolder::create(results).unwrap();
    let mut header = RunHeader::new(folder.name(), std::env::args());
    header.scenarios = Some(NAMES.len() as u32);
    let record = Record::create(folder.path(), header.clone()).unwrap();
    let selected = NAMES.map(str::to_owned).to_vec();
    let status = Arc::new(LiveStatus::begin(&record, &header, selected, results, &StopFlag::new()));
    let trial = |name: &'static str| {
        let (status, record) = (Arc::clone(&status), record.clone());
        Trial::test(name, move || {
            let shown = (*status).as_ref().map(LiveStatus::show);
            let outcome = play(name, &record);
            drop(shown);
            outcome
        })
    };
    let trials = NAMES.into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..Arguments::default() }, trials).exit_code()
}

fn play(name: &'static str, record: &Record) -> Result<(), Failed> {
    let write = |event| record.write(&event).unwrap();
    write(Event::ScenarioStarted { scenario: name.into(), ignored: false });
    for guest in ["vm1", "vm2", "vm3"] {
        write(leg_started(guest));
    }
    write(sample("vm1", 64));
    write(leg_finished("vm2"));
    stdin().read_line(&mut String::new()).unwrap();
    if name.ends_with("panics") {
        let panicked =
            std::thread::Builder::new().name(name.into()).spawn(|| panic!("out of cheese")).unwrap();
        assert!(panicked.join().is_err());
        stdin().read_line(&mut String::new()).unwrap();
    }
    let verdict = if name == NAMES[1] { Verdict::Failed } else { Verdict::Passed };
    write(finished(name, verdict));
    if verdict == Verdict::Failed { Err("memory: guest vm1".into()) } else { Ok(()) }
}

fn leg_started(guest: &str) -> Event {
    Event::LegStarted { guest: guest.into(), round: 1, direction: Direction::Out, step: 1 }
}

/// Of a guest of 256 MiB, of which so many are still to be sent.
fn sample(guest: &str, mib: u64) -> Event {
    let stats = Stats::new([
        ("memory_total", 256u64 << 20),
        ("memory_remaining", mib << 20),
        ("memory_iteration", 1),
    ]);
    Event::JobSample { guest: guest.into(), stats }
}

fn leg_finished(guest: &str) -> Event {
    Event::LegFinished {
        guest: guest.into(),
        round: 1,
        direction: Direction::Out,
        step: 1,
        error: None,
        began_t_ms: None,
        duration_s: 2.75,
        stats: Stats::new([("downtime", 168)]),
        switchover_s: None,
    }
}

fn finished(scenario: &str, verdict: Verdict) -> Event {
    let mut outcome = Outcome::new(scenario, verdict, SystemTime::now());
    outcome.duration = Duration::from_secs(10);
    if verdict == Verdict::Failed {
        outcome.reason = Some("the lab is gone".into());
    }
    Event::ScenarioFinished(outcome)
}

// --- Looking

/// This program, as a user's shell would start it.
fn run_of_trials(results: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(CHILD, results).env("TERM", "xterm-256color").env("RUST_BACKTRACE", "0");
    for name in ["CI", "NEXTEST", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

/// The lines that libtest alone writes: in a pipe there is no picture, and nothing on standard error but the panic.
fn libtests_lines(columns: usize) -> Vec<String> {
    let results = tempfile::tempdir().unwrap();
    let mut child = run_of_trials(results.path(), &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all("\n".repeat(NAMES.len() + 1).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("out of cheese") && !errors.contains("scenario"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\x1b'), "{text:?}");
    let mut rows = Vec::new();
    for line in text.trim_end().lines() {
        let characters: Vec<char> = line.chars().collect();
        if characters.is_empty() {
            rows.push(String::new());
        }
        rows.extend(characters.chunks(columns).map(|row| row.iter().collect::<String>()));
    }
    rows.iter().map(|row| without_time(row)).collect()
}

/// `finished in 0.12s` is different every time.
fn without_time(row: &str) -> String {
    row.split("finished in").next().unwrap_or_default().trim_end().to_owned()
}

fn what_stays_are_libtests_lines(height: u16, width: u16) -> Result<(), Failed> {
    let results = tempfile::tempdir().unwrap();
    let mut run = OnTerminal::start(&mut run_of_trials(results.path(), &[]), height, width);
    for (number, name) in NAMES.iter().enumerate() {
        run.wait_for(&format!("scenario {} of 4", number + 1));
        if height > 5 {
            run.wait_for("  vm1  source to target  [###############.....]  75 %  pre-copy pass 1");
            run.wait_for("  vm2  on target         source to target in 2.8 s, downtime 168 ms (libvirt)");
        }
        // Whatever is written next is written behind the name.
        let line = format!("test {name:<37} ... ");
        let row = line.len() / usize::from(width) * usize::from(width);
        assert_eq!(run.before_cursor().trim_end(), line[row..].trim_end());
        let rows = run.rows();
        let picture = rows.iter().position(|row| row.starts_with("scenario ")).unwrap();
        assert_eq!(rows.iter().filter(|row| row.starts_with("scenario ")).count(), 1, "{rows:#?}");
        // Above the picture stands what libtest has written so far, and nothing else.
        let above = rows[..picture].concat();
        assert!(above.contains(&format!("test {name}")), "{rows:#?}");
        assert_eq!(above.contains("FAILED"), number > 1, "{rows:#?}");
        run.go_on();
        if name.ends_with("panics") {
            run.wait_for("out of cheese");
            run.go_on();
        }
    }
    assert_eq!(run.end().code(), Some(101));
    // The panic's own words stand in between; they are the only others.
    let mut rows: Vec<String> = run.rows().iter().map(|row| without_time(row)).collect();
    let panic = rows.iter().position(|row| row.starts_with("test precopy_cross::panics")).unwrap();
    let next = rows.iter().position(|row| row.starts_with("test precopy_cross::on_both")).unwrap();
    let mut expected = libtests_lines(width.into());
    let result = expected.iter().position(|row| row.starts_with("test precopy_cross::panics")).unwrap();
    let after = expected.iter().position(|row| row.starts_with("test precopy_cross::on_both")).unwrap();
    rows.drain(panic..next);
    expected.drain(result..after);
    assert_eq!(rows, expected);
    Ok(())
}

fn a_panic_is_told_whole() -> Result<(), Failed> {
    let results = tempfile::tempdir().unwrap();
    let mut run = OnTerminal::start(&mut run_of_trials(results.path(), &[]), 30, 120);
    for number in 1..=3 {
        run.wait_for(&format!("scenario {number} of 4"));
        run.go_on();
    }
    run.wait_for("out of cheese");
    // The picture is drawn again, below.
    run.wait("the picture", |rows| {
        let panic = rows.iter().position(|row| row.contains("out of cheese"));
        let picture = rows.iter().position(|row| row.starts_with("scenario 3 of 4"));
        panic.is_some() && picture > panic
    });
    let rows = run.rows();
    let said = rows.iter().position(|row| row.starts_with("thread 'precopy_cross::panics'")).unwrap();
    assert!(rows[said].contains("panicked at") && !rows[said].contains('%'), "{rows:#?}");
    assert_eq!(rows[said + 1], "out of cheese");
    run.go_on();
    run.wait_for("scenario 4 of 4");
    run.go_on();
    run.end();
    assert!(
        !run.rows().iter().any(|row| row.contains('%') || row.starts_with("scenario")),
        "{:#?}",
        run.rows()
    );
    Ok(())
}

fn no_picture_where_none_is_wanted() -> Result<(), Failed> {
    for variable in [("TERM", "dumb"), ("CI", "true"), ("NEXTEST", "1")] {
        let results = tempfile::tempdir().unwrap();
        let mut run = OnTerminal::start(&mut run_of_trials(results.path(), &[variable]), 30, 120);
        for name in NAMES {
            run.wait_for(name);
            run.go_on();
            if name.ends_with("panics") {
                run.go_on();
            }
        }
        run.end();
        let raw = run.raw();
        assert!(!raw.contains("scenario") && !raw.contains('\x0b') && !raw.contains("\x1b7"), "{raw:?}");
    }
    Ok(())
}

fn no_colours_where_none_are_wanted() -> Result<(), Failed> {
    for (value, strong) in [("", true), ("1", false)] {
        let results = tempfile::tempdir().unwrap();
        let command = &mut run_of_trials(results.path(), &[("NO_COLOR", value)]);
        let mut run = OnTerminal::start(command, 30, 120);
        run.wait_for("scenario 1 of 4");
        assert_eq!(run.raw().contains("\x1b[1mscenario 1 of 4"), strong, "{:?}", run.raw());
    }
    Ok(())
}

/// `multivm watch` on a run that this process plays.
fn a_run_is_watched_to_its_end() -> Result<(), Failed> {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path()).unwrap();
    let mut header = RunHeader::new(folder.name(), ["migration".to_owned()]);
    header.process = process_of(std::process::id() as i32);
    header.scenarios = Some(2);
    let record = Record::create(folder.path(), header).unwrap();
    let write = |event: &Event| record.write(event).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_multivm"));
    command.arg("watch").env("MULTIVM_RESULTS", results.path()).env("TERM", "xterm").env("NO_COLOR", "1");
    let mut watch = OnTerminal::start(&mut command, 24, 100);
    watch.wait_for("scenario 1 of 2, preparing");

    write(&Event::ScenarioStarted { scenario: NAMES[0].into(), ignored: false });
    write(&leg_started("vm1"));
    watch.wait_for("  vm1  source to target  [....................]        setup");
    write(&sample("vm1", 192));
    watch.wait_for("[#####...............]  25 %  pre-copy pass 1");
    write(&leg_finished("vm1"));
    watch.wait_for("  vm1  on target         source to target in 2.8 s, downtime 168 ms (libvirt)");
    write(&finished(NAMES[0], Verdict::Failed));
    watch.wait_for("1/2 precopy_cross::in_vms::stress_cpu FAILED after 10.0 s: the lab is gone");
    watch.wait_for("[##########..........]  scenario 2 of 2, preparing; 1 failed; about 10 s left");
    write(&Event::ScenarioStarted { scenario: NAMES[1].into(), ignored: false });
    watch.wait_for(NAMES[1]);
    write(&finished(NAMES[1], Verdict::Passed));
    write(&Event::RunFinished(RunEnd { passed: 1, failed: 1, ignored: 0, errors: 0, duration_s: 21.0 }));

    assert_eq!(watch.end().code(), Some(1));
    let rows = watch.rows();
    assert!(rows[0].ends_with("FAILED after 10.0 s: the lab is gone"), "{rows:#?}");
    assert_eq!(rows[1], format!("run {}", folder.name()));
    assert_eq!(rows[2], "[####################]  finished after 0:21; 1 passed, 1 failed");
    assert!(rows[3..].concat().starts_with("Record, JUnit and evidence are in "), "{rows:#?}");
    Ok(())
}
