//! A lasting connection to the libvirt daemon of one host.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use virt::connect::Connect;

use super::hub::Hub;
use super::wire::{GOODBYE_LIMIT, Turn, Wire};
use super::wires::Wires;
use super::{Error, Libvirt, Result, Version};
use crate::sys::bounded;

/// How long a call may take. libvirtd itself waits 30 s for the job lock of a domain, and its answer to that should arrive.
/// A longer call hangs: on QEMU's monitor after a guest's storage has died, on a stopped daemon, or on a dead host that
/// keepalive has not noticed yet.
const CALL_LIMIT: Duration = Duration::from_secs(40);

/// How long a call may take after one that had no answer within [`CALL_LIMIT`], until any call is answered again: whoever asks a host that
/// hangs ten questions should not wait ten times.
const SILENT_LIMIT: Duration = Duration::from_secs(5);

/// How many calls may be under way at a host at the same time; one more waits for its turn.
const MOST_WIRES: usize = 4;

/// A connection to one host, of one wire or several. Clones share it; the last of them closes it.
///
/// No call blocks its caller without end: each runs in a thread of its own, which the caller abandons at the deadline.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    wires: Wires,
    host: Arc<str>,
    uri: String,
    libvirt: Libvirt,
    hub: Hub,
    /// Whether the last call had no answer within its limit.
    silent: AtomicBool,
}

impl Libvirt {
    /// Opens a read-write connection with keepalive.
    ///
    /// Events and errors of this connection name the host by `host_label`: `source`, `target`.
    ///
    /// # Errors
    ///
    /// The transport, the login or the daemon fails; libvirt's message quotes what ssh wrote.
    pub fn connect(&self, uri: &str, host_label: &str) -> Result<Connection> {
        Connection::open(self, uri, host_label)
    }
}

impl Connection {
    fn open(libvirt: &Libvirt, uri: &str, host_label: &str) -> Result<Connection> {
        // libvirt's test driver makes another host for each connection.
        let most_wires = if uri.starts_with("test:") { 1 } else { MOST_WIRES };
        Connection::of_wires(libvirt, uri, host_label, most_wires)
    }

    fn of_wires(libvirt: &Libvirt, uri: &str, host_label: &str, most_wires: usize) -> Result<Connection> {
        const OPERATION: &str = "connect";
        let host: Arc<str> = host_label.into();
        // `Connect::open` panics at a zero byte.
        if uri.contains('\0') {
            return Err(Error::invalid(OPERATION, "the URI has a zero byte").on(&host));
        }
        let (address, label, library) = (uri.to_owned(), Arc::clone(&host), libvirt.clone());
        let dial = move || Wires::open(address, label, library, most_wires);
        let limit = CALL_LIMIT * libvirt.slowness();
        let opened = bounded::answer(limit, libvirt.stop(), dial);
        let wires = opened.unwrap_or_else(|| Err(Error::no_answer(OPERATION, limit).on(&host)))?;
        Ok(Connection {
            inner: Arc::new(Inner {
                wires,
                hub: Hub::new(&host),
                host,
                uri: uri.to_owned(),
                libvirt: libvirt.clone(),
                silent: AtomicBool::new(false),
            }),
        })
    }

