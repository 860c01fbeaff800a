//! The machines a run works on: libvirt hosts, and the storage server. What is behind one - lab, machine, real host - is
//! unknown here.

mod events;
mod logs;
mod nfs;
mod overlay;
mod pair;
mod storage;

pub use events::{EventHub, Listener};
pub use logs::{AddedLog, LogMarks};
pub use pair::{Host, Hosts, retry_connect};
pub use storage::{ImageCheck, Storage};
