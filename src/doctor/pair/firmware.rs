//! The UEFI firmware of guests that boot by it, which both hosts must have.

use super::Diagnosis;
use super::asked_host::AskedHost;
use crate::guest::WantedFleet;
use crate::inventory::catalogue::{BootFirmware, Catalogue};
use crate::stand::pair::packages::Program;
use crate::stand::pair::{CommonFirmware, CommonMachine, Lack};

const NAME: &str = "UEFI";

/// What is said of it where a guest of the fleet boots by UEFI.
pub fn examine(hosts: &[AskedHost<'_>; 2], fleet: WantedFleet<'_>) -> Vec<Diagnosis> {
    let is_wanted =
        |catalogue: &Catalogue| catalogue.images_in_use().any(|image| image.firmware == BootFirmware::Uefi);
    if !fleet.catalogue.is_some_and(is_wanted) {
        return Vec::new();
    }
    let facts = hosts.each_ref().map(|host| &host.facts);
    // Without a machine type nothing runs, which is said elsewhere.
    let CommonMachine::Is(machine) = CommonMachine::of(facts[0], facts[1]) else { return Vec::new() };
    match CommonFirmware::of(facts, &machine) {
        Ok(CommonFirmware { code, .. }) => {
            vec![Diagnosis::good(NAME, format!("guests get {code}, which both have"))]
        }
        Err(Lack::None(without)) => without.into_iter().map(|at| none(&hosts[at], &machine)).collect(),
        Err(lack) => vec![Diagnosis::missing(
            NAME,
            lack.to_string(),
            "wanted: firmware of one package and version on both hosts: what is in a guest's flash memory travels with it",
        )],
    }
}

fn none(host: &AskedHost<'_>, machine: &str) -> Diagnosis {
    let command =
        Program::Uefi.command(&host.facts).unwrap_or_else(|| "the package that has OVMF there".to_owned());
    host.missing(
        NAME,
        format!("no firmware for guests of {machine}, by the descriptors in /usr/share/qemu/firmware and /etc/qemu/firmware"),
        format!("wanted: {}; {command}; or images that boot by `bios`", Program::Uefi),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};
    use crate::inventory::catalogue::testing::catalogue_in;
    use crate::scenario::{ScenarioFile, locate};

    const MACHINES: &str = "<<capabilities\n<capabilities><guest><arch name='x86_64'><machine>pc-i440fx-10.0</machine></arch></guest>\
                            </capabilities>\n>>capabilities\nhas apt-get\n";

    const FIRMWARE: &str = "<<firmware\n{ \"interface-types\": [\"uefi\"], \"mapping\": { \"device\": \"flash\", \
        \"executable\": { \"filename\": \"/CODE\", \"format\": \"raw\" }, \
        \"nvram-template\": { \"filename\": \"/VARS\", \"format\": \"raw\" } }, \
        \"targets\": [{ \"architecture\": \"x86_64\", \"machines\": [\"pc-i440fx-*\"] }], \"features\": [] }\n>>firmware\n\
        firmware_file 4 /CODE\nfirmware_file 1 /VARS";

    fn found(source: &str, target: &str, firmware: &str) -> Vec<Diagnosis> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "image = [{{ name = 'a', file = 'disk', firmware = '{firmware}', identity = 'cloud-init' }}]\n\
             guest = [{{ image = 'a' }}]"
        );
        let catalogue = catalogue_in(folder.path(), &text);
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let (pair, profile) = (ordinary(), file.profile("lab").unwrap().clone());
        let said = |own: &str| format!("{MACHINES}{own}");
        let hosts = hosts(&pair, &said(source), &said(target));
        examine(&hosts, WantedFleet { profile: &profile, catalogue: Some(&catalogue) })
    }

    #[test]
    fn both_hosts_must_have_it_where_a_guest_boots_by_it() {
        let good = found(FIRMWARE, FIRMWARE, "uefi");
        assert_eq!(good[0].seen, "guests get /CODE, which both have");
        let missing = found(FIRMWARE, "", "uefi");
        let [Diagnosis { name, verdict: Grade::Missing, advice: Some(advice), .. }] = &missing[..] else {
            panic!("{missing:?}")
        };
        assert_eq!(name, "target: UEFI");
        assert!(advice.contains("apt-get install ovmf"), "{advice}");
        assert_eq!(found("", "", "uefi").len(), 2);
        assert!(found("", "", "bios").is_empty());
    }

    #[test]
    fn firmware_of_another_size_is_none_in_common() {
        let found = found(FIRMWARE, &FIRMWARE.replace("file 4", "file 2"), "uefi");
        assert!(
            found[0].seen.contains("/CODE (4 bytes) on the source, /CODE (2 bytes) on the target"),
            "{found:?}"
        );
    }
}
