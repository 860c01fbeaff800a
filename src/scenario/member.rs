//! The guests of a fleet one by one: the image that each boots from, and its size.

use std::fmt;

use super::{Bytes, Profile};
use crate::failure::InputError;
use crate::inventory::catalogue::{BootFirmware, CATALOGUE_VARIABLE, Catalogue};
use crate::sys::words::counted;

/// How many times longer a distribution's whole system may take to boot than the image that multivm builds. Under TCG, 6 to 8
/// seconds became a minute and a half at a first boot with cloud-init.
const WHOLE_SYSTEM: u32 = 8;

/// One guest of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name of its image in a catalogue; none without a catalogue, where guests boot the image that multivm builds.
    pub image: Option<String>,
    pub vcpus: u32,
    pub memory: Bytes,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", counted(self.vcpus, "vCPU", "vCPUs"), self.memory)?;
        self.image.as_ref().map_or(Ok(()), |image| write!(f, ", {image}"))
    }
}

impl Profile {
    /// Guest `number` (from 1) of the fleet.
    pub fn member(&self, number: u32) -> Member {
        let listed = number.checked_sub(1).and_then(|place| self.listed.get(place as usize));
        Member {
            image: listed.map(|guest| guest.image.clone()),
            vcpus: listed.and_then(|guest| guest.vcpus).unwrap_or(self.vcpus),
            memory: listed
                .and_then(|guest| guest.memory_mib)
                .map_or(self.memory, |mib| Bytes(u64::from(mib) << 20)),
        }
    }

    /// A guest that boots as load: always of the image that multivm builds, and of the profile's size.
    pub fn load_member(&self) -> Member {
        Member { image: None, vcpus: self.vcpus, memory: self.memory }
    }

    /// Every guest of the fleet, in order.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        (1..=self.guests).map(|number| self.member(number))
    }

    /// The profile with the guests of a catalogue, if there is one, in place of equal ones. `variable` looks up the environment.
    ///
    /// # Errors
    ///
    /// The number of guests is said twice.
    pub fn with_guests_of(
        self,
        catalogue: Option<&Catalogue>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Profile, InputError> {
        let Some(catalogue) = catalogue else { return Ok(self) };
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(guests) = set("MULTIVM_GUESTS") {
            let what = format!(
                "how many guests there are is said twice: MULTIVM_GUESTS={guests}, and by the catalogue {}",
                catalogue.name
            );
            let help = format!("allowed: one of MULTIVM_GUESTS and {CATALOGUE_VARIABLE}");
            return Err(InputError::new(&what, &[help]));
        }
        let whole_system = catalogue.images_in_use().any(|image| image.firmware != BootFirmware::Kernel);
        let patience = if whole_system && set("MULTIVM_BOOT_TIMEOUT").is_none() { WHOLE_SYSTEM } else { 1 };
        let listed = catalogue.guests();
        Ok(Profile {
            guests: u32::try_from(listed.len()).unwrap_or(u32::MAX),
            boot_timeout: self.boot_timeout * patience,
            listed,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::inventory::catalogue::MasterFiles;
    use crate::inventory::file::Folders;

    const MIXED: &str = r#"
        image = [{ name = "tiny", firmware = "kernel", identity = "kernel" }]
        [[guest]]
        image = "tiny"
        [[guest]]
        image = "tiny"
        count = 2
        vcpus = 3
        memory_mib = 1024
    "#;

    fn mixed(variable: impl Fn(&str) -> Option<String>) -> Result<Profile, String> {
        let folders = Folders { file: Path::new(""), home: None };
        let catalogue = Catalogue::parse("guests.toml", MIXED, &folders, MasterFiles::Needed).unwrap();
        let profile =
            Profile { vcpus: 1, memory: Bytes(256 << 20), load_guests: 2, ..Profile::blank("test") };
        let profile = Profile { boot_timeout: Duration::from_secs(60), ..profile };
        profile.with_guests_of(Some(&catalogue), variable).map_err(|error| error.to_string())
    }

    #[test]
    fn guests_are_the_catalogues_and_what_it_does_not_say_is_the_profiles() {
        let profile = mixed(|_| None).unwrap();
        let members: Vec<String> = profile.members().map(|member| member.to_string()).collect();
        assert_eq!(members, ["1 vCPU, 256MiB, tiny", "3 vCPUs, 1GiB, tiny", "3 vCPUs, 1GiB, tiny"]);
        assert_eq!(profile.load_member().to_string(), "1 vCPU, 256MiB");
        assert_eq!(profile.guests_memory() >> 20, 256 + 2 * 1024 + 2 * 256);
        assert_eq!(profile.boot_timeout, Duration::from_secs(60), "no whole system boots");
    }

    #[test]
    fn limits_are_stretched_by_all_vcpus() {
        // Seven vCPUs on two CPUs.
        assert_eq!(mixed(|_| None).unwrap().stretched(200).boot_timeout, Duration::from_secs(210));
        // Two guests at once, the largest of which has three vCPUs.
        assert_eq!(mixed(|_| None).unwrap().wave(200), 2);
    }

    #[test]
    fn the_number_of_guests_is_said_once() {
        let said = mixed(|name| (name == "MULTIVM_GUESTS").then(|| "2".to_owned())).unwrap_err();
        assert!(said.contains("MULTIVM_GUESTS=2") && said.contains("the catalogue guests.toml"), "{said}");
    }
}
