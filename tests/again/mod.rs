//! A run of one scenario by a test that is started again as the scenarios' target, with what it says in a file.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use multivm::failure::Attempt;
use multivm::sys::process::living;
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub struct Run {
    child: Child,
    folder: TempDir,
}

impl Run {
    /// Starts this program once more. Whatever this test was selected by, and by whom, is nothing to the run: variables of nextest, and
    /// those that `is_own` to the test.
    pub fn start(
        scenario: &str,
        is_own: impl Fn(&str) -> bool,
        prepare: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Run, Failed> {
        let folder = tempfile::tempdir()?;
        let said = File::create(folder.path().join("said"))?;
        let mut command = Command::new(std::env::current_exe()?);
        for name in std::env::vars_os().map(|(name, _)| name) {
            let text = name.to_string_lossy();
            if text.starts_with("NEXTEST") || is_own(&text) {
                command.env_remove(&name);
            }
        }
        command.args(["--exact", scenario]).env("MULTIVM_RESULTS", folder.path().join("results"));
        let child =
            prepare(&mut command).stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn()?;
        Ok(Run { child, folder })
    }

    /// Waits for the end; the folder has what was said in `said`, and the results below `results`.
    pub fn ends(mut self, limit: Duration) -> Result<(ExitStatus, TempDir), Failed> {
        let ended = wait_for("the run to end", limit, &StopFlag::new(), || match self.child.try_wait() {
            Ok(Some(status)) => Poll::Ready(status),
            Ok(None) => Poll::NotYet("it goes on".into()),
            Err(error) => Poll::NotYet(error.to_string()),
        });
        match ended {
            Ok(status) => Ok((status, self.folder)),
            Err(failure) => {
                // Whatever it hangs in, the next command clears what it left.
                let _ = self.child.kill();
                let _ = self.child.wait();
                Err(format!("{failure}; it said:\n{}", self.said()).into())
            }
        }
    }

    /// Waits until the run is over as far as this depends on it: one of its calls may hang in the kernel, which then keeps the process
    /// and its status.
    #[allow(dead_code)]
    pub fn is_over(&self, limit: Duration) -> Result<(), Failed> {
        let pid = self.child.id() as i32;
        let over = wait_for("the run to be over", limit, &StopFlag::new(), || match living(pid) {
            Some(_) => Poll::NotYet("it goes on".into()),
            None => Poll::Ready(()),
        });
        over.map_err(|failure| format!("{failure}; it said:\n{}", self.said()).into())
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// Waits for words of the run.
    #[allow(dead_code)]
    pub fn says(&self, words: &str, limit: Duration) -> Result<(), Failed> {
        let said = wait_for(&format!("the words {words:?}"), limit, &StopFlag::new(), || {
            if self.said().contains(words) { Poll::Ready(()) } else { Poll::NotYet("not said yet".into()) }
        });
        said.map_err(|failure| format!("{failure}; it said:\n{}", self.said()).into())
    }

    /// Waits for a moment of the run: when `reached` says so of its folder, when `limit` is over, or when the run is.
    pub fn until(&mut self, limit: Duration, reached: impl Fn(&Path) -> bool) {
        // A run that ends before the moment is none that is waited for.
        let _ = wait_for("the moment", limit, &StopFlag::new(), || match self.child.try_wait() {
            Ok(None) if !reached(self.folder.path()) => Poll::NotYet("it goes on".into()),
            _ => Poll::Ready(()),
        });
    }

    /// Sends a signal, unless the run is over.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Failed> {
        if let Ok(None) = self.child.try_wait() {
            kill(Pid::from_raw(self.child.id() as i32), signal).attempting(|| format!("send {signal}"))?;
        }
        Ok(())
    }

    /// Sends a signal at a moment, unless the run is over by then; returns its end, and how long after the signal that was.
    pub fn signalled(
        mut self,
        signal: Signal,
        moment: Duration,
        limit: Duration,
    ) -> Result<(ExitStatus, Duration), Failed> {
        self.until(moment, |_| false);
        self.signal(signal)?;
        let sent = Instant::now();
        let (status, _) = self.ends(limit)?;
        Ok((status, sent.elapsed()))
    }
}
