//! Moving a domain, switching to post-copy, and giving up.

use serde::{Deserialize, Serialize};
use virt::domain::MigrateParameters;
use virt_sys as sys;

use super::{Connection, Domain, Error, ErrorCode, Result};

/// How to migrate. [`Migration::default`] is what `virsh migrate` does without options: not live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Migration {
    /// The guest keeps running meanwhile.
    pub live: bool,
    /// Leave a definition on the destination.
    pub persist_dest: bool,
    /// Take the definition from the source.
    pub undefine_source: bool,
    /// Allow the post-copy switch. It happens by [`OurDomain::start_post_copy`](super::OurDomain::start_post_copy) only.
    pub post_copy: bool,
    /// Hold back the guest's CPUs when it dirties memory faster than it can be sent.
    pub auto_converge: bool,
    /// Send changed pages as differences (XBZRLE).
    pub compressed: bool,
    /// The source's daemon talks to the destination's, and this process only waits. The value is the destination's libvirt
    /// URI **as the source reaches it**, which need not be ours. None: this process talks to both.
    pub peer_to_peer: Option<String>,
    /// Upper limit of the transfer, MiB/s; of a post-copy migration until its switch. None: libvirt's default, which is no
    /// limit in practice.
    pub bandwidth_mib: Option<u64>,
    /// The same after the switch to post-copy, which has a limit of its own. libvirt refuses it without `post_copy`.
    pub post_copy_bandwidth_mib: Option<u64>,
    /// Where QEMU sends the memory: `tcp://198.18.0.12`. None: the name that the destination gives itself, and a free port
    /// of its range.
    pub migrate_uri: Option<String>,
}

/// What came of [`OurDomain::start_post_copy`](super::OurDomain::start_post_copy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// QEMU took the order. It is carried out when the event `suspended (post-copy)` arrives from the source.
    Started,
    /// The migration is not far enough, or not under way. Ask again.
    NotYet,
    /// The domain has left the source.
    Over,
}

/// What came of [`OurDomain::abort_job`](super::OurDomain::abort_job).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortAnswer {
    /// libvirt took the order; the job's own call returns with [`Error::is_aborted`] soon.
    Aborted,
    /// There was nothing to abort.
    NoJob,
}

impl Migration {
    fn flags(&self) -> u32 {
        let choices = [
            (self.live, sys::VIR_MIGRATE_LIVE),
            (self.persist_dest, sys::VIR_MIGRATE_PERSIST_DEST),
            (self.undefine_source, sys::VIR_MIGRATE_UNDEFINE_SOURCE),
            (self.post_copy, sys::VIR_MIGRATE_POSTCOPY),
            (self.auto_converge, sys::VIR_MIGRATE_AUTO_CONVERGE),
            (self.compressed, sys::VIR_MIGRATE_COMPRESSED),
            (self.peer_to_peer.is_some(), sys::VIR_MIGRATE_PEER2PEER),
        ];
        choices.iter().filter(|(chosen, _)| *chosen).fold(0, |flags, (_, flag)| flags | flag)
    }

    /// The `virt` crate panics on a zero byte, so it is refused before.
    fn parameters(&self) -> std::result::Result<MigrateParameters, Error> {
        for text in self.migrate_uri.iter().chain(&self.peer_to_peer) {
            if text.contains('\0') {
                return Err(Error::invalid(MIGRATE, format!("the URI {text:?} has a zero byte")));
            }
        }
        Ok(MigrateParameters {
            bandwidth: self.bandwidth_mib,
            bandwidth_postcopy: self.post_copy_bandwidth_mib,
            // The default of the flag, said aloud.
            compression: self.compressed.then(|| "xbzrle".to_owned()),
            uri: self.migrate_uri.clone(),
            ..MigrateParameters::default()
        })
    }
}

const MIGRATE: &str = "migrate";

impl Domain {
    /// Migrates to `dest` and returns when that is over: the domain as `dest` knows it.
    ///
    /// Blocks for as long as the migration takes; other threads may meanwhile use this domain to poll, switch and abort.
    /// Both connections must live through it. (Each call leaks the few bytes of its URI and compression method: `virt`
    /// does not free its string parameters.)
    ///
    /// # Errors
    ///
    /// [`Error::is_aborted`] after [`OurDomain::abort_job`](super::OurDomain::abort_job). Where the domain is after an error must be looked up on both
    /// hosts: before a post-copy switch it runs on the source.
    pub(super) fn migrate(&self, dest: &Connection, migration: &Migration) -> Result<Domain> {
        let named = |error: Error| self.named(error).to(dest.host_arc());
        let parameters = migration.parameters().map_err(named)?;
        let failed = |e: virt::error::Error| named(Error::new(MIGRATE, &e));
        match &migration.peer_to_peer {
            None => {
                let moved = self.raw().migrate3(dest.raw(), parameters, migration.flags());
                Domain::adopt(dest, moved.map_err(failed)?)
            }
            // virDomainMigrate3 refuses peer-to-peer and points to this.
            Some(uri) => {
                self.raw().migrate_to_uri3(Some(uri), parameters, migration.flags()).map_err(failed)?;
                match dest.domain(self.name())? {
                    Some(moved) => Ok(moved),
                    None => Err(named(Error {
                        code: ErrorCode(sys::VIR_ERR_NO_DOMAIN),
                        ..Error::invalid(
                            MIGRATE,
                            "libvirt reported success, but the destination does not have it",
                        )
                    })),
                }
            }
        }
    }

