//! The domains of a host: the list of them, one by its name, and new ones.

use std::sync::Arc;

use virt_sys as sys;

use super::{Connection, Domain, DomainState, Result};

/// One line of the list of domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSummary {
    pub name: String,
    /// The domain has a hypervisor process, running or paused.
    pub active: bool,
    pub state: DomainState,
}

impl Connection {
    /// The domain of this name, active or not; none if the host has no such domain.
    pub fn domain(&self, name: &str) -> Result<Option<Domain>> {
        const OPERATION: &str = "look up";
        let name: Arc<str> = name.into();
        self.ask(OPERATION, move |asked| match asked.raw().lookup_domain_by_name(&name) {
            Ok(domain) => Domain::adopt(asked, domain).map(Some),
            Err(e) => {
                let error = asked.failed(OPERATION)(e).of(&name);
                if error.is_no_domain() { Ok(None) } else { Err(error) }
            }
        })
    }

    /// All domains, active and inactive, sorted by name.
    pub fn domains(&self) -> Result<Vec<DomainSummary>> {
        let all = sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE | sys::VIR_CONNECT_LIST_DOMAINS_INACTIVE;
        let listed = self.list(all)?;
        let mut summaries = Vec::with_capacity(listed.len());
        for domain in listed {
            match domain.is_active().and_then(|active| Ok((active, domain.state()?))) {
                Ok((active, state)) => {
                    summaries.push(DomainSummary { name: domain.name().to_owned(), active, state })
                }
                // The domain left between the list and the question, as on the source of a migration that undefines it.
                Err(e) if e.is_no_domain() => {}
                Err(e) => return Err(e),
            }
        }
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(summaries)
    }

    /// Names of the domains whose CPUs run, from one call.
    pub fn running(&self) -> Result<Vec<String>> {
        self.names(sys::VIR_CONNECT_LIST_DOMAINS_RUNNING)
    }

    /// Names of the domains that have a hypervisor process, running or paused, from one call.
    pub fn active(&self) -> Result<Vec<String>> {
        self.names(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    }

    fn names(&self, filter: u32) -> Result<Vec<String>> {
        Ok(self.list(filter)?.iter().map(|domain| domain.name().to_owned()).collect())
    }

    fn list(&self, filter: u32) -> Result<Vec<Domain>> {
        const OPERATION: &str = "list domains";
        self.ask(OPERATION, move |asked| {
            let listed = asked.raw().list_all_domains(filter).map_err(asked.failed(OPERATION))?;
            listed.into_iter().map(|domain| Domain::adopt(asked, domain)).collect()
        })
    }

    /// Defines a persistent domain; a new one is inactive.
    pub fn define(&self, xml: &str) -> Result<Domain> {
        const OPERATION: &str = "define a domain";
        let xml = xml.to_owned();
        self.ask(OPERATION, move |asked| {
            let domain = asked.raw().define_domain_xml(&xml).map_err(asked.failed(OPERATION))?;
            Domain::adopt(asked, domain)
        })
    }

    /// Starts a transient domain, which loses its definition when it stops.
    pub fn create(&self, xml: &str) -> Result<Domain> {
        const OPERATION: &str = "create a domain";
        let xml = xml.to_owned();
        self.ask(OPERATION, move |asked| {
            let domain = asked.raw().create_domain_xml(&xml, sys::VIR_DOMAIN_NONE);
            Domain::adopt(asked, domain.map_err(asked.failed(OPERATION))?)
        })
    }
}
