//! Who may log in, and what is said to those who may not; what comes in and goes out.

use std::time::{Duration, Instant};

use multivm::failure::{Failure, FailureKind};
use multivm::inventory::Login;
use multivm::remote::Remote;
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Look, wait_for};

use crate::{Case, LIMIT, Sshd};

pub const CASES: &[Case] = &[
    ("a_command_is_answered", a_command_is_answered),
    ("much_goes_in_and_out", much_goes_in_and_out),
    ("another_host_key_is_refused", another_host_key_is_refused),
    ("a_host_that_is_not_known_is_refused", a_host_that_is_not_known_is_refused),
    ("the_kind_of_host_key_is_what_known_hosts_has", the_kind_of_host_key_is_what_known_hosts_has),
    ("another_users_key_is_refused", another_users_key_is_refused),
    ("a_key_that_is_not_there_is_missing", a_key_that_is_not_there_is_missing),
    ("who_is_refused_does_not_wait", who_is_refused_does_not_wait),
];

fn refusal(login: Login) -> Failure {
    Remote::new("server", login).run("true", LIMIT).unwrap_err()
}

fn a_command_is_answered(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login(sshd.port));
    let output = remote.run("echo out; echo err >&2; exit 3", LIMIT).unwrap();
    assert_eq!((output.status, &*output.stdout, &*output.stderr), (3, "out\n", "err\n"));
    let failure = remote.check("echo no such thing >&2; exit 4", LIMIT).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "cannot run `echo no such thing >&2; exit 4` on server: exit status 4: no such thing"
    );
}

fn much_goes_in_and_out(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login(sshd.port));
    let input = vec![b'x'; 5_000_000];
    let script = "wc -c; head -c 5000000 /dev/zero; head -c 1000000 /dev/zero >&2";
    let output = remote.run_with_input(script, &input, LIMIT).unwrap();
    let (counted, zeros) = output.stdout.split_once('\n').unwrap();
    assert_eq!((counted, zeros.len(), output.stderr.len()), ("5000000", 5_000_000, 1_000_000));
}

fn another_host_key_is_refused(sshd: &Sshd) {
    let port = sshd.port;
    let login = sshd.login_with(port, "user", &format!("[127.0.0.1]:{port} {}", sshd.public("stranger")));
    let file = login.known_hosts.display().to_string();
    let failure = refusal(login);
    assert_eq!(failure.kind(), FailureKind::Refused);
    assert_eq!(
        failure.to_string(),
        format!("cannot log in to server by ssh (root@127.0.0.1): its host key is not the one in {file}")
    );
}

fn a_host_that_is_not_known_is_refused(sshd: &Sshd) {
    let failure =
        refusal(sshd.login_with(sshd.port, "user", &format!("192.0.2.7 {}", sshd.public("stranger"))));
    assert_eq!(failure.kind(), FailureKind::Refused);
    assert!(failure.to_string().contains(": it is not in /"), "{failure}");
}

fn the_kind_of_host_key_is_what_known_hosts_has(sshd: &Sshd) {
    // The server has an ed25519 key, too, which libssh2 likes better.
    let port = sshd.port;
    let login = sshd.login_with(port, "user", &format!("[127.0.0.1]:{port} {}", sshd.public("host_rsa")));
    assert_eq!(Remote::new("server", login).check("echo in", LIMIT).unwrap(), "in\n");
}

fn another_users_key_is_refused(sshd: &Sshd) {
    let failure =
        refusal(Login { key: sshd.login(sshd.port).key.with_file_name("stranger"), ..sshd.login(sshd.port) });
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(failure.to_string().contains("/stranger: "), "{failure}");
}

fn a_key_that_is_not_there_is_missing(sshd: &Sshd) {
    let failure = refusal(Login { key: "/nowhere/key".into(), ..sshd.login(sshd.port) });
    assert_eq!(failure.kind(), FailureKind::Missing, "{failure}");
    assert!(failure.to_string().contains("key /nowhere/key: "), "{failure}");
}

fn who_is_refused_does_not_wait(sshd: &Sshd) {
    let remote = Remote::new(
        "server",
        Login { key: sshd.login(sshd.port).key.with_file_name("stranger"), ..sshd.login(sshd.port) },
    );
    let begin = Instant::now();
    let hour = Duration::from_secs(3600);
    let failure = wait_for("the server", hour, &StopFlag::new(), || match remote.check("true", LIMIT) {
        Ok(_) => Look::Ready(()),
        Err(failure) => Look::again(failure.cause),
    })
    .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(begin.elapsed() < hour);
}
