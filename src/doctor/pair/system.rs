//! The systems of the hosts: of one architecture, and which.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

pub fn examine(hosts: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let [one, other] = hosts.each_ref().map(|host| host.facts.one("arch").unwrap_or("unknown"));
    let what = |host: &AskedHost<'_>| {
        let fact = |name| host.facts.one(name).unwrap_or("unknown").to_owned();
        host.good("system", format!("{}, kernel {}, {}", fact("os"), fact("kernel"), fact("arch")))
    };
    let mut findings: Vec<Diagnosis> = hosts.iter().map(what).collect();
    if one != other {
        findings.push(Diagnosis::missing(
            "architectures",
            format!("{one} and {other}"),
            "wanted: the same on both: no guest moves from one to another",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn guests_stay_on_their_architecture() {
        let pair = ordinary();
        let worst = |one: &str, other: &str| {
            let found = examine(&hosts(&pair, &format!("arch {one}"), &format!("arch {other}")), &pair);
            found.last().unwrap().verdict
        };
        assert_eq!(worst("x86_64", "x86_64"), Grade::Good);
        assert_eq!(worst("x86_64", "aarch64"), Grade::Missing);
    }
}
