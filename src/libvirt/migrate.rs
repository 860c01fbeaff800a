//! Migrates a domain, switches it to post-copy, and aborts its job.

use std::ffi::{CStr, CString};
use std::fmt;
use std::time::Instant;

use virt_sys as sys;

use super::params::Parameters;
use super::{Connection, Domain, Result, Version};

/// The options of a migration. [`Migration::default`] is `virsh migrate` without options: not live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migration {
    /// The guest keeps running during the migration.
    pub live: bool,
    /// Define the domain on the destination persistently.
    pub persist_dest: bool,
    /// Allow the switch to post-copy, which only [`OurDomain::start_post_copy`](super::OurDomain::start_post_copy) orders.
    pub post_copy: bool,
    /// Throttle the guest's CPUs when it dirties memory faster than QEMU can send it.
    pub auto_converge: bool,
    /// Send changed pages as differences (XBZRLE).
    pub compressed: bool,
    /// Number of parallel connections for the memory (QEMU's multifd). None: all memory goes over the main connection.
    pub parallel_connections: Option<u16>,
    /// Where the destination's QEMU receives, `tcp://ADDRESS`. None: libvirt tells the source the destination's host name, which the
    /// source has to resolve.
    pub uri: Option<String>,
    /// Bandwidth limit of the transfer in MiB/s; for a post-copy migration it holds until the switch. None: libvirt's
    /// default, which is no limit in practice.
    pub bandwidth_mib: Option<u64>,
    /// Bandwidth limit after the switch to post-copy, in MiB/s. libvirt refuses it without `post_copy`.
    pub post_copy_bandwidth_mib: Option<u64>,
    /// QEMU's switchover bandwidth in MiB/s, which replaces its own measurement. It limits nothing: QEMU switches over when
    /// it could send the rest within its downtime-limit at this rate. libvirt since 11.1 and QEMU since 8.2 know it; older
    /// ones refuse it.
    pub switchover_bandwidth_mib: Option<u64>,
}

/// The answer to [`OurDomain::start_post_copy`](super::OurDomain::start_post_copy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// QEMU took the order. The source's event `suspended (post-copy)` shows that QEMU has carried it out.
    Started,
    /// The migration is not far enough, or has not begun. Ask again.
    NotYet,
    /// The domain has left the source.
    Over,
}

/// The answer to [`OurDomain::abort_job`](super::OurDomain::abort_job).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortAnswer {
    /// libvirt took the order; the job's own call soon fails with
    /// [`FailureKind::Cancelled`](crate::failure::FailureKind::Cancelled).
    Aborted,
    /// The domain had no job to abort.
    NoJob,
}

/// The oldest libvirt and QEMU that take the available bandwidth for the switchover.
const KNOWS_SWITCHOVER_BANDWIDTH: (Version, Version) = (Version::new(11, 1, 0), Version::new(8, 2, 0));

impl Migration {
    /// Leaves the switchover bandwidth out if one of the hosts, each with the versions of its libvirt and
    /// QEMU, is too old for it. libvirt refuses a migration with an unknown parameter, and this one only helps.
    pub fn known_to(&self, hosts: &[(Version, Version)]) -> Migration {
        let (libvirt, qemu) = KNOWS_SWITCHOVER_BANDWIDTH;
        let know = hosts.iter().all(|(has_libvirt, has_qemu)| *has_libvirt >= libvirt && *has_qemu >= qemu);
        Migration { switchover_bandwidth_mib: self.switchover_bandwidth_mib.filter(|_| know), ..self.clone() }
    }

    /// Every flag with its C name and whether it is chosen.
    fn choices(&self) -> [(bool, u32, &'static str); 6] {
        macro_rules! choice {
            ($chosen:expr, $flag:ident) => {
                ($chosen, sys::$flag, stringify!($flag))
            };
        }
        [
            choice!(self.live, VIR_MIGRATE_LIVE),
            choice!(self.persist_dest, VIR_MIGRATE_PERSIST_DEST),
            choice!(self.auto_converge, VIR_MIGRATE_AUTO_CONVERGE),
            choice!(self.post_copy, VIR_MIGRATE_POSTCOPY),
            choice!(self.compressed, VIR_MIGRATE_COMPRESSED),
            choice!(self.parallel_connections.is_some(), VIR_MIGRATE_PARALLEL),
        ]
    }

    fn flags(&self) -> u32 {
        self.choices().iter().filter(|(chosen, ..)| *chosen).fold(0, |flags, (_, flag, _)| flags | flag)
    }

    fn parameters(&self) -> Parameters {
        // A text with a zero byte is no address.
        let uri = self.uri.as_ref().and_then(|uri| CString::new(uri.as_str()).ok());
        Parameters::new()
            .text(sys::VIR_MIGRATE_PARAM_URI, uri.as_deref())
            .unsigned(sys::VIR_MIGRATE_PARAM_BANDWIDTH, self.bandwidth_mib)
            .unsigned(sys::VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, self.post_copy_bandwidth_mib)
            .unsigned(sys::VIR_MIGRATE_PARAM_BANDWIDTH_AVAIL_SWITCHOVER, self.switchover_bandwidth_mib)
            .text(sys::VIR_MIGRATE_PARAM_COMPRESSION, self.compression())
            .integer(sys::VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, self.parallel_connections.map(i32::from))
    }

    /// The compression method, which is also libvirt's default for the flag.
    fn compression(&self) -> Option<&'static CStr> {
        self.compressed.then_some(c"xbzrle")
    }
}

