//! The user's wishes for the lab's hosts and guests, from the environment.

use std::path::PathBuf;

use crate::axis::quoted_names;
use crate::failure::Failure;
use crate::image::{Images, Store};
use crate::inventory::catalogue::Catalogue;
use crate::inventory::{ARCH_VARIABLE, Arch};
use crate::sys::machine;

/// Debian suites whose packages make a lab host, oldest first, with the QEMU each one has.
const SUITES: [(&str, &str); 4] =
    [("bullseye", "5.2"), ("bookworm", "7.2"), ("trixie", "10.0"), ("forky", "11")];

/// The default: the oldest suite whose QEMU is 9.0 or newer. Older QEMU corrupts guests that migrate under TCG
/// (fixed in QEMU 9.0 by 03bfc2188f06, "physmem: Fix migration dirty bitmap coherency with TCG memory access").
const DEFAULT_SUITE: &str = "trixie";

/// The accelerator that the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// KVM where a trial boot proves it, otherwise TCG.
    Auto,
    Kvm,
    Tcg,
}

/// A lab host's share of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSize {
    /// Hundredths of a CPU: 150 is one and a half.
    pub cpu_percent: u32,
    /// Memory in bytes.
    pub memory: u64,
}

/// The assumed memory of a machine that does not say how much it has, in bytes.
const UNKNOWN_MEMORY: u64 = 4 << 30;

/// Settings from the environment; see [`Settings::VARIABLES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub store: Store,
    pub source_suite: String,
    pub target_suite: String,
    pub guest_suite: String,
    pub guest_arch: Arch,
    pub source_layer: Option<PathBuf>,
    pub target_layer: Option<PathBuf>,
    pub accel: Accel,
    /// The images and guests that the user lists; none where all guests boot the image that multivm builds.
    pub catalogue: Option<Catalogue>,
    /// The size that the user requested; see [`Settings::host_size`].
    asked_size: Option<HostSize>,
}

impl Settings {
    /// Every variable with its meaning, for `--help` and the README.
    pub const VARIABLES: [(&'static str, &'static str); 9] = [
        ("MULTIVM_SUITE", "Debian suite of both hosts (default: trixie)"),
        ("MULTIVM_SOURCE_SUITE", "Debian suite of the source only"),
        ("MULTIVM_TARGET_SUITE", "Debian suite of the target only"),
        ("MULTIVM_GUEST_SUITE", "Debian suite of the guests (default: the older of the hosts')"),
        (
            ARCH_VARIABLE,
            "architecture of the guests: x86_64, aarch64, ppc64le (default: x86_64); others are emulated",
        ),
        ("MULTIVM_SOURCE_LAYER", "directory laid over the source's root file system, e.g. an own QEMU build"),
        ("MULTIVM_TARGET_LAYER", "directory laid over the target's root file system"),
        ("MULTIVM_ACCEL", "auto, kvm or tcg (default: auto, KVM where a trial boot proves it)"),
        (
            "MULTIVM_HOST_SIZE",
            "size of each lab host, CPUs:memory, e.g. 2:8GiB (default: all CPUs, twice the guests' memory and 1GiB)",
        ),
    ];

