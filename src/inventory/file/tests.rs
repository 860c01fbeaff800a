//! What an inventory may say, and what it may not.

use std::path::Path;

use rstest::rstest;

use super::*;
use crate::axis::AxisValue;
use crate::inventory::catalogue::{Catalogue, MasterFiles};

/// A pair of which everything is said that must be.
const SMALL: &str = r#"[[pair]]
name = "a"
[pair.source]
address = "kvm1"
[pair.target]
address = "kvm2"
[pair.storage]
serve_on = "controller"
[pair.network]
nat = true
"#;

fn parse(text: &str) -> Result<InventoryFile, String> {
    let folders = Folders { file: Path::new("/etc/multivm"), home: Some(Path::new("/home/me")) };
    InventoryFile::parse("hosts.toml", text, &folders).map_err(|error| error.to_string())
}

#[test]
fn the_example_is_an_inventory() {
    let file = parse(include_str!("../../../fixtures/inventory.toml")).unwrap();
    let pair = file.pair(None).unwrap();
    assert_eq!(
        (pair.name.as_str(), &pair.labels[..]),
        ("rack7", &["nightly".to_owned(), "x86-64".to_owned()][..])
    );
    assert_eq!(pair.source.access, Access::Key("/home/me/.ssh/id_ed25519".into()));
    assert!(matches!(&pair.source.host_key, Some(HostKey::Fingerprint(text)) if text.starts_with("SHA256:")));
    assert_eq!(pair.target.access, Access::Password(Secret::Environment("KVM2_PASSWORD".into())));
    assert_eq!((pair.target.sudo, pair.target.user.as_str()), (Sudo::Password, "tester"));
    assert_eq!(
        pair.storage,
        SharedStorage::Export { server: "nas.example.org".into(), path: "/export/vms".into() }
    );
    assert_eq!(pair.allow.len(), 5);
    // Each consent is explained where a user reads of it.
    for consent in Consent::ALL {
        let line = format!("#   {:<12}{}\n", consent.name(), consent.row().does);
        assert!(include_str!("../../../fixtures/inventory.toml").contains(&line), "{line}");
    }
}

#[test]
fn what_is_unusual_is_taken_as_it_is() {
    let with = |old: &str, new: &str| parse(&SMALL.replacen(old, new, 1)).unwrap().pairs.remove(0);
    for uri in [
        "qemu+ssh://root@[2001:db8::1]:2222/system?keyfile=/my%20key&no_tty=1",
        "qemu+tls://kvm2/system?pkipath=/etc/50%25",
        "qemu+ssh://kvm2?no_tty=1",
    ] {
        assert_eq!(with("\"kvm2\"", &format!("\"kvm2\"\nuri = \"{uri}\"")).target.uri.as_deref(), Some(uri));
    }
    let storage = |said: &str| with("serve_on = \"controller\"", said).storage;
    assert_eq!(
        storage("mount = \"/srv/vms-1.0+a@b=c~#%20\""),
        SharedStorage::Mount("/srv/vms-1.0+a@b=c~#%20".into())
    );
    for export in ["[2001:db8::7]:/vms#1%20", "2001:db8::7:/vms#1%20"] {
        let expected = SharedStorage::Export { server: "2001:db8::7".into(), path: "/vms#1%20".into() };
        assert_eq!(storage(&format!("export = \"{export}\"")), expected);
    }
    let target = with("\"kvm2\"", "\"kvm2\"\nmigration_address = \"2001:db8::1\"").target;
    assert_eq!(target.migration_address, "2001:db8::1");
}

#[test]
fn what_is_not_said_has_a_default() {
    let pair = &parse(SMALL).unwrap().pairs[0];
    let source = &pair.source;
    assert_eq!((&*source.user, source.port, source.sudo), ("root", 22, Sudo::No));
    assert_eq!((&*source.migration_address, &*source.storage_address), ("kvm1", "kvm1"));
    assert_eq!((&source.access, &source.host_key), (&Access::Agent, &None));
    assert!(pair.allow.is_empty());
}

