//! What the devices of a guest are to the QEMU of each host: their properties under the guest's machine type, and which differ.
//!
//! A QEMU that refuses the state of a device in a migration says little of the cause (`Failed to load virtio-net:virtio`). What
//! it comes from is most often a property whose default is another one in the other version of QEMU, and which the machine type
//! does not keep as it was. QEMU tells all of that without a guest: `device-list-properties` has the defaults, and
//! `query-machines` with `compat-props` (since QEMU 9.1) what a machine type sets instead (docs/interop/qemu-qmp-ref).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::{Attempt, Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::host::Host;
use crate::remote::quote;

/// How long a host may take to answer: a QEMU without a guest is up in less than a second.
const LIMIT: Duration = Duration::from_secs(20);

/// The default of a property of which QEMU tells none.
const UNTOLD: &str = "untold";

/// QEMU's own type for what a migration itself can do and not.
const MIGRATION: &str = "migration";

/// How a guest's QEMU was started, as far as its devices go.
#[derive(Debug, PartialEq, Eq)]
struct Started {
    emulator: String,
    machine: String,
    /// QEMU's names of its devices, each with the properties that libvirt set.
    devices: BTreeMap<String, BTreeSet<String>>,
}

/// A property that is not the same on both hosts.
#[derive(Debug, PartialEq, Eq)]
struct PropertyDifference {
    device: String,
    property: String,
    /// On source and target; none where there is no such property.
    values: [Option<String>; 2],
    /// libvirt's command line sets it, so that no default counts.
    set: bool,
}

/// Describes the devices of a guest whose migration failed, on both hosts, and in what they differ.
pub(super) fn compare(fleet: &Fleet, guest: &Guest) -> Result<String> {
    let hosts = fleet.hosts.both();
    // It runs on one of them, or on both where a post-copy broke.
    let started = hosts.iter().find_map(|host| started(host, guest).ok());
    let started = started
        .ok_or("it runs on no host any more")
        .attempting(|| format!("read with which devices {} was started", guest.name))?;
    let [source, target] = hosts.map(|host| ask(host, &started));
    let (source, target) = (source?, target?);
    let mut text = format!("{}: machine type {}\n", guest.name, started.machine);
    for (host, qemu) in hosts.iter().zip([&source, &target]) {
        let _ = writeln!(text, "{}: QEMU {}{}", host.entry.name, qemu.version, qemu.remark());
    }
    write_differences(&mut text, &differences(&started, &source, &target));
    Ok(text)
}

/// Writes the differences between the devices of both hosts. Properties whose values differ come first: what one side does
/// not know is most often new, and off.
fn write_differences(text: &mut String, differences: &[PropertyDifference]) {
    let (differ, one_sided): (Vec<_>, Vec<_>) =
        differences.iter().partition(|difference| difference.values.iter().all(Option::is_some));
    for (what, differences) in [("that differ", differ), ("that one side does not have", one_sided)] {
        if differences.is_empty() {
            let _ = writeln!(text, "\nProperties of its devices {what}: none");
            continue;
        }
        let _ = writeln!(text, "\nProperties of its devices {what}, on source and target:");
        for PropertyDifference { device, property, values: [source, target], set } in differences {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not there".to_owned());
            let set = if *set { "  (set by libvirt)" } else { "" };
            let _ = writeln!(text, "  {device}.{property}: {} -> {}{set}", value(source), value(target));
        }
    }
}

/// Reads with which devices the guest's QEMU was started on a host where it runs.
fn started(host: &Host, guest: &Guest) -> Result<Started> {
    let script =
        format!("cat /proc/\"$(cat {})\"/cmdline", quote(&format!("/run/libvirt/qemu/{}.pid", guest.name)));
    parse_command(&host.remote.check(&script, LIMIT)?)
}

