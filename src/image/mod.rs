//! Images for hosts and guests to boot from, built once from a distribution's packages and kept.

mod build;
mod cloud;
mod expired;
mod firmware;
mod machine;
pub mod mirror;
mod packages;
mod seed;
mod snapshot;
mod store;

pub use build::{GuestImage, HostFacts, HostImage, Images};
pub use cloud::Distribution;
pub use firmware::Firmware;
pub use machine::MachineImage;
pub use seed::{CloudInitSeed, SeedHostKey, SeedNetwork};
pub use snapshot::Snapshot;
pub use store::Store;