#[rstest]
#[case::no_pair("", "the inventory has no pair")]
#[case::twice(&format!("{SMALL}{SMALL}"), "two pairs have the name `a`")]
#[case::name("name = \"a\"|name = \"a b\"", "hosts.toml:2:8")]
#[case::one_host("kvm2|kvm1", "source and target of the pair `a` are the same host")]
#[case::user_in_the_address("kvm2|root@kvm2", "`user`, `port` and `uri` are keys of their own")]
#[case::an_option("kvm2|-oProxyCommand=x", "is no name or address of a host")]
#[case::port("\"kvm2\"|\"kvm2\"\nport = 70000", "allowed: 1 to 65535")]
#[case::user("\"kvm2\"|\"kvm2\"\nuser = \"-l\"", "is no user's name")]
#[case::sudo("\"kvm2\"|\"kvm2\"\nsudo = \"passwort\"", "did you mean `password`?")]
#[case::sudo_without_a_password("\"kvm2\"|\"kvm2\"\nsudo = \"password\"", "does not say where it is")]
#[case::two_logins("\"kvm2\"|\"kvm2\"\nkey = \"k\"\nagent = true", "more than one way to log in")]
#[case::key_and_password(
    "\"kvm2\"|\"kvm2\"\nagent = true\npassword = { env = \"P\" }",
    "more than one way to log in"
)]
#[case::host_key("\"kvm2\"|\"kvm2\"\nhost_key = \"ab:cd\"", "what `ssh-keyscan` prints behind the name")]
#[case::jump("\"kvm2\"|\"kvm2\"\njump = \"-J x\"", "as in OpenSSH's ProxyJump")]
#[case::uri("\"kvm2\"|\"kvm2\"\nuri = \"qemu:///system\"", "is no URI of a remote QEMU")]
#[case::uri_with_a_password(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+ssh://me:it@kvm2/system\"",
    "without a password"
)]
#[case::uri_with_ipv6(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+ssh://2001:db8::1/system\"",
    "an IPv6 address is in brackets"
)]
#[case::uri_with_a_blank(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+ssh://kvm2/system?keyfile=/a b\"",
    "`%20` stands for a blank"
)]
#[case::uri_half_encoded("\"kvm2\"|\"kvm2\"\nuri = \"qemu+ssh://kvm2/system?keyfile=/50%\"", "`%20` stands")]
#[case::uri_cut_off(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+ssh://kvm2/system?keyfile=/a#b\"",
    "no URI of a remote QEMU"
)]
#[case::uri_of_anybody(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+ssh://kvm2?no_verify=1\"",
    "whoever answers at this URI"
)]
#[case::uri_of_anybody_by_libssh(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+libssh://kvm2/system?no_tty=1&known_hosts_verify=ignore\"",
    "whoever answers at this URI"
)]
#[case::uri_of_anybody_in_disguise(
    "\"kvm2\"|\"kvm2\"\nuri = \"qemu+tls://kvm2/system?no%5Fverify=1\"",
    "whoever answers at this URI"
)]
#[case::address_in_brackets("\"kvm2\"|\"kvm2\"\nmigration_address = \"[2001:db8::1]\"", "an address alone")]
#[case::address_of_a_link("\"kvm2\"|\"kvm2\"\nmigration_address = \"fe80::1%eth0\"", "an address alone")]
#[case::address_with_a_blank("\"kvm2\"|\"kvm2\"\nmigration_address = \"kvm 2\"", "an address alone")]
#[case::mount_with_a_blank(
    "serve_on = \"controller\"|mount = \"/srv/my vms\"",
    "letters, digits and -_.+@=~#%"
)]
#[case::mount_with_a_colon(
    "serve_on = \"controller\"|mount = \"/srv/vms:1\"",
    "letters, digits and -_.+@=~#%"
)]
#[case::mount_with_a_quote(
    "serve_on = \"controller\"|mount = \"/srv/it's\"",
    "letters, digits and -_.+@=~#%"
)]
#[case::mount_of_other_letters(
    "serve_on = \"controller\"|mount = \"/srv/g\u{e4}ste\"",
    "letters, digits and -_.+@=~#%"
)]
#[case::export_with_a_blank(
    "serve_on = \"controller\"|export = \"nas:/my vms\"",
    "without blanks and commas"
)]
#[case::export_half_in_brackets(
    "serve_on = \"controller\"|export = \"[2001:db8::7:/vms\"",
    "may be in brackets"
)]
#[case::no_storage("serve_on = \"controller\"|", "the storage is not said")]
#[case::two_storages(
    "serve_on = \"controller\"|serve_on = \"source\"\nmount = \"/a\"",
    "the storage is said twice"
)]
#[case::server("\"controller\"|\"controler\"", "did you mean `controller`?")]
#[case::relative_mount("serve_on = \"controller\"|mount = \"srv\"", "an absolute path")]
#[case::root_as_mount("serve_on = \"controller\"|mount = \"/\"", "no folder that hosts could share")]
#[case::export("serve_on = \"controller\"|export = \"/srv\"", "`SERVER:/PATH`")]
#[case::no_network("nat = true|", "the guests' network is not said")]
#[case::nat_is_false("nat = true|nat = false", "the guests' network is not said")]
#[case::two_networks(
    "nat = true|nat = true\noverlay = \"198.18.40.0/24\"",
    "the guests' network is said twice"
)]
#[case::small_overlay("nat = true|overlay = \"198.18.40.0/30\"", "no room for a fleet")]
#[case::bridge_alone(
    "nat = true|bridge = \"br0\"",
    "which addresses the guests on the bridge `br0` may have"
)]
#[case::long_bridge("nat = true|bridge = \"bridge-of-the-lab\"", "1 to 15 characters")]
#[case::subnet_of_nat("nat = true|nat = true\nsubnet = \"192.0.2.0/24\"", "belong to a bridge")]
#[case::guests_elsewhere(
    "nat = true|bridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.3.0/25\"",
    "192.0.3.0/25 is no part of the bridge's subnet, 192.0.2.0/24"
)]
#[case::gateway_among_guests(
    "nat = true|bridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.2.0/25\"\ngateway = \"192.0.2.1\"",
    "the gateway 192.0.2.1 cannot be used"
)]
#[case::all_of_the_subnet(
    "nat = true|bridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.2.0/24\"",
    "192.0.2.0/24 is no part of the bridge's subnet"
)]
#[case::one_guest(
    "nat = true|bridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.2.9/32\"",
    "no room for a fleet"
)]
#[case::bits_of_a_host("nat = true|overlay = \"198.18.40.7/24\"", "198.18.40.0/24, if that is what is meant")]
#[case::everything("nat = true|overlay = \"0.0.0.0/0\"", "has an address that is not its first")]
#[case::export_of_an_option("serve_on = \"controller\"|export = \"-o:/x\"", "`SERVER:/PATH`")]
#[case::mount_that_climbs("serve_on = \"controller\"|mount = \"/srv/..\"", "an absolute path without `..`")]
#[case::port_of_a_jump("\"kvm2\"|\"kvm2\"\njump = \"bastion:ssh\"", "as in OpenSSH's ProxyJump")]
#[case::consent("name = \"a\"|name = \"a\"\nallow = [\"firewal\"]", "did you mean `firewall`?")]
#[case::consent_twice("name = \"a\"|name = \"a\"\nallow = [\"keys\", \"keys\"]", "`keys` is allowed twice")]
#[case::unknown_key("\"kvm2\"|\"kvm2\"\nadress = \"kvm3\"", "unknown field `adress`")]
#[case::missing_key("address = \"kvm2\"|", "missing field `address`")]
fn a_mistake_is_told_with_what_is_allowed(#[case] change: &str, #[case] says: &str) {
    let text = match change.split_once('|') {
        Some((old, new)) => {
            assert!(SMALL.contains(old), "{old}");
            SMALL.replacen(old, new, 1)
        }
        None => change.to_owned(),
    };
    let error = parse(&text).unwrap_err();
    assert!(error.contains(says), "{says} is not in:\n{error}");
    assert!(error.contains("hosts.toml:") && error.contains("help: "), "{error}");
}