    /// The host's label, as given when the connection was opened.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    pub(super) fn host_arc(&self) -> &Arc<str> {
        &self.inner.host
    }

    /// Makes a call over any wire, and waits for its answer no longer than [`CALL_LIMIT`], or [`SILENT_LIMIT`] after a call without an
    /// answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&Exchange) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = self.clone();
        self.bounded(operation, move |deadline| call(&connection.exchange(operation, deadline)?))
    }

    /// [`Connection::ask`] over the wire that has the events.
    pub(super) fn ask_first<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&Exchange) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = self.clone();
        self.bounded(operation, move |deadline| call(&connection.first_exchange(operation, deadline)?))
    }

    /// Makes a last call over the wire that has the events before these end, and waits no longer than [`GOODBYE_LIMIT`].
    pub(super) fn take_leave(&self, leave: impl FnOnce(&Exchange) + Send + 'static) {
        let connection = self.clone();
        let deadline = Instant::now() + GOODBYE_LIMIT;
        let _ = bounded::answer(GOODBYE_LIMIT, self.inner.libvirt.stop(), move || {
            connection.first_exchange("end the events", deadline).map(|asked| leave(&asked))
        });
    }

    /// Does work that makes a call, in a thread that is abandoned at the deadline.
    pub(super) fn bounded<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(Instant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (connection, limit) = (self.clone(), self.call_limit());
        let deadline = Instant::now() + limit;
        let answer = bounded::answer(limit, self.inner.libvirt.stop(), move || {
            let answer = work(deadline);
            // A late answer counts as well; one that was waited for in vain is none.
            if !answer.as_ref().is_err_and(Error::is_timeout) {
                connection.inner.silent.store(false, Ordering::Relaxed);
            }
            answer
        });
        answer.unwrap_or_else(|| {
            self.inner.silent.store(true, Ordering::Relaxed);
            Err(self.no_answer(operation, limit))
        })
    }

    pub(super) fn call_limit(&self) -> Duration {
        let limit = if self.inner.silent.load(Ordering::Relaxed) { SILENT_LIMIT } else { CALL_LIMIT };
        limit * self.inner.libvirt.slowness()
    }

    fn no_answer(&self, operation: &'static str, limit: Duration) -> Error {
        Error::no_answer(operation, limit).on(&self.inner.host)
    }

    fn first_exchange(&self, operation: &'static str, deadline: Instant) -> Result<Exchange> {
        self.over(operation, || self.inner.wires.take_first(deadline))
    }

    /// A call's hold on a wire of its own.
    pub(super) fn exchange(&self, operation: &'static str, deadline: Instant) -> Result<Exchange> {
        self.over(operation, || self.inner.wires.take(deadline))
    }

    fn over(&self, operation: &'static str, take: impl FnOnce() -> Option<Turn>) -> Result<Exchange> {
        let begin = Instant::now();
        match take() {
            Some(turn) => Ok(Exchange { connection: self.clone(), turn }),
            None => Err(self.no_answer(operation, begin.elapsed())),
        }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// The URI of this connection.
    pub fn uri(&self) -> &str {
        &self.inner.uri
    }

    /// Whether the transport is up and the daemon answers keepalive. This makes no call: a dead host shows up to 130 s
    /// later.
    pub fn is_alive(&self) -> bool {
        self.inner.wires.first.is_open()
    }

    /// Version of the client library in this process.
    pub fn library_version(&self) -> Result<Version> {
        self.inner.libvirt.library_version()
    }

    /// Version of the libvirt daemon on the host.
    pub fn daemon_version(&self) -> Result<Version> {
        const OPERATION: &str = "read the version of the daemon";
        self.ask(OPERATION, |asked| {
            asked.raw().lib_version().map(Version::decode).map_err(asked.failed(OPERATION))
        })
    }

    /// Version of the hypervisor that the daemon would start; for QEMU, of the default emulator.
    pub fn hypervisor_version(&self) -> Result<Version> {
        const OPERATION: &str = "read the version of the hypervisor";
        self.ask(OPERATION, |asked| {
            asked.raw().hyp_version().map(Version::decode).map_err(asked.failed(OPERATION))
        })
    }

    /// Converts an error of the `virt` crate into ours.
    pub(super) fn failed(&self, operation: &'static str) -> impl Fn(virt::error::Error) -> Error {
        move |e| Error::new(operation, &e).on(&self.inner.host)
    }
}

/// A connection during one call, with the wire that the call has.
pub(super) struct Exchange {
    connection: Connection,
    turn: Turn,
}

impl Exchange {
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn wire(&self) -> &Arc<Wire> {
        self.turn.wire()
    }

    pub fn raw(&self) -> &Connect {
        self.turn.raw()
    }

