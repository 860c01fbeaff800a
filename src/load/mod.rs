//! Load: stress tools in guests and on hosts, and guests that boot. This room starts, watches and stops them.

mod active;
mod boot;
mod commands;
mod look;
mod place;
mod stress;
mod timeline;

pub use active::{ActiveLoad, LoadWatch};
pub use boot::{Boot, BootLoad, BootLog};
pub use commands::ToolCommands;
pub use look::{LoadLook, Sample};
pub use place::{Place, memory_left};
pub use stress::{Loads, RunningTool, ToolCommand};
pub use timeline::{Timeline, Window, samples_of};
