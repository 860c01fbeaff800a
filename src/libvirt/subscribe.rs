//! Receives events: the callbacks for libvirt's event loop.
//!
//! libvirt refuses the same callback for the same event twice on one connection ("event callback already tracked"). So a
//! connection registers once, while it has subscriptions, and passes each event to all of them.

use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{fmt, mem, ptr};

use virt_sys as sys;

use super::connection::Exchange;
use super::hub::{EventSink, Receiver, Registered, lock};
use super::{Connection, Error, EventKind, HostEvent, JobStats, Result, params};

/// A subscription to events, until it is dropped.
///
/// After the drop no new event enters the sink; one that is being delivered at that moment may still come out. The drop may
/// call the daemon, so it must not happen in a sink.
#[must_use = "events stop when the subscription is dropped"]
pub struct Subscription {
    connection: Connection,
    id: u64,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("host", &self.connection.host()).finish()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The sink is not our code, so its drop happens outside the lock that the event loop takes.
        let sink = lock(&self.connection.hub().receiver.sinks).remove(&self.id);
        drop(sink);
        self.connection.take_leave(deregister_unused);
    }
}

/// Ends the events if nobody has subscribed to them any more.
fn deregister_unused(asked: &Exchange) {
    let hub = asked.connection().hub();
    // This lock lasts to the end, so that a new subscription finds the callbacks either registered or gone.
    let mut registered = lock(&hub.registered);
    if lock(&hub.receiver.sinks).is_empty() {
        deregister(asked, &mut registered.callbacks);
    }
}

impl Connection {
    /// Sends the lifecycle, reboot, migration-iteration and job-completed events of all domains of this host to `sink`,
    /// until the subscription is dropped. A connection may have several subscriptions; each gets every event.
    ///
    /// `sink` also gets events from shortly before the subscription: libvirt queues events, and looks for receivers when it
    /// delivers them. Take [`HostEvent::at`] and the domain into account, not only the kind.
    ///
    /// `sink` runs on the event loop's thread, which serves all connections: it must pass the event on (through a channel)
    /// and return. It must not call libvirt, which would wait for the blocked loop, and so must not drop the last clone of
    /// a connection or a [`Subscription`]. A panic in `sink` is swallowed.
    pub fn subscribe(&self, sink: impl Fn(HostEvent) + Send + Sync + 'static) -> Result<Subscription> {
        let sink = Arc::new(sink);
        self.ask_first("subscribe to events", move |asked| subscribe(asked, sink))
    }
}

fn subscribe(asked: &Exchange, sink: EventSink) -> Result<Subscription> {
    let connection = asked.connection();
    let hub = connection.hub();
    let mut registered = lock(&hub.registered);
    if registered.callbacks.is_empty() {
        let Registered { callbacks, .. } = &mut *registered;
        if let Err(error) = register(asked, &hub.receiver, callbacks) {
            deregister(asked, callbacks);
            return Err(error);
        }
    }
    let id = registered.next_id;
    registered.next_id += 1;
    lock(&hub.receiver.sinks).insert(id, sink);
    Ok(Subscription { connection: connection.clone(), id })
}

fn deregister(asked: &Exchange, callbacks: &mut Vec<c_int>) {
    for callback in callbacks.drain(..) {
        // A failure means that the connection is gone, and its events with it: libvirt forgets the callback before it tells
        // the daemon.
        //
        // SAFETY: the connection is valid; the number came from a registration on it, and is given back once.
        unsafe { sys::virConnectDomainEventDeregisterAny(asked.raw().as_ptr(), callback) };
    }
}

