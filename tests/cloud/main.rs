//! Full images of distributions in plain QEMU, without a lab: each boots by BIOS and by UEFI, its guests are who their seeds
//! say, and it never changes.
//!
//! Three boots a distribution, each of one to three minutes where the CPU is emulated:
//!
//! ```sh
//! cargo test --test cloud -- --ignored
//! ```

mod guest;
mod qemu;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use multivm::failure::Result;
use multivm::image::{Distribution, Firmware, HostImage, Images};
use multivm::inventory::Arch;
use multivm::stand::Session;
use multivm::stand::lab::{Lab, Settings};
use multivm::sys::stop::StopFlag;
use rstest::rstest;
use sha2::{Digest, Sha256};

use guest::{Guest, Identity};
use qemu::Boot;

/// One at a time: multivm holds the machine while it builds images, and guests that boot need its CPU.
static TURN: Mutex<()> = Mutex::new(());

#[rstest]
#[ignore = "boots a full Debian three times, which takes minutes, and needs root; the first time it builds the image, too"]
#[case::debian_12("debian-12")]
#[ignore = "boots a full Debian three times, which takes minutes, and needs root; the first time it builds the image, too"]
#[case::debian_13("debian-13")]
fn guests_of_one_image_are_told_apart_and_leave_it_as_it_is(#[case] name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (tools, image, firmware) = images(Distribution::named(name).unwrap()).unwrap();
    let before = checksum(&image);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [first, second] =
        ["first", "second"].map(|name| Guest::make(name, folder.path(), &tools.root, &image, &firmware));

    let one = first.boot(Boot::Bios, true, Guest::settled_at_its_first_boot);
    let other = second.boot(Boot::Uefi, true, Guest::settled_at_its_first_boot);
    assert_ne!(one.machine_id, other.machine_id);
    assert_eq!((one.hostname.as_str(), other.hostname.as_str()), ("first", "second"));

    // Without the seed, by the other firmware: the guest is who it was.
    let again: Identity = first.boot(Boot::Uefi, false, Guest::settled_later);
    assert_eq!(again, one);
    assert_eq!(checksum(&image), before, "{}", image.display());
}

/// The lab hosts' tree, which has QEMU, the image and the firmware.
fn images(distribution: Distribution) -> Result<(HostImage, std::path::PathBuf, Firmware)> {
    let settings = Settings::from_environment()?;
    let (store, suite) = (settings.store.clone(), settings.source_suite.clone());
    let session = Session::begin(Box::new(Lab::new(settings)), StopFlag::new())?;
    let ground = session.ground();
    let images = Images { store: &store, ledger: ground.ledger, stop: ground.stop };
    let tools = images.host(&suite, Arch::OF_HOSTS)?;
    let image = images.cloud(distribution, || Ok(tools.clone()))?;
    let firmware = images.firmware(&suite)?;
    assert_eq!(session.end(), []);
    Ok((tools, image, firmware))
}

fn checksum(path: &Path) -> String {
    let mut hash = Sha256::new();
    let mut file = File::open(path).unwrap();
    let mut part = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut part).unwrap() {
            0 => break,
            length => hash.update(&part[..length]),
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
