//! Work beside everything else that a scenario does. Each piece has a thread of its own and sends events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::thread::{self, Scope};

/// Starts threads that end with their scope and send events of type `E`.
pub struct Beside<'scope, 'env, E> {
    scope: &'scope Scope<'scope, 'env>,
    sender: Sender<E>,
}

impl<'scope, 'env, E: Send + 'scope> Beside<'scope, 'env, E> {
    pub fn new(scope: &'scope Scope<'scope, 'env>, sender: Sender<E>) -> Beside<'scope, 'env, E> {
        Beside { scope, sender }
    }

    /// Starts work that may send events; if it panics, `instead` is sent.
    pub fn start(&self, what: &'static str, instead: E, work: impl FnOnce(&Sender<E>) + Send + 'scope) {
        let sender = self.sender.clone();
        let work = move || {
            // A panic leaves nothing half done: whatever is behind a lock changes in one step.
            if catch_unwind(AssertUnwindSafe(|| work(&sender))).is_err() {
                let _ = sender.send(instead);
            }
        };
        if let Err(error) = thread::Builder::new().name(what.to_owned()).spawn_scoped(self.scope, work) {
            // A run needs at least as many threads as it has guests and hosts.
            panic!("multivm cannot start the thread `{what}`: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// What comes of work: in the order of its arrival.
    fn sent(work: impl FnOnce(&Sender<&'static str>) + Send) -> Vec<&'static str> {
        let (sender, receiver) = channel();
        thread::scope(|scope| Beside::new(scope, sender).start("work", "instead", work));
        receiver.iter().collect()
    }

    #[test]
    fn work_sends_what_happens() {
        assert_eq!(
            sent(|sender| ["one", "two"].into_iter().for_each(|what| sender.send(what).unwrap())),
            ["one", "two"]
        );
        assert!(sent(|_| ()).is_empty());
    }

    #[test]
    fn work_that_panics_leaves_a_word_of_it_and_hurts_nobody_else() {
        let sent = sent(|sender| {
            sender.send("one").unwrap();
            panic!("a panic that a test makes");
        });
        assert_eq!(sent, ["one", "instead"]);
    }

    #[test]
    fn work_does_not_wait_for_other_work() {
        let (sender, receiver) = channel();
        let (first, second) = (channel::<()>(), channel::<()>());
        thread::scope(|scope| {
            let beside = Beside::new(scope, sender);
            // The first piece ends only after the second has begun, and the other way round.
            let (began, wait) = (first.0, second.1);
            beside.start("first", "panic", move |sender| {
                began.send(()).unwrap();
                wait.recv().unwrap();
                sender.send("first").unwrap();
            });
            let (began, wait) = (second.0, first.1);
            beside.start("second", "panic", move |sender| {
                began.send(()).unwrap();
                wait.recv().unwrap();
                sender.send("second").unwrap();
            });
        });
        let mut all: Vec<&str> = receiver.try_iter().collect();
        all.sort_unstable();
        assert_eq!(all, ["first", "second"]);
    }
}
