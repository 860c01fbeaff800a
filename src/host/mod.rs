//! The machines of a run: libvirt hosts and the storage server. This room does not know whether they are a lab, virtual
//! machines or real hosts.

mod copying;
mod daemons;
mod devices;
mod ends;
mod events;
mod gates;
mod journal;
mod load_folder;
mod log_marks;
mod logs;
mod nfs;
mod overlay;
mod pair;
mod past_ends;
mod storage;
mod writers;

pub use daemons::{DaemonUsage, first_held, load_noted_daemons, save_noted_daemons};
pub use devices::BackingDevices;
pub use ends::QemuEnds;
pub use events::{EventHub, Listener};
pub use load_folder::{IN_FOLDER, removal};
pub use log_marks::LogMarks;
pub use logs::AddedLog;
pub use overlay::ImageOverlay;
pub use pair::{Host, Hosts, retry_connect};
pub use past_ends::ends_in;
pub use storage::{ImageCheck, Storage, StorageService};
pub use writers::{SearchedImage, Writer, WriterSearch};
