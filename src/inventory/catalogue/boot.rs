//! The ways in which a guest boots, and in which it gets to know who it is.

use serde::{Deserialize, Serialize};

use crate::axis::{AxisValue, UnknownName, axis};
use crate::inventory::NameOnly;

axis! {
    /// The program that loads a guest's kernel.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    BootFirmware, "firmware", NameOnly {
        Kernel => NameOnly { name: "kernel" },
        Bios => NameOnly { name: "bios" },
        Uefi => NameOnly { name: "uefi" },
    }
}

axis! {
    /// How a guest's disk is made of its image.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    DiskKind, "disk", NameOnly {
        Overlay => NameOnly { name: "overlay" },
        Copy => NameOnly { name: "copy" },
    }
}

axis! {
    /// The way in which name, address and keys get into a guest.
    Identity, "identity", NameOnly {
        Kernel => NameOnly { name: "kernel" },
        CloudInit => NameOnly { name: "cloud-init" },
    }
}

impl TryFrom<String> for DiskKind {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<DiskKind, UnknownName> {
        name.parse()
    }
}

impl From<DiskKind> for String {
    fn from(kind: DiskKind) -> String {
        kind.name().to_owned()
    }
}

impl TryFrom<String> for BootFirmware {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<BootFirmware, UnknownName> {
        name.parse()
    }
}

impl From<BootFirmware> for String {
    fn from(firmware: BootFirmware) -> String {
        firmware.name().to_owned()
    }
}
