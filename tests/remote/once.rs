//! What was sent is never sent again; what was not, is.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use multivm::failure::{Failure, FailureKind};
use multivm::remote::{Agent, Remote};

use crate::proxy::{Fault, Proxy, Whose};
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
    ("whatever_is_lost_a_command_runs_once", whatever_is_lost_a_command_runs_once),
    ("whatever_is_lost_a_first_command_runs_once", whatever_is_lost_a_first_command_runs_once),
    ("whatever_is_lost_a_load_starts_once", whatever_is_lost_a_load_starts_once),
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
    proxy.after(2, Whose::Clients, Fault::Mute);
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

/// How long the server is waited for that has become silent: long enough for a login, most often.
const SILENCE: Duration = Duration::from_secs(3);

/// Something that is to be done once: what it is done with, and what does it within a limit, so that it leaves a line in a file.
trait Once: Sized {
    const NAME: &str;

    /// Everything that comes before it.
    fn begin(sshd: &Sshd) -> (Proxy, Self);

    fn act(&self, file: &str, limit: Duration) -> Result<(), Failure>;

    /// Whether the connection can be used.
    fn answers(&self) -> bool;
}

/// A command over a session that is kept.
struct Kept(Remote);

impl Once for Kept {
    const NAME: &str = "kept";

    fn begin(sshd: &Sshd) -> (Proxy, Kept) {
        let (proxy, remote) = behind_proxy(sshd);
        (proxy, Kept(remote))
    }

    fn act(&self, file: &str, limit: Duration) -> Result<(), Failure> {
        self.0.check(&format!("echo run >> {file}"), limit).map(drop)
    }

    fn answers(&self) -> bool {
        self.0.check("echo in", SILENCE).is_ok_and(|said| said == "in\n")
    }
}

/// A command that logs in first.
struct First(Kept);

impl Once for First {
    const NAME: &str = "first";

    fn begin(sshd: &Sshd) -> (Proxy, First) {
        let proxy = Proxy::to(sshd.port);
        let remote = Remote::new("server", sshd.login(proxy.port));
        (proxy, First(Kept(remote)))
    }

    fn act(&self, file: &str, limit: Duration) -> Result<(), Failure> {
        self.0.act(file, limit)
    }

    fn answers(&self) -> bool {
        self.0.answers()
    }
}

/// A load over a connection that is kept.
struct Load(Agent);

impl Once for Load {
    const NAME: &str = "started";

    fn begin(sshd: &Sshd) -> (Proxy, Load) {
        let (proxy, remote) = behind_proxy(sshd);
        let agent = Agent::new(remote);
        agent.cpu_ticks(LIMIT).unwrap();
        (proxy, Load(agent))
    }

    fn act(&self, file: &str, limit: Duration) -> Result<(), Failure> {
        self.0.start(&words(&format!("echo run >> {file}")), limit).map(drop)
    }

    fn answers(&self) -> bool {
        self.0.cpu_ticks(SILENCE).is_ok()
    }
}

/// What came of a play with a fault.
struct Played {
    /// Whether the fault came before the end.
    is_hit: bool,
    is_done: bool,
    counter: PathBuf,
}

/// Lets a fault follow a number of messages.
fn play<O: Once>(sshd: &Sshd, messages: usize, fault: Fault, limit: Duration) -> Played {
    let (proxy, once) = O::begin(sshd);
    let (file, counter) = sshd.file(&format!("{} {messages} {fault:?}", O::NAME).replace(' ', "_"));
    proxy.after(messages, Whose::Both, fault);
    let done = once.act(&file, limit);
    let is_hit = !proxy.is_armed();
    let place = format!("{}, {fault:?} after {messages} messages: {done:?}", O::NAME);
    if done.is_ok() {
        // A load that is started does its work later.
        eventually(&place, || lines(&counter) > 0);
    }
    eventually(&format!("{place}: usable"), || once.answers());
    assert!(lines(&counter) <= 1, "{place}: {} lines", lines(&counter));
    Played { is_hit, is_done: done.is_ok(), counter }
}

/// Lets connections be cut, and get silent, after each of the messages that doing something once takes.
fn sweep<O: Once>(sshd: &Sshd) {
    let cut = |messages| play::<O>(sshd, messages, Fault::Cut, LIMIT);
    let mut played = Vec::new();
    while played.last().is_none_or(|last: &Played| last.is_hit) {
        played.push(cut(played.len()));
    }
    assert!(played.last().is_some_and(|last| last.is_done), "nothing befell it");
    assert!(played[0].is_done, "what was not sent is sent over a new connection");
    // Each of them waits for a server that says nothing.
    let silent = thread::scope(|scope| {
        let silent = |messages| move || play::<O>(sshd, messages, Fault::Mute, SILENCE);
        let plays: Vec<_> = (0..played.len()).map(|messages| scope.spawn(silent(messages))).collect();
        plays.into_iter().map(|play| play.join().unwrap()).collect::<Vec<_>>()
    });
    // What was sent, and ran late, has run by now.
    for Played { counter, is_done, .. } in played.iter().chain(&silent) {
        let lines = lines(counter);
        assert!(if *is_done { lines == 1 } else { lines <= 1 }, "{}: {lines} lines", counter.display());
    }
    assert!(played.iter().any(|play| !play.is_done), "something was sent when the connection was cut");
}

fn whatever_is_lost_a_command_runs_once(sshd: &Sshd) {
    sweep::<Kept>(sshd);
}

fn whatever_is_lost_a_first_command_runs_once(sshd: &Sshd) {
    sweep::<First>(sshd);
}

fn whatever_is_lost_a_load_starts_once(sshd: &Sshd) {
    sweep::<Load>(sshd);
}