fn parse_command(command: &str) -> Result<Started> {
    let attempted = || "read the command line of a QEMU".to_owned();
    let words: Vec<&str> = command.split_terminator('\0').collect();
    let emulator = (*words.first().ok_or("it is empty").attempting(attempted)?).to_owned();
    let mut machine = None;
    let mut devices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pair in words.windows(2) {
        match pair {
            ["-machine", value] => machine = value.split(',').next().map(str::to_owned),
            ["-device", value] => {
                let (driver, set) = parse_device(value).attempting(attempted)?;
                devices.entry(driver).or_default().extend(set);
            }
            _ => {}
        }
    }
    let machine = machine.ok_or("it names no machine type").attempting(attempted)?;
    Ok(Started { emulator, machine, devices })
}

/// Reads the value of `-device`: JSON since libvirt 7.9, `driver,key=value` before.
fn parse_device(value: &str) -> std::result::Result<(String, Vec<String>), String> {
    if value.starts_with('{') {
        let all: BTreeMap<String, Value> = serde_json::from_str(value).map_err(|e| e.to_string())?;
        let driver = all.get("driver").and_then(Value::as_str).ok_or("a device without a driver")?;
        return Ok((driver.to_owned(), all.keys().filter(|key| *key != "driver").cloned().collect()));
    }
    let mut parts = value.split(',');
    let driver = parts.next().unwrap_or_default();
    let keys = parts.filter_map(|part| Some(part.split_once('=')?.0.to_owned()));
    Ok((driver.trim_start_matches("driver=").to_owned(), keys.collect()))
}

/// What one host's QEMU says of the devices.
#[derive(Debug, Default)]
struct QemuDevices {
    version: String,
    machine: MachineType,
    /// The type that each type is a kind of.
    parents: BTreeMap<String, String>,
    /// The default of every property of a device.
    defaults: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a QEMU says of the machine type.
#[derive(Debug, Default)]
enum MachineType {
    /// Nothing: it is older than 9.1.
    #[default]
    Untold,
    /// This QEMU has no such machine type.
    Absent,
    /// What the machine type sets, in its order.
    Sets(Vec<CompatProperty>),
}

/// A value that a machine type sets for every device of a kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CompatProperty {
    qom_type: String,
    property: String,
    value: String,
}

impl QemuDevices {
    fn remark(&self) -> &'static str {
        match self.machine {
            MachineType::Sets(_) => "",
            MachineType::Absent => ", which has no such machine type",
            MachineType::Untold => {
                ", which does not tell what the machine type sets: its defaults are compared"
            }
        }
    }

    /// The properties of a device under the machine type.
    fn properties(&self, device: &str) -> BTreeMap<&str, &str> {
        let mut properties: BTreeMap<&str, &str> = self
            .defaults
            .get(device)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let MachineType::Sets(all) = &self.machine else { return properties };
        let kinds = self.kinds(device);
        for set in all.iter().filter(|set| kinds.contains(set.qom_type.as_str())) {
            if let Some(value) = properties.get_mut(set.property.as_str()) {
                *value = &set.value;
            }
        }
        properties
    }

    /// All types that a device is of, and those of the device inside it: QEMU makes a `virtio-net-device` for the properties of
    /// each `virtio-net-pci` (virtio_pci_types_register).
    fn kinds(&self, device: &str) -> BTreeSet<&str> {
        let inside = device.strip_suffix("-pci").map(|stem| format!("{stem}-device"));
        let mut kinds = BTreeSet::new();
        for name in [Some(device.to_owned()), inside].into_iter().flatten() {
            let mut next = self.parents.get_key_value(&name).map(|(name, _)| name);
            while let Some(name) = next.filter(|name| kinds.insert(name.as_str())) {
                next = self.parents.get(name);
            }
        }
        kinds
    }
}

/// Asks the QEMU of a host, started without a guest.
fn ask(host: &Host, started: &Started) -> Result<QemuDevices> {
    let command =
        format!("{} -machine none -S -nodefaults -display none -qmp stdio", quote(&started.emulator));
    let answers = host.remote.check_with_input(&command, questions(started).as_bytes(), LIMIT)?;
    parse_answers(&answers, &started.machine).map_err(|failure| failure.at(&host.entry.name))
}

