//! Talking to libvirt: connections, domains, migrations, job statistics and events.
//!
//! This is the only room of the crate with `unsafe`. It is built on the `virt` crate wherever that is sound, and calls
//! the C functions itself where the crate has no wrapper (the post-copy switch, aborting a job, events) or a broken one:
//!
//! * `virt::Domain::job_stats` builds a `Vec` from a null pointer when no job is active, and the process aborts;
//! * `virt::Domain::state` drops the error of the call and answers an unknown state.
//!
//! Everything used here is in libvirt 8.5 or older.
//!
//! # Order of things
//!
//! [`Libvirt::start`] must come first, because libvirt takes the event loop of a connection when it is opened; this is
//! why only a [`Libvirt`] can make a [`Connection`].
//!
//! # Threads
//!
//! All handles can be cloned and shared: one thread can sit in [`OurDomain::migrate`] while others ask for its
//! [`Domain::job_stats`], call [`OurDomain::start_post_copy`] or [`OurDomain::abort_job`]. libvirt's errors are thread-local, and
//! are read here in the thread that made the call.

#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod code;
mod connection;
mod domain;
mod error;
mod event;
mod job;
mod job_query;
mod migrate;
mod owned;
mod params;
mod start;
mod state;
mod subscribe;
#[cfg(test)]
mod testing;
mod version;

pub use code::ErrorCode;
pub use connection::{Connection, DomainSummary};
pub use domain::Domain;
pub use error::{Error, Result};
pub use event::{Detail, Event, EventKind, LifecycleEvent};
pub use job::{JobKind, JobOperation, JobStats};
pub use migrate::{AbortAnswer, Migration, Switch};
pub use owned::{MARK_NAMESPACE, Mark, OurDomain};
pub use params::Value;
pub use start::Libvirt;
pub use state::{State, StateKind};
pub use subscribe::Subscription;
pub use version::Version;
