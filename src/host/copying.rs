//! The whole copy of an image for one guest: it goes on on the storage, and somebody here asks how far it is.

use std::time::{Duration, Instant};

use super::overlay::{self, END_OF_ANSWER, ImageOverlay};
use crate::failure::{Attempt, Result};
use crate::inventory::StorageEntry;
use crate::inventory::catalogue::{COPY_NEWS, copy_limit};
use crate::remote::{Dialogue, Remote};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long the storage may take for one answer.
const LIMIT: Duration = Duration::from_secs(60);

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CopyState {
    /// The bytes that are there, of those that the copy takes.
    Copied {
        bytes: u64,
        of: u64,
    },
    Whole,
    Failed(String),
}

impl CopyState {
    /// What a script that copies has answered.
    fn of(said: &str) -> CopyState {
        let (first, rest) = said.split_once('\n').unwrap_or((said, ""));
        let words: Vec<&str> = first.split_whitespace().collect();
        match words[..] {
            ["whole"] => CopyState::Whole,
            ["copied", bytes] => CopyState::Copied { bytes: bytes.parse().unwrap_or(0), of: 0 },
            ["copied", bytes, of] => {
                CopyState::Copied { bytes: bytes.parse().unwrap_or(0), of: of.parse().unwrap_or(0) }
            }
            ["failed"] => CopyState::Failed(rest.trim().to_owned()),
            _ => CopyState::Failed(said.trim().to_owned()),
        }
    }
}

/// Makes one image as a whole copy. `told` hears now and then how many bytes of how many are there. Neither a stop nor a failure leaves a
/// copy that goes on: it ends with the connection.
pub fn copy(
    entry: &StorageEntry,
    remote: &Remote,
    overlay: &ImageOverlay,
    owner: &str,
    stop: &StopFlag,
    told: impl Fn(u64, u64),
) -> Result<()> {
    let attempted = || format!("copy {} to {}", overlay.base, overlay.image);
    let script = overlay::copy(&entry.export, overlay, owner);
    let mut dialogue = Dialogue::open(remote, &script, LIMIT).attempting(attempted)?;
    let ask = || Ok(CopyState::of(&dialogue.ask("how far", END_OF_ANSWER, LIMIT)?));
    follow(&overlay.image, entry.login.slowness.max(1), stop, ask, told)
        .attempting(attempted)
        .map_err(|failure| failure.at(remote.name()))
}

/// Asks again and again until a copy is whole, as long as one of its length may take.
fn follow(
    image: &str,
    slowness: u32,
    stop: &StopFlag,
    mut ask: impl FnMut() -> Result<CopyState>,
    told: impl Fn(u64, u64),
) -> Result<()> {
    let first = ask()?;
    let length = if let CopyState::Copied { of, .. } = &first { *of } else { 0 };
    let mut first = Some(first);
    let mut last = Instant::now();
    wait_for(&format!("{image} to be copied"), copy_limit(length) * slowness, stop, || {
        match first.take().map_or_else(&mut ask, Ok) {
            Ok(CopyState::Whole) => Poll::Ready(()),
            Ok(CopyState::Failed(why)) => Poll::Never(why.into()),
            Ok(CopyState::Copied { bytes, of }) => {
                if last.elapsed() >= COPY_NEWS {
                    last = Instant::now();
                    told(bytes, of);
                }
                Poll::NotYet(format!("{} of {} MiB are copied", bytes >> 20, of >> 20))
            }
            Err(failure) => Poll::Never(failure.cause),
        }
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::failure::FailureKind;

    #[rstest]
    #[case::begun("copied 0 2097152\n", CopyState::Copied { bytes: 0, of: 2 << 20 })]
    #[case::of_unknown_length("copied 4096 \n", CopyState::Copied { bytes: 4096, of: 0 })]
    #[case::whole("whole\n", CopyState::Whole)]
    #[case::failed("failed\nNo space left\n", CopyState::Failed("No space left".into()))]
    #[case::nonsense("sh: syntax error\n", CopyState::Failed("sh: syntax error".into()))]
    fn an_answer_is_read(#[case] said: &str, #[case] expected: CopyState) {
        assert_eq!(CopyState::of(said), expected);
    }

    const HALF: CopyState = CopyState::Copied { bytes: 1 << 20, of: 2 << 20 };

    fn followed(answers: &[CopyState], stop: &StopFlag) -> (Result<()>, usize) {
        let (mut answers, mut asked) = (answers.iter().cycle(), 0);
        let ask = || {
            asked += 1;
            Ok(answers.next().unwrap().clone())
        };
        (follow("vm1.qcow2", 1, stop, ask, |_, _| ()), asked)
    }

    #[test]
    fn a_copy_is_followed_to_its_end() {
        let stop = StopFlag::new();
        let (ended, asked) = followed(&[HALF, HALF, CopyState::Whole], &stop);
        assert!(ended.is_ok() && asked == 3, "{ended:?} after {asked}");
        assert!(followed(&[CopyState::Whole], &stop).0.is_ok());
        let failed = followed(&[HALF, CopyState::Failed("No space left".into())], &stop).0.unwrap_err();
        assert!(failed.to_string().ends_with("No space left"), "{failed}");
    }

    #[test]
    fn a_stop_ends_a_copy_that_goes_on() {
        let stop = StopFlag::new();
        stop.set();
        let (ended, asked) = followed(&[HALF], &stop);
        assert_eq!((ended.unwrap_err().kind(), asked), (FailureKind::Cancelled, 1));
    }
}
