//! Who becomes root by sudo, and what is in between; ignored, with the reason, where the server has no sudo.

use multivm::failure::FailureKind;
use multivm::inventory::Sudo;
use multivm::remote::{CALLER, Dialogue, Remote};

use crate::sshd::PASSWORD;
use crate::{Case, LIMIT, Sshd};

pub const CASES: &[Case] = &[
    ("sudo_with_a_password_is_root", sudo_with_a_password_is_root),
    ("sudo_without_a_password_is_root", sudo_without_a_password_is_root),
    (
        "a_password_that_sudo_does_not_ask_for_reaches_no_command",
        a_password_that_sudo_does_not_ask_for_reaches_no_command,
    ),
    ("sudo_that_refuses_says_so", sudo_that_refuses_says_so),
    ("a_dialogue_is_roots", a_dialogue_is_roots),
    ("root_by_sudo_knows_where_the_user_came_from", root_by_sudo_knows_where_the_user_came_from),
];

const SCRIPT: &str = "id -un; cat";

fn sudo_with_a_password_is_root(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of("asked", PASSWORD, Sudo::Password));
    let input = b"one\ntwo 'three' $HOME";
    for _ in 0..2 {
        assert_eq!(remote.check_with_input(SCRIPT, input, LIMIT).unwrap(), "root\none\ntwo 'three' $HOME");
    }
    let output = remote.run("echo err >&2; exit 7", LIMIT).unwrap();
    assert_eq!((output.status, output.stdout.as_str()), (7, ""));
    assert!(output.stderr.ends_with("err\n"), "{}", output.stderr);
    // What is sent is no argument of any process.
    assert!(!remote.check("cat /proc/[0-9]*/cmdline | tr '\\0' ' '", LIMIT).unwrap().contains(PASSWORD));
}

fn sudo_without_a_password_is_root(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of("trusted", PASSWORD, Sudo::Nopasswd));
    assert_eq!(remote.check_with_input(SCRIPT, b"one", LIMIT).unwrap(), "root\none");
}

fn a_password_that_sudo_does_not_ask_for_reaches_no_command(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of("trusted", PASSWORD, Sudo::Password));
    assert_eq!(remote.check_with_input(SCRIPT, b"one", LIMIT).unwrap(), "root\none");
}

fn sudo_that_refuses_says_so(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of("asked", PASSWORD, Sudo::Nopasswd));
    let failure = remote.check("true", LIMIT).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    assert!(failure.to_string().starts_with("cannot become root as asked on server: sudo: "), "{failure}");
}

fn a_dialogue_is_roots(sshd: &Sshd) {
    for user in ["asked", "trusted"] {
        let remote = Remote::new("server", sshd.login_of(user, PASSWORD, Sudo::Password));
        let mut dialogue =
            Dialogue::open(&remote, "while read line; do id -un; echo $line; done", LIMIT).unwrap();
        for word in ["one", "two"] {
            assert_eq!(dialogue.ask(word, word, LIMIT).unwrap(), "root\n");
        }
    }
}

fn root_by_sudo_knows_where_the_user_came_from(sshd: &Sshd) {
    for (user, sudo) in [("asked", Sudo::Password), ("trusted", Sudo::Nopasswd), ("asked", Sudo::No)] {
        let remote = Remote::new("server", sshd.login_of(user, PASSWORD, sudo));
        let said = remote.check(&format!("{CALLER}echo \"$caller by $SSH_CONNECTION\""), LIMIT).unwrap();
        assert!(said.starts_with("127.0.0.1 by "), "{user}: {said}");
        assert_eq!(said == "127.0.0.1 by \n", sudo != Sudo::No, "sudo has taken the variable away: {said}");
    }
}
