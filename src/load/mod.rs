//! Load: stress tools in guests and on hosts, and guests that boot; started, watched and stopped.

mod boot;
mod place;
mod stress;

pub use boot::{Boot, BootLoad};
pub use place::{Place, memory_left};
pub use stress::{Command, Load, Loads, Sample};
