//! The UEFI firmware of guests: one that both hosts have at the same path.
//!
//! A host says what it has by the descriptors that distributions lay beside their firmware (docs/interop/firmware.json of QEMU), which
//! libvirt chooses by, too. libvirt's own `domcapabilities` name programs, and not the variables that belong to them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::inventory::Arch;
use crate::remote::Facts;

/// A firmware for the guests of two hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonFirmware {
    /// The program.
    pub code: String,
    /// Empty variables.
    pub variables: String,
}

/// Why there is no firmware for guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// These hosts, 0 for the source, have none.
    None(Vec<usize>),
    /// Each host has some, and none is the same on both; one that the source has, and one that the target has.
    Differ([String; 2]),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::None(hosts) => {
                let names: Vec<&str> = hosts.iter().map(|at| ["the source", "the target"][*at]).collect();
                let have = if names.len() == 1 { "has" } else { "have" };
                write!(f, "{} {have} none for guests", names.join(" and "))
            }
            Lack::Differ([one, other]) => {
                write!(
                    f,
                    "the hosts have none of one path and size in common: {one} on the source, {other} on the target"
                )
            }
        }
    }
}

impl CommonFirmware {
    /// Chooses the firmware for guests of this machine type, by what the hosts said.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn of(hosts: [&Facts; 2], machine: &str) -> Result<CommonFirmware, Lack> {
        let has = hosts.map(|facts| offered(facts, machine));
        let none: Vec<usize> = (0..2).filter(|at| has[*at].is_empty()).collect();
        if !none.is_empty() {
            return Err(Lack::None(none));
        }
        let [source, target] = &has;
        let common = source.iter().find(|one| target.contains(one));
        common
            .map(|one| CommonFirmware { code: one.code.path.clone(), variables: one.variables.path.clone() })
            .ok_or_else(|| Lack::Differ(has.each_ref().map(|some| some[0].code.to_string())))
    }
}

/// A file, as a host has it: contents of flash memory travel with a guest, and must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FlashFile {
    path: String,
    bytes: u64,
}

impl fmt::Display for FlashFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.bytes)
    }
}

/// A firmware that a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OfferedFirmware {
    code: FlashFile,
    variables: FlashFile,
}

/// A descriptor of a firmware.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<FirmwareTarget>,
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<Flash>,
    nvram_template: Option<Flash>,
}

#[derive(Deserialize)]
struct Flash {
    filename: String,
    format: String,
}

#[derive(Deserialize)]
struct FirmwareTarget {
    architecture: String,
    machines: Vec<String>,
}

/// Features of a firmware that starts nothing but what is signed, or wants a machine that guests do not get.
const UNWANTED: [&str; 2] = ["requires-smm", "enrolled-keys"];

/// What a host has for guests of a machine type, in the order of its descriptors.
fn offered(facts: &Facts, machine: &str) -> Vec<OfferedFirmware> {
    let files: BTreeMap<&str, u64> = facts
        .all("firmware_file")
        .filter_map(|said| said.split_once(' '))
        .filter_map(|(bytes, path)| Some((path, bytes.parse().ok()?)))
        .collect();
    let descriptors = serde_json::Deserializer::from_str(facts.text("firmware")).into_iter::<Value>();
    let readable = descriptors.map_while(|one| one.ok()).filter_map(|one| Descriptor::deserialize(&one).ok());
    let offer = |descriptor: Descriptor| {
        let file = |flash: &Flash| {
            let bytes = *files.get(flash.filename.as_str()).filter(|_| flash.format == "raw")?;
            Some(FlashFile { path: flash.filename.clone(), bytes })
        };
        let Mapping { executable, nvram_template, .. } = &descriptor.mapping;
        let (code, variables) = (executable.as_ref()?, nvram_template.as_ref()?);
        let fits = descriptor.fits(machine);
        fits.then(|| Some(OfferedFirmware { code: file(code)?, variables: file(variables)? })).flatten()
    };
    readable.filter_map(offer).collect()
}

