//! Domains that multivm made: the mark that they carry, and the type without which none can be changed.
//!
//! The mark is an element of its own in the domain's `<metadata>`. libvirt keeps it for as long as the domain exists, and
//! takes it along when the domain migrates.

use std::ops::Deref;

use super::{AbortAnswer, Connection, Domain, Migration, Result, Switch};

/// XML namespace of the mark.
pub const MARK_NAMESPACE: &str = "urn:multivm:owner:1";

/// Who made a domain, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Id of the run, or of the lab that stays up, that made it.
    pub run: String,
    /// The part of a profile that its definition depends on, as text.
    pub profile: String,
}

impl Mark {
    /// The mark in an `owner` element; none if the element is not one of this version.
    pub(super) fn parse(element: &str) -> Option<Mark> {
        let document = roxmltree::Document::parse(element).ok()?;
        Mark::of(document.root_element())
    }

    /// The mark that an XML element is.
    pub fn of(element: roxmltree::Node<'_, '_>) -> Option<Mark> {
        let attribute = |name| element.attribute(name).map(str::to_owned);
        (element.tag_name().name() == "owner")
            .then(|| Some(Mark { run: attribute("run")?, profile: attribute("profile")? }))?
    }
}

/// A domain that carries the mark of this run. Only this can be started, stopped, changed or moved; everything that can be
/// asked of a [`Domain`] can be asked of it, too.
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

    /// The mark that it carries.
    pub fn owner(&self) -> &Mark {
        &self.mark
    }

    /// Boots it.
    pub fn start(&self) -> Result<()> {
        self.domain.start()
    }

    /// Stops it at once, as pulling the plug. An error if it is not active
    /// ([`Error::is_operation_invalid`](super::Error::is_operation_invalid)).
    pub fn destroy(&self) -> Result<()> {
        self.domain.destroy()
    }

    /// Removes its definition, with what libvirt keeps beside it (managed save, snapshot metadata). Leaves a running domain
    /// running, as a transient one.
    pub fn undefine(&self) -> Result<()> {
        self.domain.undefine()
    }

    /// Presses its reset button: the guest reboots without knowing.
    pub fn reset(&self) -> Result<()> {
        self.domain.reset()
    }

    /// Stops its CPUs.
    pub fn suspend(&self) -> Result<()> {
        self.domain.suspend()
    }

    /// Lets its CPUs run on.
    pub fn resume(&self) -> Result<()> {
        self.domain.resume()
    }

    /// Tells QEMU how long the guest may stand still at the end of a migration, milliseconds: a guest whose remaining memory
    /// takes longer to send is not considered converged.
    pub fn set_max_downtime(&self, milliseconds: u64) -> Result<()> {
        self.domain.set_max_downtime(milliseconds)
    }

    /// Moves it to another host; see [`Migration`]. Blocks until the migration is over.
    pub fn migrate(&self, to: &Connection, how: &Migration) -> Result<Domain> {
        self.domain.migrate(to, how)
    }

    /// Orders a running post-copy migration to switch.
    pub fn start_post_copy(&self) -> Result<Switch> {
        self.domain.start_post_copy()
    }

    /// Aborts its job, such as a migration.
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
    fn a_domain_of_another_run_is_not_claimed() {
        let host = TestHost::new("source");
        let domain = host.define(&marked("vm1", &owner("b"))).unwrap();
        assert!(OurDomain::claim(domain, "a").unwrap().is_none());
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
