//! The calls of a watch on the job of its migration.

use crate::libvirt::{AbortAnswer, Domain, JobStats, OurDomain, Result, Switch};

/// The job of a running migration, on its source.
///
/// Every call may block: QEMU's monitor does not answer when a guest's storage dies, and libvirt waits for it.
pub trait Job: Send + Sync + 'static {
    fn start_post_copy(&self) -> Result<Switch>;
    fn job_stats(&self) -> Result<Option<JobStats>>;
    fn abort_job(&self) -> Result<AbortAnswer>;
    fn suspend(&self) -> Result<()>;
    fn resume(&self) -> Result<()>;
    fn set_max_speed(&self, mib: Option<u64>) -> Result<()>;
}

impl Job for OurDomain {
    fn start_post_copy(&self) -> Result<Switch> {
        OurDomain::start_post_copy(self)
    }

    fn job_stats(&self) -> Result<Option<JobStats>> {
        Domain::job_stats(self)
    }

    fn abort_job(&self) -> Result<AbortAnswer> {
        OurDomain::abort_job(self)
    }

    fn suspend(&self) -> Result<()> {
        OurDomain::suspend(self)
    }

    fn resume(&self) -> Result<()> {
        OurDomain::resume(self)
    }

    fn set_max_speed(&self, mib: Option<u64>) -> Result<()> {
        OurDomain::set_max_speed(self, mib)
    }
}

/// One of the calls of [`Job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    StartPostCopy,
    JobStats,
    AbortJob,
    Suspend,
    Resume,
    /// The bandwidth from now on, in MiB/s; none for the largest.
    SetMaxSpeed(Option<u64>),
}

/// What a call returned.
#[derive(Debug, Clone)]
pub enum CallAnswer {
    StartPostCopy(Result<Switch>),
    JobStats(Result<Option<Box<JobStats>>>),
    AbortJob(Result<AbortAnswer>),
    Suspend(Result<()>),
    Resume(Result<()>),
    SetMaxSpeed(Option<u64>, Result<()>),
}

impl Call {
    /// Makes the call and waits for its answer.
    pub fn make(self, job: &dyn Job) -> CallAnswer {
        match self {
            Call::StartPostCopy => CallAnswer::StartPostCopy(job.start_post_copy()),
            Call::JobStats => CallAnswer::JobStats(job.job_stats().map(|stats| stats.map(Box::new))),
            Call::AbortJob => CallAnswer::AbortJob(job.abort_job()),
            Call::Suspend => CallAnswer::Suspend(job.suspend()),
            Call::Resume => CallAnswer::Resume(job.resume()),
            Call::SetMaxSpeed(mib) => CallAnswer::SetMaxSpeed(mib, job.set_max_speed(mib)),
        }
    }
}

impl CallAnswer {
    /// The call that this answers.
    pub fn to(&self) -> Call {
        match self {
            CallAnswer::StartPostCopy(_) => Call::StartPostCopy,
            CallAnswer::JobStats(_) => Call::JobStats,
            CallAnswer::AbortJob(_) => Call::AbortJob,
            CallAnswer::Suspend(_) => Call::Suspend,
            CallAnswer::Resume(_) => Call::Resume,
            CallAnswer::SetMaxSpeed(mib, _) => Call::SetMaxSpeed(*mib),
        }
    }
}
