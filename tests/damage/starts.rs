//! What a hook adds with every start of a guest to what is there already: a file, and sets of the packet filter.

use multivm::check::leftovers;
use multivm_fixtures::selftest::{Damage, HOSTS, finding, hook, unhook};

use crate::shared::{TO_VM1, on_host, on_storage, scenario_starts};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::file_grows_with_every_start",
        like: Some("damage::things_left_behind"),
        when: scenario_starts,
        at_once: true,
        cause: |fleet| {
            on_host(&fleet.hosts.target, "echo starts > /var/lib/libvirt/starts")?;
            hook(&fleet.hosts.target, r#"[ "$2" != started ] || echo "$1" >> /var/lib/libvirt/starts"#)
        },
        undo: |fleet| {
            unhook(&fleet.hosts.target)?;
            on_host(&fleet.hosts.target, "rm /var/lib/libvirt/starts")
        },
        finds: &[finding(
            &leftovers::ABOUT,
            HOSTS,
            "on target: file /var/lib/libvirt/starts, which has grown from 7 bytes to 15",
        )],
        ..TO_VM1
    },
    Damage {
        name: "damage::file_grows_on_the_server",
        like: Some("damage::things_left_behind"),
        // The note beside vm1's image, of which multivm reads the first line.
        cause: |fleet| on_storage(fleet, "echo starts >> vm1.qcow2.multivm"),
        undo: |fleet| on_storage(fleet, "sed -i '$d' vm1.qcow2.multivm"),
        finds: &[finding(
            &leftovers::ABOUT,
            HOSTS,
            "on storage: file /export/vm1.qcow2.multivm, which has grown from ",
        )],
        ..TO_VM1
    },
    Damage {
        name: "damage::sets_of_the_packet_filter_grow_with_every_start",
        like: Some("damage::things_left_behind"),
        when: scenario_starts,
        at_once: true,
        cause: |fleet| {
            on_host(
                &fleet.hosts.target,
                "nft 'add table inet known; add set inet known guests { type ipv4_addr; }; \
                      add map inet known ports { type inet_service : verdict; }'",
            )?;
            hook(
                &fleet.hosts.target,
                "[ \"$1/$2\" != vm1/started ] || nft 'add element inet known guests { 192.0.2.7 }; \
                 add element inet known ports { 4447 : drop }; add set inet known more { type ether_addr; }'",
            )
        },
        undo: |fleet| {
            unhook(&fleet.hosts.target)?;
            on_host(&fleet.hosts.target, "nft delete table inet known")
        },
        finds: &[finding(
            &leftovers::ABOUT,
            HOSTS,
            "on target: packet filter: table inet known, map ports: element 4447 : drop",
        )
        .saying(&[
            "packet filter: table inet known, set guests: element 192.0.2.7",
            "packet filter: table inet known, set more",
        ])],
        ..TO_VM1
    },
];