    /// Reads the settings through `get`, which looks a variable up.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Settings, Failure> {
        let variables = Variables(&get);
        let source_suite = variables.suite(["MULTIVM_SOURCE_SUITE", "MULTIVM_SUITE"], DEFAULT_SUITE)?;
        let target_suite = variables.suite(["MULTIVM_TARGET_SUITE", "MULTIVM_SUITE"], DEFAULT_SUITE)?;
        let guest_arch = variables.arch([&source_suite, &target_suite])?;
        let default_suite = guest_arch.row().guest_suite.unwrap_or(older(&source_suite, &target_suite));
        Ok(Settings {
            store: Store::read(&get)?,
            guest_suite: variables.suite(["MULTIVM_GUEST_SUITE"; 2], default_suite)?,
            guest_arch,
            source_suite,
            target_suite,
            source_layer: variables.layer("MULTIVM_SOURCE_LAYER")?,
            target_layer: variables.layer("MULTIVM_TARGET_LAYER")?,
            accel: variables.accel(guest_arch)?,
            catalogue: None,
            asked_size: variables.host_size()?,
        })
    }

    /// The size of each lab host. `guests_memory` is the memory of all guests together, in bytes. Unless the user asks for
    /// a size, a host has room for all guests twice, so that a load on it matters and still fills its memory in less than
    /// minutes. Both hosts together leave a fifth of the machine's memory to the machine. They share all CPUs, because two
    /// hosts are rarely busy to the brim at the same time.
    pub fn host_size(&self, guests_memory: u64) -> HostSize {
        self.asked_size.unwrap_or_else(|| HostSize {
            cpu_percent: machine::cpu_percent(),
            memory: (guests_memory * 2 + (1 << 30)).min(machine::memory().unwrap_or(UNKNOWN_MEMORY) / 5 * 2),
        })
    }

    /// The settings with the images of a catalogue.
    ///
    /// # Errors
    ///
    /// An image is of another architecture than the guests of the run.
    pub fn with(self, catalogue: Option<Catalogue>) -> Result<Settings, Failure> {
        let images = catalogue.iter().flat_map(Catalogue::images_in_use);
        let other =
            images.filter_map(|image| Some((image, image.arch?))).find(|(_, arch)| *arch != self.guest_arch);
        if let Some((image, arch)) = other {
            let attempted = format!("boot the image {} of the catalogue", image.name);
            let cause = format!(
                "it is of {arch}, and the guests are of {}: {ARCH_VARIABLE} chooses",
                self.guest_arch
            );
            return Err(Failure::new(attempted, cause));
        }
        Ok(Settings { catalogue, ..self })
    }

    /// Refuses guests of another architecture than their hosts'.
    pub fn have_guests_of_their_hosts(&self) -> Result<(), Failure> {
        if self.guest_arch.is_of_hosts() {
            return Ok(());
        }
        let allowed = format!("{} on hosts that are no lab", Arch::OF_HOSTS);
        Err(bad(ARCH_VARIABLE, self.guest_arch.row().name, &allowed))
    }

    /// The paths of the images for these settings, each with whether it exists.
    pub fn images(&self) -> Vec<(PathBuf, bool)> {
        let hosts = [self.source_suite.as_str(), &self.target_suite];
        Images::status(&self.store, &hosts, &self.guest_suite, self.guest_arch)
    }

    /// Reads the settings from the process's environment.
    pub fn from_environment() -> Result<Settings, Failure> {
        Settings::read(|name| std::env::var(name).ok())
    }
}

/// The user's variables. One that is empty is as one that is not set.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// The suite in the first of two variables that is set.
    fn suite(&self, names: [&str; 2], default: &str) -> Result<String, Failure> {
        let set = names.into_iter().find_map(|name| Some((name, self.get(name)?)));
        let Some((name, suite)) = set else { return Ok(default.to_owned()) };
        if SUITES.iter().any(|(known, _)| *known == suite) {
            return Ok(suite);
        }
        let known: Vec<_> = SUITES.iter().map(|(suite, qemu)| format!("{suite} (QEMU {qemu})")).collect();
        Err(bad(name, &suite, &known.join(", ")))
    }

    /// The architecture of guests, which hosts of these suites can have.
    fn arch(&self, host_suites: [&str; 2]) -> Result<Arch, Failure> {
        let arch: Arch = match self.get(ARCH_VARIABLE) {
            None => Arch::default(),
            Some(value) => value.parse().map_err(|_| bad(ARCH_VARIABLE, &value, &quoted_names(Arch::ALL)))?,
        };
        let Some(suite) = host_suites.into_iter().find(|suite| !arch.is_on(suite)) else { return Ok(arch) };
        let suites = arch.row().host_suites.join(", ");
        Err(bad("MULTIVM_SUITE", suite, &format!("{suites}, for hosts with guests of {arch}")))
    }

    fn layer(&self, name: &str) -> Result<Option<PathBuf>, Failure> {
        match self.get(name).map(PathBuf::from) {
            Some(path) if !path.is_absolute() || !path.is_dir() => {
                Err(bad(name, &path.display().to_string(), "the absolute path of a directory"))
            }
            path => Ok(path),
        }
    }

    fn accel(&self, guest_arch: Arch) -> Result<Accel, Failure> {
        match self.get("MULTIVM_ACCEL").as_deref() {
            None | Some("auto") => Ok(Accel::Auto),
            Some("kvm") if guest_arch.is_native() => Ok(Accel::Kvm),
            Some("kvm") => {
                let allowed = format!("auto, tcg, for guests of {guest_arch}");
                Err(bad("MULTIVM_ACCEL", "kvm", &allowed))
            }
            Some("tcg") => Ok(Accel::Tcg),
            Some(other) => Err(bad("MULTIVM_ACCEL", other, "auto, kvm, tcg")),
        }
    }

    fn host_size(&self) -> Result<Option<HostSize>, Failure> {
        let Some(value) = self.get("MULTIVM_HOST_SIZE") else { return Ok(None) };
        let size = parse_size(&value);
        let allowed = "CPUs:memory, e.g. 2:8GiB or 0.5:2048MiB";
        size.map(Some).ok_or_else(|| bad("MULTIVM_HOST_SIZE", &value, allowed))
    }
}