    pub fn failed(&self, operation: &'static str) -> impl Fn(virt::error::Error) -> Error {
        self.connection.failed(operation)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("host", &self.host()).field("uri", &self.uri()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Domain;
    use super::super::testing::{TestHost, domain_xml};
    use super::super::wires::PATIENCE;
    use super::*;

    fn shared<T: Clone + Send + Sync>() {}

    #[test]
    fn handles_are_shared_between_threads() {
        shared::<Connection>();
        shared::<Domain>();
    }

    #[test]
    fn the_default_test_host_answers() {
        let libvirt = Libvirt::start().unwrap();
        let host = libvirt.connect("test:///default", "source").unwrap();
        assert_eq!((host.host(), host.uri()), ("source", "test:///default"));
        assert!(host.is_alive());
        assert_eq!(host.daemon_version().unwrap(), host.library_version().unwrap());
        assert!(host.hypervisor_version().unwrap() > Version::new(0, 0, 0));
        assert_eq!(format!("{host:?}"), r#"Connection { host: "source", uri: "test:///default" }"#);
    }

    #[test]
    fn a_host_that_was_silent_is_waited_for_less_until_it_answers() {
        let host = TestHost::new("source");
        assert_eq!(host.call_limit(), CALL_LIMIT);
        host.inner.silent.store(true, Ordering::Relaxed);
        assert_eq!(host.clone().call_limit(), SILENT_LIMIT);
        assert!(host.domains().unwrap().is_empty());
        assert_eq!(host.call_limit(), CALL_LIMIT);
    }

    #[test]
    fn a_call_waits_for_its_turn() {
        let host = TestHost::new("source");
        let turn = host.inner.wires.first.take().unwrap();
        assert!(host.inner.wires.first.take().is_none(), "one call has the wire");
        // Longer than it waits before it would open another wire.
        let without = host.exchange("list domains", Instant::now() + 2 * PATIENCE);
        assert!(without.is_err(), "the call goes on without its turn");
        let asked = host.clone();
        let asks = thread::spawn(move || asked.domains());
        drop(turn);
        assert!(asks.join().unwrap().unwrap().is_empty());
        assert!(host.inner.wires.first.take().is_some(), "the call gave it back");
    }

    #[test]
    fn a_call_that_waits_in_vain_says_so() {
        let host = TestHost::new("source");
        let _turn = host.inner.wires.first.take().unwrap();
        let error = host.exchange("list domains", Instant::now()).err().unwrap();
        assert!(error.to_string().contains("no answer within 0 s"), "{error}");
    }

    /// `test:///default` is the same host over each of its wires.
    #[test]
    fn overlapping_calls_have_wires_of_their_own() {
        let libvirt = Libvirt::start().unwrap();
        let host = Connection::of_wires(&libvirt, "test:///default", "source", 2).unwrap();
        let domain = host.domain("test").unwrap().unwrap();
        let wires = || host.inner.wires.count();
        assert!(domain.is_active().unwrap() && wires() == 1, "calls that follow each other share a wire");
        let first = host.inner.wires.first.take().unwrap();
        assert_eq!(host.domain("test").unwrap().unwrap().uuid(), domain.uuid());
        assert!(domain.is_active().unwrap(), "the domain is asked over the other wire");
        assert_eq!(wires(), 2);
        drop(first);
        assert!(domain.is_active().unwrap() && wires() == 2);
    }

    #[test]
    fn lists_active_and_inactive_by_name() {
        let host = TestHost::new("source");
        host.create(&domain_xml("vm2")).unwrap();
        host.define(&domain_xml("vm1")).unwrap();
        let list: Vec<_> =
            host.domains().unwrap().into_iter().map(|d| (d.name, d.active, d.state.to_string())).collect();
        assert_eq!(
            list,
            [
                ("vm1".to_owned(), false, "shut off (unknown)".to_owned()),
                ("vm2".to_owned(), true, "running (booted)".to_owned()),
            ]
        );
    }

    #[test]
    fn a_suspended_domain_is_active_and_does_not_run() {
        let host = TestHost::new("source");
        host.define(&domain_xml("vm1")).unwrap();
        let vm2 = host.create(&domain_xml("vm2")).unwrap();
        assert_eq!(host.running().unwrap(), ["vm2"]);
        vm2.suspend().unwrap();
        assert_eq!(host.active().unwrap(), ["vm2"]);
        assert!(host.running().unwrap().is_empty());
    }

    #[test]
    fn a_domain_that_is_not_there_is_none() {
        let host = TestHost::new("source");
        assert!(host.domain("nobody").unwrap().is_none());
        host.define(&domain_xml("vm1")).unwrap();
        assert_eq!(host.domain("vm1").unwrap().unwrap().name(), "vm1");
    }

    #[test]
    fn errors_name_the_host_and_the_number() {
        let libvirt = Libvirt::start().unwrap();
        let error = libvirt.connect("qemu+unix:///system?socket=/nowhere", "target").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("connect on target: "), "{text}");
        assert!(text.contains("/nowhere") && text.ends_with("(VIR_ERR_SYSTEM_ERROR, 38)"), "{text}");

        let error = libvirt.connect("test:///\0", "target").unwrap_err();
        assert_eq!(error.to_string(), "connect on target: the URI has a zero byte (VIR_ERR_INVALID_ARG, 8)");

        let host = TestHost::new("source");
        let text = host.define("<domain").unwrap_err().to_string();
        assert!(text.starts_with("define a domain on source: "), "{text}");
        assert!(host.domain("a\0b").unwrap_err().to_string().starts_with("look up a"));
    }
}
