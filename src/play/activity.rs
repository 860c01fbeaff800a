//! The time of a scenario: libvirt's migrations, and the waits for anything else, by name.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::record::Numbers;

/// A reason to wait while no migration is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// Looks at everything before the first move, and starts what watches.
    Preparing,
    /// Loads that start.
    Loading,
    /// Guests boot, because they migrate while they do.
    Booting,
    /// A move does what comes before and after libvirt's call.
    Ordering,
    /// A look goes on into a guest that has moved beside it, and is to move again.
    Looking,
    /// Checks prove what needs every guest at rest after a step, and what ends the scenario.
    Proving,
    /// Guests run on after their last move, under watch.
    Settling,
    /// Loads end, beside the last looks at guests.
    Unloading,
    /// qemu-img checks the images.
    Imaging,
    /// Logs go into the evidence.
    Collecting,
}

impl Activity {
    pub const ALL: [Activity; 10] = [
        Activity::Preparing,
        Activity::Loading,
        Activity::Booting,
        Activity::Ordering,
        Activity::Looking,
        Activity::Proving,
        Activity::Settling,
        Activity::Unloading,
        Activity::Imaging,
        Activity::Collecting,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Activity::Preparing => "preparing",
            Activity::Loading => "loading",
            Activity::Booting => "booting",
            Activity::Ordering => "ordering",
            Activity::Looking => "looking",
            Activity::Proving => "proving",
            Activity::Settling => "settling",
            Activity::Unloading => "unloading",
            Activity::Imaging => "imaging",
            Activity::Collecting => "collecting",
        }
    }
}

type Span = (Instant, Instant);

/// Notes waits and migrations of a scenario. Every moment belongs to one activity; a moment of an activity in which a
/// migration was under way counts as migrating.
#[derive(Debug)]
pub struct Stopwatch {
    activity: Activity,
    /// The guest or the look that the scenario waits for.
    what: String,
    since: Instant,
    waits: Vec<Wait>,
    migrations: Vec<Span>,
}

#[derive(Debug)]
struct Wait {
    activity: Activity,
    what: String,
    span: Span,
}

/// The sums of a stopwatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// At least one of libvirt's calls was under way.
    pub migrating: Duration,
    /// The remaining time, by activity.
    pub activities: BTreeMap<Activity, Duration>,
    /// The longest wait outside of migrations: its length and its reason.
    pub longest_wait: Option<(Duration, String)>,
}

impl Spent {
    /// Writes all sums into a scenario's numbers, in seconds.
    pub fn note(&self, numbers: &mut Numbers) {
        numbers.migrating_s = Numbers::seconds(self.migrating);
        for (activity, time) in &self.activities {
            let number = match activity {
                Activity::Preparing => &mut numbers.preparing_s,
                Activity::Loading => &mut numbers.loading_s,
                Activity::Booting => &mut numbers.booting_s,
                Activity::Ordering => &mut numbers.ordering_s,
                Activity::Looking => &mut numbers.looking_s,
                Activity::Proving => &mut numbers.proving_s,
                Activity::Settling => &mut numbers.settling_s,
                Activity::Unloading => &mut numbers.unloading_s,
                Activity::Imaging => &mut numbers.imaging_s,
                Activity::Collecting => &mut numbers.collecting_s,
            };
            *number = Numbers::seconds(*time);
        }
        if let Some((time, what)) = &self.longest_wait {
            numbers.longest_wait_s = Numbers::seconds(*time);
            numbers.longest_wait_for = Some(what.clone());
        }
    }
}

impl Stopwatch {
    pub fn start(begin: Instant) -> Stopwatch {
        Stopwatch {
            activity: Activity::Preparing,
            what: String::new(),
            since: begin,
            waits: Vec::new(),
            migrations: Vec::new(),
        }
    }

    /// Ends the present activity and begins a wait.
    pub fn enter(&mut self, activity: Activity, what: &str, now: Instant) {
        let what = std::mem::replace(&mut self.what, what.to_owned());
        self.waits.push(Wait { activity: self.activity, what, span: (self.since, now) });
        self.activity = activity;
        self.since = now;
    }

    /// Notes when libvirt's call for a migration began and ended.
    pub fn migrated(&mut self, began: Instant, ended: Instant) {
        self.migrations.push((began, ended));
    }

