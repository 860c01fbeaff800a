//! Who logs in where sshd takes passwords by `keyboard-interactive` alone; ignored, with the reason, where the server has no PAM.

use multivm::failure::FailureKind;
use multivm::inventory::Sudo;
use multivm::remote::Remote;

use crate::sshd::{INTERACTIVE, PASSWORD};
use crate::{Case, LIMIT, Sshd};

pub const CASES: &[Case] = &[
    ("a_password_answers_what_a_keyboard_is_asked", a_password_answers_what_a_keyboard_is_asked),
    ("a_wrong_answer_is_refused_and_not_shown", a_wrong_answer_is_refused_and_not_shown),
];

fn a_password_answers_what_a_keyboard_is_asked(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of(INTERACTIVE, PASSWORD, Sudo::No));
    for _ in 0..2 {
        assert_eq!(remote.check("id -un", LIMIT).unwrap(), "interactive\n");
        remote.forget_sessions();
    }
}

fn a_wrong_answer_is_refused_and_not_shown(sshd: &Sshd) {
    let remote = Remote::new("server", sshd.login_of(INTERACTIVE, "wrong horse", Sudo::No));
    let failure = remote.check("true", LIMIT).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused, "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains(": password: ") && text.ends_with("; it offers publickey, keyboard-interactive"),
        "{text}"
    );
    assert!(!text.contains("wrong horse"), "{text}");
}
