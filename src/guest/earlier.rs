//! Guests as the process before this one has left them, so that what befalls them between two processes of a run is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{Definition, LastLook};
use crate::failure::{Attempt, Result};
use crate::sys::handover::Handover;
use crate::sys::parallel::locked;

/// The guests that a process has proved whole, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierLooks(pub(super) BTreeMap<String, LeftGuest>);

/// A guest as a process has left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftGuest {
    pub(super) look: LastLook,
    /// The definition with which it was made; none if nobody noted that.
    pub(super) made: Option<Definition>,
}

const LOOKS: Handover = Handover {
    what: "how the guests are",
    without: "what befell guests between two scenarios is then not known",
};

/// How this process leaves its guests.
static LEFT: Mutex<Option<EarlierLooks>> = Mutex::new(None);

impl EarlierLooks {
    /// Notes the guests that this process leaves whole, by their names.
    pub(super) fn note(guests: impl IntoIterator<Item = (String, LeftGuest)>) {
        *locked(&LEFT) = Some(EarlierLooks(guests.into_iter().collect()));
    }

    /// Writes down how this process leaves its guests, if it has proved them.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(path: &Path) -> Result<()> {
        locked(&LEFT).as_ref().map_or(Ok(()), |left| LOOKS.leave(path, left))
    }

    /// How the process before this one has left its guests, if it has written that down. Nobody else learns it: this process may make
    /// the guests anew.
    ///
    /// # Errors
    ///
    /// A file that is there and cannot be read or removed.
    pub fn take(path: &Path) -> Result<Option<EarlierLooks>> {
        let looks: Option<EarlierLooks> = LOOKS.take_on(path)?;
        if looks.is_some() {
            fs::remove_file(path).attempting(|| format!("remove {}", path.display()))?;
        }
        Ok(looks)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn one_process_learns_how_the_one_before_has_left_its_guests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guests.json");
        assert_eq!(EarlierLooks::take(&path).unwrap(), None);
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let look = LastLook { was_reset: true, at, ..LastLook::in_a_test("a") };
        let left = LeftGuest { look, made: None };
        EarlierLooks::note([("vm1".to_owned(), left.clone())]);
        EarlierLooks::save(&path).unwrap();
        let looks = EarlierLooks([("vm1".to_owned(), left)].into());
        assert_eq!(EarlierLooks::take(&path).unwrap(), Some(looks));
        assert_eq!(EarlierLooks::take(&path).unwrap(), None, "it is said once");
    }
}
