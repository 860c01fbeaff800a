//! What a run leaves behind: the record, and the views that are made of it.
//!
//! [`RunFolder`] is where it lies, [`Record`] is the truth, [`junit`], [`html`] and [`compare`] are views. Views can
//! be made again from the record at any later time, also from the record of a run that was killed.

mod atomic;
pub mod compare;
mod earlier;
mod error;
mod estimate;
mod event;
mod folder;
pub mod html;
pub mod junit;
pub mod lines;
pub mod live;
mod merge;
mod read;
mod record;
mod tail;
pub mod telling;
mod unfinished;
pub mod view;

pub use earlier::earlier;
pub use error::ReportError;
pub use estimate::{Earlier, ToCome, seconds_left};
pub use event::{Clocks, Envelope, Event, Part, Process, RECORD_VERSION, RunHeader};
pub use folder::{RunFolder, create_group};
pub use merge::{merge, parts_of, write_merged};
pub use read::read;
pub use record::{Observation, Record};
pub use tail::Tail;
