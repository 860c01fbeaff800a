//! Images for hosts and guests to boot from, built once from a distribution's packages and kept.

mod build;
mod cloud;
mod expired;
mod firmware;
mod machine;
pub mod mirror;
mod packages;
mod seed;
mod snapshot;
mod store;

pub use build::{GuestImage, HostFacts, HostImage, Images};
pub use cloud::Distribution;
pub use firmware::Firmware;
pub use machine::MachineImage;
pub use seed::{CloudInitSeed, SeedHostKey, SeedNetwork};
pub use snapshot::Snapshot;
pub use store::Store;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{build, cloud, machine};
    use crate::inventory::Arch;
    use crate::scenario::Load;

    #[rstest]
    #[case::lab_hosts(build::host_packages(Arch::OF_HOSTS))]
    #[case::guests(build::guest_packages(Arch::OF_HOSTS))]
    #[case::full_images_of_guests(cloud::packages())]
    #[case::machine_hosts(machine::packages())]
    fn every_image_has_the_package_of_every_load(#[case] list: String) {
        let packages: Vec<&str> = list.lines().collect();
        assert!(packages.len() > Load::tools().len(), "{list}");
        for load in Load::ALL {
            assert!(packages.contains(&load.row().tool.packages[0]), "{list}");
        }
    }
}
