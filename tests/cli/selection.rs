//! Selections that fit nothing, in the test target of the scenarios: no run of nothing is a success, and none plays.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use rstest::rstest;

use super::cli;
use super::program::{Cli, Said};
use super::watch::{ended_process, leave_a_run, this_process};

/// Leaves `latest` as an earlier command did, long ago.
fn leave_an_earlier_run(cli: &Cli) {
    fs::create_dir_all(cli.results().join("20260102T030405Z-4711")).unwrap();
    let latest = cli.results().join("latest");
    symlink("20260102T030405Z-4711", &latest).unwrap();
    let then = TimeSpec::new(1_767_323_045, 0);
    utimensat(AT_FDCWD, &latest, &then, &then, UtimensatFlags::NoFollowSymlink).unwrap();
}

fn latest_is_there(cli: &Cli) -> bool {
    fs::symlink_metadata(cli.results().join("latest")).is_ok()
}

fn nothing_is_touched(cli: &Cli, said: &Said) {
    assert!(!said.out.contains("test result"), "{}", said.out);
    assert!(!cli.state().exists());
    assert!(cli.results().join("20260102T030405Z-4711").is_dir());
}

#[rstest]
#[case::near_miss("postcopy_crss", &[], "did you mean `postcopy_cross`")]
#[case::near_miss_of_a_value("crss", &[], "did you mean `cross`")]
#[case::near_miss_of_sections("postcopy_cross::in_vm::", &[], "`postcopy_cross::in_vms`")]
#[case::another_case("PostCopy_Cross", &[], "did you mean `postcopy_cross`")]
#[case::like_a_module_of_ours("post_copy", &[], "did you mean `postcopy`")]
#[case::with_an_axis_value("a_postcopy_that_is_not_there", &[], "there is no scenario whose name contains")]
#[case::one_of_several("postcopy_cross::in_vms postcopy_simultanous", &[], "`postcopy_simultaneous`")]
#[case::pattern("test(postcopy_cross)", &[], "cargo nextest run -E")]
#[case::pattern_of_names("postcopy_.*::in_vms", &[], "is a part of a name, and no pattern")]
#[case::nobodys("no_such_thing_at_all", &[], "there is no scenario whose name contains `no_such_thing_at_all`")]
#[case::exact_part("--exact postcopy_cross::in_vms", &[], "without --exact `postcopy_cross::in_vms` chooses scenarios, such as `postcopy_cross::in_vms::stress_cpu`")]
#[case::exact_near_miss("--exact postcopy_cros::in_vms::stress_cpu", &[], "`postcopy_cross::in_vms::stress_cpu`")]
#[case::a_set("smoke", &[], "`smoke` is a set: MULTIVM_SET=smoke, or --set smoke")]
#[case::size("set_vcpu_1", &[], "MULTIVM_SIZING=1")]
#[case::ignored_where_none_is("--ignored --exact postcopy_cross::in_vms::stress_cpu", &[], "nothing is ignored of everything whose name has")]
#[case::ignored_in_a_set("--ignored", &[("MULTIVM_SET", "quick")], "nothing is ignored of everything of the set `quick`")]
#[case::ignored_and_not_asked_for("random", &[], "--ignored or --include-ignored")]
#[case::set("booting", &[("MULTIVM_SET", "quick")], "the set `quick` has no scenario whose name has `booting`")]
#[case::set_of_another_name("", &[("MULTIVM_SET", "fast")], "`all`, `ci`, `quick`")]
#[case::part("--shard 9/9", &[("MULTIVM_SET", "quick")], "part 9/9 of 4 scenarios is empty")]
#[case::stand("precopy_cross", &[("MULTIVM_STAND", "kvm")], "expected one of `lab`, `machines`")]
#[case::two_kinds_of_hosts("precopy_cross", &[("MULTIVM_STAND", "machines"), ("MULTIVM_INVENTORY", "site.toml")], "two kinds of hosts are asked for")]
#[case::an_inventory_that_is_not_there("precopy_cross", &[("MULTIVM_INVENTORY", "site.toml")], "cannot read the inventory site.toml")]
#[case::a_catalogue_that_is_not_there("precopy_cross", &[("MULTIVM_CATALOGUE", "guests.toml")], "cannot read the catalogue guests.toml")]
#[case::a_suite_that_machines_are_not_of("precopy_cross", &[("MULTIVM_STAND", "machines"), ("MULTIVM_SUITE", "bookworm")], "cannot make machine hosts of bookworm")]
#[case::part_by_variable("", &[("MULTIVM_SET", "quick"), ("MULTIVM_SHARD", "9/9")], "no more parts than there are scenarios, 4")]
#[case::skip("--skip p", &[], "everything is skipped")]
#[case::skip_near_miss("postcopy_cross --skip stres_ng", &[], "--skip leaves nothing out: there is no scenario whose name contains `stres_ng`")]
#[case::skip_near_miss_alone("--skip postcopy_crss", &[], "did you mean `postcopy_cross`?")]
#[case::skip_of_a_selection("cross --skip cross", &[], "everything whose name has `cross` is skipped")]
#[case::listed("--list postcopy_crss", &[], "did you mean `postcopy_cross`")]
#[case::listed_for_a_program("--list --format terse --shard 9/9", &[("MULTIVM_SET", "quick")], "part 9/9 of 4")]
fn what_is_meant_as_a_scenario_and_fits_none_is_a_mistake(
    cli: Cli,
    #[case] arguments: &str,
    #[case] variables: &[(&str, &str)],
    #[case] told: &str,
) {
    leave_an_earlier_run(&cli);
    let said = cli.play_with(arguments, variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    nothing_is_touched(&cli, &said);
}

/// Catalogues of guests that multivm's image is enough for, of a single one, and of a file that is not the one that is meant.
fn leave_catalogues(folder: &Path) {
    let tiny = "image = [{ name = 'tiny', firmware = 'kernel', identity = 'kernel' }]\n";
    let two = "guest = [{ image = 'tiny' }, { image = 'tiny', memory_mib = 512 }]\n";
    let hash = "0".repeat(64);
    let disk = format!(
        "guest = [{{ image = 'a', count = 2 }}]\n[[image]]\nname = 'a'\nfile = 'disk.raw'\nsha256 = '{hash}'\n\
         firmware = 'bios'\nidentity = 'cloud-init'\n"
    );
    fs::write(folder.join("tiny.toml"), format!("{tiny}{two}")).unwrap();
    fs::write(folder.join("one.toml"), format!("{tiny}guest = [{{ image = 'tiny' }}]\n")).unwrap();
    fs::write(folder.join("hash.toml"), disk).unwrap();
    let mut sector = vec![0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(folder.join("disk.raw"), sector).unwrap();
    let room = "guest = [{ image = 'a', count = 2 }]\n[[image]]\nname = 'a'\nfile = 'disk.qcow2'\nfirmware = 'bios'\n\
                identity = 'cloud-init'\n";
    fs::write(folder.join("room.toml"), room).unwrap();
    fs::write(folder.join("arm.toml"), room.replace("name = 'a'", "name = 'a'\narch = 'aarch64'")).unwrap();
    fs::write(folder.join("ssh.toml"), room.replace("cloud-init", "ssh")).unwrap();
    fs::write(folder.join("own.toml"), room.replace("name = 'a'", "name = 'a'\ndomain = 'my.xml'")).unwrap();
    let domain = "<domain type='kvm'>\n<name>mine</name><memory>1048576</memory><vcpu>1</vcpu><os><type>hvm</type></os>\n<devices>\n\
                  <disk type='file'><driver name='qemu' cache='unsafe'/><target dev='vda'/></disk>\n\
                  <interface type='user'/>\n<hostdev mode='subsystem' type='usb'/>\n</devices></domain>\n";
    fs::write(folder.join("my.xml"), domain).unwrap();
    let mut disk = vec![1; 5 << 20];
    disk[..20].copy_from_slice(b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0");
    disk[20..104].fill(0);
    fs::write(folder.join("disk.qcow2"), disk).unwrap();
}

#[rstest]
#[case::number("tiny", "precopy_cross", &[("MULTIVM_GUESTS", "2")], "how many guests there are is said twice: MULTIVM_GUESTS=2")]
#[case::size("tiny", "--sizing precopy_cross", &[], "the size of guests is said twice: MULTIVM_SIZING=1")]
#[case::too_few("one", "precopy_cross", &[], "the guests of the catalogue")]
#[case::another_arch("room", "precopy_cross", &[("MULTIVM_GUEST_ARCH", "ppc64le")], "it is of x86_64, and the guests are of ppc64le")]
#[case::an_arch_that_hosts_cannot_run("arm", "precopy_cross", &[], "images of aarch64 with a boot loader of their own are not supported yet")]
#[case::no_cloud_init("ssh", "precopy_cross", &[], "an image without it needs cloud-init installed")]
#[case::a_cache_of_the_host("own", "precopy_cross", &[], "my.xml:4:19")]
#[case::a_device_of_the_host("own", "precopy_cross", &[], "my.xml:6:1")]
#[case::another_file("hash", "precopy_cross", &[], "disk.raw is not the file that")]
fn a_catalogue_that_cannot_be_played_is_a_mistake(
    cli: Cli,
    #[case] catalogue: &str,
    #[case] arguments: &str,
    #[case] variables: &[(&str, &str)],
    #[case] told: &str,
) {
    leave_an_earlier_run(&cli);
    leave_catalogues(cli.place());
    let path = cli.place().join(format!("{catalogue}.toml"));
    let said = cli.play_with(&format!("--catalogue {} {arguments}", path.display()), variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    nothing_is_touched(&cli, &said);
}

/// A file system on which nothing is free.
#[rstest]
fn masters_of_a_catalogue_need_room(cli: Cli) {
    leave_catalogues(cli.place());
    let path = cli.place().join("room.toml");
    let said = cli.play_with(
        &format!("--catalogue {} --exact precopy_orderly::in_vms::stress_cpu", path.display()),
        &[("MULTIVM_STATE", "/proc/none"), ("MULTIVM_LOAD_GUESTS", "1")],
    );
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    let sum = "in /proc/none: a base image of 128MiB + (0 guests + 1 load guests) x 64MiB at least + masters of 5 MiB + 2 whole systems x 256MiB at least = 709 MiB";
    assert!(said.err.contains(sum) && said.err.contains("the catalogue's images and count"), "{}", said.err);
    assert!(!cli.results().exists());
}

#[rstest]
#[case::as_it_is(
    "room",
    "good     image a",
    "qcow2, 5 MiB, no `sha256` to compare; boots by bios, identity by cloud-init"
)]
#[case::of_ours("tiny", "good     image tiny", "multivm's own; boots by kernel, identity by kernel")]
#[case::another_file("hash", "MISSING  image a", "disk.raw is not the file that")]
fn the_doctor_says_what_images_of_a_catalogue_are(
    cli: Cli,
    #[case] catalogue: &str,
    #[case] line: &str,
    #[case] told: &str,
) {
    leave_catalogues(cli.place());
    let said =
        cli.run(&format!("doctor --catalogue {}", cli.place().join(format!("{catalogue}.toml")).display()));
    let found = said.out.lines().find(|one| one.starts_with(line));
    assert!(found.is_some_and(|found| found.contains(told)), "{}{}", said.out, said.err);
    assert!(said.out.contains("room for images"), "{}", said.out);
}

#[rstest]
fn a_fleet_by_catalogue_explains_itself(cli: Cli) {
    leave_catalogues(cli.place());
    let path = cli.place().join("tiny.toml");
    let said = cli.run(&format!("explain --catalogue {} precopy_cross::in_vms::stress_cpu", path.display()));
    let fleet = "answer within 1m:\n  - vm1-tiny: 1 vCPU, 256MiB, tiny\n  - vm2-tiny: 1 vCPU, 512MiB, tiny\n";
    assert!(said.code == Some(0) && said.out.contains(fleet), "{}{}", said.out, said.err);
}

#[rstest]
#[case::a_test_of_a_room("names_are_safe")]
#[case::of_this_program("what_is_meant_as_a_scenario_and_fits_none_is_a_mistake")]
#[case::with_its_module("selection::the_name_of_one_of_our_own_tests_is_no_mistake")]
#[case::a_module("record::folder")]
#[case::a_damage("damage::guest_reboot")]
#[case::an_exact_one("--exact damage::guest_reboot")]
#[case::with_an_axis_value_in_its_name("one_guest_cannot_cross")]
fn the_name_of_one_of_our_own_tests_is_no_mistake(cli: Cli, #[case] arguments: &str) {
    leave_an_earlier_run(&cli);
    let said = cli.play_with(arguments, &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(said.err.contains("nothing migrates") && said.err.contains("is gone"), "{}", said.err);
    assert!(said.out.contains("0 passed; 0 failed"), "{}", said.out);
    assert!(!latest_is_there(&cli) && !cli.state().exists());
}

/// Whoever reads the list of the test target sees what `multivm scenarios` says there is beyond the matrix.
#[rstest]
#[case::all("--ignored")]
#[case::part_of_a_name("--ignored random")]
#[case::part_of_the_whole("--ignored --shard 1/2")]
fn the_test_target_lists_the_ignored_scenarios(cli: Cli, #[case] arguments: &str) {
    let said = cli.play_with(&format!("--list {arguments}"), &[]);
    let listed: Vec<&str> = said.out.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let told = cli.run(&format!("scenarios {arguments}")).out;
    assert!(!listed.is_empty(), "{}", said.err);
    assert_eq!((listed, said.code), (told.lines().collect(), Some(0)));
    assert!(!cli.state().exists());
}

#[rstest]
fn a_skip_of_one_of_our_own_tests_is_no_mistake(cli: Cli) {
    let said = cli.play_with("--list postcopy_cross::in_vms::stress_cpu --skip names_are_safe", &[]);
    assert_eq!(
        (said.code, said.out.contains("postcopy_cross::in_vms::stress_cpu")),
        (Some(0), true),
        "{}",
        said.err
    );
}

#[rstest]
#[case::skip("damage", "--skip damage::guest_rebot", "did you mean `damage::guest_reboot`")]
#[case::near_miss("damage", "damage::guest_rebot", "did you mean `damage::guest_reboot`")]
#[case::near_miss_of_a_part("damage", "guest_suspendd", "did you mean `guest_suspended`")]
#[case::ignored_where_none_is("start", "--ignored start::kernel", "nothing is ignored of everything")]
#[case::ignored_and_not_asked_for("stacks", "stacks::trixie", "--ignored or --include-ignored")]
#[case::listed("kills", "--list kills::randomly", "there is no test whose name contains")]
fn what_is_meant_as_a_test_of_the_self_test_and_fits_none_is_a_mistake(
    cli: Cli,
    #[case] target: &str,
    #[case] arguments: &str,
    #[case] told: &str,
) {
    leave_an_earlier_run(&cli);
    let said = cli.test_with(target, arguments, &[]);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    assert_eq!(latest_is_there(&cli), arguments.contains("--list"), "{}", said.err);
    nothing_is_touched(&cli, &said);
}

#[rstest]
fn the_name_of_another_test_plays_nothing_in_the_self_test(cli: Cli) {
    leave_an_earlier_run(&cli);
    let said = cli.test_with("damage", "names_are_safe", &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(said.err.contains("no test to play here") && said.err.contains("is gone"), "{}", said.err);
    assert!(said.out.contains("0 passed; 0 failed"), "{}", said.out);
    assert!(!latest_is_there(&cli) && !cli.state().exists());
}

#[rstest]
fn a_test_on_paper_raises_no_lab(cli: Cli) {
    let said = cli.test_with("damage", "checks::each_is_found_by_a_damage", &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("1 passed; 0 failed"), "{}", said.out);
    assert!(!cli.state().exists() && !cli.results().exists());
}

#[rstest]
#[case::a_mistake("postcopy_crss", false)]
#[case::a_set_that_is_none("--set smok", false)]
#[case::a_part_that_is_none("--shard 5/4", false)]
#[case::a_profile_that_is_none("--profile labb", false)]
#[case::an_option_that_is_none("--postcopy", false)]
#[case::a_list("--list postcopy_cross", true)]
#[case::a_list_of_nothing("--list postcopy_crss", true)]
fn latest_is_never_an_earlier_run(cli: Cli, #[case] arguments: &str, #[case] stays: bool) {
    leave_an_earlier_run(&cli);
    let said = cli.play_with(arguments, &[]);
    assert_eq!(latest_is_there(&cli), stays, "{}", said.err);
    assert_eq!(said.err.contains("led to an earlier run, and is gone"), !stays, "{}", said.err);
}

#[rstest]
fn latest_stays_while_its_run_goes_on(cli: Cli) {
    leave_an_earlier_run(&cli);
    let goes_on = leave_a_run(&cli.results(), this_process(), None);
    let group = cli.results().join("20260102T030405Z-4711");
    fs::rename(goes_on, group.join("of-a-group")).unwrap();
    assert_eq!(cli.play_with("postcopy_crss", &[]).code, Some(2));
    assert!(latest_is_there(&cli));
    fs::remove_dir_all(group.join("of-a-group")).unwrap();
    let over = leave_a_run(&cli.results(), ended_process(), None);
    fs::rename(over, group.join("of-a-group")).unwrap();
    assert_eq!(cli.play_with("postcopy_crss", &[]).code, Some(2));
    assert!(!latest_is_there(&cli));
}
