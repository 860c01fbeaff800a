//! Passwords, read from where the inventory says they are.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::deadline::Deadline;
use crate::failure::{Cause, FailureKind, Result};
use crate::inventory::Secret;
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;
use crate::sys::{bounded, limited};

/// A password. It is never shown.
pub struct Password(String);

impl Password {
    #[cfg(test)]
    pub fn of_a_test(text: &str) -> Password {
        Password(text.to_owned())
    }

    /// The password itself, for those that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A password that is read once, at its first use.
#[derive(Default)]
pub struct KeptPassword(Mutex<Option<Arc<Password>>>);

impl KeptPassword {
    pub fn get(&self, secret: &Secret, deadline: Deadline) -> Result<Arc<Password>, Cause> {
        let mut kept = locked(&self.0);
        if let Some(password) = &*kept {
            return Ok(Arc::clone(password));
        }
        let password = Arc::new(read(secret, deadline)?);
        *kept = Some(Arc::clone(&password));
        Ok(password)
    }
}

fn read(secret: &Secret, deadline: Deadline) -> Result<Password, Cause> {
    // From here on the kernel writes no core of this process, wherever cores go, and lets nobody but root look into its
    // memory.
    prctl::set_dumpable(false)?;
    let text = match secret {
        Secret::Environment(name) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => Cause::new(FailureKind::Missing, "it is not set"),
            // The variable's value must not be in the message, as it would be in the error's.
            std::env::VarError::NotUnicode(_) => "it is no UTF-8".to_owned().into(),
        }),
        Secret::File(path) => of_file(path),
        Secret::Command(words) => of_command(words, deadline),
    };
    let text = text.map_err(|cause| cause.about(format!("the password from {secret}")))?;
    // Programs and editors end it with a newline, which no password has.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains(['\n', '\0']) {
        let why = if text.is_empty() { "it is empty" } else { "it has more than one line" };
        return Err(Cause::from(why.to_owned()).about(format!("the password from {secret}")));
    }
    Ok(Password(text.to_owned()))
}

fn of_file(path: &Path) -> Result<String, Cause> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = format!("it can be read by others (mode {:03o}): chmod 600", mode & 0o777);
        return Err(Cause::new(FailureKind::Refused, why));
    }
    Ok(fs::read_to_string(path)?)
}

/// Runs the program, whose words and errors stay unseen: they may have the password in them. At the deadline it ends with all that it has
/// started in its process group; what has left the group is to stay, such as an agent.
fn of_command(words: &[String], deadline: Deadline) -> Result<String, Cause> {
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = Pid::from_raw(child.id() as i32);
    let mut stdout = child.stdout.take().ok_or_else(|| "it has no output".to_owned())?;
    let read = move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    };
    let text = bounded::answer(deadline.left()?, &StopFlag::new(), read);
    // One that goes on without an output has said what it had to say.
    let ended = text.is_some() && limited::end(&mut child, deadline.left()?).is_ok();
    if !ended {
        let _ = killpg(group, Signal::SIGKILL);
    }
    let status = child.wait()?;
    if text.is_some() && !ended {
        return Err(Cause::new(FailureKind::TimedOut, "it did not end in time"));
    }
    let text = text.ok_or_else(|| Cause::new(FailureKind::TimedOut, "it did not answer in time"))?;
    if !status.success() {
        return Err(format!("it ended with {status}").into());
    }
    text.map_err(|_| "it printed no UTF-8".to_owned().into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::sys::process::living;
    use crate::sys::wait::{Poll, wait_for};

    fn deadline() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    fn of(script: &str) -> Result<Password, Cause> {
        read(&Secret::Command(vec!["sh".into(), "-c".into(), script.into()]), deadline())
    }

    fn said(result: Result<Password, Cause>) -> String {
        match result {
            Ok(_) => panic!("it was read"),
            Err(cause) => cause.text,
        }
    }

    #[test]
    fn a_programs_line_is_the_password() {
        assert_eq!(
            of("echo ' with blanks '").map_err(|cause| cause.text).ok().unwrap().reveal(),
            " with blanks "
        );
    }

    #[rstest]
    #[case::fails("echo hunter2; echo hunter2 >&2; exit 3", "exit status: 3")]
    #[case::says_nothing("true", "it is empty")]
    #[case::says_much("echo hunter2; echo hunter2", "it has more than one line")]
    fn what_is_wrong_is_said_without_it(#[case] script: &str, #[case] why: &str) {
        let text = said(of(script));
        assert!(text.contains("the password from the program sh: ") && text.contains(why), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_program_is_not_waited_for_beyond_the_deadline() {
        let slow = Secret::Command(vec!["sleep".into(), "3600".into()]);
        let text = said(read(&slow, Deadline::after(Duration::from_millis(200))));
        assert!(text.contains("did not answer in time"), "{text}");
        let script = "echo hunter2; exec >&-; exec sleep 3600";
        let lives_on = Secret::Command(vec!["sh".into(), "-c".into(), script.into()]);
        let text = said(read(&lives_on, Deadline::after(Duration::from_millis(500))));
        assert!(text.contains("did not end in time"), "{text}");
    }

    #[rstest]
    #[case::that_waits_for_it("wait")]
    #[case::that_has_ended("exit")]
    fn what_a_program_has_started_ends_at_the_deadline(#[case] then: &str) {
        let folder = tempfile::tempdir().unwrap();
        let noted = folder.path().join("pid");
        let script = format!("sleep 617.25 & echo $! > {}; {then}", noted.display());
        let secret = Secret::Command(vec!["sh".into(), "-c".into(), script]);
        let mut limit = Duration::from_millis(200);
        // A busy machine may not have started it by the first deadlines.
        let pid: i32 = loop {
            assert!(said(read(&secret, Deadline::after(limit))).contains("did not answer in time"));
            match fs::read_to_string(&noted).unwrap_or_default().trim().parse() {
                Ok(pid) => break pid,
                Err(_) => limit *= 2,
            }
        };
        let gone = || living(pid).map_or(Poll::Ready(()), |_| Poll::NotYet("it runs".into()));
        wait_for("its child to be gone", Duration::from_secs(20), &StopFlag::new(), gone).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said(read(&Secret::File(path.clone()), deadline())).contains("mode 640"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&Secret::File(path), deadline()).ok().unwrap().reveal(), "hunter2");
    }

    #[test]
    fn no_core_has_a_password_in_it() {
        assert!(of("echo hunter2").is_ok());
        assert!(!prctl::get_dumpable().unwrap());
    }

    #[test]
    fn a_password_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "first").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let kept = KeptPassword::default();
        let secret = Secret::File(path.clone());
        assert!(kept.get(&secret, deadline()).is_ok());
        fs::remove_file(path).unwrap();
        assert_eq!(kept.get(&secret, deadline()).ok().unwrap().reveal(), "first");
    }
}
