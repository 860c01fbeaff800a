//! What is kept of the last look at a guest, with which a later look is compared.

use std::time::SystemTime;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::remote::{DeviceMount, Observation};

/// A guest as the last look saw it that it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLook {
    pub boot_id: String,
    /// Whether it had been reset since its start, as far as the process of that look knew.
    pub was_reset: bool,
    pub at: SystemTime,
    #[serde(serialize_with = "as_lines", deserialize_with = "from_lines")]
    pub mounts: Vec<DeviceMount>,
}

impl LastLook {
    /// What has become read-only between this look and a later one of the same boot, a line for each mount; another boot has mounts of
    /// its own.
    ///
    /// A program that has a file open may go on writing to it, and a kernel need not say a word: so mounts are compared. What was
    /// read-only before is the guest's own business.
    pub fn read_only_since(&self, seen: &Observation) -> Vec<String> {
        if seen.boot_id != self.boot_id {
            return Vec::new();
        }
        let was_writable = |mount: &&DeviceMount| {
            let same = |before: &DeviceMount| before.point == mount.point && before.device == mount.device;
            self.mounts.iter().any(|before| before.is_writable && same(before))
        };
        let lost = seen.mounts.iter().filter(|mount| !mount.is_writable).filter(was_writable);
        lost.map(|mount| format!("{} of {} has become read-only", mount.point, mount.device)).collect()
    }
}

/// Our program in guests, which has no serde, has a line for a mount.
fn as_lines<S: Serializer>(mounts: &[DeviceMount], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(mounts.iter().map(ToString::to_string))
}

fn from_lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<DeviceMount>, D::Error> {
    let lines = Vec::<String>::deserialize(from)?;
    lines
        .iter()
        .map(|line| line.parse().map_err(|_| D::Error::custom(format!("`{line}` is no mount"))))
        .collect()
}

#[cfg(test)]
impl LastLook {
    /// A look at the beginning of time.
    pub fn in_a_test(boot_id: &str) -> LastLook {
        LastLook { boot_id: boot_id.into(), was_reset: false, at: SystemTime::UNIX_EPOCH, mounts: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;

    type Mounts<'a> = &'a [(&'a str, &'a str, &'a str)];

    fn mounts(mounts: Mounts<'_>) -> Vec<DeviceMount> {
        let mount = |(options, device, point): &(&str, &str, &str)| DeviceMount {
            is_writable: *options == "rw",
            device: (*device).into(),
            point: (*point).into(),
        };
        mounts.iter().map(mount).collect()
    }

    fn lost(before: Mounts<'_>, boot_id: &str, now: Mounts<'_>) -> String {
        let last = LastLook { mounts: mounts(before), ..LastLook::in_a_test("a") };
        let now = Observation { mounts: mounts(now), ..Observation::in_a_test(boot_id, Instant::now()) };
        last.read_only_since(&now).join("\n")
    }

    /// Mounts at a look and at a later one, and what has become read-only.
    #[rstest]
    #[case::stays_writable(&[("rw", "/dev/vda1", "/")], &[("rw", "/dev/vda1", "/")], "")]
    #[case::root_is_lost(&[("rw", "/dev/vda1", "/")], &[("ro", "/dev/vda1", "/")], "/ of /dev/vda1 has become read-only")]
    #[case::was_read_only_before(&[("ro", "/dev/vda1", "/")], &[("ro", "/dev/vda1", "/")], "")]
    #[case::becomes_writable(&[("ro", "/dev/vda1", "/")], &[("rw", "/dev/vda1", "/")], "")]
    #[case::a_new_one(&[("rw", "/dev/vda1", "/")], &[("rw", "/dev/vda1", "/"), ("ro", "/dev/vda1", "/mnt")], "")]
    #[case::another_device(&[("rw", "/dev/sr0", "/mnt")], &[("ro", "/dev/sr1", "/mnt")], "")]
    #[case::is_unmounted(&[("rw", "/dev/vda1", "/"), ("rw", "/dev/vdb", "/srv")], &[("rw", "/dev/vda1", "/")], "")]
    #[case::one_of_two(
        &[("rw", "/dev/vda1", "/"), ("rw", "/dev/vdb", "/srv")],
        &[("rw", "/dev/vda1", "/"), ("ro", "/dev/vdb", "/srv")],
        "/srv of /dev/vdb has become read-only"
    )]
    #[case::both(
        &[("rw", "/dev/vda1", "/"), ("rw", "/dev/vda1", "/srv")],
        &[("ro", "/dev/vda1", "/"), ("ro", "/dev/vda1", "/srv")],
        "/ of /dev/vda1 has become read-only\n/srv of /dev/vda1 has become read-only"
    )]
    fn what_becomes_read_only_is_known(
        #[case] before: Mounts<'_>,
        #[case] now: Mounts<'_>,
        #[case] expected: &str,
    ) {
        assert_eq!(lost(before, "a", now), expected);
        assert_eq!(lost(before, "b", now), "", "another boot");
    }

    #[test]
    fn a_look_is_read_back_as_it_was_written() {
        let mounts = mounts(&[("rw", "/dev/vda1", "/"), ("ro", "/dev/mapper/a b", "/mnt/a b")]);
        let look = LastLook { mounts, ..LastLook::in_a_test("a") };
        let written = serde_json::to_string(&look).unwrap();
        assert_eq!(serde_json::from_str::<LastLook>(&written).unwrap(), look);
        let failure = serde_json::from_str::<LastLook>(&written.replace(" rw\\t", " rx\\t"));
        assert!(failure.unwrap_err().to_string().contains("is no mount"));
    }
}
