//! TCP alive: the ssh connection into the guest that was open before the first move still answers after the last.

use super::Proof;

/// `lost`: why connections that were open since the scenario began were lost.
pub fn check(lost: &[String]) -> Proof {
    let expected = "the TCP connection from before the scenario's first move answers";
    let Some(first) = lost.first() else {
        return Proof::new("connection", true, expected, "it does");
    };
    let more = if lost.len() > 1 { format!(", and {} more times", lost.len() - 1) } else { String::new() };
    Proof::new("connection", false, expected, format!("lost: {first}{more}")).try_next(
        "compare with the longest gap of the probe stream: was the network gone, or the peer reset?",
    )
}
