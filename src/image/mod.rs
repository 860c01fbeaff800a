//! Images for hosts and guests to boot from, built once from a distribution's packages and kept.

mod build;
mod expired;
pub mod mirror;
mod store;

pub use build::{GuestImage, HostFacts, HostImage, Images};
pub use store::Store;
