//! The scenarios of multivm: the axes, the matrix that they span, its names, and the file that declares it.
//!
//! Everything here is pure data. The only side effect is reading `scenarios.toml` in [`ScenarioFile::load`]; nothing prints.
//!
//! ```text
//! scenarios.toml --> file --> matrix --> [Scenario]     every name, in matrix order
//!                     |                      |
//!                     +--> profile           +--> select      which of them to run
//!                     +--> sizing            +--> cover       a few that have every pair of values
//!                     +--> set               +--> shard       one part of several, for several machines
//! ```

mod at_timeout;
mod booting;
mod budget;
mod bytes;
mod choose;
mod cover;
mod field;
mod file;
mod guest_size;
mod ignored;
mod load;
mod locate;
mod location;
mod matrix;
mod member;
mod mode;
mod name;
mod near;
#[cfg(test)]
mod page;
mod profile;
mod profile_fields;
mod raw;
mod read;
mod select;
mod set;
mod shard;
mod sizing;
mod table;
mod transport;
mod workload;

pub use crate::axis::{AxisValue, UnknownName};
pub use crate::failure::InputError;
pub use crate::plan::{Direction, Order, Side};
pub use at_timeout::AtTimeout;
pub use booting::Booting;
pub use budget::{Budget, Limit};
pub use bytes::Bytes;
pub use choose::{Chosen, RunIgnored, Wish};
pub use file::{AllowedLine, LogOwner, ScenarioFile};
pub use load::{HostShare, Load, LoadSize, Room, Signs, Tool};
pub use locate::{FILE_VARIABLE, locate};
pub use location::Location;
pub use member::Member;
pub use mode::Mode;
pub use name::Scenario;
pub use profile::Profile;
pub use select::Selection;
pub use set::{Members, Set};
pub use shard::{SHARD_VARIABLE, Shard};
pub use sizing::{SIZING_VARIABLE, Sizing, sizing_switch};
pub use transport::Transport;
pub use workload::Workload;