/// The older of two suites. A host's QEMU is proven only with guests no newer than itself: kernel 6.12 on QEMU 7.2 under
/// TCG dies at boot now and then.
fn older<'a>(one: &'a str, other: &'a str) -> &'a str {
    let age = |name: &str| SUITES.iter().position(|(suite, _)| *suite == name);
    if age(one) <= age(other) { one } else { other }
}

fn bad(name: &str, value: &str, allowed: &str) -> Failure {
    Failure::new(format!("use {name}={value}"), format!("allowed: {allowed}"))
}

fn parse_size(text: &str) -> Option<HostSize> {
    let (cpus, memory) = text.split_once(':')?;
    let cpus: f64 = cpus.parse().ok().filter(|cpus| (0.1..=1024.0).contains(cpus))?;
    let digits = memory.find(|c: char| !c.is_ascii_digit())?;
    let unit = match &memory[digits..] {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let memory =
        memory[..digits].parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes >= 256 << 20)?;
    Some(HostSize { cpu_percent: (cpus * 100.0).round() as u32, memory })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("MULTIVM_SUITE", "sid", "trixie (QEMU 10.0)")]
    #[case("MULTIVM_ACCEL", "xen", "auto, kvm, tcg")]
    #[case("MULTIVM_GUEST_ARCH", "arm64", "`x86_64`, `aarch64`, `ppc64le`")]
    #[case("MULTIVM_HOST_SIZE", "2", "CPUs:memory")]
    #[case("MULTIVM_HOST_SIZE", "2:1MB", "CPUs:memory")]
    #[case("MULTIVM_SOURCE_LAYER", "qemu", "absolute path")]
    fn a_mistake_names_the_variable_and_what_is_allowed(
        #[case] name: &str,
        #[case] value: &str,
        #[case] allowed: &str,
    ) {
        let said = Settings::read(|asked| (asked == name).then(|| value.to_owned())).unwrap_err().to_string();
        assert!(said.contains(&format!("{name}={value}")) && said.contains(allowed), "{said}");
    }

    #[rstest]
    #[case::aarch64("aarch64", "", "trixie")]
    #[case::ppc64le("ppc64le", "", "bookworm")]
    #[case::another_suite("ppc64le", "trixie", "trixie")]
    fn guests_of_another_architecture_have_their_own_suite(
        #[case] arch: &str,
        #[case] suite: &str,
        #[case] expected: &str,
    ) {
        let settings = Settings::read(|name| match name {
            "MULTIVM_GUEST_ARCH" => Some(arch.into()),
            "MULTIVM_GUEST_SUITE" => Some(suite.into()),
            _ => None,
        })
        .unwrap();
        assert_eq!((settings.guest_arch.row().name, &*settings.guest_suite), (arch, expected));
        let refused = settings.have_guests_of_their_hosts().unwrap_err().to_string();
        assert!(refused.contains("allowed: x86_64 on hosts that are no lab"), "{refused}");
    }

    #[rstest]
    #[case("MULTIVM_SUITE", "bookworm", "allowed: trixie, forky, for hosts with guests of aarch64")]
    #[case("MULTIVM_ACCEL", "kvm", "allowed: auto, tcg, for guests of aarch64")]
    fn guests_of_another_architecture_are_emulated_well(
        #[case] name: &str,
        #[case] value: &str,
        #[case] said: &str,
    ) {
        let get = |asked: &str| match asked {
            "MULTIVM_GUEST_ARCH" => Some("aarch64".to_owned()),
            _ => (asked == name).then(|| value.to_owned()),
        };
        let failure = Settings::read(get).unwrap_err().to_string();
        assert!(failure.contains(&format!("{name}={value}")) && failure.contains(said), "{failure}");
    }

    #[test]
    fn one_side_may_differ() {
        let settings = Settings::read(|name| match name {
            "MULTIVM_SUITE" => Some("bookworm".into()),
            "MULTIVM_TARGET_SUITE" => Some("trixie".into()),
            "MULTIVM_HOST_SIZE" => Some("1.5:2GiB".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!((&*settings.source_suite, &*settings.target_suite), ("bookworm", "trixie"));
        assert_eq!(settings.guest_suite, "bookworm");
        assert_eq!(settings.host_size(0), HostSize { cpu_percent: 150, memory: 2 << 30 });
    }
}
