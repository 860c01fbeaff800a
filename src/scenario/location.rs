//! The axis `where`: the places of load.

use super::Side;
use crate::axis::axis;

/// A place of load: its row in the table.
pub struct LocationRow {
    pub name: &'static str,
    /// Whether a stress tool runs in every guest of the fleet.
    in_guests: bool,
    /// The hosts on which a stress tool runs.
    hosts: &'static [Side],
}

const SOURCE: &[Side] = &[Side::Source];
const TARGET: &[Side] = &[Side::Target];
const BOTH: &[Side] = &[Side::Source, Side::Target];

axis! {
    /// The place of the load. The key of this axis is `where`, which is a keyword in Rust.
    Location, "where", LocationRow {
        InVms => LocationRow { name: "in_vms", in_guests: true, hosts: &[] },
        OnSource => LocationRow { name: "on_source", in_guests: false, hosts: SOURCE },
        OnTarget => LocationRow { name: "on_target", in_guests: false, hosts: TARGET },
        OnBoth => LocationRow { name: "on_both", in_guests: false, hosts: BOTH },
        OnSourceAndVms => LocationRow { name: "on_source_and_vms", in_guests: true, hosts: SOURCE },
        OnTargetAndVms => LocationRow { name: "on_target_and_vms", in_guests: true, hosts: TARGET },
        OnBothAndVms => LocationRow { name: "on_both_and_vms", in_guests: true, hosts: BOTH },
        // This place has no stress tool: booting guests are the load.
        Booting => LocationRow { name: "booting", in_guests: false, hosts: &[] },
    }
}

impl Location {
    /// Whether a stress tool runs in the guests.
    pub fn in_guests(self) -> bool {
        self.row().in_guests
    }

    /// The hosts on which a stress tool runs.
    pub fn hosts(self) -> &'static [Side] {
        self.row().hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisValue;

    #[test]
    fn a_location_name_says_where_the_load_is() {
        for location in Location::ALL {
            let name = location.name();
            assert_eq!(location.in_guests(), name.ends_with("vms"), "{name}");
            let both = name.contains("both");
            let source = both || name.contains("source");
            let target = both || name.contains("target");
            assert_eq!(location.hosts().contains(&Side::Source), source, "{name}");
            assert_eq!(location.hosts().contains(&Side::Target), target, "{name}");
        }
    }
}
