//! One domain on one host.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use virt_sys as sys;

use super::connection::Exchange;
use super::wire::Wire;
use super::{Connection, DomainState, Error, MARK_NAMESPACE, Mark, Result};

/// A domain as one host knows it, for reading only; an [`OurDomain`](super::OurDomain) can also be changed. Clones share
/// the handle.
///
/// The handle outlives the domain: once the domain has left the host (its migration undefined it there), every call answers
/// [`Error::is_no_domain`].
#[derive(Clone)]
pub struct Domain {
    inner: Arc<Inner>,
}

struct Inner {
    // Fields drop in order, and the domain must go before the wire that it belongs to.
    domain: virt::domain::Domain,
    wire: Arc<Wire>,
    name: Arc<str>,
    uuid: String,
    connection: Connection,
}

impl Domain {
    /// Takes over a handle that the `virt` crate made on this wire.
    pub(super) fn adopt(asked: &Exchange, domain: virt::domain::Domain) -> Result<Domain> {
        let connection = asked.connection();
        // libvirt reads both from the handle itself, without a call to the daemon.
        let name = domain.name().map_err(connection.failed("read the name of a domain"))?;
        let uuid = domain.uuid_string().map_err(connection.failed("read the UUID of a domain"))?;
        Ok(Domain {
            inner: Arc::new(Inner {
                domain,
                wire: Arc::clone(asked.wire()),
                name: name.into(),
                uuid,
                connection: connection.clone(),
            }),
        })
    }

    /// The domain's name, the same on every host.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The domain's UUID as text, the same on every host.
    pub fn uuid(&self) -> &str {
        &self.inner.uuid
    }

    /// The connection to the host of this handle.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// The domain's state on this host.
    pub fn state(&self) -> Result<DomainState> {
        const OPERATION: &str = "read the state of";
        self.ask(OPERATION, |asked| {
            let (mut state, mut reason) = (0, 0);
            // SAFETY: the handle is valid as long as `asked`; both pointers are to live integers.
            let answer = unsafe { sys::virDomainGetState(asked.as_ptr(), &mut state, &mut reason, 0) };
            if answer < 0 {
                return Err(asked.last_error(OPERATION));
            }
            Ok(DomainState::from_raw(state, reason))
        })
    }

    /// Whether the domain has a hypervisor process on this host, running or paused.
    pub fn is_active(&self) -> Result<bool> {
        self.call("ask whether active", |domain| domain.is_active())
    }

    /// Whether the domain has a definition on this host that outlives its stop.
    pub fn is_persistent(&self) -> Result<bool> {
        self.call("ask whether persistent", |domain| domain.is_persistent())
    }

    /// Boots the domain.
    pub(super) fn start(&self) -> Result<()> {
        self.call("start", |domain| domain.create())
    }

    /// Powers the domain off at once, like pulling the plug. An inactive domain is an error
    /// ([`Error::is_operation_invalid`]).
    pub(super) fn destroy(&self) -> Result<()> {
        self.call("destroy", |domain| domain.destroy())
    }

    /// Removes the domain's definition, with libvirt's files beside it (managed save, snapshot metadata, variables of UEFI). A running domain
    /// goes on as a transient one.
    pub(super) fn undefine(&self) -> Result<()> {
        // Without these flags libvirt refuses a domain that has one of them, and an undo must not be refused.
        let mut flags = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        // Not every driver of libvirt knows this flag.
        if self.inactive_xml()?.contains("<nvram") {
            flags |= sys::VIR_DOMAIN_UNDEFINE_NVRAM;
        }
        self.call("undefine", move |domain| domain.undefine_flags(flags))
    }

    /// Presses the domain's reset button: the guest reboots without a warning.
    pub(super) fn reset(&self) -> Result<()> {
        self.call("reset", |domain| domain.reset())
    }

    /// Stops the domain's CPUs.
    pub(super) fn suspend(&self) -> Result<()> {
        self.call("suspend", |domain| domain.suspend())
    }

