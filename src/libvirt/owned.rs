//! Domains that multivm made: the type without which nothing changes a domain.

use std::ops::Deref;

use super::{AbortAnswer, Connection, Domain, Mark, Migration, Result, Switch};

/// A domain that carries the mark of this run. Only this type can start, stop, change or move a domain; it also has every
/// method of [`Domain`].
#[derive(Clone, Debug)]
pub struct OurDomain {
    domain: Domain,
    mark: Mark,
}

impl OurDomain {
    /// Claims a domain for a run. None if it does not carry the run's mark.
    pub fn claim(domain: Domain, run: &str) -> Result<Option<OurDomain>> {
        let mark = domain.mark()?.filter(|mark| mark.run == run);
        Ok(mark.map(|mark| OurDomain { domain, mark }))
    }

    /// The mark on the domain.
    pub fn owner(&self) -> &Mark {
        &self.mark
    }

    /// Boots the domain.
    pub fn start(&self) -> Result<()> {
        self.domain.start()
    }

    /// Powers the domain off at once, like pulling the plug. An inactive domain is an error
    /// ([`Error::is_operation_invalid`](super::Error::is_operation_invalid)).
    pub fn destroy(&self) -> Result<()> {
        self.domain.destroy()
    }

    /// Removes the domain's definition, with libvirt's files beside it (managed save, snapshot metadata, variables of UEFI). A running domain
    /// goes on as a transient one.
    pub fn undefine(&self) -> Result<()> {
        self.domain.undefine()
    }

    /// Presses the domain's reset button: the guest reboots without a warning.
    pub fn reset(&self) -> Result<()> {
        self.domain.reset()
    }

    /// Stops the domain's CPUs.
    pub fn suspend(&self) -> Result<()> {
        self.domain.suspend()
    }

    /// Lets the domain's CPUs run on.
    pub fn resume(&self) -> Result<()> {
        self.domain.resume()
    }

    /// Sets QEMU's downtime-limit, in milliseconds: how long the guest may stand still at the end of a migration. QEMU
    /// considers no guest converged whose remaining memory takes longer to send.
    pub fn set_max_downtime(&self, milliseconds: u64) -> Result<()> {
        self.domain.set_max_downtime(milliseconds)
    }

    /// Sets the bandwidth of the domain's migrations, of one under way, too, in MiB/s; without a number, the largest that
    /// QEMU takes.
    pub fn set_max_speed(&self, mib: Option<u64>) -> Result<()> {
        self.domain.set_max_speed(mib)
    }

    /// Migrates the domain to another host with the options of [`Migration`]. Blocks until the migration is over.
    pub fn migrate(&self, to: &Connection, how: &Migration) -> Result<Domain> {
        self.domain.migrate(to, how)
    }

    /// Orders a running migration to switch to post-copy.
    pub fn start_post_copy(&self) -> Result<Switch> {
        self.domain.start_post_copy()
    }

    /// Aborts the domain's job, such as a migration.
    pub fn abort_job(&self) -> Result<AbortAnswer> {
        self.domain.abort_job()
    }
}

impl Deref for OurDomain {
    type Target = Domain;

    fn deref(&self) -> &Domain {
        &self.domain
    }
}

#[cfg(test)]
mod tests {
    use super::super::MARK_NAMESPACE;
    use super::super::mark_examples::{EXAMPLES, RUN};
    use super::super::testing::{TestHost, domain_xml};
    use super::*;

    fn marked(name: &str, metadata: &str) -> String {
        domain_xml(name).replace("<memory>", &format!("<metadata>{metadata}</metadata><memory>"))
    }

    fn owner(run: &str) -> String {
        format!(r#"<multivm:owner xmlns:multivm="{MARK_NAMESPACE}" run="{run}" profile="1 vCPU"/>"#)
    }

    #[test]
    fn a_domain_without_a_mark_is_not_claimed() {
        let host = TestHost::new("source");
        let domain = host.define(&domain_xml("vm1")).unwrap();
        assert_eq!(domain.mark().unwrap(), None);
        assert!(OurDomain::claim(domain, "a").unwrap().is_none());
    }

    #[test]
    fn a_mark_is_read_from_an_active_and_an_inactive_domain() {
        let host = TestHost::new("source");
        let domain = host.define(&marked("vm1", &owner("a"))).unwrap();
        let mark = Mark { run: "a".into(), profile: "1 vCPU".into() };
        assert_eq!(domain.mark().unwrap(), Some(mark.clone()));
        domain.start().unwrap();
        assert_eq!(OurDomain::claim(domain, "a").unwrap().unwrap().owner(), &mark);
    }

    #[test]
    fn a_domain_is_claimed_by_the_run_that_made_it() {
        let host = TestHost::new("source");
        for (number, (metadata, is_ours)) in EXAMPLES.iter().enumerate() {
            let domain = host.define(&marked(&format!("vm{number}"), metadata)).unwrap();
            assert_eq!(OurDomain::claim(domain, RUN).unwrap().is_some(), *is_ours, "{metadata}");
        }
    }

    #[test]
    fn what_only_reads_like_a_mark_is_none() {
        let host = TestHost::new("source");
        let words = "&lt;multivm:owner run='a' profile='p'/&gt; created by multivm";
        let text = domain_xml("vm1").replace(
            "<memory>",
            &format!("<title>{words}</title><description>{words}</description><memory>"),
        );
        let foreign = r#"<x:owner xmlns:x="urn:somebody" run="a" profile="p"/>"#;
        for xml in [text, marked("vm2", foreign), marked("vm3", &owner("a").replace("run=", "ran="))] {
            let domain = host.define(&xml).unwrap();
            assert_eq!(domain.mark().unwrap(), None, "{xml}");
        }
    }

    #[test]
    fn a_domain_that_is_gone_is_said_to_be() {
        let host = TestHost::new("source");
        let domain = host.define(&marked("vm1", &owner("a"))).unwrap();
        domain.undefine().unwrap();
        assert!(domain.mark().unwrap_err().is_no_domain());
    }

    #[test]
    fn a_claimed_domain_does_what_it_is_told_to() {
        let host = TestHost::new("source");
        let domain = host.define(&marked("vm1", &owner("a"))).unwrap();
        let ours = OurDomain::claim(domain, "a").unwrap().unwrap();
        ours.start().unwrap();
        ours.suspend().unwrap();
        ours.resume().unwrap();
        ours.destroy().unwrap();
        assert!(!ours.is_active().unwrap());
        ours.undefine().unwrap();
        assert!(host.domain("vm1").unwrap().is_none());
    }
}
