//! It was post-copy: the migration did switch. One that never switches is a pre-copy migration.

use super::{About, Advice, Asked, Check, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::migration::LegReport;
use crate::scenario::Scenario;

pub static ABOUT: About = About {
    id: "post_copy",
    summary: "it was post-copy",
    how: "QEMU switched: after the first pre-copy pass, or amid it where the scenario is played again",
    asked: &[Moment::Leg],
    only: Some("`postcopy`"),
    advice: &[NO_SWITCH],
    ..About::BASE
};

const NO_SWITCH: Advice = Advice::new(
    "the migration was over before the switch",
    "the guest dirtied too little memory for a second pass: give it more load, or take the profile's values",
);

/// The check.
pub struct WasPostCopy;

impl Check for WasPostCopy {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        scenario.mode.row().switches
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(PostCopyAsked))
    }
}

struct PostCopyAsked;

impl Asked for PostCopyAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        if end.is_complete() { vec![end.proof(check(end.report))] } else { Vec::new() }
    }
}

/// Proves that a post-copy migration switched.
pub fn check(report: &LegReport) -> Proof {
    let expected = "a switch to post-copy";
    match report.switchover {
        Some(after) => Proof::new(&ABOUT, true, expected, format!("after {:.3} s", after.as_secs_f64())),
        None => {
            let passes = report.stats.as_ref().and_then(|stats| stats.memory_iteration).unwrap_or_default();
            let seen = format!("none; it completed as pre-copy after {passes} passes");
            Proof::new(&ABOUT, false, expected, seen).advise(&NO_SWITCH)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn post_copy_without_a_switch_is_no_post_copy() {
        assert!(!check(&LegReport::default()).ok);
        assert!(check(&LegReport { switchover: Some(Duration::from_secs(1)), ..LegReport::default() }).ok);
    }
}
