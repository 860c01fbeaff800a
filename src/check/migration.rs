//! It migrated: libvirt completed the migration within its timeout.

use super::{About, Advice, Asked, Check, LegEnd, Moment, Proof, RefusedMigration, Scene};
use crate::failure::Result;
use crate::migration::LegReport;

pub static ABOUT: About = About {
    id: "migration",
    summary: "it migrated",
    how: "libvirt completed it within its timeout; its statistics and events are in the record. A stack may refuse a transport, \
          in its words, if it completes a plain migration of the guest there and back; a plain one it may not",
    asked: &[Moment::Leg],
    advice: &[FAILED, REFUSED],
    ..About::BASE
};

const FAILED: Advice = Advice::new(
    "libvirt reported an error, or the time was up",
    "libvirtd.log and QEMU's logs of both hosts are in the evidence, and GUEST-devices.txt: where the hosts' QEMU differ, the \
     properties of the guest's devices that differ under its machine type",
);

const REFUSED: Advice = Advice::new(
    "the stack refuses the scenario's transport, and a plain migration fails, too",
    "it is not the transport that is refused: play the scenario of that name without it",
);

/// The check.
pub(super) struct Migrated;

impl Check for Migrated {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(MigrationAsked))
    }
}

struct MigrationAsked;

impl Asked for MigrationAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        if end.refused {
            return Vec::new();
        }
        vec![end.proof(check(end.report))]
    }

    fn on_refusal(&mut self, refusal: &RefusedMigration<'_>) -> Vec<Proof> {
        let RefusedMigration { guest, leg, words, otherwise } = refusal;
        let expected = "where the stack refuses a transport, a plain migration completes";
        let proof = match otherwise {
            Ok(()) => {
                Proof::new(&ABOUT, true, expected, format!("there and back; by the transport: {words}"))
            }
            Err(why) => Proof::new(&ABOUT, false, expected, format!("{why}; by the transport: {words}"))
                .advise(&REFUSED),
        };
        vec![proof.of(&guest.name).after(*leg)]
    }
}

fn check(report: &LegReport) -> Proof {
    let expected = "libvirt completes the migration";
    match &report.error {
        Some(error) => Proof::new(&ABOUT, false, expected, &*error.text).advise(&FAILED),
        None => Proof::new(&ABOUT, true, expected, format!("after {:.3} s", report.duration.as_secs_f64())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Guest;
    use crate::plan::Leg;
    use crate::scenario::Direction;

    #[test]
    fn a_refusal_is_about_the_transport_only_if_a_plain_migration_completes() {
        let guest = Guest::in_a_test("vm1");
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let judged = |otherwise| {
            let refusal = RefusedMigration { guest: &guest, leg, words: "no multifd here", otherwise };
            MigrationAsked.on_refusal(&refusal).remove(0)
        };
        let believed = judged(Ok(()));
        assert!(believed.ok && believed.seen.contains("no multifd here"));
        let found = judged(Err("a plain migration fails, too: vcpu count".into()));
        assert!(
            found.is_damage() && found.seen.contains("vcpu count") && found.guest.as_deref() == Some("vm1")
        );
    }

    #[test]
    fn an_error_is_a_finding_unless_the_refusal_is_judged_apart() {
        let guest = Guest::in_a_test("vm1");
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let failed =
            LegReport { error: Some(crate::failure::Cause::from("aborted")), ..LegReport::default() };
        let found = |report, refused| {
            MigrationAsked.on_leg(&LegEnd { guest: &guest, leg, source: "source", report, refused })
        };
        assert!(found(&failed, true).is_empty());
        let proof = found(&failed, false).remove(0);
        assert!(proof.is_damage() && proof.seen == "aborted" && proof.guest.as_deref() == Some("vm1"));
        assert!(found(&LegReport::default(), false)[0].ok);
    }
}
