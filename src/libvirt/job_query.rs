//! Reads the statistics of a domain's job from libvirt.

use std::ptr;

use virt_sys as sys;

use super::{Domain, JobStats, Result, params};

const OPERATION: &str = "read the job statistics of";

impl Domain {
    /// The statistics of the running job; none without a job, or if the domain is not active on this host (any more).
    ///
    /// A caller can poll this during a migration: before its beginning and after its end the answer is none.
    pub fn job_stats(&self) -> Result<Option<JobStats>> {
        match self.ask(OPERATION, Domain::job_stats_now) {
            // A domain that is not there has no job here.
            Err(e) if e.is_no_domain() => Ok(None),
            answer => answer,
        }
    }

    /// [`Domain::job_stats`] within a call that has the wire.
    pub(super) fn job_stats_now(&self) -> Result<Option<JobStats>> {
        let mut kind = 0;
        let mut count = 0;
        let mut list: sys::virTypedParameterPtr = ptr::null_mut();
        // SAFETY: the handle is valid as long as `self`; the three pointers are to live variables. libvirt leaves `list`
        // null if no job is active.
        let answer = unsafe { sys::virDomainGetJobStats(self.as_ptr(), &mut kind, &mut list, &mut count, 0) };
        if answer < 0 {
            let error = self.last_error(OPERATION);
            // A domain that is not running or not there has no job here.
            return match error.is_operation_invalid() || error.is_no_domain() {
                true => Ok(None),
                false => Err(error),
            };
        }
        // SAFETY: libvirt filled `list` with `count` parameters, or left it null.
        let params = unsafe { params::copy(list, count) };
        // SAFETY: libvirt allocated `list` or left it null, which is allowed; nobody uses it after this.
        unsafe { sys::virTypedParamsFree(list, count) };
        let is_active = u32::try_from(kind) != Ok(sys::VIR_DOMAIN_JOB_NONE);
        Ok(is_active.then(|| JobStats::decode(params)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestHost, domain_xml};

    /// libvirt's test driver has no job statistics: the call must return that error, and must not end the process.
    #[test]
    fn what_the_driver_cannot_tell_is_an_error() {
        let host = TestHost::new("source");
        let vm = host.create(&domain_xml("vm1")).unwrap();
        let error = vm.job_stats().unwrap_err();
        assert!(error.is_no_support(), "{error}");
        assert!(error.to_string().starts_with("read the job statistics of vm1 on source: "), "{error}");
    }
}
