//! Commands as the documentation has them, tried as far as that goes without a lab.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use multivm::record::{Event, Record, RunEnd, RunHeader};
use multivm::record::{Outcome, Verdict};
use tempfile::TempDir;

/// Subcommands that change the machine: only whether their arguments are understood is looked at.
const WITH_A_LAB: [&[&str]; 5] =
    [&["lab", "up"], &["lab", "down"], &["lab", "ssh"], &["image", "build"], &["reap"]];

/// Options of `cargo nextest run` that `list` does not have, and that choose nothing.
const ONLY_OF_RUN: [&str; 1] = ["--no-fail-fast"];

type Tried = Result<(), String>;

/// What a command needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What is there when the package is built.
    Ours,
    /// cargo-nextest.
    Nextest,
}

impl Kind {
    fn of(command: &[String]) -> Kind {
        let is_nextest = command.windows(2).any(|pair| pair[0] == "cargo" && pair[1] == "nextest");
        if is_nextest { Kind::Nextest } else { Kind::Ours }
    }

    /// Whether this machine has what it needs.
    pub fn is_there(self) -> bool {
        let version = || Command::new(cargo()).args(["nextest", "--version"]).output();
        self == Kind::Ours || version().is_ok_and(|output| output.status.success())
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Tries the commands of one block, one after the other, in a folder that has what they are about: runs, parts of runs, a
/// scenario file.
pub struct Commands {
    package: PathBuf,
    world: TempDir,
}

impl Commands {
    pub fn new(package: &Path) -> Commands {
        let world = tempfile::tempdir().unwrap();
        fs::copy(package.join("scenarios.toml"), world.path().join("scenarios.toml")).unwrap();
        fs::create_dir(world.path().join("fixtures")).unwrap();
        let example = "fixtures/reference.toml";
        fs::copy(package.join(example), world.path().join(example)).unwrap();
        let results = world.path().join("target/multivm");
        let name = "20260102T030405Z-4711";
        run(&results.join(name), 0);
        symlink(name, results.join("latest")).unwrap();
        for name in ["base-run", "good-1", "good-2", "good-3", "new-1", "new-2", "new-3"] {
            run(&world.path().join(name), 0);
        }
        for number in 1..=3 {
            let results = world.path().join(format!("bisect-{number}"));
            let name = format!("20260102T030405Z-{number}");
            run(&results.join(&name), 0);
            symlink(name, results.join("latest")).unwrap();
        }
        for part in 1..=4 {
            run(&world.path().join(format!("part-{part}")), part);
        }
        Commands { package: package.to_owned(), world }
    }

    /// Tries the commands of one kind in a line, which has `&&` between them. Returns how many those are.
    pub fn try_line(&self, line: &str, kind: Kind) -> Result<usize, String> {
        let line = line
            .replace("${{ matrix.part }}", "1")
            .replace("$CI_NODE_INDEX", "1")
            .replace("$CI_NODE_TOTAL", "4")
            .replace("$$", &std::process::id().to_string())
            .replace("/path/to/layer", &self.world.path().display().to_string());
        if line.contains(['$', '|', ';', '<', '>']) {
            return Err("it has something of a shell that is not known here".into());
        }
        let words = shlex::split(&line).ok_or("a quote is not closed")?;
        let commands: Vec<&[String]> =
            words.split(|word| word == "&&").filter(|command| Kind::of(command) == kind).collect();
        commands.iter().try_for_each(|command| self.try_one(command))?;
        Ok(commands.len())
    }

    fn try_one(&self, words: &[String]) -> Tried {
        let is_setting = |word: &&String| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        };
        let settings: Vec<(&str, &str)> =
            words.iter().take_while(is_setting).filter_map(|word| word.split_once('=')).collect();
        let command: Vec<&str> = words[settings.len()..].iter().map(String::as_str).collect();
        match command[..] {
            ["./setup"] | ["./setup", "--check" | "--tests"] if self.has("setup") => Ok(()),
            ["cargo", "test", "--lib"] => Ok(()),
            // A test of the library is there if its module is.
            ["cargo", "test", "--lib", module] if self.has_module(module) => Ok(()),
            ["cargo", "test", ref rest @ ..] => self.lists(&settings, rest),
            ["cargo", "nextest", "run", ref rest @ ..] => self.nextest_lists(&settings, rest),
            ["cargo", "run", "-q", "--bin", "multivm", "--", ref rest @ ..]
            | ["multivm" | "target/debug/multivm", ref rest @ ..] => self.multivm(&settings, rest),
            ["cargo", "build"] | ["git", "bisect", "start", _, _] => Ok(()),
            ["git", "bisect", "run", ..] => self.try_one(&words[settings.len() + 3..]),
            _ => Err("a command of a kind that tests/docs does not know".into()),
        }
    }

    /// Whether the package has a file of that path.
    fn has(&self, path: &str) -> bool {
        self.package.join(path).is_file()
    }

    /// Whether the library has a module of that path, as `record::schema`.
    fn has_module(&self, module: &str) -> bool {
        let path = format!("src/{}", module.replace("::", "/"));
        self.has(&format!("{path}.rs")) || self.has(&format!("{path}/mod.rs"))
    }

    /// `cargo test`: the test target lists at least one test for these arguments.
    fn lists(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Tried {
        let (of_cargo, own) = at_dashes(arguments);
        let target = match of_cargo {
            [] => "migration",
            ["--test", target] => target,
            _ => return Err(format!("arguments of cargo that tests/docs does not know: {of_cargo:?}")),
        };
        let mut command = self.command(&self.test_program(target)?, settings);
        command.args(own.iter().filter(|argument| **argument != "--list"));
        let output = command.arg("--list").output().map_err(|error| error.to_string())?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && out.lines().any(|line| line.ends_with(": test")) {
            return Ok(());
        }
        Err(format!("nothing is listed, {}", told(&output)))
    }

    fn nextest_lists(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Tried {
        let mut command = self.command(Path::new(&cargo()), settings);
        command.current_dir(&self.package).args(["nextest", "list", "--color", "never", "-T", "oneline"]);
        command.args(arguments.iter().filter(|argument| !ONLY_OF_RUN.contains(argument)));
        let output = command.output().map_err(|error| error.to_string())?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && out.lines().any(|line| line.contains("multivm::migration ")) {
            return Ok(());
        }
        Err(format!("nothing is listed, {}", told(&output)))
    }

    fn multivm(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Tried {
        let (before, behind) = at_dashes(arguments);
        let with_a_lab = WITH_A_LAB.iter().any(|one| arguments.starts_with(one));
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_multivm")), settings);
        if with_a_lab {
            command.args(before).arg("--help");
        } else {
            command.args(arguments);
        }
        if arguments == ["watch"] {
            command.arg("--once");
        }
        let output = command.output().map_err(|error| error.to_string())?;
        // Whether this machine is good enough is not for this test to say.
        let good = match (arguments, output.status.code()) {
            (["doctor", ..], Some(0 | 1)) => true,
            (_, code) => code == Some(0),
        };
        // A command behind `--` is for a shell in the lab.
        let understood = behind.is_empty() || arguments.starts_with(&["lab", "ssh"]);
        if good && understood { Ok(()) } else { Err(told(&output)) }
    }

    /// A program, away from what the machine and the user have.
    fn command(&self, program: &Path, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("MULTIVM_") || name.starts_with("NEXTEST") {
                command.env_remove(name.as_ref());
            }
        }
        command
            .current_dir(self.world.path())
            .env("MULTIVM_STATE", self.world.path().join("state"))
            .env("MULTIVM_RESULTS", self.world.path().join("target/multivm"))
            .envs(settings.iter().copied());
        command
    }

    /// The program of a test target: the newest beside this one.
    fn test_program(&self, target: &str) -> Result<PathBuf, String> {
        let manifest =
            fs::read_to_string(self.package.join("Cargo.toml")).map_err(|error| error.to_string())?;
        if !manifest.contains(&format!("[[test]]\nname = \"{target}\"")) {
            return Err(format!("there is no test target {target}"));
        }
        let me = std::env::current_exe().map_err(|error| error.to_string())?;
        let beside = me.parent().map(Path::to_owned).unwrap_or_default();
        let programs =
            fs::read_dir(&beside).map_err(|error| error.to_string())?.flatten().map(|entry| entry.path());
        let hash = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?;
            let hash = name.strip_prefix(target)?.strip_prefix('-')?;
            hash.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())
        };
        let written = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        programs
            .filter(|path| hash(path).is_some())
            .max_by_key(written)
            .ok_or_else(|| format!("{target} is not built: run `cargo test --no-run` first"))
    }
}

/// What is before `--`, and what is behind.
fn at_dashes<'a, 'b>(words: &'a [&'b str]) -> (&'a [&'b str], &'a [&'b str]) {
    match words.iter().position(|word| *word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[]),
    }
}

