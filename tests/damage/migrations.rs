//! Migrations that complete, and are not what they should be: over their budget, or not shown to go by their transport.

use multivm::check::{budget, transport};
use multivm_fixtures::selftest::{Damage, finding};

use crate::shared::{TO_ALL, TO_VM1, on_host};

/// A budget that no migration can keep, for a scenario in which nothing else is damaged.
pub const BUDGET: &str = r#"
[[budget]]
scenario = "precopy_orderly::on_source::stress_memory_half"
max_total = "1ms"
reason = "The self-test needs one that is exceeded."
"#;

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::migrations_over_their_budget",
        scenario: "precopy_orderly::on_source::stress_memory_half",
        // The scenario goes on: every migration of both guests is over it.
        finds: &[
            finding(&budget::ABOUT, "vm1", " s, ").times(2),
            finding(&budget::ABOUT, "vm2", " s, ").times(2),
        ],
        ..TO_VM1
    },
    Damage {
        // What nobody can count does not pass as counted.
        name: "damage::channels_of_multifd_unseen",
        scenario: "precopy_orderly::in_vms::stress_cpu::multifd",
        cause: |fleet| on_host(&fleet.hosts.source, "chmod a-x $(readlink -f /usr/bin/ss)"),
        undo: |fleet| on_host(&fleet.hosts.source, "chmod a+x $(readlink -f /usr/bin/ss)"),
        finds: &[finding(&transport::ABOUT, "vm1", "no connection, in ")
            // One look may come before it.
            .saying(&[" looks; the last look that failed: "])],
        ..TO_ALL
    },
];