    /// Lets the domain's CPUs run on.
    pub(super) fn resume(&self) -> Result<()> {
        self.call("resume", |domain| domain.resume())
    }

    /// Sets QEMU's downtime-limit, in milliseconds: how long the guest may stand still at the end of a migration. QEMU
    /// considers no guest converged whose remaining memory takes longer to send.
    pub(super) fn set_max_downtime(&self, milliseconds: u64) -> Result<()> {
        self.call("set the maximum downtime of", move |domain| {
            domain.migrate_set_max_downtime(milliseconds, 0)
        })
    }

    /// Sets the bandwidth of the domain's migrations, of one under way, too, in MiB/s; without a number, QEMU's driver's
    /// own, which is the largest that QEMU takes.
    pub(super) fn set_max_speed(&self, mib: Option<u64>) -> Result<()> {
        /// libvirt's QEMU_DOMAIN_MIG_BANDWIDTH_MAX (src/qemu/qemu_domain.h).
        const MAX: u64 = i64::MAX as u64 / (1024 * 1024);
        let mib = mib.unwrap_or(MAX);
        self.call("set the migration bandwidth of", move |domain| domain.migrate_set_max_speed(mib, 0))
    }

    /// The domain's XML: the live one of an active domain, otherwise its definition.
    pub fn xml(&self) -> Result<String> {
        self.call("read the XML of", |domain| domain.xml_desc(0))
    }