fn told(output: &Output) -> String {
    format!(
        "{}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A small run: two scenarios that all runs have, and one of its own.
fn run(folder: &Path, number: u32) {
    fs::create_dir_all(folder).unwrap();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let record = Record::create(folder, RunHeader::new(name, ["migration".to_owned()])).unwrap();
    let facts = [("source.qemu".to_owned(), "10.0.2".to_owned())].into();
    record.write(&Event::FixtureReady { name: "hosts".into(), duration_s: 1.0, facts }).unwrap();
    let own = format!(
        "precopy_orderly::on_source::stress_cpu_{}",
        if number.is_multiple_of(2) { "half" } else { "short" }
    );
    for scenario in ["precopy_cross::in_vms::stress_cpu", "postcopy_cross::in_vms::stress_memory", &own] {
        record.write(&Event::ScenarioStarted { scenario: scenario.to_owned(), ignored: false }).unwrap();
        let mut outcome = Outcome::new(scenario, Verdict::Passed, SystemTime::now());
        outcome.duration = Duration::from_secs(12);
        outcome.numbers.longest_gap_ms = Some(120);
        record.write(&Event::ScenarioFinished(outcome)).unwrap();
    }
    let end = Event::RunFinished(RunEnd { passed: 3, failed: 0, ignored: 0, errors: 0, duration_s: 36.0 });
    record.write(&end).unwrap();
}