#[rstest]
#[case::bridge(
    "bridge = \"br0\"\nsubnet = \"192.0.2.0/24\"\nguests = \"192.0.2.64/26\"",
    "hosts.toml:13:10",
    "192.0.2.64/26"
)]
#[case::overlay("overlay = \"192.0.2.0/24\"", "hosts.toml:11:11", "192.0.2.0/24")]
fn no_guest_gets_the_address_of_a_host(#[case] network: &str, #[case] place: &str, #[case] range: &str) {
    let migrations = "address = \"kvm2\"\nmigration_address = \"192.0.2.77\"";
    let text = SMALL.replace("address = \"kvm2\"", migrations).replace("nat = true", network);
    let error = parse(&text).unwrap_err();
    let says = format!("{range} is for guests, and has an address of the target, 192.0.2.77");
    assert!(error.contains(&says) && error.contains(place), "{error}");
    assert!(parse(&text.replace("192.0.2.77", "192.0.3.77")).is_ok());
}

/// However somebody writes a password down, no message repeats it.
#[rstest]
#[case::literal("password = \"hunter2\"")]
#[case::key_mistyped("pasword = \"hunter2\"")]
#[case::escaped_key("\"p\\u0061ssword\" = \"hunter2\"")]
#[case::without_quotes("password = hunter2")]
#[case::quote_missing("password = \"hunter2")]
#[case::assignment_forgotten("password hunter2==")]
#[case::number("password = 4242")]
#[case::number_for_a_word("user = 4242")]
#[case::table("password = { value = \"hunter2\" }")]
#[case::dotted("password.value = \"hunter2\"")]
#[case::env_and_more("password = { env = \"P\", plain = \"hunter2\" }")]
#[case::no_name_of_a_variable("password = { env = \"hunter2!\" }")]
#[case::no_file("password = { file = \"hunter2\" }")]
#[case::list("password = [\"hunter2\"]")]
#[case::many_lines("password = \"\"\"\nhunter2\n\"\"\"")]
#[case::behind_quotes_in_a_comment("# \"\"\"\npassword = \"hunter2\"")]
#[case::key_of_another_type("key = [\"hunter2\"]")]
#[case::port("port = \"hunter2\"")]
#[case::quotes_in_a_port("port = 'hun\"ter2'")]
#[case::sudo("sudo = \"hunter2\"")]
#[case::user("user = \"root:hunter2\"")]
#[case::jump("jump = \"me:hunter2@bastion\"")]
#[case::uri("uri = \"qemu+ssh://root:hunter2@kvm1/system\"")]
#[case::host_key("host_key = \"hunter2\"")]
#[case::key_itself("key = \"\"\"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\"\"\"")]
#[case::beside_another_mistake("jump = \"-\" # hunter2")]
fn no_message_has_a_password_in_it(#[case] line: &str) {
    let text = SMALL.replacen("address = \"kvm2\"", &format!("address = \"kvm2\"\n{line}"), 1);
    let error = parse(&text).unwrap_err();
    assert!(!error.contains("ter2") && !error.contains("4242"), "{error}");
    assert!(error.contains("hosts.toml:"), "{error}");
}