    pub fn finish(mut self, now: Instant) -> Spent {
        self.enter(self.activity, "", now);
        let migrations = union(self.migrations);
        let mut activities: BTreeMap<Activity, Duration> =
            Activity::ALL.iter().map(|activity| (*activity, Duration::ZERO)).collect();
        let mut longest: Option<(Duration, String)> = None;
        for Wait { activity, what, span } in self.waits {
            let left = outside(span, &migrations);
            *activities.entry(activity).or_default() += left;
            if longest.as_ref().is_none_or(|(most, _)| left > *most) {
                let name = if what.is_empty() {
                    activity.name().to_owned()
                } else {
                    format!("{}: {what}", activity.name())
                };
                longest = Some((left, name));
            }
        }
        let migrating = migrations.iter().map(|(began, ended)| *ended - *began).sum();
        Spent { migrating, activities, longest_wait: longest.filter(|(most, _)| !most.is_zero()) }
    }
}

/// The times that at least one of the spans covers, in order and without overlaps.
fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|(from, to)| to > from);
    spans.sort();
    let mut joined: Vec<Span> = Vec::new();
    for (from, to) in spans {
        match joined.last_mut() {
            Some((_, end)) if from <= *end => *end = (*end).max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// How much of a span none of the others covers, which do not overlap.
fn outside((from, to): Span, others: &[Span]) -> Duration {
    let inside: Duration = others
        .iter()
        .map(|(began, ended)| (*ended).min(to).saturating_duration_since((*began).max(from)))
        .sum();
    to.saturating_duration_since(from).saturating_sub(inside)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn spans(zero: Instant, spans: &[(u32, u32)]) -> Vec<Span> {
        spans.iter().map(|(from, to)| (zero + *from * S, zero + *to * S)).collect()
    }

    #[rstest]
    #[case::apart(&[(0, 1), (2, 3)], &[(0, 1), (2, 3)])]
    #[case::overlapping(&[(0, 2), (1, 3)], &[(0, 3)])]
    #[case::one_in_the_other(&[(0, 5), (1, 2)], &[(0, 5)])]
    #[case::touching(&[(0, 1), (1, 2)], &[(0, 2)])]
    #[case::in_any_order(&[(4, 5), (0, 1), (0, 2)], &[(0, 2), (4, 5)])]
    #[case::empty(&[(3, 3)], &[])]
    fn migrations_at_the_same_time_count_once(#[case] given: &[(u32, u32)], #[case] joined: &[(u32, u32)]) {
        let zero = Instant::now();
        assert_eq!(union(spans(zero, given)), spans(zero, joined));
    }

    #[rstest]
    #[case::none_under_way((0, 4), &[(5, 6)], 4)]
    #[case::all_under_way((1, 2), &[(0, 5)], 0)]
    #[case::partly((0, 4), &[(1, 2), (3, 9)], 2)]
    fn a_wait_counts_where_nothing_migrates(
        #[case] span: (u32, u32),
        #[case] others: &[(u32, u32)],
        #[case] left: u32,
    ) {
        let zero = Instant::now();
        assert_eq!(outside(spans(zero, &[span])[0], &spans(zero, others)), left * S);
    }

    #[test]
    fn every_moment_is_migrating_or_in_one_phase() {
        let zero = Instant::now();
        let mut watch = Stopwatch::start(zero);
        watch.enter(Activity::Loading, "3 loads", zero + S);
        watch.enter(Activity::Ordering, "step 1", zero + 3 * S);
        watch.migrated(zero + 4 * S, zero + 8 * S);
        watch.migrated(zero + 5 * S, zero + 9 * S);
        watch.enter(Activity::Looking, "vm1", zero + 9 * S);
        watch.enter(Activity::Unloading, "", zero + 12 * S);
        let spent = watch.finish(zero + 13 * S);
        assert_eq!(spent.migrating, 5 * S);
        let whole: Duration = spent.activities.values().sum();
        assert_eq!(whole + spent.migrating, 13 * S);
        assert_eq!(spent.activities[&Activity::Ordering], S);
        assert_eq!(spent.activities[&Activity::Collecting], Duration::ZERO);
        assert_eq!(spent.longest_wait, Some((3 * S, "looking: vm1".to_owned())));
    }

    #[test]
    fn a_look_during_a_migration_is_no_wait() {
        let zero = Instant::now();
        let mut watch = Stopwatch::start(zero);
        watch.enter(Activity::Looking, "vm1", zero + S);
        watch.migrated(zero + S, zero + 5 * S);
        let spent = watch.finish(zero + 5 * S);
        assert_eq!(spent.activities[&Activity::Looking], Duration::ZERO);
        assert_eq!(spent.longest_wait, Some((S, "preparing".to_owned())));
    }
}
