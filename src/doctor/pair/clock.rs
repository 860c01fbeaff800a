//! How far the clocks of both hosts and of this machine are apart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Diagnosis, Host, Pair};

/// Clocks that are kept by a time server are closer.
const APART: f64 = 1.0;

pub fn examine(hosts: &[Host<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    hosts.iter().map(clock).collect()
}

fn clock(host: &Host<'_>) -> Diagnosis {
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

/// How many seconds the host's clock is ahead; what its answer took is not counted, either way.
fn ahead(host: &Host<'_>) -> Option<f64> {
    let now = Duration::try_from_secs_f64(host.facts.one("now")?.parse().ok()?).ok()?;
    let since = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let [asked, answered] = host.asked.map(since);
    let now = now.as_secs_f64();
    Some(if now < asked { now - asked } else { (now - answered).max(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn a_clock_that_is_off_is_told() {
        let pair = ordinary();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let found =
            examine(&hosts(&pair, &format!("now {now}\nntp yes"), &format!("now {}", now - 3600.0)), &pair);
        assert_eq!(found[0].verdict, Grade::Good, "{}", found[0].seen);
        assert_eq!(found[1].verdict, Grade::Warn);
        assert!(found[1].seen.starts_with("-360") || found[1].seen.starts_with("-359"), "{}", found[1].seen);
    }
}
