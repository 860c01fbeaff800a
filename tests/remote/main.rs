//! The ssh stack against a real sshd on loopback, behind a proxy that can cut it off. Where no sshd can be started, what
//! needs one is ignored, with the reason.

mod doctor;
mod keyboard;
mod left;
mod loads;
mod login;
mod once;
mod programs;
mod proxy;
mod reap;
mod root;
mod sshd;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Trial};
use multivm::remote::Remote;

use proxy::Proxy;
use sshd::Sshd;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

/// What a case needs of the server beside sshd.
#[derive(Clone, Copy)]
enum Need {
    Nothing,
    Sudo,
    Pam,
}

impl Need {
    fn met_by(self, sshd: &Sshd) -> Result<&Sshd, String> {
        match self {
            Need::Sudo if !sshd.has_sudo => Err("the server has no sudo".into()),
            Need::Pam if !sshd.has_pam => Err("the server has no PAM".into()),
            _ => Ok(sshd),
        }
    }
}

type Case = (&'static str, fn(&Sshd));

fn main() -> ExitCode {
    if std::env::var_os(AGENT).is_none() {
        return beside_an_agent();
    }
    let arguments = Arguments::from_args();
    let sshd = if arguments.list { Err("only listed".to_owned()) } else { Sshd::start() };
    let sshd = Arc::new(sshd);
    let trials = login::CASES
        .iter()
        .chain(once::CASES)
        .chain(doctor::CASES)
        .chain(reap::CASES)
        .chain(programs::CASES)
        .chain(loads::CASES)
        .map(|case| (case, Need::Nothing))
        .chain(root::CASES.iter().map(|case| (case, Need::Sudo)))
        .chain(keyboard::CASES.iter().map(|case| (case, Need::Pam)))
        .map(|((name, case), need)| {
            let sshd = Arc::clone(&sshd);
            Trial::ignorable_test(*name, move || {
                let ready = sshd.as_ref().as_ref().map_err(Clone::clone).and_then(|sshd| need.met_by(sshd));
                match ready {
                    Ok(sshd) => {
                        case(sshd);
                        Ok(Completion::Completed)
                    }
                    Err(why) => Ok(Completion::ignored_with(why)),
                }
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(sshd);
    conclusion.exit_code()
}

/// Tells this program that it runs beside an ssh-agent of its own.
const AGENT: &str = "MULTIVM_TEST_HAS_AGENT";

/// Starts this program again beside an ssh-agent, which ends with it.
fn beside_an_agent() -> ExitCode {
    let program = std::env::current_exe().expect("this program");
    let mut again = Command::new("ssh-agent");
    again.arg(&program).args(std::env::args_os().skip(1)).env(AGENT, "1");
    eprintln!("ssh-agent: {}", again.exec());
    ExitCode::FAILURE
}

/// The server behind a proxy, with a session that is kept.
fn behind_proxy(sshd: &Sshd) -> (Proxy, Remote) {
    let proxy = Proxy::to(sshd.port);
    let remote = Remote::new("server", sshd.login(proxy.port));
    remote.check("true", LIMIT).unwrap();
    assert_eq!(proxy.connections(), 1);
    (proxy, remote)
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