/// Registers for all events, and adds libvirt's numbers to `callbacks` until one registration fails.
fn register(asked: &Exchange, receiver: &Arc<Receiver>, callbacks: &mut Vec<c_int>) -> Result<()> {
    let mut add = |id: sys::virDomainEventID, callback: Generic| {
        let opaque = Arc::into_raw(receiver.clone()).cast::<c_void>().cast_mut();
        // SAFETY: the connection is valid; a null domain means all of them; `callback` has the signature that libvirt
        // documents for `id`; `opaque` is an `Arc<Receiver>` that stays alive until libvirt hands it to `release`.
        let number = unsafe {
            sys::virConnectDomainEventRegisterAny(
                asked.raw().as_ptr(),
                ptr::null_mut(),
                id as c_int,
                Some(callback),
                opaque,
                Some(release),
            )
        };
        if number < 0 {
            let error = Error::last("subscribe to events").on(asked.connection().host_arc());
            // SAFETY: libvirt calls the free function for registered callbacks only, so the share of a failed one is still
            // ours.
            drop(unsafe { Arc::from_raw(opaque.cast_const().cast::<Receiver>()) });
            return Err(error);
        }
        callbacks.push(number);
        Ok(())
    };

    // SAFETY: these are function pointers of one size; libvirt casts each back to the type of its event number before the
    // call (as its VIR_DOMAIN_EVENT_CALLBACK expects).
    let lifecycle = unsafe { mem::transmute::<Lifecycle, Generic>(on_lifecycle) };
    // SAFETY: as above.
    let iteration = unsafe { mem::transmute::<Iteration, Generic>(on_iteration) };
    // SAFETY: as above.
    let completed = unsafe { mem::transmute::<Completed, Generic>(on_completed) };
    add(sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle)?;
    add(sys::VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot)?;
    add(sys::VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, iteration)?;
    add(sys::VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, completed)
}

type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
type Lifecycle =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
type Iteration = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, *mut c_void);
type Completed = unsafe extern "C" fn(
    sys::virConnectPtr,
    sys::virDomainPtr,
    sys::virTypedParameterPtr,
    c_int,
    *mut c_void,
);

/// Gives the receiver's share of one registration back.
unsafe extern "C" fn release(opaque: *mut c_void) {
    // SAFETY: `opaque` is the `Arc<Receiver>` of one registration, and libvirt releases each registration once.
    let receiver = unsafe { Arc::from_raw(opaque.cast_const().cast::<Receiver>()) };
    // The last share may drop sinks, which are not our code. No panic may cross into libvirt.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
}

unsafe extern "C" fn on_lifecycle(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt passes a valid domain and the `opaque` of the registration.
    unsafe { deliver(domain, opaque, || EventKind::lifecycle(event, detail)) };
    // libvirt ignores this value.
    0
}

unsafe extern "C" fn on_reboot(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe { deliver(domain, opaque, || EventKind::Rebooted) };
}

unsafe extern "C" fn on_iteration(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    iteration: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe { deliver(domain, opaque, || EventKind::MigrationIteration(iteration)) };
}

unsafe extern "C" fn on_completed(
    _connection: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    params: sys::virTypedParameterPtr,
    count: c_int,
    opaque: *mut c_void,
) {
    let kind = || {
        // SAFETY: libvirt passes `count` filled parameters, which it keeps and frees after the callback.
        let params = unsafe { params::copy(params, count) };
        EventKind::JobCompleted(Box::new(JobStats::decode(params)))
    };
    // SAFETY: as in `on_lifecycle`.
    unsafe { deliver(domain, opaque, kind) };
}

