//! The definitions of a fleet's guests when they were made.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::guest::Definition;

/// The definition of every guest when it was made.
#[derive(Default)]
pub struct Defined(pub(super) Mutex<HashMap<String, Definition>>);
