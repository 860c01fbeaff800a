//! By its transport: memory went the way that the scenario's transport promises.

use super::{About, Advice, Asked, Check, End, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::migration::LegReport;
use crate::migration::transport::{self, Kept, Promise};
use crate::scenario::{Profile, Scenario, Transport};

pub static ABOUT: About = About {
    id: "transport",
    summary: "its transport was at work",
    how: "what each shows in the migrations, which `multivm explain` names: of `xbzrle`, which is the order `compressed`, a \
          cache in which pages were looked up that were sent again, in at least one of the scenario's migrations and in each that has sent \
          all of its dirty pages again",
    asked: &[Moment::Leg, Moment::End],
    only: Some("transports other than `plain`"),
    advice: &[IDLE],
    ..About::BASE
};

const IDLE: Advice = Advice::new(
    "the migration completed without what its transport promises",
    "does QEMU on both hosts have the capability? Its log on the source is in the evidence",
);

/// The check.
pub struct Transported;

impl Check for Transported {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        transport::of(scenario.transport).promise.is_some()
    }

    fn explain(&self, scenario: &Scenario, _: &Profile) -> String {
        let promise = transport::of(scenario.transport).promise.as_ref();
        format!("{}: {}", ABOUT.summary, promise.map_or("nothing to show", |promise| promise.text))
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(TransportAsked::of(scene.scenario.transport)))
    }
}

struct TransportAsked {
    /// None for a transport that promises nothing visible.
    promise: Option<&'static Promise>,
    /// Whether a leg has kept or broken the promise.
    is_settled: bool,
    /// What the last leg showed that left it open.
    open: Option<String>,
}

impl TransportAsked {
    fn of(carried_by: Transport) -> TransportAsked {
        let promise = transport::of(carried_by).promise.as_ref();
        TransportAsked { promise, is_settled: false, open: None }
    }

    /// Proves that a leg shows what its transport promises, or leaves it to others.
    fn judge(&mut self, report: &LegReport) -> Option<Proof> {
        let promise = self.promise?;
        let sign = (promise.kept)(report);
        match sign.kept {
            Kept::Open => self.open = Some(sign.seen.clone()),
            Kept::Yes | Kept::No => self.is_settled = true,
        }
        Some(Proof::new(&ABOUT, sign.kept != Kept::No, promise.text, sign.seen).advise(&IDLE))
    }

    /// The finding about a scenario in which every leg left it open.
    fn unsettled(&self) -> Option<Proof> {
        let (promise, open) = (self.promise?, self.open.as_ref().filter(|_| !self.is_settled)?);
        let seen = format!("no migration has sent enough for it; the last one: {open}");
        Some(Proof::new(&ABOUT, false, promise.text, seen).advise(&IDLE))
    }
}

impl Asked for TransportAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        let proof = if end.is_complete() { self.judge(end.report) } else { None };
        proof.map(|proof| end.proof(proof)).into_iter().collect()
    }

    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        self.unsettled().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::libvirt::JobStats;

    #[rstest]
    #[case::at_work(64, 3, 9, 2, true)]
    #[case::only_misses(64, 0, 9, 2, true)]
    #[case::one_pass(64, 0, 0, 1, true)]
    #[case::idle(64, 0, 0, 2, false)]
    #[case::no_cache(0, 3, 9, 2, false)]
    fn xbzrle_needs_a_cache_and_pages_in_it(
        #[case] cache_bytes: u64,
        #[case] pages: u64,
        #[case] misses: u64,
        #[case] passes: u64,
        #[case] ok: bool,
    ) {
        let stats = JobStats {
            compression_cache_bytes: Some(cache_bytes),
            compression_pages: Some(pages),
            compression_cache_misses: Some(misses),
            memory_iteration: Some(passes),
            ..JobStats::default()
        };
        let report = LegReport { stats: Some(stats), ..LegReport::default() };
        assert_eq!(TransportAsked::of(Transport::Xbzrle).judge(&report).unwrap().ok, ok);
    }

    #[test]
    fn one_leg_of_the_scenario_must_show_it() {
        let leg = |misses, passes| {
            let stats = JobStats {
                compression_cache_bytes: Some(64 << 20),
                compression_cache_misses: Some(misses),
                memory_iteration: Some(passes),
                ..JobStats::default()
            };
            LegReport { stats: Some(stats), ..LegReport::default() }
        };
        let mut asked = TransportAsked::of(Transport::Xbzrle);
        assert_eq!(asked.unsettled(), None, "nobody has moved");
        assert!(asked.judge(&leg(0, 1)).unwrap().ok);
        let seen = asked.unsettled().unwrap().seen;
        assert!(
            seen.starts_with("no migration has sent enough for it; the last one: a cache of 64 MiB"),
            "{seen}"
        );
        asked.judge(&leg(9, 2));
        assert_eq!(asked.unsettled(), None);
    }

    /// The texts are written by hand: `only` names every transport that the check is not asked of, and `how` the transport of
    /// the order `compressed`.
    #[test]
    fn the_texts_name_the_transports() {
        let scenario: Scenario = "precopy_compressed::in_vms::stress_cpu".parse().unwrap();
        let compressed = format!("`{}`, which is the order `compressed`", scenario.transport);
        assert!(ABOUT.how.contains(&compressed), "{}", ABOUT.how);
        let text = ABOUT.only.unwrap();
        for other in Transport::ALL {
            let applies = Transported.applies(&Scenario { transport: *other, ..scenario });
            assert_eq!(text.contains(&format!("`{other}`")), !applies, "{other}: {text}");
        }
    }

    #[test]
    fn a_plain_migration_has_nothing_to_show() {
        assert_eq!(TransportAsked::of(Transport::Plain).judge(&LegReport::default()), None);
    }
}