impl fmt::Display for Migration {
    /// Formats the flags and parameters: `VIR_MIGRATE_LIVE | VIR_MIGRATE_POSTCOPY, bandwidth 8 MiB/s, bandwidth after the
    /// switch 64 MiB/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            self.choices().into_iter().filter(|(chosen, ..)| *chosen).map(|(.., name)| name).collect();
        f.write_str(&names.join(" | "))?;
        if let Some(mib) = self.bandwidth_mib {
            write!(f, ", bandwidth {mib} MiB/s")?;
        }
        if let Some(mib) = self.post_copy_bandwidth_mib {
            write!(f, ", bandwidth after the switch {mib} MiB/s")?;
        }
        if let Some(mib) = self.switchover_bandwidth_mib {
            let (libvirt, qemu) = KNOWS_SWITCHOVER_BANDWIDTH;
            write!(
                f,
                ", available bandwidth for the switchover {mib} MiB/s (from libvirt {libvirt} and QEMU {qemu} on)"
            )?;
        }
        if let Some(method) = self.compression() {
            write!(f, ", compression {}", method.to_string_lossy())?;
        }
        if let Some(connections) = self.parallel_connections {
            write!(f, ", {connections} parallel connections")?;
        }
        Ok(())
    }
}

const MIGRATE: &str = "migrate";
const SWITCH: &str = "switch to post-copy";
const ABORT: &str = "abort the job of";

impl Domain {
    /// Migrates to `dest` and returns the domain as `dest` knows it.
    ///
    /// The call blocks until the migration is over; other threads may meanwhile use this domain to poll, switch and abort.
    /// Both connections must live through it. (`virt`'s own call knows no available bandwidth for the switchover, and does
    /// not free its strings.)
    ///
    /// # Errors
    ///
    /// [`FailureKind::Cancelled`](crate::failure::FailureKind::Cancelled) after
    /// [`OurDomain::abort_job`](super::OurDomain::abort_job). After an error the caller must look on both hosts where the
    /// domain is: before a switch to post-copy it runs on the source.
    pub(super) fn migrate(&self, dest: &Connection, migration: &Migration) -> Result<Domain> {
        let mut parameters = migration.parameters();
        let (first, count) = parameters.raw();
        let to = dest.exchange(MIGRATE, Instant::now() + dest.call_limit())?;
        self.with_turn(MIGRATE, Instant::now() + self.connection().call_limit(), |domain| {
            // SAFETY: the handles are valid as long as `domain` and `to`, and the parameters until the call returns.
            let moved = unsafe {
                sys::virDomainMigrate3(domain.as_ptr(), to.raw().as_ptr(), first, count, migration.flags())
            };
            if moved.is_null() {
                return Err(domain.last_error(MIGRATE).to(dest.host_arc()));
            }
            // SAFETY: the pointer is not null, so it is a domain that is ours to release.
            Domain::adopt(&to, unsafe { virt::domain::Domain::from_ptr(moved) })
        })
    }

    /// Orders the switch to post-copy of a running migration with [`Migration::post_copy`]. Call this on the source.
    ///
    /// [`Switch::Started`] is not yet the switch. By design, QEMU notes even an order that comes too late
    /// (`qmp_migrate_start_postcopy`), and forgets one that comes between an earlier failed migration and the real begin of
    /// this one. The event, or the domain's state, is the proof; without it, order again.
    pub(super) fn start_post_copy(&self) -> Result<Switch> {
        match self.ask(SWITCH, Domain::start_post_copy_now) {
            Err(e) if e.is_no_domain() => Ok(Switch::Over),
            answer => answer,
        }
    }

