//! What can be run: the axes, the matrix they span, its names, and the file that declares it.
//!
//! Everything here is pure data. The only side effect is reading `scenarios.toml` in [`ScenarioFile::load`]; nothing prints.
//!
//! ```text
//! scenarios.toml --> file --> matrix --> [Scenario]     every name, in matrix order
//!                     |                      |
//!                     +--> profile           +--> select      which of them to run
//!                     +--> set               +--> explain     what one of them does, in English
//! ```

mod axis;
mod bytes;
mod command;
mod error;
mod explain;
mod file;
mod locate;
mod matrix;
mod profile;
mod raw;
mod select;
mod set;
mod workload;

pub use axis::{AxisValue, Location, Mode, Order, Side, UnknownName};
pub use bytes::Bytes;
pub use command::guest_load_command;
pub use error::InputError;
pub use file::{AllowedLine, ScenarioFile};
pub use locate::{FILE_VARIABLE, locate};
pub use matrix::Scenario;
pub use profile::Profile;
pub use select::Selection;
pub use set::Set;
pub use workload::{Booting, HostShare, Kind, Tool, Workload};
