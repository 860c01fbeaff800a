//! Who may log in, and what is said to those who may not; what comes in and goes out.

use std::process::Command;
use std::time::{Duration, Instant};

use multivm::failure::{Failure, FailureKind};
use multivm::inventory::{Access, HostKey, Login, Secret, Sudo, Trust};
use multivm::remote::{Identity, Remote};
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};

use crate::sshd::PASSWORD;
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
    ("a_password_logs_in", a_password_logs_in),
    ("a_wrong_password_is_refused_and_not_shown", a_wrong_password_is_refused_and_not_shown),
    ("ssh_agent_logs_in", ssh_agent_logs_in),
    (
        "the_first_contact_decides_and_the_next_is_held_to_it",
        the_first_contact_decides_and_the_next_is_held_to_it,
    ),
    ("a_machine_that_lets_nobody_in_is_not_known_later", a_machine_that_lets_nobody_in_is_not_known_later),
    ("known_hosts_is_read_as_openssh_reads_it", known_hosts_is_read_as_openssh_reads_it),
    ("the_inventorys_key_decides", the_inventorys_key_decides),
    ("a_jump_hosts_words_are_told", a_jump_hosts_words_are_told),
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
    let Trust::Known(file) = &login.trust else { panic!("{login:?}") };
    let file = file.display().to_string();
    let failure = refusal(login);
    assert_eq!(failure.kind(), FailureKind::Refused);
    assert_eq!(
        failure.to_string(),
        format!(
            "cannot log in to server by ssh (root@127.0.0.1): its host key, {}, is not the one in {file}, which has {} in line 1",
            fingerprint(sshd, "host_ed25519"),
            fingerprint(sshd, "stranger")
        )
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
    let failure = refusal(Login { access: Access::Key(sshd.path("stranger")), ..sshd.login(sshd.port) });
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(failure.to_string().contains("/stranger: "), "{failure}");
}

fn a_key_that_is_not_there_is_missing(sshd: &Sshd) {
    let failure = refusal(Login { access: Access::Key("/nowhere/key".into()), ..sshd.login(sshd.port) });
    assert_eq!(failure.kind(), FailureKind::Missing, "{failure}");
    assert!(failure.to_string().contains("key /nowhere/key: "), "{failure}");
}

fn who_is_refused_does_not_wait(sshd: &Sshd) {
    let remote =
        Remote::new("server", Login { access: Access::Key(sshd.path("stranger")), ..sshd.login(sshd.port) });
    let begin = Instant::now();
    let hour = Duration::from_secs(3600);
    let failure = wait_for("the server", hour, &StopFlag::new(), || match remote.check("true", LIMIT) {
        Ok(_) => Poll::Ready(()),
        Err(failure) => Poll::again(failure.cause),
    })
    .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(begin.elapsed() < hour);
}

/// As `ssh-keygen -l` prints it.
fn fingerprint(sshd: &Sshd, key: &str) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(sshd.path(key)).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

fn a_password_logs_in(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of("asked", PASSWORD, Sudo::No));
    assert_eq!(remote.check("id -un", LIMIT).unwrap(), "asked\n");
}

fn a_wrong_password_is_refused_and_not_shown(sshd: &Sshd) {
    for user in ["asked", "root"] {
        let failure = refusal(sshd.login_of(user, "wrong horse", Sudo::No));
        assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
        let text = failure.to_string();
        assert!(text.contains(": password: ") && text.ends_with("; it offers publickey, password"), "{text}");
        assert!(!text.contains("wrong horse"), "{text}");
    }
    let missing = Access::Password(Secret::Environment("MULTIVM_NO_SUCH_PASSWORD".into()));
    let text = refusal(Login { access: missing, ..sshd.login(sshd.port) }).to_string();
    assert!(
        text.ends_with("the password from the variable MULTIVM_NO_SUCH_PASSWORD: it is not set"),
        "{text}"
    );
}

fn ssh_agent_logs_in(sshd: &Sshd) {
    let login = Login { access: Access::Agent, ..sshd.login(sshd.port) };
    assert_eq!(Remote::new("server", login).check("echo in", LIMIT).unwrap(), "in\n");
}