#[test]
fn no_message_has_a_password_of_its_line_in_it() {
    let text = SMALL.replacen("[pair.target]\naddress = \"kvm2\"\n", "", 1);
    let target = "name = \"a\"\ntarget = { address = \"k v\", password = { env = \"hunter2\" } }";
    let text = text.replacen("name = \"a\"", target, 1);
    let error = parse(&text).unwrap_err();
    assert!(error.contains("no name or address of a host") && !error.contains("hunter2"), "{error}");
}

#[rstest]
#[case::by_name(Some("a"), Ok("a"))]
#[case::by_label(Some("night"), Ok("b"))]
#[case::by_a_label_of_two(Some("x86"), Err("choose one by its name: `a`, `b`"))]
#[case::by_a_name_that_is_a_label_too(Some("c"), Ok("c"))]
#[case::none(None, Err("choose one with --pair: `a`, `b`, `c`"))]
#[case::unknown(Some("d"), Err("declared there: `a`, `b`, `c`"))]
fn a_pair_is_chosen_by_name_or_label(#[case] wish: Option<&str>, #[case] expected: Result<&str, &str>) {
    let first = SMALL.replacen("name = \"a\"", "name = \"a\"\nlabels = [\"x86\"]", 1);
    let second = SMALL.replacen("name = \"a\"", "name = \"b\"\nlabels = [\"x86\", \"night\", \"c\"]", 1);
    let third = SMALL.replacen("name = \"a\"", "name = \"c\"", 1);
    let file = parse(&(first + &second + &third)).unwrap();
    match (file.pair(wish), expected) {
        (Ok(pair), Ok(name)) => assert_eq!(pair.name, name),
        (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{error}"),
        (found, _) => panic!("{found:?}"),
    }
}

#[test]
fn images_stay_in_storage_that_is_somebodys_alone() {
    let with = |said: &str| parse(&SMALL.replacen("serve_on = \"controller\"", said, 1));
    let gib = |said: &str| with(said).map(|file| file.pairs[0].keep_gib);
    assert_eq!(gib("mount = \"/srv\""), Ok(None));
    assert_eq!(gib("mount = \"/srv\"\nkeep_gib = 20"), Ok(Some(20)));
    for wrong in ["mount = \"/srv\"\nkeep_gib = 0", "serve_on = \"source\"\nkeep_gib = 20"] {
        assert!(gib(wrong).unwrap_err().contains("what multivm exports goes with its run"), "{wrong}");
    }
}

#[test]
fn guests_are_of_the_catalogue_that_the_pair_names_or_of_the_file() {
    let of = |text: &str| {
        let file = parse(text)?;
        Ok::<_, String>(file.catalogue(&file.pairs[0]))
    };
    assert_eq!(of(SMALL), Ok(None));
    let named = SMALL.replacen("name = \"a\"", "name = \"a\"\ncatalogue = \"guests.toml\"", 1);
    assert_eq!(of(&named), Ok(Some("/etc/multivm/guests.toml".into())));
    let guests = "[[image]]\nname = \"tiny\"\nfirmware = \"kernel\"\nidentity = \"kernel\"\n[[guest]]\nimage = \"tiny\"\n";
    assert_eq!(of(&format!("{SMALL}{guests}")), Ok(Some("hosts.toml".into())));
    assert_eq!(of(&format!("{named}{guests}")), Ok(Some("/etc/multivm/guests.toml".into())));
    // A file of both is a catalogue, too.
    let folders = Folders { file: Path::new("/etc/multivm"), home: None };
    let both = format!("{SMALL}{guests}");
    let catalogue = Catalogue::parse("hosts.toml", &both, &folders, MasterFiles::Needed).unwrap();
    assert_eq!(catalogue.guests().len(), 1);
}
