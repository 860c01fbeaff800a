//! The systems of the hosts: of the guests' architecture, and which.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::inventory::Arch;

pub fn examine(hosts: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let what = |host: &AskedHost<'_>| {
        let fact = |name| host.facts.one(name).unwrap_or("unknown").to_owned();
        let arch = fact("arch");
        let seen = format!("{}, kernel {}, {arch}", fact("os"), fact("kernel"));
        if arch == Arch::OF_HOSTS.row().name {
            host.good("system", seen)
        } else {
            host.missing(
                "system",
                seen,
                format!("wanted: {}, as guests and multivm's program there are", Arch::OF_HOSTS),
            )
        }
    };
    hosts.iter().map(what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn hosts_have_the_architecture_of_guests() {
        let pair = ordinary();
        let found = |one: &str, other: &str| {
            let found = examine(&hosts(&pair, &format!("arch {one}"), &format!("arch {other}")), &pair);
            found.iter().map(|finding| finding.verdict).collect::<Vec<_>>()
        };
        assert_eq!(found("x86_64", "x86_64"), [Grade::Good, Grade::Good]);
        assert_eq!(found("x86_64", "aarch64"), [Grade::Good, Grade::Missing]);
        assert_eq!(found("aarch64", "aarch64"), [Grade::Missing, Grade::Missing]);
    }
}
