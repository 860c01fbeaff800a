//! By its transport: memory went the way that the scenario's transport promises.

use super::{About, Advice, Asked, Check, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::migration::{LegReport, transport};
use crate::scenario::{Profile, Scenario, Transport};

pub static ABOUT: About = About {
    id: "transport",
    summary: "its transport was at work",
    how: "what each shows in every migration, which `multivm explain` names: of `xbzrle`, which is the order `compressed`, a \
          cache in which pages were looked up that were sent again",
    asked: &[Moment::Leg],
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
        Ok(Box::new(TransportAsked(scene.scenario.transport)))
    }
}

struct TransportAsked(Transport);

impl Asked for TransportAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        let proof = if end.is_complete() { check(self.0, end.report) } else { None };
        proof.map(|proof| end.proof(proof)).into_iter().collect()
    }
}

/// Proves that a leg shows what its transport promises; none for a transport that promises nothing visible.
fn check(carried_by: Transport, report: &LegReport) -> Option<Proof> {
    let promise = transport::of(carried_by).promise.as_ref()?;
    let sign = (promise.kept)(report);
    Some(Proof::new(&ABOUT, sign.ok, promise.text, sign.seen).advise(&IDLE))
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
        assert_eq!(check(Transport::Xbzrle, &report).unwrap().ok, ok);
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
        assert_eq!(check(Transport::Plain, &LegReport::default()), None);
    }
}