    /// Orders the switch of a migration under way, begun with [`Migration::post_copy`], to post-copy. To be called on the
    /// source.
    ///
    /// [`Switch::Started`] is not yet the switch. QEMU notes the order also when it comes too late, by design
    /// (`qmp_migrate_start_postcopy`), and forgets it when it comes between an earlier migration that failed and the real
    /// begin of this one. The event, or the domain's state, is the proof; without it, order again.
    pub(super) fn start_post_copy(&self) -> Result<Switch> {
        // SAFETY: the handle is valid as long as `self`; there are no flags.
        let answer = unsafe { sys::virDomainMigrateStartPostCopy(self.as_ptr(), 0) };
        if answer == 0 {
            return Ok(Switch::Started);
        }
        let error = self.last_error("switch to post-copy");
        if error.is_no_domain() {
            return Ok(Switch::Over);
        }
        if error.is_operation_invalid() {
            // Either no migration is under way yet, or the domain has stopped here but kept its definition.
            return match self.is_active() {
                Ok(true) => Ok(Switch::NotYet),
                Ok(false) => Ok(Switch::Over),
                Err(e) if e.is_no_domain() => Ok(Switch::Over),
                Err(_) => Err(error),
            };
        }
        // libvirt's job has begun, QEMU's migration has not; libvirt has no code of its own for it.
        if error.message.contains("Postcopy must be started after migration has been started") {
            return Ok(Switch::NotYet);
        }
        Err(error)
    }

    /// Aborts the job under way. To be called on the source.
    ///
    /// # Errors
    ///
    /// A migration after its post-copy switch cannot be aborted ([`Error::is_operation_invalid`]): neither side has the
    /// whole guest.
    pub(super) fn abort_job(&self) -> Result<AbortAnswer> {
        // SAFETY: the handle is valid as long as `self`.
        let answer = unsafe { sys::virDomainAbortJob(self.as_ptr()) };
        if answer == 0 {
            return Ok(AbortAnswer::Aborted);
        }
        let error = self.last_error("abort the job of");
        if error.is_no_domain() {
            return Ok(AbortAnswer::NoJob);
        }
        // "No job" and "cannot abort this job" have the same code; whether there is a job tells them apart.
        if error.is_operation_invalid() && matches!(self.job_stats(), Ok(None)) {
            return Ok(AbortAnswer::NoJob);
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestHost, domain_xml};
    use super::*;

    #[test]
    fn flags_are_what_was_chosen() {
        assert_eq!(Migration::default().flags(), 0);
        let all = Migration {
            live: true,
            persist_dest: true,
            undefine_source: true,
            post_copy: true,
            auto_converge: true,
            compressed: true,
            peer_to_peer: Some("qemu+ssh://target/system".to_owned()),
            bandwidth_mib: Some(32),
            post_copy_bandwidth_mib: Some(64),
            migrate_uri: Some("tcp://198.18.0.12".to_owned()),
        };
        assert_eq!(all.flags(), 1 | 8 | 16 | 32_768 | 8_192 | 2_048 | 2);
        let parameters = all.parameters().unwrap();
        assert_eq!((parameters.bandwidth, parameters.bandwidth_postcopy), (Some(32), Some(64)));
        assert_eq!(parameters.compression.as_deref(), Some("xbzrle"));
        assert_eq!(parameters.uri.as_deref(), Some("tcp://198.18.0.12"));
    }

    #[test]
    fn a_refused_migration_names_both_hosts() {
        let (source, target) = (TestHost::new("source"), TestHost::new("target"));
        let vm = source.create(&domain_xml("vm1")).unwrap();
        let text = vm.migrate(&target, &Migration::default()).unwrap_err().to_string();
        assert!(text.starts_with("migrate vm1 on source to target: "), "{text}");
        let nul = Migration { migrate_uri: Some("tcp://\0".to_owned()), ..Migration::default() };
        let text = vm.migrate(&target, &nul).unwrap_err().to_string();
        assert!(text.contains("has a zero byte"), "{text}");
    }

    #[test]
    fn what_the_driver_cannot_do_is_an_error_not_an_answer() {
        let host = TestHost::new("source");
        let vm = host.create(&domain_xml("vm1")).unwrap();
        assert!(vm.start_post_copy().unwrap_err().is_no_support());
        let error = vm.abort_job().unwrap_err();
        assert!(error.is_no_support(), "{error}");
        assert!(error.to_string().starts_with("abort the job of vm1 on source: "), "{error}");
    }
}
