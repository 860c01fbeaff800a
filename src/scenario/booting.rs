//! Guests that boot while the fleet migrates: which guests those are, and an explanation of each choice.

use super::Profile;
use crate::axis::table;

/// A choice of guests that boot: its row in the table.
pub struct BootingRow {
    pub name: &'static str,
    /// The number of booting load guests, out of a given number.
    pub load_guests: fn(usize) -> usize,
    /// Whether the fleet itself boots while it migrates.
    pub itself: bool,
    /// A sentence behind `Load: ` that tells which guests boot, and when.
    pub text: fn(&Profile) -> String,
}

table! {
    /// The guests that boot while the fleet migrates.
    Booting, BootingRow {
        LoadVm => BootingRow { name: "load_vm", load_guests: |_| 1, itself: false, text: load_vm },
        LoadVms => BootingRow { name: "load_vms", load_guests: |all| all, itself: false, text: load_vms },
        MigratedVms => BootingRow { name: "migrated_vms", load_guests: |_| 0, itself: true, text: migrated_vms },
    }
}

const AGAIN: &str = "started again as soon as it is up, until the moves are over";

fn load_vm(_profile: &Profile) -> String {
    format!("load guest 1, which does not migrate, boots on the source; it is {AGAIN}.")
}

fn load_vms(profile: &Profile) -> String {
    let guests = profile.load_guests;
    format!(
        "{guests} load {} booting, never migrating, alternately on source and target (number 1 on the source); each is {AGAIN}.",
        if guests == 1 { "guest" } else { "guests" },
    )
}

/// Explains the choice of the fleet itself.
fn migrated_vms(_profile: &Profile) -> String {
    "before every move all guests are started anew (power off and on), and migrate while they boot."
        .to_owned()
}