    /// The XML from which libvirt starts the domain next: its persistent definition, without the parts that only a running
    /// guest has. For a transient domain it is the live XML, as libvirt would start it again.
    pub fn inactive_xml(&self) -> Result<String> {
        self.call("read the inactive XML of", |domain| domain.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE))
    }

    /// Whether the host starts the domain at boot. libvirt keeps this setting on each host separately, and no migration
    /// carries it.
    pub fn autostarts(&self) -> Result<bool> {
        self.call("ask whether its host autostarts", |domain| domain.autostart())
    }

    /// The number of the domain's snapshots on this host. They are in no XML, and libvirt migrates no domain that has one.
    pub fn snapshots(&self) -> Result<u32> {
        self.call("count the snapshots of", |domain| domain.num_snapshots(0))
    }

    /// multivm's mark on the domain; none without one.
    pub fn mark(&self) -> Result<Option<Mark>> {
        Ok(self.mark_element()?.as_deref().and_then(Mark::parse))
    }

    /// The element of the domain's metadata that has the mark's XML namespace; none without one.
    pub(super) fn mark_element(&self) -> Result<Option<String>> {
        let kind = sys::VIR_DOMAIN_METADATA_ELEMENT as i32;
        let read = move |domain: &virt::domain::Domain| {
            domain.metadata(kind, Some(MARK_NAMESPACE), sys::VIR_DOMAIN_AFFECT_CURRENT)
        };
        match self.call("read the mark of", read) {
            Ok(element) => Ok(Some(element)),
            Err(error) if error.is_no_metadata() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a call for this domain, and waits for its answer no longer than [`Connection::ask`] does.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&Domain) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let domain = self.clone();
        let ask = move |deadline| domain.with_turn(operation, deadline, call);
        self.connection().bounded(operation, ask).map_err(|error| match error.domain {
            Some(_) => error,
            None => self.named(error),
        })
    }

    /// Does work with the domain over its own wire, or over another one while that is busy.
    pub(super) fn with_turn<T>(
        &self,
        operation: &'static str,
        deadline: Instant,
        work: impl FnOnce(&Domain) -> Result<T>,
    ) -> Result<T> {
        if let Some(turn) = self.inner.wire.take()
            && turn.is_open()
        {
            return work(self);
        }
        let asked = self.connection().exchange(operation, deadline)?;
        let same = asked.raw().lookup_domain_by_uuid_string(self.uuid());
        work(&Domain::adopt(&asked, same.map_err(self.failed(operation))?)?)
    }

    /// Makes a call of the `virt` crate like [`Domain::ask`].
    fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&virt::domain::Domain) -> std::result::Result<T, virt::error::Error> + Send + 'static,
    ) -> Result<T> {
        self.ask(operation, move |asked| call(asked.raw()).map_err(asked.failed(operation)))
    }

    pub(super) fn raw(&self) -> &virt::domain::Domain {
        &self.inner.domain
    }

    /// The C handle, valid as long as `self`.
    pub(super) fn as_ptr(&self) -> sys::virDomainPtr {
        // SAFETY: this only copies the pointer; its users keep `self` meanwhile.
        unsafe { self.inner.domain.as_ptr() }
    }

    pub(super) fn failed(&self, operation: &'static str) -> impl Fn(virt::error::Error) -> Error {
        move |e| self.named(Error::new(operation, &e))
    }

    /// The error of the C function that this thread has just called.
    pub(super) fn last_error(&self, operation: &'static str) -> Error {
        self.named(Error::last(operation))
    }

    pub(super) fn named(&self, error: Error) -> Error {
        error.of(&self.inner.name).on(self.connection().host_arc())
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Domain").field("name", &self.name()).field("host", &self.connection().host()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::StateKind;
    use super::super::testing::{TestHost, domain_xml};

    #[test]
    fn a_whole_life() {
        let host = TestHost::new("source");
        let vm = host.define(&domain_xml("vm1")).unwrap();
        assert_eq!((vm.name(), vm.uuid().len()), ("vm1", 36));
        assert!(vm.is_persistent().unwrap());
        assert!(!vm.is_active().unwrap());
        vm.start().unwrap();
        assert_eq!(vm.state().unwrap().to_string(), "running (booted)");
        vm.suspend().unwrap();
        assert_eq!(vm.state().unwrap().to_string(), "paused (user)");
        vm.resume().unwrap();
        assert!(vm.state().unwrap().is_running());
        assert!(vm.xml().unwrap().contains("<domain type='test' id="), "{}", vm.xml().unwrap());
        assert!(vm.inactive_xml().unwrap().starts_with("<domain type='test'>"));
        assert!(!vm.autostarts().unwrap());
        vm.destroy().unwrap();
        assert_eq!(vm.state().unwrap().kind, StateKind::ShutOff);
        vm.undefine().unwrap();
        assert!(host.domain("vm1").unwrap().is_none());
    }

    #[test]
    fn a_snapshot_is_counted_and_goes_with_the_definition() {
        let host = TestHost::new("source");
        let vm = host.define(&domain_xml("vm1")).unwrap();
        assert_eq!(vm.snapshots().unwrap(), 0);
        vm.raw().create_snapshot_xml("<domainsnapshot><name>left</name></domainsnapshot>", 0).unwrap();
        assert_eq!(vm.snapshots().unwrap(), 1);
        vm.undefine().unwrap();
        assert!(host.domain("vm1").unwrap().is_none());
    }

    #[test]
    fn a_domain_that_left_says_so() {
        let host = TestHost::new("source");
        let vm = host.create(&domain_xml("vm1")).unwrap();
        assert!(!vm.is_persistent().unwrap());
        vm.destroy().unwrap();
        let error = vm.state().unwrap_err();
        assert!(error.is_no_domain(), "{error}");
        assert!(error.to_string().starts_with("read the state of vm1 on source: "), "{error}");
        assert!(vm.is_active().unwrap_err().is_no_domain());
    }

    #[test]
    fn what_does_not_fit_the_state_is_refused() {
        let host = TestHost::new("source");
        let vm = host.define(&domain_xml("vm1")).unwrap();
        let error = vm.destroy().unwrap_err();
        assert!(error.is_operation_invalid(), "{error}");
        assert!(error.to_string().ends_with("(VIR_ERR_OPERATION_INVALID, 55)"), "{error}");
    }
}
