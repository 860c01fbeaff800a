//! Who works on a host by a lease of multivm's.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::stand::pair::Lease;

const WHAT: &str = "lease";

/// Examines whether the host is free for a run.
pub fn examine(host: &AskedHost<'_>, _pair: &Pair) -> Vec<Diagnosis> {
    vec![match Lease::said(&host.facts) {
        None => host.good(WHAT, "nobody works there with multivm"),
        // The run has taken the host, and asks once more after it has installed packages.
        Some(lease) if lease.run.is_some() && lease.run.as_deref() == host.run => {
            host.good(WHAT, "this run works there")
        }
        Some(lease) => host.missing(WHAT, lease.words(), Lease::ADVICE),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn who_has_the_host_is_told() {
        let pair = ordinary();
        let said = "lease root on ci7, process 8\nlease_run R1\nlease_silence_s 130";
        let [source, mut target] = hosts(&pair, "", said);
        assert_eq!(examine(&source, &pair)[0].verdict, Grade::Good);
        for (run, expected) in [("R1", Grade::Good), ("R2", Grade::Missing)] {
            target.run = Some(run);
            assert_eq!(examine(&target, &pair)[0].verdict, expected);
        }
        target.run = None;
        let found = &examine(&target, &pair)[0];
        assert_eq!(found.verdict, Grade::Missing);
        assert!(
            found.seen.contains("leased to root on ci7, process 8, who was heard of 2 minutes ago"),
            "{}",
            found.seen
        );
    }
}
