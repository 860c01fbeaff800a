//! Load: stress tools, started, watched and stopped.

mod guest;

pub use guest::{GuestLoads, Load};
