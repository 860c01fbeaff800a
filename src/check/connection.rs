//! TCP alive: the ssh connection into the guest from before the first move still answers after the last.

use std::collections::HashMap;

use super::{About, Advice, Asked, Check, End, GuestLook, Moment, Proof, Scene};
use crate::failure::Result;

pub static ABOUT: About = About {
    id: "connection",
    summary: "TCP alive",
    how: "the ssh connection into the guest that was open before the first move answers after the last",
    asked: &[Moment::End],
    advice: &[LOST],
    ..About::BASE
};

const LOST: Advice = Advice::new(
    "the connection was lost",
    "compare with the longest gap of the probe stream: was the network gone, or the peer reset?",
);

/// The check.
pub(super) struct TcpAlive;

impl Check for TcpAlive {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::<ConnectionAsked>::default())
    }
}

/// How many connections to each guest were lost before its first look.
#[derive(Default)]
struct ConnectionAsked(HashMap<String, usize>);

impl Asked for ConnectionAsked {
    fn learn_start(&mut self, look: &GuestLook) {
        self.0.insert(look.guest.name.clone(), look.guest.agent.losses().len());
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let proof = |(name, guest): (&String, &std::sync::Arc<crate::guest::Guest>)| {
            let lost = guest.agent.losses().split_off(*self.0.get(name)?);
            Some(check(&lost).of(name))
        };
        end.answering.iter().filter_map(proof).collect()
    }
}

/// Proves that no connection broke. `lost` has a reason for each one that did since the scenario began.
pub fn check(lost: &[String]) -> Proof {
    let expected = "the TCP connection from before the scenario's first move answers";
    let Some(first) = lost.first() else {
        return Proof::new(&ABOUT, true, expected, "it does");
    };
    let more = if lost.len() > 1 { format!(", and {} more times", lost.len() - 1) } else { String::new() };
    Proof::new(&ABOUT, false, expected, format!("lost: {first}{more}")).advise(&LOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_counted() {
        assert!(check(&[]).ok);
        let proof = check(&["reset".into(), "timeout".into()]);
        assert_eq!((proof.ok, &*proof.seen), (false, "lost: reset, and 1 more times"));
    }
}
