//! Multifd: memory goes over four connections beside the main one, each with a sending thread of its own.

use super::Requirement;
use super::demands::{Kept, Promise, Sign, TransportDemands};
use crate::libvirt::Version;
use crate::migration::{Connections, LegReport};
use crate::scenario::Mode;

/// The number of channels, also in the promise's text and the axis's name.
const CHANNELS: u16 = 4;

pub static DEMANDS: TransportDemands = TransportDemands {
    asks: |migration| migration.parallel_connections = Some(CHANNELS),
    needs,
    promise: Some(Promise {
        text: "multifd at work: the main connection and 4 more to the same port, at once",
        kept,
    }),
};

/// The oldest versions. VIR_MIGRATE_PARALLEL came with libvirt 5.2, the capability `multifd` with QEMU 4.0. A migration
/// could not have both multifd and post-copy before QEMU 10.1 (commit e27418861288 "migration: enable multifd and postcopy
/// together"): migrate_caps_check said "Postcopy is not yet compatible with multifd".
fn needs(mode: Mode) -> Requirement {
    let qemu = if mode.row().switches { Version::new(10, 1, 0) } else { Version::new(4, 0, 0) };
    Requirement { libvirt: Version::new(5, 2, 0), qemu }
}

/// Whether all channels were there at once, and no more. Post-copy may open one more for pages that the target asks for
/// (postcopy-preempt).
fn kept(report: &LegReport) -> Sign {
    let seen = report.connections.clone().unwrap_or_default();
    let Connections { most, .. } = seen;
    let all = usize::from(CHANNELS) + 1;
    let urgent = usize::from(report.switchover.is_some());
    Sign { kept: Kept::by_every_leg((all..=all + urgent).contains(&most)), seen: seen.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::super::{Stack, refusal};
    use super::*;
    use crate::libvirt::Migration;

    fn stack(libvirt: Version, qemu: Version) -> Stack<'static> {
        Stack { name: "source", libvirt, qemu }
    }

    #[test]
    fn libvirt_is_asked_for_as_many_as_are_promised() {
        let mut migration = Migration::default();
        (DEMANDS.asks)(&mut migration);
        assert_eq!(migration, Migration { parallel_connections: Some(4), ..Migration::default() });
        assert!(DEMANDS.promise.as_ref().unwrap().text.contains(" 4 more "));
    }

    #[rstest]
    #[case::all(5, false, true)]
    #[case::main_only(1, false, false)]
    #[case::one_is_missing(4, false, false)]
    #[case::one_too_many(6, false, false)]
    #[case::urgent_pages(6, true, true)]
    #[case::none_was_seen(0, false, false)]
    fn the_main_connection_and_four_more_are_there(
        #[case] most: usize,
        #[case] switched: bool,
        #[case] ok: bool,
    ) {
        let connections = Connections { most, peer: "10.0.0.2:49152".into(), looks: 3, failure: None };
        let switchover = switched.then_some(Duration::from_secs(1));
        let sign = kept(&LegReport { connections: Some(connections), switchover, ..LegReport::default() });
        assert_eq!(sign.kept, Kept::by_every_leg(ok), "{sign:?}");
    }

    #[test]
    fn a_leg_whose_connections_nobody_counted_proves_nothing() {
        let sign = kept(&LegReport::default());
        assert_eq!((sign.kept, &*sign.seen), (Kept::No, "no connection, in 0 looks"));
    }

    #[rstest]
    #[case::precopy("precopy", 10, 0, None)]
    #[case::postcopy(
        "postcopy",
        10,
        0,
        Some("postcopy migration by multifd needs QEMU 10.1.0, and source has 10.0.0")
    )]
    #[case::newer("postcopy", 10, 1, None)]
    #[case::old("precopy", 3, 1, Some("precopy migration by multifd needs QEMU 4.0.0, and source has 3.1.0"))]
    fn post_copy_needs_a_newer_qemu(
        #[case] mode: &str,
        #[case] major: u32,
        #[case] minor: u32,
        #[case] expected: Option<&str>,
    ) {
        let scenario = format!("{mode}_orderly::in_vms::stress_memory::multifd").parse().unwrap();
        let host = stack(Version::new(11, 3, 0), Version::new(major, minor, 0));
        assert_eq!(refusal(&scenario, &[host]).as_deref(), expected);
    }

    #[test]
    fn it_needs_a_libvirt_that_knows_parallel_migration() {
        let old = stack(Version::new(5, 1, 0), Version::new(10, 1, 0));
        assert_eq!(needs(Mode::Precopy).unmet_by(&old).unwrap(), "libvirt 5.2.0, and source has 5.1.0");
    }

    /// libvirt refuses XBZRLE on parallel connections; no name stands for both.
    #[test]
    fn compressed_has_no_second_transport() {
        let error = "precopy_compressed::booting::load_vms::multifd"
            .parse::<crate::scenario::Scenario>()
            .unwrap_err();
        assert!(error.to_string().contains("stands for `xbzrle` already"), "{error}");
    }
}
