//! Bursts of long probes: how long a network takes to carry them shows how wide it is.

use std::time::{Duration, Instant};

use super::packet::LONG;

/// The number of long probes that are sent at once.
pub const BURST: u32 = 24;

/// The bytes of a burst.
pub const BURST_BYTES: usize = BURST as usize * LONG;

/// The time between two bursts to a guest.
pub const BURST_EVERY: Duration = Duration::from_millis(500);

/// A burst of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    pub sent: Instant,
    /// From the first answer to the last: a guest that is late with all of them is not slow. None: not all came before the next
    /// burst.
    pub took: Option<Duration>,
}

/// The bursts to one guest, in the order of time.
#[derive(Debug, Default)]
pub struct Bursts {
    told: Vec<Burst>,
    under_way: Option<BurstAnswers>,
}

#[derive(Debug)]
struct BurstAnswers {
    sequence: u16,
    sent: Instant,
    number: u32,
    first: Instant,
}

impl Bursts {
    /// Notes that a burst goes out now.
    pub fn sent(&mut self, sequence: u16, now: Instant) {
        self.give_up();
        self.under_way = Some(BurstAnswers { sequence, sent: now, number: 0, first: now });
    }

    /// Takes the answer to one of its probes.
    pub fn answered(&mut self, sequence: u16, now: Instant) {
        let Some(answers) = self.under_way.as_mut().filter(|answers| answers.sequence == sequence) else {
            return;
        };
        if answers.number == 0 {
            answers.first = now;
        }
        answers.number += 1;
        if answers.number == BURST {
            self.told
                .push(Burst { sent: answers.sent, took: Some(now.saturating_duration_since(answers.first)) });
            self.under_way = None;
        }
    }

    /// The answers that are missing will not come.
    fn give_up(&mut self) {
        let lost = self.under_way.take().map(|answers| Burst { sent: answers.sent, took: None });
        self.told.extend(lost);
    }

    /// The bursts that are over. The last one may still be under way, which shows nothing.
    pub fn into_told(self) -> Vec<Burst> {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_takes_from_its_first_answer_to_its_last() {
        let begin = Instant::now();
        let mut bursts = Bursts::default();
        bursts.answered(6, begin);
        bursts.sent(7, begin);
        bursts.answered(6, begin + MS);
        for nth in 0..BURST {
            bursts.answered(7, begin + (300 + nth) * MS);
        }
        bursts.sent(8, begin + 500 * MS);
        bursts.answered(8, begin + 501 * MS);
        bursts.sent(9, begin + 1000 * MS);
        let told = [
            Burst { sent: begin, took: Some((BURST - 1) * MS) },
            Burst { sent: begin + 500 * MS, took: None },
        ];
        assert_eq!(bursts.into_told(), told);
    }
}
