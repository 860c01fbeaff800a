//! How far the clocks of both hosts and of this machine are apart.

use std::time::{SystemTime, UNIX_EPOCH};

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

/// Clocks that are kept by a time server are closer.
const APART: f64 = 1.0;

pub fn examine(hosts: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    hosts.iter().map(clock).collect()
}

fn clock(host: &AskedHost<'_>) -> Diagnosis {
    let what = "clock";
    let Some(ahead) = ahead(host) else {
        return host.warn(what, "it did not say what time it is", "date +%s there");
    };
    let synchronised = match host.facts.one("ntp") {
        Some("yes") => "kept by a time server",
        Some(_) => "not kept by a time server",
        None => "whether a time server keeps it is not known",
    };
    let seen = format!("{ahead:+.1} s against this machine, {synchronised}");
    if ahead.abs() > APART {
        host.warn(
            what,
            seen,
            "wanted: within 1 s, so that logs can be laid side by side; chronyc tracking there and here",
        )
    } else {
        host.good(what, seen)
    }
}

/// How many seconds the host's clock is ahead. Neither what its answer took counts, nor the fraction of a second that it did not
/// say.
fn ahead(host: &AskedHost<'_>) -> Option<f64> {
    let now = host.clock.now? as f64;
    let since = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let [asked, answered] = host.clock.asked.map(since);
    Some(if now + 1.0 < asked { now + 1.0 - asked } else { (now - answered).max(0.0) })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[rstest]
    #[case::right(0, Grade::Good, "+0.0 s")]
    #[case::ahead(3600, Grade::Warn, "+3")]
    #[case::behind(-3600, Grade::Warn, "-3")]
    fn a_clock_that_is_off_is_told(#[case] off: i64, #[case] verdict: Grade, #[case] seen: &str) {
        let pair = ordinary();
        let [mut source, _] = hosts(&pair, "ntp yes", "");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        source.clock.now = Some(now.saturating_add_signed(off));
        let found = clock(&source);
        assert!(found.verdict == verdict && found.seen.starts_with(seen), "{found:?}");
    }
}
