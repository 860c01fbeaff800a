//! Guests: their identity and definition, how they start, how multivm reaches them and looks inside.

mod addresses;
mod boot;
mod console;
mod definition;
mod disk;
mod domain;
mod earlier;
mod fleet;
mod graft;
mod identity;
mod last_look;
mod load_files;
mod networks;
mod news;
mod ours;
mod past_panics;
mod pulse;
mod reach;
mod reaches;
mod role;
mod room;
mod survey;
#[cfg(test)]
mod testing;
mod vm;
mod witness;

pub use addresses::is_taken;
pub use console::{Consoles, Panic};
pub use definition::{Definition, Difference};
pub use disk::{DiskNeed, WantedFleet};
pub use domain::{console_path, qemu_log_path};
pub use earlier::EarlierLooks;
pub use fleet::{DamagedPart, Fleet, GuestDamage, GuestLoss, LaterLook, LossKind, Since};
pub use identity::{address, fleet_names};
pub use last_look::LastLook;
pub use load_files::{LoadFiles, StorageRoom};
pub use multivm_protocol::{
    DiskProof, DiskWork, FilesProof, MemoryProof, Pulse, Speed, TRANSFER_BYTES, Testimony,
};
pub use news::{GuestNews, OnNews};
pub use past_panics::panics_in;
pub use pulse::ClockMap;
pub use reach::Reach;
pub use role::{FLEET_MAX, is_our_name};
pub use room::{ADVICE as ROOM_ADVICE, Need, Supply};
pub use vm::Guest;
