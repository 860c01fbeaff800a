//! Load: stress tools in guests and on hosts, and guests that boot. This room starts, watches and stops them.

mod active;
mod boot;
mod place;
mod stress;
mod timeline;

pub use active::{ActiveLoad, LoadWatch};
pub use boot::{Boot, BootLoad, BootLog};
pub use place::{Place, memory_left};
pub use stress::{Loads, RunningTool, Sample, ToolCommand};
pub use timeline::{LoadLook, Timeline, Window, samples_of};
