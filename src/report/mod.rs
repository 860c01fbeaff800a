//! What a run leaves behind: the record, and the views that are made of it.
//!
//! [`RunFolder`] is where it lies, [`Record`] is the truth, [`junit`] and [`compare`] are views. Views can be made again from the record
//! at any later time, also from the record of a run that was killed.

mod atomic;
pub mod compare;
mod error;
mod event;
mod folder;
pub mod junit;
mod read;
mod record;

pub use error::ReportError;
pub use event::{Clocks, Envelope, Event, RECORD_VERSION, RunHeader};
pub use folder::RunFolder;
pub use read::read;
pub use record::{Observation, Record};
