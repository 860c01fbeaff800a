//! The program, run as a user runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// The program, away from what the machine and the user have: their settings would change what is seen.
pub struct Cli {
    state: TempDir,
}

/// What a command wrote, and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cli {
    pub fn new() -> Cli {
        Cli { state: tempfile::tempdir().unwrap() }
    }

    pub fn run(&self, arguments: &str) -> Said {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Said {
        self.say(Command::new(env!("CARGO_BIN_EXE_multivm")), arguments, variables)
    }

    /// Starts the test target of the scenarios. Results go to a place of its own.
    pub fn play_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Said {
        self.test_with("migration", arguments, variables)
    }

    /// Starts a test target that plays in the lab. Results go to a place of its own.
    pub fn test_with(&self, target: &str, arguments: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(program_of(target));
        command.args(["--results", self.results().to_str().unwrap()]);
        self.say(command, arguments, variables)
    }

    /// Runs it on a machine whose directories are others: each is bound over the real one, for this command only.
    #[allow(dead_code)]
    pub fn run_over(&self, arguments: &str, over: &[(&Path, &str)]) -> Said {
        let binds: String =
            over.iter().map(|(from, to)| format!("mount --bind {} {to} && ", from.display())).collect();
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &format!("{binds} exec \"$0\" \"$@\""),
        ]);
        command.arg(env!("CARGO_BIN_EXE_multivm"));
        self.say(command, arguments, &[])
    }

    /// Starts the test target of the scenarios after commands of a shell, with mounts that end with it.
    #[allow(dead_code)]
    pub fn play_on(&self, ground: &str, arguments: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command
            .arg(format!("{{ {ground}; }} >&2 || exit 99; exec \"$0\" \"$@\""))
            .arg(program_of("migration"));
        command.args(["--results", self.results().to_str().unwrap()]);
        self.say(command, arguments, variables)
    }

    /// Starts the test target of the scenarios with an output that nobody reads.
    #[allow(dead_code)]
    pub fn play_to_nobody(&self, arguments: &str) -> Said {
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec 3>&1; { \"$0\" \"$@\"; echo $? >&3; } | true"])
            .arg(program_of("migration"));
        command.args(["--results", self.results().to_str().unwrap()]);
        self.say(command, arguments, &[])
    }

    /// Starts a test target, whose words somebody else reads.
    #[allow(dead_code)]
    pub fn start_test(&self, target: &str, arguments: &str, variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(program_of(target));
        self.prepare(&mut command, arguments, variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn say(&self, mut command: Command, arguments: &str, variables: &[(&str, &str)]) -> Said {
        said(self.prepare(&mut command, arguments, variables).output().unwrap())
    }

    fn prepare<'a>(
        &self,
        command: &'a mut Command,
        arguments: &str,
        variables: &[(&str, &str)],
    ) -> &'a mut Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MULTIVM_") || name.to_string_lossy().starts_with("NEXTEST")
            {
                command.env_remove(name);
            }
        }
        command.env("MULTIVM_STATE", self.state()).envs(variables.iter().copied());
        command.args(arguments.split_whitespace())
    }

    /// Where the test target's runs go.
    pub fn results(&self) -> PathBuf {
        self.place().join("results")
    }

    /// A directory of its own, for whatever a test needs.
    pub fn place(&self) -> &Path {
        self.state.path()
    }

    /// In a directory that multivm may remove, as it does with one that it leaves empty.
    pub fn state(&self) -> PathBuf {
        self.state.path().join("state")
    }
}

/// The program of a test target, which cargo builds beside this one, and anew here if it was not asked to: an older one would
/// play what this one refuses.
fn program_of(target: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let find = || multivm::harness::programs().remove(target).and_then(|found| found.into_iter().next());
    let is_new = |program: &PathBuf| {
        let time = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
        let beside =
            std::fs::read_dir(program.parent().unwrap()).unwrap().flatten().map(|entry| entry.path());
        let libraries = beside.filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libmultivm-") && name.ends_with(".rlib")
        });
        libraries.filter_map(|library| time(&library)).max() <= time(program)
    };
    let build = || {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo).args(["test", "--no-run", "--test", target]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        // cargo has the last word: a library that is newer may be one of another build.
        find().expect("`cargo test --no-run` builds the target")
    };
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(target.to_owned()).or_insert_with(|| find().filter(is_new).unwrap_or_else(build)).clone()
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