    fn start_post_copy_now(&self) -> Result<Switch> {
        // SAFETY: the handle is valid as long as `self`; there are no flags.
        let answer = unsafe { sys::virDomainMigrateStartPostCopy(self.as_ptr(), 0) };
        if answer == 0 {
            return Ok(Switch::Started);
        }
        let error = self.last_error(SWITCH);
        if error.is_operation_invalid() {
            // Either no migration has begun yet, or the domain has stopped here but kept its definition.
            return match self.raw().is_active().map_err(self.failed(SWITCH)) {
                Ok(true) => Ok(Switch::NotYet),
                Ok(false) => Ok(Switch::Over),
                Err(e) if e.is_no_domain() => Err(e),
                Err(_) => Err(error),
            };
        }
        // libvirt's job has begun, but QEMU's migration has not; libvirt has no code of its own for this.
        if error.message.contains("Postcopy must be started after migration has been started") {
            return Ok(Switch::NotYet);
        }
        Err(error)
    }

    /// Aborts the running job. Call this on the source.
    ///
    /// # Errors
    ///
    /// libvirt cannot abort a migration after its switch to post-copy
    /// ([`Error::is_operation_invalid`](super::Error::is_operation_invalid)): neither side has the whole guest.
    pub(super) fn abort_job(&self) -> Result<AbortAnswer> {
        match self.ask(ABORT, Domain::abort_job_now) {
            Err(e) if e.is_no_domain() => Ok(AbortAnswer::NoJob),
            answer => answer,
        }
    }

    fn abort_job_now(&self) -> Result<AbortAnswer> {
        // SAFETY: the handle is valid as long as `self`.
        let answer = unsafe { sys::virDomainAbortJob(self.as_ptr()) };
        if answer == 0 {
            return Ok(AbortAnswer::Aborted);
        }
        let error = self.last_error(ABORT);
        // "No job" and "cannot abort this job" have the same code; the job statistics tell them apart.
        if error.is_operation_invalid() && matches!(self.job_stats_now(), Ok(None)) {
            return Ok(AbortAnswer::NoJob);
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::params::Value;
    use super::super::testing::{TestHost, domain_xml};
    use super::*;

    #[test]
    fn flags_are_what_was_chosen() {
        assert_eq!(Migration::default().flags(), 0);
        let all = Migration {
            live: true,
            persist_dest: true,
            post_copy: true,
            auto_converge: true,
            compressed: true,
            parallel_connections: Some(4),
            uri: Some("tcp://192.0.2.1".into()),
            bandwidth_mib: Some(32),
            post_copy_bandwidth_mib: Some(64),
            switchover_bandwidth_mib: Some(4),
        };
        assert_eq!(all.flags(), 1 | 8 | 32_768 | 8_192 | 2_048 | 131_072);
        let listed = all.parameters().listed();
        let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "migrate_uri",
            "bandwidth",
            "bandwidth.postcopy",
            "bandwidth.avail.switchover",
            "compression",
            "parallel.connections",
        ];
        assert_eq!(names, expected);
        let values: Vec<&Value> = listed.iter().map(|(_, value)| value).collect();
        let number = Value::Unsigned;
        let uri = Value::Text("tcp://192.0.2.1".to_owned());
        let (xbzrle, four) = (Value::Text("xbzrle".to_owned()), Value::Integer(4));
        assert_eq!(values, [&uri, &number(32), &number(64), &number(4), &xbzrle, &four]);
        assert!(Migration::default().parameters().listed().is_empty());
        assert!(all.to_string().ends_with(" | VIR_MIGRATE_PARALLEL, bandwidth 32 MiB/s, bandwidth after the switch 64 MiB/s, available bandwidth for the switchover 4 MiB/s (from libvirt 11.1.0 and QEMU 8.2.0 on), compression xbzrle, 4 parallel connections"), "{all}");
    }

    #[test]
    fn what_only_helps_is_left_out_where_one_host_does_not_know_it() {
        let wanted = Migration { live: true, switchover_bandwidth_mib: Some(4), ..Migration::default() };
        let new = (Version::new(11, 3, 0), Version::new(10, 0, 13));
        let old = (Version::new(9, 0, 0), Version::new(7, 2, 22));
        assert_eq!(wanted.known_to(&[new, new]), wanted);
        let rest = Migration { switchover_bandwidth_mib: None, ..wanted.clone() };
        for hosts in [[new, old], [old, new], [(old.0, new.1), new], [(new.0, old.1), new]] {
            assert_eq!(wanted.known_to(&hosts), rest);
        }
    }

    #[test]
    fn a_refused_migration_names_both_hosts() {
        let (source, target) = (TestHost::new("source"), TestHost::new("target"));
        let vm = source.create(&domain_xml("vm1")).unwrap();
        let text = vm.migrate(&target, &Migration::default()).unwrap_err().to_string();
        assert!(text.starts_with("migrate vm1 on source to target: "), "{text}");
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
