//! The track of one guest: its gaps, and readings of its clock.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::bursts::Bursts;
use super::counts::Counts;
use crate::sys::halt;

/// A time without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The moment of the last answer before it.
    pub from: Instant,
    pub length: Duration,
}

impl Gap {
    /// Whether the gap shares a moment with that time.
    pub fn touches(&self, begin: Instant, end: Instant) -> bool {
        self.from < end && self.from + self.length > begin
    }

    /// The part of it between two moments.
    pub fn within(&self, begin: Instant, end: Instant) -> Duration {
        (self.from + self.length).min(end).saturating_duration_since(self.from.max(begin))
    }
}

/// The guest's clock, read from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The moment in the middle between question and answer.
    pub at: Instant,
    /// The error bound: half of the time between them, plus the millisecond to which the answer is exact.
    pub error: Duration,
    /// Milliseconds since midnight UTC by the guest's realtime clock.
    pub guest_ms: u32,
}

/// A gap of at least this many probe intervals counts; a shorter one may be an answer that came late.
pub const TOLD_INTERVALS: u32 = 3;

/// The most gaps that a track keeps. More gaps show only that something is badly wrong, as the longest one does.
const MOST_GAPS: usize = 10_000;

/// The most questions for the guest's clock that wait for answers.
const OPEN_QUESTIONS: usize = 64;

/// The most probes that a late answer can belong to: ten seconds of them at 10 ms.
const MOST_UNDER_WAY: usize = 1024;

#[derive(Debug)]
pub struct Track {
    pub name: String,
    pub address: Ipv4Addr,
    pub sent: u64,
    pub received: u64,
    pub counts: Counts,
    pub gaps: Vec<Gap>,
    pub longest: Gap,
    pub readings: Vec<Reading>,
    pub bursts: Bursts,
    /// The newest probes and when they were sent, one for each sequence number.
    under_way: VecDeque<(u16, Instant)>,
    least: Duration,
    last: Instant,
    asked: VecDeque<(u16, Instant)>,
}

impl Track {
    pub fn new(name: &str, address: Ipv4Addr, interval: Duration, begin: Instant) -> Track {
        Track {
            name: name.to_owned(),
            address,
            sent: 0,
            received: 0,
            counts: Counts::new(begin),
            gaps: Vec::new(),
            longest: Gap { from: begin, length: Duration::ZERO },
            readings: Vec::new(),
            bursts: Bursts::default(),
            under_way: VecDeque::new(),
            least: interval * TOLD_INTERVALS,
            last: begin,
            asked: VecDeque::new(),
        }
    }

    /// Notes that a probe goes out now.
    pub fn sent(&mut self, sequence: u16, now: Instant) {
        self.sent += 1;
        self.counts.sent(now);
        if self.under_way.len() == MOST_UNDER_WAY {
            self.under_way.pop_front();
        }
        self.under_way.push_back((sequence, now));
    }

    /// Takes the answer to a probe.
    pub fn answered(&mut self, sequence: u16, now: Instant) {
        self.received += 1;
        let first = self.under_way.front().map(|(first, _)| sequence.wrapping_sub(*first));
        let probe = first.and_then(|index| self.under_way.get(usize::from(index)));
        if let Some((_, sent)) = probe.filter(|(number, _)| *number == sequence) {
            self.counts.answered(*sent, now.saturating_duration_since(*sent));
        }
        self.close_gap(now);
    }

    /// Closes a gap, at an answer or at the end of the stream.
    pub fn close_gap(&mut self, now: Instant) {
        let length = now.saturating_duration_since(self.last);
        // While this process was halted it asked nothing, so nobody had to answer.
        let gap = Gap { from: self.last, length: length.saturating_sub(halt::within(self.last, now)) };
        if gap.length > self.longest.length {
            self.longest = gap;
        }
        if gap.length > self.least && self.gaps.len() < MOST_GAPS {
            self.gaps.push(gap);
        }
        self.last = now;
    }

    /// Notes that a question for the guest's clock goes out now.
    pub fn ask_clock(&mut self, sequence: u16, now: Instant) {
        if self.asked.len() == OPEN_QUESTIONS {
            self.asked.pop_front();
        }
        self.asked.push_back((sequence, now));
    }

    /// Takes the guest's answer about its clock.
    pub fn told_clock(&mut self, sequence: u16, guest_ms: u32, now: Instant) {
        let Some(index) = self.asked.iter().position(|(asked, _)| *asked == sequence) else { return };
        let Some((_, asked)) = self.asked.remove(index) else { return };
        let half = now.saturating_duration_since(asked) / 2;
        self.readings.push(Reading { at: asked + half, error: half + Duration::from_millis(1), guest_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::super::counts::Piece;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn every_long_gap_counts_and_the_longest_is_known_whatever_its_length() {
        let begin = Instant::now();
        let mut track = Track::new("vm1", Ipv4Addr::LOCALHOST, 10 * MS, begin);
        for at in [10, 25, 100, 110, 150] {
            track.close_gap(begin + at * MS);
        }
        let gaps: Vec<_> = track.gaps.iter().map(|gap| (gap.from - begin, gap.length)).collect();
        assert_eq!(gaps, [(25 * MS, 75 * MS), (110 * MS, 40 * MS)]);
        assert_eq!(track.longest.length, 75 * MS);
        assert!(track.gaps[0].touches(begin + 99 * MS, begin + 101 * MS));
        assert!(!track.gaps[0].touches(begin + 100 * MS, begin + 101 * MS));
    }

    #[test]
    fn an_answer_belongs_to_its_probe_however_late_it_comes() {
        let begin = Instant::now();
        let mut track = Track::new("vm1", Ipv4Addr::LOCALHOST, 10 * MS, begin);
        for (nth, sequence) in [u16::MAX, 0, 1].into_iter().enumerate() {
            track.sent(sequence, begin + nth as u32 * 100 * MS);
        }
        track.answered(0, begin + 700 * MS);
        track.answered(9, begin + 700 * MS);
        let pieces: Vec<_> = track.counts.pieces(begin, begin + 300 * MS).collect();
        let told = |piece: &Piece| (piece.sent, piece.answered, piece.quickest);
        assert_eq!(
            pieces.iter().map(told).collect::<Vec<_>>(),
            [(1, 0, None), (1, 1, Some(600 * MS)), (1, 0, None)]
        );
        assert_eq!((track.sent, track.received), (3, 2));
    }

    #[test]
    fn a_reading_is_as_exact_as_its_round_trip() {
        let begin = Instant::now();
        let mut track = Track::new("vm1", Ipv4Addr::LOCALHOST, 10 * MS, begin);
        track.ask_clock(7, begin);
        track.told_clock(8, 1, begin + 2 * MS);
        track.told_clock(7, 500, begin + 4 * MS);
        track.told_clock(7, 500, begin + 5 * MS);
        assert_eq!(track.readings, [Reading { at: begin + 2 * MS, error: 3 * MS, guest_ms: 500 }]);
    }
}
