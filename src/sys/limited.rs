//! Commands of this machine that end within a limit, or are killed.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::contained::lines;
use super::stop::StopFlag;
use super::wait::{Poll, wait_for};
use crate::failure::{Cause, Result};

/// How long a command that was killed may take to end, and the next words of one that has ended to arrive.
const MOMENT: Duration = Duration::from_secs(1);

/// The most lines that a cause has of what a command said.
const MOST_LINES: usize = 100;

/// Runs a command with a short `input` on its standard input. A command that hangs in the kernel outlives its own death: it is left
/// alone.
///
/// # Errors
///
/// The command cannot be started, does not end within the limit, or fails. Of one that fails, the cause is what it said on
/// standard error.
pub fn run(command: &mut Command, input: &str, limit: Duration) -> Result<(), Cause> {
    Running::start(command, input)?.end(limit, &StopFlag::new(), || {})
}

/// A command that goes on.
pub struct Running {
    child: Child,
    words: Receiver<String>,
}

impl Running {
    /// Starts a command with a short `input` on its standard input.
    ///
    /// # Errors
    ///
    /// The command cannot be started.
    pub fn start(command: &mut Command, input: &str) -> Result<Running, Cause> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let words = lines(child.stderr.take(), "a command")?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading it says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(Running { child, words })
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for the command's end, and calls `waiting` again and again until then. One that hangs in the kernel outlives its own death:
    /// it is left alone.
    ///
    /// # Errors
    ///
    /// The command does not end within the limit or before `stop` is set, either of which kills it, or it fails. Of one that fails, the
    /// cause is what it said on standard error.
    pub fn end(mut self, limit: Duration, stop: &StopFlag, waiting: impl FnMut()) -> Result<(), Cause> {
        let status = ended(&mut self.child, limit, stop, waiting).inspect_err(|_| {
            let _ = self.child.kill();
            let _ = end(&mut self.child, MOMENT);
        })?;
        if status.success() {
            return Ok(());
        }
        let said = std::iter::from_fn(|| self.words.recv_timeout(MOMENT).ok()).take(MOST_LINES);
        let said = said.collect::<Vec<_>>().join("\n");
        Err(if said.trim().is_empty() { format!("it ended with {status}").into() } else { said.into() })
    }
}

/// Waits for the end of a program, and leaves one alone that does not end within the limit.
///
/// # Errors
///
/// The program did not end within the limit.
pub fn end(child: &mut Child, limit: Duration) -> Result<ExitStatus, Cause> {
    ended(child, limit, &StopFlag::new(), || {})
}

fn ended(
    child: &mut Child,
    limit: Duration,
    stop: &StopFlag,
    mut waiting: impl FnMut(),
) -> Result<ExitStatus, Cause> {
    let ended = wait_for("a command to end", limit, stop, || match child.try_wait() {
        Ok(Some(status)) => Poll::Ready(status),
        Ok(None) => {
            waiting();
            Poll::NotYet("it runs".into())
        }
        Err(error) => Poll::Never(error.into()),
    });
    ended.map_err(|failure| failure.cause)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::failure::FailureKind;
    use crate::sys::process::runs_with;

    const LONG: Duration = Duration::from_secs(600);

    fn shell(script: &str, input: &str, limit: Duration) -> Result<(), Cause> {
        run(Command::new("sh").args(["-c", script]), input, limit)
    }

    #[rstest]
    #[case::succeeds("true", Ok(()))]
    #[case::reads("read -r word && test \"$word\" = hello", Ok(()))]
    #[case::says_why("echo out; echo it is >&2; echo broken >&2; exit 3", Err("it is\nbroken"))]
    #[case::says_nothing("exit 3", Err("it ended with exit status: 3"))]
    fn the_end_of_a_command_is_its_own(#[case] script: &str, #[case] expected: Result<(), &str>) {
        assert_eq!(shell(script, "hello\n", LONG), expected.map_err(Cause::from));
    }

    #[test]
    fn a_command_that_is_not_there_is_missing() {
        let cause = run(&mut Command::new("/there/is/no/such/program"), "", LONG).unwrap_err();
        assert_eq!(cause.kind, FailureKind::Missing, "{cause}");
    }

    #[test]
    fn a_command_that_hangs_is_killed() {
        let cause = shell("exec sleep 615.25", "", Duration::from_millis(200)).unwrap_err();
        assert_eq!(cause.kind, FailureKind::TimedOut, "{cause}");
        is_gone("615.25");
    }

    #[test]
    fn a_command_ends_with_the_run() {
        let (stop, mut looks) = (StopFlag::new(), 0);
        let running = Running::start(Command::new("sleep").arg("615.5"), "").unwrap();
        let cause = running.end(LONG, &stop, || {
            looks += 1;
            if looks == 3 {
                stop.set();
            }
        });
        assert_eq!(cause.unwrap_err().kind, FailureKind::Cancelled);
        assert_eq!(looks, 3, "nobody waits any longer");
        is_gone("615.5");
    }

    fn is_gone(word: &str) {
        let words = [word.to_owned()];
        let gone = || if runs_with(&words) { Poll::NotYet("it runs".into()) } else { Poll::Ready(()) };
        wait_for("it to be gone", LONG, &StopFlag::new(), gone).unwrap();
    }
}
