//! The checks: one file each, and [`CHECKS`], the table of them. A new check is its file and two lines here. A check compares
//! what it sees with what must be, and its [`Proof`] has both.

mod about;
mod answers;
mod asked;
pub mod booting;
pub mod budget;
pub mod clock;
pub mod connection;
pub mod copies;
pub mod definition;
pub mod disk;
mod guest_time;
pub mod image;
pub mod kernel_log;
mod kind;
pub mod leftovers;
pub mod live;
pub mod load;
mod look;
mod lost;
pub mod memory;
pub mod migration;
mod outage;
pub mod overlap;
pub mod page_cache;
pub mod placement;
pub mod post_copy;
mod proof;
pub mod qemu;
pub mod reachable;
pub mod reboot;
pub mod recovery;
pub mod speed;
mod stays;
pub mod storage;
#[cfg(test)]
mod table;
pub mod transport;
mod witnessed;
pub mod writers;

pub use about::{About, Advice, Moment, plain};
pub use asked::{
    AfterAll, Asked, BootEnd, CheckedImage, Close, End, GuestPace, HostsLook, LegDowntime, LegEnd,
    RefusedMigration, Scene, Silence, StepEnd,
};
pub use kind::Check;
pub use look::GuestLook;
pub use outage::Outage;
pub use proof::Proof;
use proof::lines;

use crate::scenario::Scenario;

/// The checks that a scenario is asked for, in the order of the table.
pub fn applying(scenario: &Scenario) -> impl Iterator<Item = &'static dyn Check> {
    CHECKS.iter().copied().filter(|check| check.applies(scenario))
}

/// Every check, in the order of README's table.
pub static CHECKS: &[&dyn Check] = &[
    &migration::Migrated,
    &placement::OneCopy,
    &copies::NeverTwice,
    &writers::OneWriter,
    &definition::SameDefinition,
    &memory::MemoryIntact,
    &page_cache::PageCacheIntact,
    &disk::DiskIntact,
    &image::ImageWhole,
    &storage::StorageServed,
    &reachable::Reachable,
    &recovery::Recovered,
    &speed::SameSpeed,
    &connection::TcpAlive,
    &reboot::NoReboot,
    &kernel_log::KernelsClean,
    &qemu::QemuSound,
    &load::RealLoad,
    &booting::GuestsBooted,
    &clock::ClockSane,
    &live::WasLive,
    &post_copy::WasPostCopy,
    &transport::Transported,
    &overlap::MovedTogether,
    &leftovers::NothingLeft,
    &budget::WithinBudget,
];
