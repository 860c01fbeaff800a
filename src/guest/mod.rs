//! Guests: what they are, how they are started and reached, and what is seen inside them.

pub mod agent;
mod domain;
mod fleet;
mod observe;
mod vm;

pub use fleet::Fleet;
pub use observe::{KernelLine, Observation, Process};
pub use vm::Guest;