impl Descriptor {
    fn fits(&self, machine: &str) -> bool {
        let is_of = |target: &FirmwareTarget| {
            target.architecture == Arch::OF_HOSTS.row().name
                && target.machines.iter().any(|pattern| matches(pattern, machine))
        };
        self.mapping.device == "flash"
            && self.interface_types.iter().any(|kind| kind == "uefi")
            && self.targets.iter().any(is_of)
            && !self.features.iter().any(|feature| UNWANTED.contains(&feature.as_str()))
    }
}

/// Whether a machine type is one of a pattern, as `pc-i440fx-*`.
fn matches(pattern: &str, machine: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == machine, |begin| machine.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "pc-i440fx-10.0";

    fn descriptor(name: &str, machines: &str, features: &str) -> String {
        let file = |which: &str| {
            format!(r#"{{ "filename": "/usr/share/OVMF/{name}_{which}.fd", "format": "raw" }}"#)
        };
        format!(
            r#"{{ "description": "UEFI", "interface-types": [ "uefi" ],
                 "mapping": {{ "device": "flash", "executable": {}, "nvram-template": {} }},
                 "targets": [ {{ "architecture": "x86_64", "machines": [ {machines} ] }} ],
                 "features": [ {features} ], "tags": [ ] }}"#,
            file("CODE"),
            file("VARS")
        )
    }

    fn facts(descriptors: &[String], sizes: &str) -> Facts {
        let files: String = sizes.split_whitespace().map(|name| {
            let (name, bytes) = name.split_once('=').unwrap();
            format!("firmware_file {bytes} /usr/share/OVMF/{name}_CODE.fd\nfirmware_file 5 /usr/share/OVMF/{name}_VARS.fd\n")
        }).collect();
        Facts::parse(&format!("<<firmware\n{}\n>>firmware\n{files}end yes\n", descriptors.join("\n")))
            .unwrap()
    }

    fn all() -> Vec<String> {
        vec![
            descriptor("SECURE", r#""pc-q35-*""#, r#""requires-smm", "secure-boot""#),
            descriptor("MS", r#""pc-i440fx-*""#, r#""enrolled-keys""#),
            r#"{ "interface-types": [ "uefi" ], "mapping": { "device": "memory", "filename": "/x" },
                 "targets": [], "features": [] }"#
                .to_owned(),
            descriptor("Q35", r#""pc-q35-*""#, ""),
            descriptor("PLAIN", r#""pc-i440fx-*", "pc-q35-*""#, r#""acpi-s3""#),
        ]
    }

    #[test]
    fn the_first_one_that_fits_and_is_there_is_taken() {
        let host = facts(&all(), "SECURE=4 MS=4 Q35=4 PLAIN=4");
        let of = |name: &str| CommonFirmware {
            code: format!("/usr/share/OVMF/{name}_CODE.fd"),
            variables: format!("/usr/share/OVMF/{name}_VARS.fd"),
        };
        assert_eq!(CommonFirmware::of([&host, &host], MACHINE), Ok(of("PLAIN")));
        assert_eq!(CommonFirmware::of([&host, &host], "pc-q35-10.0"), Ok(of("Q35")));
    }

    #[test]
    fn a_host_without_one_is_named() {
        let (host, none) = (facts(&all(), "PLAIN=4"), Facts::parse("end yes\n").unwrap());
        // QEMU's own descriptors are there, and the files are another package's.
        let gone = facts(&all(), "");
        assert_eq!(CommonFirmware::of([&host, &none], MACHINE), Err(Lack::None(vec![1])));
        let lack = CommonFirmware::of([&gone, &none], MACHINE).unwrap_err();
        assert_eq!(lack.to_string(), "the source and the target have none for guests");
    }

    #[test]
    fn flash_memory_of_another_size_does_not_fit() {
        let (one, other) = (facts(&all(), "PLAIN=4"), facts(&all(), "PLAIN=2"));
        let lack = CommonFirmware::of([&one, &other], MACHINE).unwrap_err();
        let said = "/usr/share/OVMF/PLAIN_CODE.fd (4 bytes) on the source, /usr/share/OVMF/PLAIN_CODE.fd (2 bytes) on the target";
        assert!(lack.to_string().ends_with(said), "{lack}");
    }
}
