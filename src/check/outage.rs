//! What findings have to do with each other. One cause shows in many places: a guest that was reset gives no answer for a while, its
//! load is gone, and its network is silent. What tells least is explained by what tells more of the same outage.

use std::time::{Duration, Instant};

/// What a finding tells of a time at which a guest, libvirt on a host, or the storage was not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    pub of: Affected,
    pub telling: Telling,
    /// When it showed: at some time between these two.
    shown: (Instant, Instant),
    /// When it began at the earliest.
    began: Instant,
    /// When it was over; none as long as nobody has seen that it is.
    over: Option<Instant>,
}

/// What an outage befell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affected {
    /// The guest that the finding names.
    Guest,
    /// libvirt on a host. What it was asked about a guest may have had no answer because of the guest, too.
    Libvirt,
    /// The storage of all guests. Whatever else is found may be because of it.
    Storage,
}

/// How much a finding tells, from the least on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Telling {
    /// One question had no answer, or what ran in the guest was gone.
    Part,
    /// A guest gave no answer at all.
    Silence,
    /// A guest's network was silent for too long.
    Gap,
    /// A guest did not run, or a host gave no answer to anybody.
    Down,
    /// What happened: a panic, a reset, the end of a QEMU; or a server that served nobody.
    Cause,
}

/// How much later than it happens something may be known, on a machine without a CPU to spare: a console is read four times a second,
/// and a dying kernel writes for a while.
const NOTICED: Duration = Duration::from_secs(5);

impl Outage {
    fn new(of: Affected, telling: Telling, shown: (Instant, Instant)) -> Outage {
        Outage { of, telling, shown, began: shown.0, over: None }
    }

    /// A question to a guest had no answer, or something in it was gone. It was asked at `asked`.
    pub fn part(asked: Instant) -> Outage {
        Outage::new(Affected::Guest, Telling::Part, (asked, Instant::now()))
    }

    /// A guest gave no answer to a look that began at `asked`.
    pub fn silence(asked: Instant) -> Outage {
        Outage::new(Affected::Guest, Telling::Silence, (asked, Instant::now()))
    }

    /// A guest's network was silent for so long. What explains that has happened when it began.
    pub fn gap(from: Instant, long: Duration) -> Outage {
        Outage { over: Some(from + long), ..Outage::new(Affected::Guest, Telling::Gap, (from, from)) }
    }

    /// A silence in which the guest may also have been told to boot: what happens at any time of it explains it.
    pub fn gap_with_boot(from: Instant, long: Duration) -> Outage {
        Outage { shown: (from, from + long), ..Outage::gap(from, long) }
    }

    /// What happened to a guest, at `since` at the earliest.
    pub fn cause(since: Instant) -> Outage {
        Outage::new(Affected::Guest, Telling::Cause, (since, Instant::now()))
    }

    /// A guest did not run, from `since` on at the earliest: somebody suspended it, or it waits for something.
    pub fn down(since: Instant) -> Outage {
        Outage::new(Affected::Guest, Telling::Down, (since, Instant::now()))
    }

    /// libvirt on a host gave no answer to one question.
    pub fn of_one_answer() -> Outage {
        let now = Instant::now();
        Outage::new(Affected::Libvirt, Telling::Part, (now, now))
    }

    /// libvirt on a host gave no answer from then on.
    pub fn of_libvirt(since: Instant) -> Outage {
        Outage { of: Affected::Libvirt, ..Outage::down(since) }
    }

    /// The storage served nobody from then on.
    pub fn of_storage(since: Instant, over: Option<Instant>) -> Outage {
        Outage { of: Affected::Storage, over, ..Outage::cause(since) }
    }

    /// A guest waited for its disk, or a machine could not be asked who has files open there. Only the storage explains that.
    pub fn of_disk(asked: Instant) -> Outage {
        Outage { of: Affected::Storage, ..Outage::part(asked) }
    }

    /// Whether it is told what happened, which nothing else explains.
    pub fn is_cause(&self) -> bool {
        self.telling == Telling::Cause
    }

    /// Whether this one tells more than another one, of the same time.
    pub fn explains(&self, other: &Outage) -> bool {
        let (first, last) = other.shown;
        let in_time = last + NOTICED >= self.began && self.over.is_none_or(|over| first <= over + NOTICED);
        self.telling > other.telling && in_time
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// An outage of every kind that begins at a moment, in the order of what they tell.
    fn all(at: Instant) -> [Outage; 5] {
        let shown = |outage: Outage| Outage { shown: (at, at), ..outage };
        [
            shown(Outage::part(at)),
            shown(Outage::silence(at)),
            Outage::gap(at, 10 * S),
            shown(Outage::down(at)),
            shown(Outage::cause(at)),
        ]
    }

    #[test]
    fn what_tells_more_explains_what_tells_less_and_nothing_explains_a_cause() {
        let all = all(Instant::now());
        for (place, outage) in all.iter().enumerate() {
            let explained = all.iter().map(|other| outage.explains(other));
            assert!(explained.eq((0..all.len()).map(|other| other < place)), "{outage:?}");
        }
    }

    /// Whether a cause explains a question of 5 s, whose beginning is so many seconds after it.
    #[rstest]
    #[case::before_it(-20, false)]
    #[case::under_way(-3, true)]
    #[case::after_it(60, true)]
    fn a_cause_explains_what_comes_later(#[case] after: i64, #[case] expected: bool) {
        let at = Instant::now() + 100 * S;
        let asked = if after < 0 { at - after.unsigned_abs() as u32 * S } else { at + after as u32 * S };
        let part = Outage { shown: (asked, asked + 5 * S), ..Outage::part(asked) };
        assert_eq!(Outage::cause(at).explains(&part), expected);
    }

    /// Whether a cause explains a gap that begins so many seconds before it and lasts.
    #[rstest]
    #[case::that_began_with_it(0, true)]
    #[case::of_a_cause_that_is_noticed_late(1, true)]
    #[case::that_began_long_before(20, false)]
    fn a_cause_explains_no_gap_that_was_there_before(#[case] before: u32, #[case] expected: bool) {
        let at = Instant::now() + 100 * S;
        let (cause, from) = (Outage::cause(at), at - before * S);
        assert_eq!(cause.explains(&Outage::gap(from, 30 * S)), expected);
        assert!(cause.explains(&Outage::gap_with_boot(from, 30 * S)), "it may have been booting before");
        assert!(!cause.explains(&Outage::gap_with_boot(at - 60 * S, 30 * S)), "it was over");
    }

    #[test]
    fn a_gap_explains_no_silence_after_it() {
        let at = Instant::now();
        let gap = Outage::gap(at, 10 * S);
        let asked = |after: u32| Outage { shown: (at + after * S, at + after * S), ..Outage::silence(at) };
        assert_eq!([5, 11, 20].map(|after| gap.explains(&asked(after))), [true, true, false]);
    }
}
