//! Runs scenarios: arguments, trials, the shared fixture, interruption.

mod args;
mod corruption;
mod damage;
mod entry;
mod interrupt;
mod live_status;
mod plan;
mod run;
mod session;
mod slot;
mod spent;
mod stage;
mod status;
mod sudo;
pub mod terminal;
mod writer;

pub use corruption::{Corruption, corruption_main};
pub use damage::{Damage, damage_main};
pub use entry::{Build, main};
pub use interrupt::cancel_on_signals;
pub use live_status::{LiveStatus, Shown};
pub use plan::results;
pub use run::Progress;
pub use session::{Session, summary};
pub use status::{State, Status};
pub use sudo::become_root;
pub use writer::{is_there, writer_of};
