//! Guests: what they are, how they are started and reached, and what is seen inside them.

mod domain;
mod fleet;
mod identity;
mod pulse;
mod vm;
mod witness;

pub use domain::console_path;
pub use fleet::Fleet;
pub use pulse::{ClockMap, Pulse};
pub use vm::Guest;
pub use witness::{DiskProof, MemoryProof, Testimony};
