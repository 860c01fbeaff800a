//! The safe interface to libvirt: connections, domains, migrations, job statistics and events.
//!
//! This is the only room of the crate with `unsafe`. It uses the `virt` crate where that is sound, and calls the C functions
//! itself where the crate has no wrapper (the post-copy switch, aborting a job, events) or a broken one:
//!
//! * `virt::Domain::job_stats` builds a `Vec` from a null pointer when no job is active, and the process aborts;
//! * `virt::Domain::state` drops the error of the call and answers an unknown state.
//!
//! libvirt 8.5 has every function that this room uses.
//!
//! # Order of things
//!
//! [`Libvirt::start`] must come first, because libvirt binds a connection to the event loop when it opens. This is why only
//! a [`Libvirt`] can make a [`Connection`].
//!
//! # Threads
//!
//! Threads can clone and share all handles: one thread can wait in [`OurDomain::migrate`] while others ask for the domain's
//! [`Domain::job_stats`], or call [`OurDomain::start_post_copy`] or [`OurDomain::abort_job`]. libvirt's errors are
//! thread-local, so the thread that made a call reads its error.

#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod code;
mod connection;
mod domain;
mod domains;
mod error;
mod event;
mod hub;
mod job;
mod job_query;
mod mark;
#[cfg(test)]
pub(crate) mod mark_examples;
mod migrate;
mod networks;
mod owned;
mod params;
mod start;
mod state;
mod subscribe;
#[cfg(test)]
pub(crate) mod testing;
mod version;
mod wire;
mod wires;

pub use code::ErrorCode;
pub use connection::Connection;
pub use domain::Domain;
pub use domains::DomainSummary;
pub use error::{Error, Result};
pub use event::{Detail, EventKind, HostEvent, LifecycleEvent};
pub use job::JobStats;
pub use mark::{MARK_NAMESPACE, Mark};
pub use migrate::{AbortAnswer, Migration, Switch};
pub use networks::{NetworkLease, NetworkSummary};
pub use owned::OurDomain;
pub use params::Value;
pub use start::Libvirt;
pub use state::{DomainState, StateKind};
pub use subscribe::Subscription;
pub use version::Version;