fn questions(started: &Started) -> String {
    let ask = |id: &str, name: &str, arguments: Value| {
        json!({ "execute": name, "id": id, "arguments": arguments }).to_string() + "\n"
    };
    let mut text = ask("", "qmp_capabilities", json!({}));
    text += &ask("version", "query-version", json!({}));
    text += &ask("machines", "query-machines", json!({ "compat-props": true }));
    text += &ask("types", "qom-list-types", json!({ "abstract": true }));
    for device in started.devices.keys().map(String::as_str).chain([MIGRATION]) {
        text += &ask(&format!("device {device}"), "device-list-properties", json!({ "typename": device }));
    }
    text + &ask("", "quit", json!({}))
}

#[derive(Deserialize)]
struct QmpAnswer {
    #[serde(default)]
    id: String,
    /// None of an error: an older QEMU does not know every question, and a device may not be there.
    #[serde(rename = "return")]
    value: Option<Value>,
}

#[derive(Deserialize)]
struct VersionInfo {
    qemu: VersionNumbers,
    package: String,
}

#[derive(Deserialize)]
struct VersionNumbers {
    major: u32,
    minor: u32,
    micro: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MachineInfo {
    name: String,
    compat_props: Option<Vec<CompatProperty>>,
}

#[derive(Deserialize)]
struct QomType {
    name: String,
    parent: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Property {
    name: String,
    default_value: Option<Value>,
}

fn parse_answers(text: &str, machine: &str) -> Result<QemuDevices> {
    let mut qemu = QemuDevices::default();
    for line in text.lines() {
        // What else it says are events.
        let Ok(QmpAnswer { id, value: Some(value) }) = serde_json::from_str::<QmpAnswer>(line) else {
            continue;
        };
        take(&mut qemu, &id, value, machine).attempting(|| format!("understand what QEMU says of {id:?}"))?;
    }
    if qemu.version.is_empty() {
        return Err(Failure::new("ask a QEMU for its devices", format!("it said: {}", text.trim())));
    }
    Ok(qemu)
}

fn take(qemu: &mut QemuDevices, id: &str, value: Value, machine: &str) -> serde_json::Result<()> {
    if let Some(device) = id.strip_prefix("device ") {
        let all: Vec<Property> = serde_json::from_value(value)?;
        let defaults = all.into_iter().map(|property| {
            (property.name, property.default_value.map_or_else(|| UNTOLD.to_owned(), |value| plain(&value)))
        });
        qemu.defaults.insert(device.to_owned(), defaults.collect());
        return Ok(());
    }
    match id {
        "version" => {
            let VersionInfo { qemu: numbers, package } = serde_json::from_value(value)?;
            let VersionNumbers { major, minor, micro } = numbers;
            qemu.version = format!("{major}.{minor}.{micro} {package}").trim_end().to_owned();
        }
        "machines" => {
            let all: Vec<MachineInfo> = serde_json::from_value(value)?;
            qemu.machine = match all.into_iter().find(|one| one.name == machine) {
                None => MachineType::Absent,
                Some(one) => one.compat_props.map_or(MachineType::Untold, MachineType::Sets),
            };
        }
        "types" => {
            let all: Vec<QomType> = serde_json::from_value(value)?;
            qemu.parents = all.into_iter().map(|one| (one.name, one.parent.unwrap_or_default())).collect();
        }
        _ => {}
    }
    Ok(())
}

/// A value as a machine type writes it: `true` and `on` are one.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn differences(started: &Started, source: &QemuDevices, target: &QemuDevices) -> Vec<PropertyDifference> {
    let none = BTreeSet::new();
    let own = started.devices.iter().map(|(device, set)| (device.as_str(), set));
    let mut found = Vec::new();
    for (device, set) in own.chain([(MIGRATION, &none)]) {
        let sides = [source.properties(device), target.properties(device)];
        let names: BTreeSet<&str> = sides.iter().flat_map(|side| side.keys().copied()).collect();
        for property in names {
            let values = sides.each_ref().map(|side| side.get(property).map(|value| meant(value).to_owned()));
            // One side does not say what it is: nothing to compare.
            let is_told = values.iter().flatten().all(|value| value != UNTOLD);
            if values[0] != values[1] && is_told {
                let set = set.contains(property);
                found.push(PropertyDifference {
                    device: device.into(),
                    property: property.into(),
                    values,
                    set,
                });
            }
        }
    }
    found
}

/// QEMU writes a switch as a JSON boolean or as a word.
fn meant(value: &str) -> &str {
    match value {
        "on" | "yes" => "true",
        "off" | "no" => "false",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const COMMAND: &str = "/usr/bin/qemu-system-x86_64\0-name\0guest=vm1,debug-threads=on\0-machine\0pc-q35-10.0,usb=off\0\
                           -device\0{\"driver\":\"virtio-net-pci\",\"netdev\":\"hostnet0\",\"mac\":\"52:54:00:00:00:01\"}\0\
                           -device\0virtio-blk-pci,bus=pci.1,drive=disk0\0";

    /// What a QEMU prints; `types` and `machines` as in its answers, `net` the properties of virtio-net-pci.
    fn printed(version: &str, machines: &str, net: &str) -> String {
        let minor = version.split_once('.').unwrap();
        format!(
            r#"{{"QMP": {{"version": {{}}, "capabilities": ["oob"]}}}}
{{"return": {{}}, "id": ""}}
{{"return": {{"qemu": {{"micro": 0, "minor": {}, "major": {}}}, "package": ""}}, "id": "version"}}
{machines}
{{"return": [{{"name": "virtio-net-pci", "parent": "virtio-net-pci-base"}}, {{"name": "virtio-net-pci-base", "parent": "virtio-pci"}},
 {{"name": "virtio-net-device", "parent": "virtio-device"}}, {{"name": "virtio-device", "parent": "device"}}], "id": "types"}}
{{"return": [{net}], "id": "device virtio-net-pci"}}
{{"error": {{"class": "DeviceNotFound", "desc": "Device 'virtio-blk-pci' not found"}}, "id": "device virtio-blk-pci"}}
{{"timestamp": {{"seconds": 1, "microseconds": 2}}, "event": "SHUTDOWN", "data": {{"guest": false}}}}
"#,
            minor.1, minor.0
        )
        .replace("},\n ", "}, ")
    }

    fn machines(name: &str, compat_props: &str) -> String {
        format!(r#"{{"return": [{{"name": "{name}", "compat-props": [{compat_props}]}}], "id": "machines"}}"#)
    }

    fn property(name: &str, default: &str) -> String {
        format!(r#"{{"name": "{name}", "type": "bool", "default-value": {default}}}"#)
    }

    #[test]
    fn a_command_line_names_the_machine_type_and_every_device() {
        let started = parse_command(COMMAND).unwrap();
        assert_eq!(started.emulator, "/usr/bin/qemu-system-x86_64");
        assert_eq!(started.machine, "pc-q35-10.0");
        let sets = |device: &str| started.devices[device].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(sets("virtio-net-pci"), ["mac", "netdev"]);
        assert_eq!(sets("virtio-blk-pci"), ["bus", "drive"]);
        assert!(parse_command("").is_err());
        assert!(parse_command("qemu\0-device\0x\0").unwrap_err().to_string().contains("no machine type"));
    }

    #[test]
    fn every_question_is_a_line_and_names_each_device() {
        let questions = questions(&parse_command(COMMAND).unwrap());
        let lines: Vec<Value> = questions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.first().unwrap()["execute"], "qmp_capabilities");
        assert_eq!(lines.last().unwrap()["execute"], "quit");
        let devices: Vec<&str> =
            lines.iter().filter_map(|line| line["arguments"]["typename"].as_str()).collect();
        assert_eq!(devices, ["virtio-blk-pci", "virtio-net-pci", MIGRATION]);
    }

    /// The default of one property differs; the other QEMU's machine type sets, or sets not, what it was.
    #[rstest]
    #[case::the_machine_type_keeps_it(r#"{"qom-type": "virtio-net-device", "property": "tunnel", "value": "off"}"#, "true", &[])]
    #[case::by_the_kind_of_the_device_inside(r#"{"qom-type": "virtio-device", "property": "tunnel", "value": "off"}"#, "true", &[])]
    #[case::by_its_own_kind(r#"{"qom-type": "virtio-pci", "property": "tunnel", "value": "false"}"#, "true", &[])]
    #[case::the_last_word_counts(r#"{"qom-type": "virtio-pci", "property": "tunnel", "value": "on"},
        {"qom-type": "virtio-net-pci", "property": "tunnel", "value": "off"}"#, "true", &[])]
    #[case::nothing_keeps_it("", "true", &["virtio-net-pci.tunnel: false -> true"])]
    #[case::of_another_device(r#"{"qom-type": "virtio-blk-device", "property": "tunnel", "value": "off"}"#, "true",
        &["virtio-net-pci.tunnel: false -> true"])]
    #[case::both_are_off("", "\"off\"", &[])]
    fn a_property_differs_if_its_value_under_the_machine_type_does(
        #[case] compat_props: &str,
        #[case] default: &str,
        #[case] expected: &[&str],
    ) {
        let compat_props = compat_props.replace('\n', "");
        let source = printed("10.0", &machines("pc-q35-10.0", ""), &property("tunnel", "false"));
        let target = printed("11.1", &machines("pc-q35-10.0", &compat_props), &property("tunnel", default));
        let read = |text: &str| parse_answers(text, "pc-q35-10.0").unwrap();
        let (source, target) = (read(&source), read(&target));
        let mut text = String::new();
        write_differences(&mut text, &differences(&parse_command(COMMAND).unwrap(), &source, &target));
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn a_property_without_a_default_is_not_compared() {
        let untold = r#"{"name": "tls", "type": "str"}"#;
        let machines = machines("pc-q35-10.0", "");
        let read = |net: &str| parse_answers(&printed("10.0", &machines, net), "pc-q35-10.0").unwrap();
        let (source, target) = (read(untold), read(&property("tls", "\"\"")));
        assert_eq!(differences(&parse_command(COMMAND).unwrap(), &source, &target), []);
    }

    #[test]
    fn a_property_that_only_one_side_has_and_one_that_libvirt_sets_are_told() {
        let source = printed("10.0", &machines("pc-q35-10.0", ""), &property("netdev", "1"));
        let target = printed(
            "11.1",
            &machines("pc-q35-10.0", ""),
            &format!("{}, {}", property("netdev", "2"), property("tunnel", "true")),
        );
        let read = |text: &str| parse_answers(text, "pc-q35-10.0").unwrap();
        let mut text = String::new();
        write_differences(
            &mut text,
            &differences(&parse_command(COMMAND).unwrap(), &read(&source), &read(&target)),
        );
        assert!(text.contains("virtio-net-pci.netdev: 1 -> 2  (set by libvirt)"), "{text}");
        assert!(text.contains("virtio-net-pci.tunnel: not there -> true"), "{text}");
    }

    #[rstest]
    #[case::it_sets_something(&machines("pc-q35-10.0", ""), "")]
    #[case::it_has_another_one(&machines("pc-q35-9.2", ""), "no such machine type")]
    #[case::it_is_older_than_9_1(
        r#"{"error": {"class": "GenericError", "desc": "Parameter 'compat-props' is unexpected"}, "id": "machines"}"#,
        "does not tell"
    )]
    fn what_a_qemu_cannot_say_is_remarked(#[case] machines: &str, #[case] expected: &str) {
        let qemu = parse_answers(&printed("10.0", machines, ""), "pc-q35-10.0").unwrap();
        assert_eq!(qemu.version, "10.0.0");
        assert!(qemu.remark().contains(expected) && qemu.remark().is_empty() == expected.is_empty());
    }

    #[test]
    fn a_qemu_that_says_nothing_is_an_error_with_its_words() {
        let failure = parse_answers("qemu: could not load the library", "pc").unwrap_err().to_string();
        assert!(failure.contains("could not load the library"), "{failure}");
    }
}
