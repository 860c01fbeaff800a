//! What is told of guests while a fleet is made, and whenever a kernel of one panics.

use super::Guest;
use super::console::Panic;

/// Something that whoever uses a fleet should know at once.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// So many of the guests that are being started answer.
    Answering { answering: usize, of: usize },
    /// A kernel has panicked.
    Panicked { guest: &'a Guest, panic: &'a Panic },
    /// It did so while it booted, and is started a second time.
    StartedAgain { guest: &'a Guest, panic: &'a Panic },
}

/// Hears it, on any thread.
pub type OnNews = std::sync::Arc<dyn Fn(News<'_>) + Send + Sync>;
