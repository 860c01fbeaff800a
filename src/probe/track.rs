//! The track of one guest: its gaps, and readings of its clock.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

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

/// The length of the pieces of time in which a track counts probes and answers.
pub const COUNTED: Duration = Duration::from_millis(100);

/// The probes sent and the answers received in each [`COUNTED`] piece of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    begin: Instant,
    pieces: Vec<(u32, u32)>,
}

impl Counts {
    pub fn new(begin: Instant) -> Counts {
        Counts { begin, pieces: Vec::new() }
    }

    fn piece(&mut self, at: Instant) -> &mut (u32, u32) {
        let number = (at.saturating_duration_since(self.begin).as_millis() / COUNTED.as_millis()) as usize;
        if self.pieces.len() <= number {
            self.pieces.resize(number + 1, (0, 0));
        }
        &mut self.pieces[number]
    }

    pub fn sent(&mut self, at: Instant) {
        self.piece(at).0 += 1;
    }

    pub fn answered(&mut self, at: Instant) {
        self.piece(at).1 += 1;
    }

    /// The end of the last piece.
    pub fn end(&self) -> Instant {
        self.begin + COUNTED * self.pieces.len() as u32
    }

    /// The probes sent and the answers received in the whole pieces of a time.
    pub fn within(&self, from: Instant, until: Instant) -> (u32, u32) {
        let begins = |number: usize| self.begin + COUNTED * number as u32;
        let pieces = self.pieces.iter().enumerate();
        let inside = pieces.filter(|(number, _)| begins(*number) >= from && begins(number + 1) <= until);
        inside.fold((0, 0), |(sent, answered), (_, piece)| (sent + piece.0, answered + piece.1))
    }
}

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
            least: interval * TOLD_INTERVALS,
            last: begin,
            asked: VecDeque::new(),
        }
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
    fn probes_and_answers_are_counted_in_whole_pieces_of_a_time() {
        let begin = Instant::now();
        let mut counts = Counts::new(begin);
        for at in (0..1000).step_by(10) {
            counts.sent(begin + at * MS);
            if at % 20 == 0 {
                counts.answered(begin + (at + 3) * MS);
            }
        }
        assert_eq!(counts.within(begin, begin + 1000 * MS), (100, 50));
        assert_eq!(counts.within(begin + 150 * MS, begin + 450 * MS), (20, 10));
        assert_eq!(counts.within(begin + 150 * MS, begin + 250 * MS), (0, 0));
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
