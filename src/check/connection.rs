//! TCP alive: the ssh connection into the guest from before the first move still answers after the last, and where the guest has
//! arrived it answers new ones, too, and opens one to another guest: a filter that knows connections lets the old one pass, and one
//! that knows guests lets multivm pass.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{About, Advice, Asked, Check, End, GuestLook, Moment, Outage, Proof, Scene};
use crate::failure::{FailureKind, Result};
use crate::guest::Reach;
use crate::remote::ConnectionLoss;

pub static ABOUT: About = About {
    id: "connection",
    summary: "TCP alive",
    how: "the ssh connection into the guest that was open before the first move answers after the last; in each look the guest's \
          kernel answers a new TCP connection within `max_recovery`, and the guest opens one to the next guest of the fleet, if that \
          one answers multivm and the network did not keep them apart from the beginning",
    asked: &[Moment::Leg, Moment::End],
    advice: &[LOST, NO_NEW_ONES, APART],
    goes_on: true,
    ..About::BASE
};

const LOST: Advice = Advice::new(
    "the connection was lost",
    "compare with the longest gap of the probe stream: was the network gone, or the peer reset?",
);

const NO_NEW_ONES: Advice = Advice::new(
    "the guest answers over the old connection, and takes no new one",
    "does a packet filter on that host, or on the way to it, drop what opens a connection, or has its table of connections run full? \
     MULTIVM_MAX_RECOVERY sets the limit",
);

const APART: Advice = Advice::new(
    "the guest opens no connection to another guest, which answers multivm",
    "open one from within the guest, to the other one and to the host (ssh). Do both hosts' bridges, and the switch between them, know \
     where the other guest is (bridge fdb), and does a filter there (nft list ruleset, bridge -d link: isolated) drop what guests \
     send? MULTIVM_MAX_RECOVERY sets the limit",
);

/// The check.
pub(super) struct TcpAlive;

impl Check for TcpAlive {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let limit = scene.fleet.profile.max_recovery;
        Ok(Box::new(ConnectionAsked { limit, losses: HashMap::new() }))
    }
}

struct ConnectionAsked {
    /// How long a guest may take to answer a new connection.
    limit: Duration,
    /// How many connections to each guest were lost before its first look.
    losses: HashMap<String, usize>,
}

impl Asked for ConnectionAsked {
    fn learn_start(&mut self, look: &GuestLook) {
        self.losses.insert(look.guest.name.clone(), look.guest.agent.losses().len());
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        let new = check_new(&look.connected, self.limit);
        // While the guest stands still for its next move, it opens none.
        let reached = look.reached.as_ref().filter(|reach| reach.result.is_ok() || look.beside.is_none());
        let reached = reached.map(|reach| check_reach(reach, self.limit, look.at));
        let proofs = new.into_iter().chain(reached).map(|proof| proof.tells(Outage::part(look.at)));
        proofs.map(|proof| look.proof(proof)).collect()
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let proof = |(name, guest): (&String, &std::sync::Arc<crate::guest::Guest>)| {
            let lost = guest.agent.losses().split_off(*self.losses.get(name)?);
            Some(check(&lost).of(name))
        };
        end.answering.iter().filter_map(proof).collect()
    }
}

/// Proves that no connection broke. `lost` has each one that did since the scenario began.
fn check(lost: &[ConnectionLoss]) -> Proof {
    let expected = "the TCP connection from before the scenario's first move answers";
    let Some(first) = lost.first() else {
        return Proof::new(&ABOUT, true, expected, "it does");
    };
    let more = if lost.len() > 1 { format!(", and {} more times", lost.len() - 1) } else { String::new() };
    let proof = Proof::new(&ABOUT, false, expected, format!("lost: {}{more}", first.why));
    proof.advise(&LOST).tells(Outage::part(first.asked))
}

/// Proves that a guest that answers over the old connection answers a new one; none if nobody waited for it.
fn check_new(connected: &Result<()>, limit: Duration) -> Option<Proof> {
    let expected =
        format!("the guest's kernel answers a new TCP connection within {:.1} s", limit.as_secs_f64());
    match connected {
        Ok(()) => Some(Proof::new(&ABOUT, true, expected, "it does")),
        Err(failure) if failure.kind() == FailureKind::Cancelled => None,
        Err(failure) => Some(Proof::new(&ABOUT, false, expected, failure.to_string()).advise(&NO_NEW_ONES)),
    }
}

/// Proves that a guest reaches another one, which answers multivm, in a look that began at a moment.
fn check_reach(reach: &Reach, limit: Duration, at: Instant) -> Proof {
    let to = &reach.to;
    let expected = format!("{to} answers a TCP connection of the guest within {:.1} s", limit.as_secs_f64());
    let Err(failure) = &reach.result else { return Proof::new(&ABOUT, true, expected, "it does") };
    let last = at.saturating_duration_since(reach.last).as_secs_f64();
    let seen = format!(
        "{failure}; {to} answered multivm meanwhile, and the guest's last connection {last:.1} s before this look"
    );
    Proof::new(&ABOUT, false, expected, seen).advise(&APART)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Cause, Failure};
    use crate::plan::{Direction, Leg};

    #[test]
    fn a_connection_that_nobody_answers_is_found() {
        let limit = Duration::from_secs(4);
        let timed_out = Failure::new("wait", Cause::new(FailureKind::TimedOut, "not within 4.1 s"));
        assert!(check_new(&Ok(()), limit).unwrap().ok);
        assert!(!check_new(&Err(timed_out), limit).unwrap().ok);
        assert!(check_new(&Err(Failure::new("wait", Cause::interrupted())), limit).is_none());
    }

    #[test]
    fn a_guest_that_reaches_no_other_is_found() {
        let mut asked = ConnectionAsked { limit: Duration::from_secs(4), losses: HashMap::new() };
        let last = Instant::now();
        let out = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let at = last + Duration::from_secs(7);
        let look = |reached| GuestLook { leg: Some(out), reached, ..GuestLook::in_a_test("vm1", "11aa", at) };
        let reach = |result| Some(Reach { to: "vm2".into(), result, last });
        let silent = || Err(Failure::new("wait", Cause::new(FailureKind::TimedOut, "not within 4.1 s")));
        let mut proofs = |look: &GuestLook| asked.on_look(look).split_off(1);
        assert!(proofs(&look(None)).is_empty());
        assert!(proofs(&look(reach(Ok(()))))[0].ok);
        let found = &proofs(&look(reach(silent())))[0];
        assert_eq!((found.ok, found.guest.as_deref()), (false, Some("vm1")));
        let seen = "cannot wait: not within 4.1 s; vm2 answered multivm meanwhile, and the guest's last connection 7.0 s before this look";
        assert_eq!(found.seen, seen);
        let back = Leg { direction: Direction::Back, ..out };
        assert!(proofs(&GuestLook { beside: Some(back), ..look(reach(silent())) }).is_empty());
    }

    #[test]
    fn every_loss_is_counted() {
        assert!(check(&[]).ok);
        let lost = ["reset", "timeout"].map(|why| ConnectionLoss { asked: Instant::now(), why: why.into() });
        let proof = check(&lost);
        assert_eq!((proof.ok, &*proof.seen), (false, "lost: reset, and 1 more times"));
    }
}