fn the_first_contact_decides_and_the_next_is_held_to_it(sshd: &Sshd) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    let login = || Login { trust: Trust::FirstContact(file.clone()), ..sshd.login(sshd.port) };
    for is_new in [true, false] {
        let remote = Remote::new("server", login());
        let identity = Identity {
            fingerprint: fingerprint(sshd, "host_ed25519"),
            key: sshd.public("host_ed25519"),
            is_new,
        };
        assert_eq!(remote.identify(LIMIT).unwrap(), identity);
        assert_eq!(remote.check("echo in", LIMIT).unwrap(), "in\n");
    }
    let known = format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.public("host_ed25519"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), known);
    std::fs::write(&file, known.replace(&sshd.public("host_ed25519"), &sshd.public("stranger"))).unwrap();
    let failure = refusal(login());
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(failure.to_string().contains(", is not the one in /"), "{failure}");
}

fn a_machine_that_lets_nobody_in_is_not_known_later(sshd: &Sshd) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    let login = Login { trust: Trust::FirstContact(file.clone()), ..sshd.login(sshd.port) };
    let stranger = Login { access: Access::Key(sshd.path("stranger")), ..login.clone() };
    assert_eq!(refusal(stranger).kind(), FailureKind::Refused);
    assert!(Remote::new("server", login.clone()).identify(LIMIT).unwrap().is_new);
    assert!(!file.exists(), "the user may have meant another one");
    // Several may meet it at the same time.
    let remote = Remote::new("server", login);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| remote.check("true", LIMIT).unwrap());
        }
    });
    assert!(!remote.log_in(LIMIT).unwrap().is_new && file.exists());
}

fn known_hosts_is_read_as_openssh_reads_it(sshd: &Sshd) {
    let (port, key, other) = (sshd.port, sshd.public("host_ed25519"), sshd.public("stranger"));
    let hashed = {
        let path = sshd.path("to_be_hashed");
        std::fs::write(&path, format!("[127.0.0.1]:{port} {key}\n")).unwrap();
        let made = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&path).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::read_to_string(path).unwrap()
    };
    assert!(hashed.starts_with("|1|"), "{hashed}");
    for text in [
        format!("kvm1,[127.0.0.1]:{port},[kvm1]:{port} {key}"),
        hashed,
        format!("127.0.0.1 {other}\n[127.0.0.*]:{port} {key}"),
        format!("@revoked * {other}\n[127.0.0.1]:{port} {key}"),
    ] {
        let login = sshd.login_with(port, "user", &text);
        assert_eq!(Remote::new("server", login).check("echo in", LIMIT).unwrap(), "in\n", "{text}");
    }
    for (text, why) in [
        (format!("127.0.0.1 {key}"), "it is not in /"),
        (format!("[127.0.0.1]:{port} {key}\n@revoked * {key}"), "@revoked"),
        (format!("@cert-authority [127.0.0.1]:* {key}"), "@cert-authority"),
    ] {
        let known = sshd.login_with(port, "user", &text);
        let Trust::Known(file) = &known.trust else { panic!("{known:?}") };
        let first = Login { trust: Trust::FirstContact(file.clone()), ..known.clone() };
        let failure = refusal(known);
        assert!(failure.kind() == FailureKind::Refused && failure.to_string().contains(why), "{failure}");
        if why.starts_with('@') {
            assert!(refusal(first).to_string().contains(why), "{text}");
        }
    }
}

fn the_inventorys_key_decides(sshd: &Sshd) {
    let logs_in = |key: HostKey| {
        let login = Login { trust: Trust::Key(key), ..sshd.login(sshd.port) };
        Remote::new("server", login).check("echo in", LIMIT)
    };
    for key in ["host_ed25519", "host_rsa"] {
        assert_eq!(logs_in(HostKey::Key(sshd.public(key))).unwrap(), "in\n", "{key}");
        assert_eq!(logs_in(HostKey::Fingerprint(fingerprint(sshd, key))).unwrap(), "in\n", "{key}");
    }
    for key in [HostKey::Key(sshd.public("stranger")), HostKey::Fingerprint(fingerprint(sshd, "stranger"))] {
        let failure = logs_in(key).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
        assert!(failure.to_string().contains(", is not the one that the inventory has"), "{failure}");
    }
}

fn a_jump_hosts_words_are_told(sshd: &Sshd) {
    // OpenSSH knows nothing of this server, and may ask nobody.
    let jump = Some(format!("127.0.0.1:{}", sshd.port));
    let failure = refusal(Login { jump, ..sshd.login(sshd.port) });
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(failure.to_string().ends_with(": the jump host: Host key verification failed."), "{failure}");
}
