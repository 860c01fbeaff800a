//! What was sent is never sent again; what was not, is.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use multivm::failure::FailureKind;
use multivm::remote::Agent;

use crate::{Case, LIMIT, Sshd, behind_proxy, eventually};

pub const CASES: &[Case] = &[
    ("a_command_whose_answer_is_lost_is_not_run_again", a_command_whose_answer_is_lost_is_not_run_again),
    (
        "a_command_that_was_not_sent_is_sent_over_a_new_session",
        a_command_that_was_not_sent_is_sent_over_a_new_session,
    ),
    ("a_load_whose_answer_is_lost_is_not_started_again", a_load_whose_answer_is_lost_is_not_started_again),
    ("a_load_is_started_over_a_connection_that_answers", a_load_is_started_over_a_connection_that_answers),
    ("a_question_whose_answer_is_lost_is_asked_again", a_question_whose_answer_is_lost_is_asked_again),
    ("a_silent_command_ends_with_its_limit", a_silent_command_ends_with_its_limit),
    ("a_silent_session_leaves_time_for_a_new_one", a_silent_session_leaves_time_for_a_new_one),
];

/// Lines that commands have left.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

fn a_command_whose_answer_is_lost_is_not_run_again(sshd: &Sshd) {
    let (proxy, remote) = behind_proxy(sshd);
    let (file, counter) = sshd.file("command");
    let running = {
        let remote = remote.clone();
        thread::spawn(move || remote.check(&format!("echo run >> {file}; sleep 600"), LIMIT))
    };
    eventually("the command runs", || lines(&counter) > 0);
    proxy.cut();
    let failure = running.join().unwrap().unwrap_err();
    // Whatever was sent before this has arrived before it.
    remote.check("true", LIMIT).unwrap();
    assert_eq!((lines(&counter), proxy.connections()), (1, 2));
    assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
}

fn a_command_that_was_not_sent_is_sent_over_a_new_session(sshd: &Sshd) {
    let (proxy, remote) = behind_proxy(sshd);
    let (file, counter) = sshd.file("unsent");
    proxy.cut();
    remote.check(&format!("echo run >> {file}"), LIMIT).unwrap();
    assert_eq!((lines(&counter), proxy.connections()), (1, 2));
}

fn words(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn a_load_whose_answer_is_lost_is_not_started_again(sshd: &Sshd) {
    let (proxy, remote) = behind_proxy(sshd);
    let agent = Agent::new(remote);
    agent.cpu_ticks(LIMIT).unwrap();
    let (file, counter) = sshd.file("load");
    // A question that shows that the connection lives, and the one that starts the load.
    proxy.mute_after(2);
    let script = format!("echo run >> {file}; exec sleep 600");
    let failure = thread::scope(|scope| {
        let starting = scope.spawn(|| agent.start(&words(&script), LIMIT));
        eventually("the load runs", || lines(&counter) > 0);
        proxy.cut();
        starting.join().unwrap().unwrap_err()
    });
    assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
    assert!(failure.to_string().contains("it may have been done"), "{failure}");
    agent.cpu_ticks(LIMIT).unwrap();
    assert_eq!(lines(&counter), 1);
}

fn a_load_is_started_over_a_connection_that_answers(sshd: &Sshd) {
    let (proxy, remote) = behind_proxy(sshd);
    let agent = Agent::new(remote);
    agent.cpu_ticks(LIMIT).unwrap();
    let (file, counter) = sshd.file("load_after_a_cut");
    proxy.cut();
    let group = agent.start(&words(&format!("echo run >> {file}; exec sleep 600")), LIMIT).unwrap();
    eventually("the load runs", || lines(&counter) > 0);
    agent.kill(&[group], LIMIT).unwrap();
    assert_eq!((lines(&counter), agent.losses().len()), (1, 1));
}

fn a_question_whose_answer_is_lost_is_asked_again(sshd: &Sshd) {
    let (proxy, remote) = behind_proxy(sshd);
    let agent = Agent::new(remote);
    agent.cpu_ticks(LIMIT).unwrap();
    proxy.cut();
    agent.observe(LIMIT).unwrap();
    assert_eq!(agent.losses().len(), 1);
}

fn a_silent_command_ends_with_its_limit(sshd: &Sshd) {
    let (_proxy, remote) = behind_proxy(sshd);
    let begin = Instant::now();
    let failure = remote.check("sleep 600", Duration::from_secs(1)).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::TimedOut, "{failure}");
    assert!(begin.elapsed() < LIMIT);
}

fn a_silent_session_leaves_time_for_a_new_one(sshd: &Sshd) {
    let (proxy, remote) = behind_proxy(sshd);
    let (file, counter) = sshd.file("silent");
    proxy.mute();
    remote.check(&format!("echo run >> {file}"), Duration::from_secs(20)).unwrap();
    assert_eq!((lines(&counter), proxy.connections()), (1, 2));
}
