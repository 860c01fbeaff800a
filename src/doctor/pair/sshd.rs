//! The sshd of a host: how many it lets in at once.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

/// Connections that log in at once, from which on sshd refuses some, by its own default.
const STARTUPS: u32 = 10;

pub fn examine(host: &AskedHost<'_>, _pair: &Pair) -> Vec<Diagnosis> {
    // START:RATE:FULL (sshd_config(5)): from START on, sshd refuses some connections that have not logged in yet.
    let start = host.facts.one("max_startups").and_then(|value| value.split(':').next()?.parse::<u32>().ok());
    let narrow = |start| {
        host.warn(
            "sshd",
            format!("MaxStartups begins to refuse connections at {start} that log in at once"),
            format!(
                "wanted: {STARTUPS} or more, sshd's own default; a refused one looks like a host that is lost"
            ),
        )
    };
    start.filter(|start| *start < STARTUPS).map(narrow).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn a_narrow_door_is_told() {
        let pair = ordinary();
        let [source, target] = hosts(&pair, "max_startups 2:30:10", "max_startups 10:30:100");
        assert_eq!(examine(&source, &pair)[0].verdict, Grade::Warn);
        assert!(examine(&target, &pair).is_empty());
    }
}
