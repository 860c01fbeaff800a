//! Probes and answers, counted in short pieces of time.

use std::time::{Duration, Instant};

/// The length of the pieces of time in which a track counts probes and answers.
pub const COUNTED: Duration = Duration::from_millis(100);

/// The probes sent in each [`COUNTED`] piece of time, and what came of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    begin: Instant,
    pieces: Vec<(u32, u32, Option<Duration>)>,
}

/// A piece of time in which probes were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub from: Instant,
    pub sent: u32,
    /// How many of these were answered, whenever the answers came.
    pub answered: u32,
    /// How long the quickest of these answers took.
    pub quickest: Option<Duration>,
}

impl Counts {
    pub fn new(begin: Instant) -> Counts {
        Counts { begin, pieces: Vec::new() }
    }

    fn piece(&mut self, at: Instant) -> &mut (u32, u32, Option<Duration>) {
        let number = (at.saturating_duration_since(self.begin).as_millis() / COUNTED.as_millis()) as usize;
        if self.pieces.len() <= number {
            self.pieces.resize(number + 1, (0, 0, None));
        }
        &mut self.pieces[number]
    }

    pub fn sent(&mut self, at: Instant) {
        self.piece(at).0 += 1;
    }

    /// Counts the answer to a probe that was sent at that moment, and took so long.
    pub fn answered(&mut self, sent: Instant, took: Duration) {
        let (_, answered, quickest) = self.piece(sent);
        *answered += 1;
        *quickest = Some(quickest.map_or(took, |quickest| quickest.min(took)));
    }

    /// The end of the last piece.
    pub fn end(&self) -> Instant {
        self.begin + COUNTED * self.pieces.len() as u32
    }

    /// The whole pieces from the beginning to a moment.
    pub fn pieces_until(&self, until: Instant) -> impl Iterator<Item = Piece> {
        self.pieces(self.begin, until)
    }

    /// The whole pieces of a time.
    pub fn pieces(&self, from: Instant, until: Instant) -> impl Iterator<Item = Piece> {
        let begins = |number: usize| self.begin + COUNTED * number as u32;
        let pieces = self.pieces.iter().enumerate();
        pieces.filter(move |(number, _)| begins(*number) >= from && begins(number + 1) <= until).map(
            move |(number, &(sent, answered, quickest))| Piece {
                from: begins(number),
                sent,
                answered,
                quickest,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn probes_and_answers_are_counted_in_whole_pieces_of_a_time() {
        let begin = Instant::now();
        let mut counts = Counts::new(begin);
        for at in (0..1000).step_by(10) {
            counts.sent(begin + at * MS);
            if at % 20 == 0 {
                counts.answered(begin + at * MS, (at % 100 + 3) * MS);
            }
        }
        let within = |from: u32, until: u32| {
            let pieces = counts.pieces(begin + from * MS, begin + until * MS);
            pieces.fold((0, 0), |(sent, answered), piece| (sent + piece.sent, answered + piece.answered))
        };
        assert_eq!(within(0, 1000), (100, 50));
        assert_eq!(within(150, 450), (20, 10));
        assert_eq!(within(150, 250), (0, 0));
        let first = counts.pieces(begin, begin + 100 * MS).next();
        assert_eq!(first, Some(Piece { from: begin, sent: 10, answered: 5, quickest: Some(3 * MS) }));
    }
}
