//! The CPUs that guests get: those of their hosts, or one that both hosts can give.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::failure::Result;
use crate::stand::pair::{BASELINE, GuestCpu};

const NAME: &str = "CPUs";

pub fn examine([source, target]: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    vec![found(GuestCpu::of([&source.remote, &target.remote], [&source.facts, &target.facts]))]
}

fn found(cpu: Result<GuestCpu>) -> Diagnosis {
    match cpu {
        Ok(GuestCpu::Ordinary(words)) => Diagnosis::good(NAME, words),
        Ok(GuestCpu::Common { differ, model, .. }) => {
            Diagnosis::good(NAME, format!("{differ}; guests get {model}, which both can give"))
        }
        Ok(GuestCpu::No { differ, why }) => Diagnosis::missing(
            NAME,
            format!("none for guests in common: {differ}; {why}"),
            format!(
                "wanted: CPUs of one vendor, and a libvirt that says which one both can give: `{BASELINE}` with `virsh domcapabilities` of both"
            ),
        ),
        Ok(GuestCpu::Unknown) => Diagnosis::warn(
            NAME,
            "not known: libvirt of a host did not say",
            "see what is said of its libvirt",
        ),
        Err(failure) => Diagnosis::missing(NAME, failure.to_string(), "does the host answer still?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::failure::Failure;

    #[test]
    fn guests_need_a_cpu_that_both_can_give() {
        let (differ, why) = ("source: EPYC, with svm".to_owned(), "CPU vendors do not match".to_owned());
        let common = GuestCpu::Common { differ: differ.clone(), model: "EPYC".into(), xml: "<cpu/>".into() };
        let found_common = found(Ok(common));
        assert_eq!(found_common.verdict, Grade::Good);
        assert_eq!(found_common.seen, "source: EPYC, with svm; guests get EPYC, which both can give");
        assert_eq!(found(Ok(GuestCpu::No { differ, why })).verdict, Grade::Missing);
        assert_eq!(found(Ok(GuestCpu::Ordinary("EPYC on both".into()))).verdict, Grade::Good);
        assert_eq!(found(Ok(GuestCpu::Unknown)).verdict, Grade::Warn);
        assert_eq!(found(Err(Failure::new("ask", "it is silent"))).verdict, Grade::Missing);
    }
}
