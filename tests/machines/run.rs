//! A run of one scenario on hosts of an inventory: this program, started again as the scenarios' target.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Set for the run.
pub const CHILD: &str = "MULTIVM_SELFTEST_ON_MACHINES";

pub struct Run {
    child: Child,
    folder: TempDir,
}

/// A run that has ended.
pub struct Played {
    pub status: ExitStatus,
    pub said: String,
    pub record: String,
}

impl Run {
    pub fn start(inventory: &Path, scenario: &str) -> Result<Run, Failed> {
        let folder = tempfile::tempdir()?;
        let said = File::create(folder.path().join("said"))?;
        let mut command = Command::new(std::env::current_exe()?);
        // Whatever this test is selected by, and by whom.
        let foreign = |name: &str| name.starts_with("NEXTEST") || name.starts_with("MULTIVM_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| foreign(&name.to_string_lossy())) {
            if !["MULTIVM_STATE", "MULTIVM_CACHE", "MULTIVM_MIRROR"].contains(&&*name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["--exact", scenario, "--profile", "lab", "--inventory"])
            .arg(inventory)
            .envs([(CHILD, "1"), ("MULTIVM_GUESTS", "1")])
            .env("MULTIVM_RESULTS", folder.path().join("results"))
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        Ok(Run { child, folder })
    }

    pub fn ends(mut self, limit: Duration) -> Result<Played, Failed> {
        let ended = wait_for("the run to end", limit, &StopFlag::new(), || match self.child.try_wait() {
            Ok(Some(status)) => Poll::Ready(status),
            Ok(None) => Poll::NotYet("it goes on".into()),
            Err(error) => Poll::NotYet(error.to_string()),
        });
        let read = |path: &str| std::fs::read_to_string(self.folder.path().join(path)).unwrap_or_default();
        let (said, record) = (read("said"), read("results/latest/record.jsonl"));
        match ended {
            Ok(status) => Ok(Played { status, said, record }),
            Err(failure) => {
                // Whatever it hangs in, the next command clears what it left.
                let _ = self.child.kill();
                let _ = self.child.wait();
                Err(format!("{failure}; it said:\n{said}").into())
            }
        }
    }

    /// Sends a signal at a moment, unless the run is over by then.
    pub fn signalled(mut self, signal: Signal, moment: Duration) -> Result<ExitStatus, Failed> {
        // The moment is what is waited for.
        let _ = wait_for("the moment", moment, &StopFlag::new(), || match self.child.try_wait() {
            Ok(Some(_)) => Poll::Ready(()),
            _ => Poll::NotYet("it goes on".into()),
        });
        if let Ok(None) = self.child.try_wait() {
            kill(Pid::from_raw(self.child.id() as i32), signal)?;
        }
        Ok(self.child.wait()?)
    }
}

impl Played {
    /// What the run says of its time.
    pub fn spent(&self) -> &str {
        self.said.lines().find(|line| line.contains("s of scenarios")).unwrap_or_default()
    }
}
