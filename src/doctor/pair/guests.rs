//! Guests on a host that are not multivm's.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::guest::is_our_name;

const WHAT: &str = "guests";

pub fn examine(host: &AskedHost<'_>, _pair: &Pair) -> Vec<Diagnosis> {
    let facts = &host.facts;
    if facts.text("capabilities").is_empty() {
        return Vec::new();
    }
    let names = |text| facts.text(text).lines().map(str::trim).filter(|name| !name.is_empty());
    let ours: Vec<&str> = names("domains").filter(|name| is_our_name(name)).collect();
    let running: Vec<&str> = names("running").collect();
    let finding = if !ours.is_empty() {
        host.missing(
            WHAT,
            format!("there are domains with names that multivm's guests have: {}", ours.join(", ")),
            "are they somebody's? multivm leaves them alone, and does not start beside them: rename them. Of a run that was killed: \
             multivm reap",
        )
    } else if running.is_empty() {
        host.good(WHAT, "none runs")
    } else {
        host.warn(
            WHAT,
            format!("{} run that are not multivm's: {}", running.len(), running.join(", ")),
            "they are left alone; they take CPU and memory, and are slower while a run goes on",
        )
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[rstest]
    #[case::none("", "", Grade::Good)]
    #[case::defined("mail", "", Grade::Good)]
    #[case::running("mail", "mail", Grade::Warn)]
    #[case::in_the_way("mail\nvm1", "mail", Grade::Missing)]
    #[case::load_guest_in_the_way("load2", "", Grade::Missing)]
    #[case::another_name("vm1-backup", "", Grade::Good)]
    fn foreign_guests_are_told(#[case] all: &str, #[case] running: &str, #[case] expected: Grade) {
        let pair = ordinary();
        let said = format!(
            "<<capabilities\n<c/>\n>>capabilities\n<<domains\n{all}\n>>domains\n<<running\n{running}\n>>running"
        );
        let [source, _] = hosts(&pair, &said, "");
        assert_eq!(examine(&source, &pair)[0].verdict, expected);
    }
}
