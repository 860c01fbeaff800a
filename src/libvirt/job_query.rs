//! Asking libvirt for the statistics of a domain's job.

use std::ptr;

use virt_sys as sys;

use super::{Domain, JobKind, JobStats, Result, params};

const OPERATION: &str = "read the job statistics of";

impl Domain {
    /// The job that is under way; none when there is none, or when the domain is not active on this host (any more).
    ///
    /// Meant to be polled during a migration, whose beginning and end it sees as "none".
    pub fn job_stats(&self) -> Result<Option<JobStats>> {
        self.ask(OPERATION, Domain::job_stats_now)
    }

    fn job_stats_now(&self) -> Result<Option<JobStats>> {
        let mut kind = 0;
        let mut count = 0;
        let mut list: sys::virTypedParameterPtr = ptr::null_mut();
        // SAFETY: the handle is valid as long as `self`; the three pointers are to live variables. libvirt leaves `list`
        // null when no job is active.
        let answer = unsafe { sys::virDomainGetJobStats(self.as_ptr(), &mut kind, &mut list, &mut count, 0) };
        if answer < 0 {
            let error = self.last_error(OPERATION);
            // "domain is not running", or not there: then it has no job here.
            return match error.is_operation_invalid() || error.is_no_domain() {
                true => Ok(None),
                false => Err(error),
            };
        }
        // SAFETY: libvirt filled `list` with `count` parameters, or left it null.
        let params = unsafe { params::copy(list, count) };
        // SAFETY: allocated by libvirt, or null, which is allowed; not used after this.
        unsafe { sys::virTypedParamsFree(list, count) };
        Ok(match JobKind::from_raw(kind) {
            JobKind::None => None,
            kind => Some(JobStats::decode(kind, params)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestHost, domain_xml};

    /// libvirt's test driver has no job statistics: asking it must come back as that error, and must not end the process.
    #[test]
    fn what_the_driver_cannot_tell_is_an_error() {
        let host = TestHost::new("source");
        let vm = host.create(&domain_xml("vm1")).unwrap();
        let error = vm.job_stats().unwrap_err();
        assert!(error.is_no_support(), "{error}");
        assert!(error.to_string().starts_with("read the job statistics of vm1 on source: "), "{error}");
    }
}
