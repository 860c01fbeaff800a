//! TCP alive: the ssh connection into the guest that was open before the first move still answers after the last.

use super::{About, Advice, Check, Moment, Proof};

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
pub struct Connection;

impl Check for Connection {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

/// `lost`: why connections that were open since the scenario began were lost.
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
