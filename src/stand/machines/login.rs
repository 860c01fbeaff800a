//! A machine by ssh, with root's password, as any controller reaches a host.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::machine::Machine;
use super::qemu::Qemu;
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::{Access, HostKey, Login, Secret, Sudo, Trust};
use crate::remote::Remote;
use crate::sys::bounded;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long one attempt to log in may take: the machine's sshd may be slow, and its address may not answer at all.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How long a machine may take to set its clock.
const CLOCK_LIMIT: Duration = Duration::from_secs(30);

/// The way into a machine with the password in that file.
pub fn remote(machine: &Machine, password: &Path, trust: Trust) -> Remote {
    let login = Login {
        address: machine.address.to_owned(),
        port: 22,
        user: "root".to_owned(),
        access: Access::Password(Secret::File(password.to_owned())),
        trust,
        jump: None,
        sudo: Sudo::No,
        slowness: 1,
    };
    Remote::new(machine.name, login)
}

/// The trust in a machine whose host key is known.
pub fn trust(host_key: &str) -> Trust {
    Trust::Key(HostKey::Key(host_key.to_owned()))
}

/// Waits until a machine answers, for as long as its QEMU runs.
pub fn await_answer(remote: &Remote, qemu: &mut Qemu, limit: Duration, stop: &StopFlag) -> Result<()> {
    let what = format!("machine {} to answer by ssh", remote.name());
    wait_for(&what, limit, stop, || {
        if let Err(cause) = qemu.runs() {
            return Poll::Never(cause);
        }
        match ask(remote, "true", ATTEMPT, stop) {
            Ok(_) => Poll::Ready(()),
            Err(failure) => Poll::again(failure.cause),
        }
    })
}

/// Runs a command that must succeed. The wait ends soon after an interruption.
pub fn ask(remote: &Remote, command: &str, limit: Duration, stop: &StopFlag) -> Result<String> {
    let call = {
        let (remote, command) = (remote.clone(), command.to_owned());
        move || remote.check(&command, limit)
    };
    // The call has the limit itself; a second one is for a call that does not keep it.
    bounded::answer(limit * 2, stop, call).unwrap_or_else(|| {
        let cause = if stop.is_set() {
            Cause::interrupted()
        } else {
            Cause::new(FailureKind::TimedOut, format!("no answer within {} s", (limit * 2).as_secs()))
        };
        Err(Failure::new(format!("run `{command}`"), cause).at(remote.name()))
    })
}

/// Sets a machine's clock, which stood still while the machine was a file.
pub fn set_clock(remote: &Remote, stop: &StopFlag) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ask(remote, &format!("date -u -s @{}.{:09}", now.as_secs(), now.subsec_nanos()), CLOCK_LIMIT, stop)
        .map(drop)
}
