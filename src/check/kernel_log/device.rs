//! Tells which block device a line of a kernel log is about.
//!
//! ```text
//! I/O error, dev loop7, sector 0 op 0x1:(WRITE) ...       block/blk-core.c
//! Buffer I/O error on dev sdb1, logical block 0, ...      fs/buffer.c, block/bdev.c
//! nvme0n1: Read(0x2) @ LBA 2048, 8 blocks, I/O Error ...  drivers/nvme/host/core.c
//! EXT4-fs error (device sdb1): ext4_lookup:1855: ...      fs/ext4/super.c; of Btrfs "(device sdb1 state EA)"
//! EXT4-fs (sdb1): Remounting filesystem read-only         fs/ext4, fs/xfs, fs/fat, fs/f2fs
//! Aborting journal on device sdb1-8.                      fs/jbd2/journal.c: the journal's inode follows the device
//! ```

/// The name of the device; none of a line of another form.
pub(super) fn device(text: &str) -> Option<&str> {
    named(text).or_else(|| of_file_system(text)).or_else(|| of_journal(text)).or_else(|| of_nvme(text))
}

/// The name of the device that a thread of the kernel works for: `jbd2/sdb1-8`, `xfsaild/sdb1`.
pub(super) fn of_thread(name: &str) -> Option<&str> {
    /// The most letters that the kernel gives of a name, which may be cut off.
    const LONGEST: usize = 15;
    let device = name.strip_prefix("jbd2/").map(without_inode).or_else(|| name.strip_prefix("xfsaild/"))?;
    (name.len() < LONGEST).then_some(device)
}

fn named(text: &str) -> Option<&str> {
    [" dev ", "(device "].iter().find_map(|before| first(text.split_once(before)?.1))
}

/// The device of a message of a file system's, which has the system's name and the device's before it.
fn of_file_system(text: &str) -> Option<&str> {
    let (system, rest) = text.split_once(" (")?;
    let (device, _) = rest.split_once("): ")?;
    (system == "XFS" || system.ends_with("-fs") && !system.contains(' ')).then(|| first(device))?
}

fn of_journal(text: &str) -> Option<&str> {
    first(text.split_once(" on device ")?.1).map(without_inode)
}

fn of_nvme(text: &str) -> Option<&str> {
    let (device, _) = text.split_once(": ").filter(|(_, rest)| rest.contains("I/O Error"))?;
    (device.starts_with("nvme") && first(device) == Some(device)).then_some(device)
}

/// The name of a device at the beginning of a text.
fn first(text: &str) -> Option<&str> {
    let name = text.split([' ', ',', ')', ':']).next()?.trim_end_matches('.');
    (!name.is_empty()).then_some(name)
}

/// A journal's name without its inode, `sdb1-8`.
fn without_inode(journal: &str) -> &str {
    match journal.rsplit_once('-') {
        Some((device, inode))
            if inode.bytes().all(|letter| letter.is_ascii_digit()) && !is_mapped(device) =>
        {
            device
        }
        _ => journal,
    }
}

/// Whether it is the beginning of `dm-0`, which has no inode.
fn is_mapped(device: &str) -> bool {
    device == "dm"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("I/O error, dev loop7, sector 0 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2", "loop7")]
    #[case("blk_update_request: I/O error, dev fd0, sector 0", "fd0")]
    #[case("critical space allocation error, dev loop0, sector 2048 op 0x1:(WRITE)", "loop0")]
    #[case("Buffer I/O error on dev dm-3, logical block 0, lost async page write", "dm-3")]
    #[case("Buffer I/O error on device sdb1, logical block 0", "sdb1")]
    #[case("nvme0n1: Read(0x2) @ LBA 2048, 8 blocks, I/O Error (sct 0x2 / sc 0x81) DNR", "nvme0n1")]
    #[case("EXT4-fs error (device loop7): ext4_lookup:1855: inode #2: comm ls: iget: bad", "loop7")]
    #[case("EXT4-fs warning (device sdb1): ext4_end_bio:343: I/O error 10 writing to inode 12", "sdb1")]
    #[case("EXT4-fs (sdb1): Remounting filesystem read-only", "sdb1")]
    #[case("FAT-fs (sdb1): error, fat_get_cluster: invalid cluster chain (i_pos 0)", "sdb1")]
    #[case("XFS (dm-1): Metadata corruption detected at xfs_agf_read_verify+0x1/0x2", "dm-1")]
    #[case("BTRFS error (device sdb1 state EA): bdev /dev/sdb1 errs: wr 1, rd 0", "sdb1")]
    #[case("Aborting journal on device loop7-8.", "loop7")]
    #[case("Aborting journal on device dm-0-8.", "dm-0")]
    #[case("Aborting journal on device dm-0.", "dm-0")]
    fn a_line_names_its_device(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(device(text), Some(expected));
    }

    #[rstest]
    #[case("INFO: task cp:374 blocked for more than 120 seconds.")]
    #[case("WARNING: CPU: 0 PID: 9 at kernel/time/timer.c:1022 run_timer+0x1/0x2")]
    #[case("BUG kmalloc-64 (Not tainted): Poison overwritten")]
    #[case("Write-error on swap-device (8:0:1234)")]
    #[case("watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [stress:812]")]
    fn a_line_of_another_kind_names_none(#[case] text: &str) {
        assert_eq!(device(text), None);
    }

    #[rstest]
    #[case("jbd2/loop7-8", Some("loop7"))]
    #[case("jbd2/dm-0-8", Some("dm-0"))]
    #[case("xfsaild/dm-1", Some("dm-1"))]
    #[case("jbd2/nvme0n1p1-", None)]
    #[case("kworker/u8:3", None)]
    fn a_thread_works_for_a_device(#[case] name: &str, #[case] expected: Option<&str>) {
        assert_eq!(of_thread(name), expected);
    }
}