/// Delivers one event to the receiver.
///
/// # Safety
///
/// `domain` is valid during the call, and `opaque` is the `Arc<Receiver>` of a registration that is not released.
unsafe fn deliver(domain: sys::virDomainPtr, opaque: *mut c_void, kind: impl FnOnce() -> EventKind) {
    // A panic that unwinds into C is undefined behaviour, and nobody on this thread could hear of it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: valid by the caller's promise; this only borrows, and the registration keeps its share.
        let receiver = unsafe { &*opaque.cast_const().cast::<Receiver>() };
        // This is the only call of libvirt in a callback: it just reads a field of the handle.
        //
        // SAFETY: the domain is valid by the caller's promise.
        let name = unsafe { sys::virDomainGetName(domain) };
        if name.is_null() {
            return;
        }
        // SAFETY: the name is a C string that lives as long as the domain.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        receiver.receive(name, kind());
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::Duration;

    use super::super::testing::{TestHost, domain_xml};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn events_arrive_in_order_until_the_drop() {
        let host = TestHost::new("source");
        let (sender, receiver) = mpsc::channel();
        let subscription = host.subscribe(move |event| drop(sender.send(event))).unwrap();
        let vm = host.define(&domain_xml("vm1")).unwrap();
        vm.start().unwrap();
        vm.suspend().unwrap();
        vm.resume().unwrap();
        vm.destroy().unwrap();
        for wanted in [
            "defined (added)",
            "started (booted)",
            "suspended (paused)",
            "resumed (unpaused)",
            "stopped (destroyed)",
        ] {
            let event = receiver.recv_timeout(PATIENCE).unwrap();
            assert_eq!((&*event.host, event.domain.as_str()), ("source", "vm1"));
            assert_eq!(event.kind.to_string(), wanted);
            assert!(event.at.elapsed() < PATIENCE);
        }
        drop(subscription);
        vm.start().unwrap();
        // libvirt frees the sink, and the sender with it: the channel closes by itself.
        assert_eq!(receiver.recv_timeout(PATIENCE).map(|_| ()), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn two_subscriptions_do_not_disturb_each_other() {
        let host = TestHost::new("source");
        let (first, first_receiver) = mpsc::channel();
        let (second, second_receiver) = mpsc::channel();
        let one = host.subscribe(move |event| drop(first.send(event))).unwrap();
        let two = host.subscribe(move |event| drop(second.send(event))).unwrap();
        assert_eq!(format!("{one:?}"), r#"Subscription { host: "source" }"#);
        drop(one);
        let vm = host.create(&domain_xml("vm1")).unwrap();
        assert!(second_receiver.recv_timeout(PATIENCE).is_ok());
        assert!(first_receiver.recv_timeout(PATIENCE).is_err());
        vm.destroy().unwrap();
        // Without this wait, an event on its way would reach the next subscription.
        assert!(second_receiver.recv_timeout(PATIENCE).is_ok());
        drop(two);
        // A subscription works again after the last one is gone.
        let (third, third_receiver) = mpsc::channel();
        let _three = host.subscribe(move |event| drop(third.send(event))).unwrap();
        host.create(&domain_xml("vm2")).unwrap();
        assert_eq!(third_receiver.recv_timeout(PATIENCE).unwrap().domain, "vm2");
    }

    /// The test driver takes `virDomainReboot` and `virDomainReset` but sends no reboot event for them (`testDomainReboot`
    /// in `src/test/test_driver.c` sends at most a stop event). So this test makes libvirt's call itself; it does not prove
    /// that the callback is registered for the right event.
    #[test]
    fn a_reboot_is_delivered() {
        let host = TestHost::new("source");
        let (sender, receiver) = mpsc::channel();
        let _subscription = host.subscribe(move |event| drop(sender.send(event))).unwrap();
        let vm = host.create(&domain_xml("vm1")).unwrap();
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().kind.to_string(), "started (booted)");
        let opaque = Arc::as_ptr(&host.hub().receiver).cast_mut().cast::<c_void>();
        // SAFETY: `vm` and the host's receiver outlive the call, which only borrows them; the connection is not used.
        unsafe { on_reboot(ptr::null_mut(), vm.as_ptr(), opaque) };
        let event = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!((&*event.host, event.domain.as_str()), ("source", "vm1"));
        assert_eq!(event.kind, EventKind::Rebooted);
        assert_eq!(event.kind.to_string(), "rebooted");
    }

    #[test]
    fn a_panic_in_the_sink_stays_there() {
        let host = TestHost::new("source");
        let (sender, receiver) = mpsc::channel();
        let _subscription = host
            .subscribe(move |event| {
                let first = event.kind.to_string().starts_with("started");
                sender.send(event).unwrap();
                assert!(!first, "on purpose");
            })
            .unwrap();
        let vm = host.create(&domain_xml("vm1")).unwrap();
        vm.destroy().unwrap();
        let texts: Vec<_> =
            (0..2).map(|_| receiver.recv_timeout(PATIENCE).unwrap().kind.to_string()).collect();
        assert_eq!(texts, ["started (booted)", "stopped (destroyed)"]);
    }
}
