//! The table of the guests' architectures: whatever differs between them is a value of a row here, and in no other file.
//! The build script includes this file, too, so it uses nothing of the house.

/// An architecture in the words of Debian, libvirt, QEMU and Rust.
pub struct ArchRow {
    /// The kernel's name (`uname -m`), which libvirt uses as well.
    pub name: &'static str,
    /// Debian's name.
    pub debian: &'static str,
    /// Target of Rust for which our program is built.
    pub rust_target: &'static str,
    /// Linker of that target.
    pub linker: &'static str,
    /// Debian's package of the linker; none if Rust brings it.
    pub linker_package: Option<&'static str>,
    /// Debian's package of QEMU's emulator.
    pub emulator_package: &'static str,
    /// QEMU's emulator.
    pub emulator: &'static str,
    /// Packages of a lab host for such guests, beside those of fixtures/host/packages.txt.
    pub host_packages: &'static [&'static str],
    /// Debian suites whose packages make a lab host for such guests.
    pub host_suites: &'static [&'static str],
    /// Debian suite of such guests; without one it follows from the hosts' suites.
    pub guest_suite: Option<&'static str>,
    /// Debian's package of the kernel.
    pub kernel_package: &'static str,
    /// Values that the image's recipe needs, as assignments of the shell.
    pub recipe_values: &'static str,
    /// Part of the image's recipe that brings the kernel into QEMU's form.
    pub kernel_recipe: &'static str,
    /// QEMU's machine type without its version.
    pub machine: &'static str,
    /// libvirt's features of a domain.
    pub features: &'static str,
    /// Model of an emulated CPU: it has every instruction that Debian's packages need, and nothing that TCG emulates slowly.
    pub cpu_under_tcg: &'static str,
    /// The kernel's name of the console.
    pub console: &'static str,
    /// Kernel parameters under TCG, each after a space.
    pub under_tcg: &'static str,
}

const KERNEL_PLAIN: &str = include_str!("../../../fixtures/guest/build/kernel-plain.sh");

/// Packages that a lab host has for guests of other architectures: emulators of all of them, so that one image of hosts serves
/// them all, and the emulation of programs with which their image is built.
const EMULATORS: &[&str] = &["qemu-system-arm", "qemu-system-ppc", "qemu-user"];

/// Suites whose QEMU migrates memory of emulated guests intact (since 9.0), and whose qemu-user is linked statically.
const EMULATING_SUITES: &[&str] = &["trixie", "forky"];

pub const X86_64: ArchRow = ArchRow {
    name: "x86_64",
    debian: "amd64",
    rust_target: "x86_64-unknown-linux-musl",
    linker: "rust-lld",
    linker_package: None,
    emulator_package: "qemu-system-x86",
    emulator: "qemu-system-x86_64",
    host_packages: &[],
    host_suites: &["bullseye", "bookworm", "trixie", "forky"],
    guest_suite: None,
    kernel_package: "linux-image-cloud-amd64",
    recipe_values: "",
    kernel_recipe: include_str!("../../../fixtures/guest/build/kernel-bzimage.sh"),
    machine: "pc-i440fx",
    features: "<features><acpi/></features>",
    cpu_under_tcg: "qemu64",
    console: "ttyS0",
    // They skip work for real hardware that costs a quarter of the boot time: patches against speculative execution, relocation,
    // tests of ciphers, the search for serial ports. They also skip the timer check, which panics ("IO-APIC + timer doesn't
    // work!", arch/x86/kernel/apic/io_apic.c) on a busy host whose timer ticks too seldom while the kernel counts. Guests under
    // KVM skip that check by themselves.
    under_tcg: " mitigations=off nokaslr cryptomgr.notests 8250.nr_uarts=1 no_timer_check",
};

pub const AARCH64: ArchRow = ArchRow {
    name: "aarch64",
    debian: "arm64",
    rust_target: "aarch64-unknown-linux-musl",
    linker: "rust-lld",
    linker_package: None,
    emulator_package: "qemu-system-arm",
    emulator: "qemu-system-aarch64",
    host_packages: EMULATORS,
    host_suites: EMULATING_SUITES,
    guest_suite: None,
    kernel_package: "linux-image-cloud-arm64",
    // The file is the raw image in spite of its name.
    recipe_values: "kernel_file=vmlinuz libraries=aarch64-linux-gnu user_emulator=qemu-aarch64\n",
    kernel_recipe: KERNEL_PLAIN,
    machine: "virt",
    // ACPI needs a firmware; the device tree does not.
    features: "<features><gic version='2'/></features>",
    cpu_under_tcg: "cortex-a72",
    console: "ttyAMA0",
    under_tcg: " mitigations=off nokaslr cryptomgr.notests",
};

pub const PPC64LE: ArchRow = ArchRow {
    name: "ppc64le",
    debian: "ppc64el",
    // Rust's mirrors have no standard library of its musl target.
    rust_target: "powerpc64le-unknown-linux-gnu",
    linker: "powerpc64le-linux-gnu-gcc",
    linker_package: Some("gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross"),
    emulator_package: "qemu-system-ppc",
    emulator: "qemu-system-ppc64",
    host_packages: EMULATORS,
    host_suites: EMULATING_SUITES,
    // The last one whose kernel has pages of 64 KiB, as enterprise distributions for POWER have.
    guest_suite: Some("bookworm"),
    kernel_package: "linux-image-powerpc64le",
    recipe_values: "kernel_file=vmlinux libraries=powerpc64le-linux-gnu user_emulator=qemu-ppc64le\n",
    kernel_recipe: KERNEL_PLAIN,
    machine: "pseries",
    features: "",
    cpu_under_tcg: "POWER9",
    console: "hvc0",
    under_tcg: " mitigations=off nokaslr cryptomgr.notests",
};

/// Every row, for the build script.
#[allow(dead_code, reason = "the house has the rows by their values")]
pub const ROWS: [&ArchRow; 3] = [&X86_64, &AARCH64, &PPC64LE];
