//! It was live: the guest ran until its last pages were sent, and no suspension helped pre-copy to finish.

use super::{About, Advice, Asked, Check, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::migration::LegReport;
use crate::scenario::{AtTimeout, Profile, Scenario};

pub static ABOUT: About = About {
    id: "live",
    summary: "it was live",
    how: "nobody suspended the guest for a pre-copy to finish, unless `at_timeout` allows it",
    asked: &[Moment::Leg],
    only: Some("`precopy`"),
    advice: &[SUSPENDED],
    ..About::BASE
};

const SUSPENDED: Advice = Advice::new(
    "the guest stood still before its last pass",
    "if that is MULTIVM_PRECOPY_TIMEOUT, it dirties memory faster than it can be sent: raise it, or allow the suspension with \
     MULTIVM_AT_TIMEOUT=suspend_allowed; else somebody or something else suspended it, and libvirtd.log of the source has who",
);

/// The check.
pub(super) struct WasLive;

impl Check for WasLive {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        scenario.mode.row().may_suspend
    }

    fn explain(&self, _scenario: &Scenario, profile: &Profile) -> String {
        match profile.at_timeout {
            AtTimeout::Abort | AtTimeout::Suspend => {
                "it was live: the guest was not suspended so that the migration could complete"
            }
            AtTimeout::SuspendAllowed => {
                "it was live, or it is reported that the guest was suspended so that the migration could complete"
            }
        }
        .to_owned()
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let allowed = scene.fleet.profile.at_timeout == AtTimeout::SuspendAllowed;
        Ok(Box::new(LiveAsked { allowed }))
    }
}

struct LiveAsked {
    /// Whether the profile allows a suspension at the timeout.
    allowed: bool,
}

impl Asked for LiveAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        if end.is_complete() { vec![end.proof(check(end.report, self.allowed))] } else { Vec::new() }
    }
}

/// Proves that a pre-copy migration finished without suspending its guest.
pub fn check(report: &LegReport, allowed: bool) -> Proof {
    let expected = "the guest runs until its last pages are sent; nobody suspends it";
    match report.suspended {
        None => Proof::new(&ABOUT, true, expected, "it did"),
        Some(after) => {
            let seen = format!("suspended {:.3} s after the migration began", after.as_secs_f64());
            Proof::new(&ABOUT, allowed, expected, seen).advise(&SUSPENDED)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_suspended_guest_is_not_live_unless_that_is_allowed() {
        let report = LegReport { suspended: Some(Duration::from_secs(1)), ..LegReport::default() };
        assert!(!check(&report, false).ok && check(&report, true).ok);
        assert!(check(&LegReport::default(), false).ok);
    }
}
