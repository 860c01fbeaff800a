//! Something that is asked again and again through a scenario, and how long it gave no answer.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::sys::halt::ran_since;
use crate::sys::stop::StopFlag;

/// What came of all questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    pub count: u64,
    /// The longest time without an answer.
    pub longest: Duration,
    /// When that time began; none without a question.
    pub from: Option<Instant>,
    /// The error of the last question that had no answer.
    pub error: Option<String>,
    /// Whether the last questions had no answer: what does not answer may do so for longer than the scenario is watched.
    pub ends_silent: bool,
}

/// Asks at this interval until it is told to stop.
pub fn ask_until<E: Display>(
    stop: &StopFlag,
    interval: Duration,
    mut ask: impl FnMut() -> Result<(), E>,
) -> Answers {
    let mut answers = Answers::default();
    let mut last = Instant::now();
    loop {
        let next = Instant::now() + interval;
        // After the end it asks once more if there was no answer before: one failure may be chance.
        let is_last = stop.is_set();
        if is_last && !answers.ends_silent {
            return answers;
        }
        let answer = ask();
        let silent = ran_since(last);
        if silent > answers.longest {
            (answers.longest, answers.from) = (silent, Some(last));
        }
        answers.ends_silent = answer.is_err();
        match answer {
            Ok(()) => {
                answers.count += 1;
                last = Instant::now();
            }
            Err(error) => answers.error = Some(error.to_string()),
        }
        if is_last {
            return answers;
        }
        stop.pause(next.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What comes of these answers, of something that is told to stop with the last but one of them.
    #[rstest]
    #[case::an_answer_at_the_end_is_enough(&[true, true], 1, false)]
    #[case::it_answers_when_it_is_asked_once_more(&[false, true], 1, false)]
    #[case::it_does_not_answer_to_the_end(&[true, false, false], 1, true)]
    #[case::nothing_was_ever_answered(&[false, false], 0, true)]
    fn the_end_is_asked_twice(#[case] answers: &[bool], #[case] count: u64, #[case] ends_silent: bool) {
        let (stop, mut asked) = (StopFlag::new(), 0);
        let ask = || {
            let answer = answers[asked];
            asked += 1;
            if asked + 1 >= answers.len() {
                stop.set();
            }
            answer.then_some(()).ok_or("no answer")
        };
        let seen = ask_until(&stop, Duration::ZERO, ask);
        assert_eq!((seen.count, seen.ends_silent), (count, ends_silent));
        assert_eq!(seen.error.is_some(), answers.contains(&false), "{seen:?}");
        assert!(seen.from.is_some());
    }
}
