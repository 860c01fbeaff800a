//! An inventory file's strings to what they mean.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Component, PathBuf};
use std::str::FromStr;

use ipnet::Ipv4Net;
use toml::Spanned;

use super::masked::NO_VALUES;
use super::{Access, Consent, Folders, HostKey, ListedHost, Network, Pair, Secret, SharedStorage, Sudo, raw};
use crate::axis::AxisValue;
use crate::failure::InputError;
use crate::failure::input::InputFile;

type Result<T> = std::result::Result<T, InputError>;

pub(super) fn file(source: InputFile<'_>, raw: &raw::File, folders: &Folders<'_>) -> Result<Vec<Pair>> {
    let reader = Reader { source, folders };
    if raw.pair.is_empty() {
        return Err(source.error(
            0..0,
            "the inventory has no pair",
            "",
            &["allowed: one `[[pair]]` or more".into()],
        ));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for written in &raw.pair {
        let pair = reader.pair(written.get_ref())?;
        if pairs.iter().any(|other| other.name == pair.name) {
            let name = &written.get_ref().name;
            return Err(reader.wrong(
                name,
                &format!("two pairs have the name `{}`", pair.name),
                "each name once",
            ));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

struct Reader<'a> {
    source: InputFile<'a>,
    folders: &'a Folders<'a>,
}

impl Reader<'_> {
    fn wrong<T>(&self, place: &Spanned<T>, what: &str, allowed: &str) -> InputError {
        self.source.error(place.span(), what, "", &[format!("allowed: {allowed}"), NO_VALUES.to_owned()])
    }

    fn pair(&self, raw: &raw::Pair) -> Result<Pair> {
        for word in raw.labels.iter().chain([&raw.name]) {
            if !is_word(word.get_ref()) {
                let what = "this cannot be the name or a label of a pair";
                return Err(self.wrong(word, what, "letters, digits, `-`, `_` and `.`"));
            }
        }
        let (source, target) = (self.machine(&raw.source)?, self.machine(&raw.target)?);
        if (&source.address, source.port) == (&target.address, target.port) {
            let what = format!("source and target of the pair `{}` are the same host", raw.name);
            return Err(self.wrong(
                &raw.target.get_ref().address,
                &what,
                "two hosts: libvirt migrates to no host from itself",
            ));
        }
        let network = self.network(&raw.network)?;
        self.keeps_off(&network, &raw.network, [("source", &source), ("target", &target)])?;
        Ok(Pair {
            name: raw.name.get_ref().clone(),
            labels: raw.labels.iter().map(|label| label.get_ref().clone()).collect(),
            catalogue: raw.catalogue.as_ref().map(|path| self.path(path)).transpose()?,
            source,
            target,
            storage: self.storage(&raw.storage)?,
            keep_gib: self.keep_gib(raw.storage.get_ref())?,
            network,
            allow: self.allow(&raw.allow)?,
        })
    }

    /// What may stay in a storage that is somebody's; a folder that multivm exports goes with its run.
    fn keep_gib(&self, raw: &raw::Storage) -> Result<Option<u32>> {
        let Some(written) = &raw.keep_gib else { return Ok(None) };
        let number = u32::try_from(*written.get_ref()).ok().filter(|gib| (1..=1 << 20).contains(gib));
        number.filter(|_| raw.serve_on.is_none()).map(Some).ok_or_else(|| {
            let what = "nothing of this size can stay in the storage";
            self.wrong(
                written,
                what,
                "1 to 1048576, beside `mount` or `export`: what multivm exports goes with its run",
            )
        })
    }

    fn machine(&self, raw: &Spanned<raw::Host>) -> Result<ListedHost> {
        let host = raw.get_ref();
        let address = self.address(&host.address)?;
        let or_address = |other: &Option<Spanned<String>>| {
            other.as_ref().map_or_else(|| Ok(address.clone()), |other| self.address(other))
        };
        let access = self.access(raw)?;
        let sudo = host.sudo.as_ref().map_or(Ok(Sudo::No), |name| self.named(name))?;
        if let (Sudo::Password, Some(at), false) = (sudo, &host.sudo, matches!(access, Access::Password(_))) {
            let what = "sudo asks for a password, and the inventory does not say where it is";
            return Err(self.wrong(at, what, "`password` beside it; or `sudo = \"nopasswd\"`"));
        }
        Ok(ListedHost {
            migration_address: or_address(&host.migration_address)?,
            storage_address: or_address(&host.storage_address)?,
            port: host.port.as_ref().map_or(Ok(22), |port| self.port(port))?,
            user: host.user.as_ref().map_or_else(|| Ok("root".to_owned()), |user| self.user(user))?,
            sudo,
            access,
            host_key: host.host_key.as_ref().map(|key| self.host_key(key)).transpose()?,
            jump: host.jump.as_ref().map(|jump| self.jump(jump)).transpose()?,
            uri: host.uri.as_ref().map(|uri| self.uri(uri)).transpose()?,
            address,
        })
    }

    fn named<V: AxisValue>(&self, name: &Spanned<String>) -> Result<V> {
        let names: Vec<&str> = V::all().iter().map(|value| value.name()).collect();
        let what = format!("value of `{}`", V::AXIS);
        self.source.one_of(name, &what, &names, Some(NO_VALUES.to_owned())).map(|place| V::all()[place])
    }

    /// A host's name or address, alone.
    fn address(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        if is_host(text) {
            return Ok(text.clone());
        }
        let allowed = "a name or an address alone; `user`, `port` and `uri` are keys of their own";
        Err(self.wrong(written, "this is no name or address of a host", allowed))
    }

    fn port(&self, written: &Spanned<i64>) -> Result<u16> {
        let port = u16::try_from(*written.get_ref()).ok().filter(|port| *port > 0);
        port.ok_or_else(|| self.wrong(written, "this is no port", "1 to 65535"))
    }

    fn user(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        if is_word(text) {
            return Ok(text.clone());
        }
        Err(self.wrong(written, "this is no user's name", "a name as in the host's passwd"))
    }

    /// Exactly one of `key`, `agent` and `password`; ssh-agent where none is given.
    fn access(&self, raw: &Spanned<raw::Host>) -> Result<Access> {
        const ALLOWED: &str = "one of `key`, `agent = true` and `password`; without any, ssh-agent is asked";
        let host = raw.get_ref();
        let agent = host.agent.as_ref().filter(|agent| *agent.get_ref());
        match (&host.key, agent, &host.password) {
            (Some(key), None, None) => Ok(Access::Key(self.path(key)?)),
            (None, None, Some(password)) => self.secret(password).map(Access::Password),
            (None, _, None) => Ok(Access::Agent),
            (Some(key), _, _) => Err(self.wrong(key, "the host has more than one way to log in", ALLOWED)),
            (None, Some(agent), Some(_)) => {
                Err(self.wrong(agent, "the host has more than one way to log in", ALLOWED))
            }
        }
    }

    fn secret(&self, written: &Spanned<toml::Value>) -> Result<Secret> {
        const ALLOWED: &str = "a reference, as `{ env = \"NAME\" }`, `{ command = [\"pass\", \"show\", \"kvm1\"] }` or \
                               `{ file = \"/run/secrets/kvm1\" }`";
        let wrong = |what: &str| self.wrong(written, what, ALLOWED);
        let toml::Value::Table(table) = written.get_ref() else {
            return Err(wrong("a password does not belong into an inventory"));
        };
        let mut entries = table.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            return Err(wrong("a password has one place from which it is read"));
        };
        let text = value.as_str().filter(|text| !text.is_empty());
        match (key.as_str(), text, value.as_array()) {
            ("env", Some(name), _) if is_variable(name) => Ok(Secret::Environment(name.to_owned())),
            // A bare word is more likely a password than a file.
            ("file", Some(path), _) if path.contains('/') && is_path(path) => {
                self.folders.resolve(path).map(Secret::File).ok_or_else(|| wrong(NO_HOME))
            }
            ("command", _, Some(words)) => {
                let words: Option<Vec<String>> =
                    words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
                let words = words.filter(|words| words.first().is_some_and(|program| !program.is_empty()));
                let mut words = words.ok_or_else(|| wrong("the command is no list of words"))?;
                // One with a `/` is a file, and begins where other paths do; another one is looked for in PATH.
                if words[0].contains('/') {
                    let program = self.folders.resolve(&words[0]).ok_or_else(|| wrong(NO_HOME))?;
                    words[0] = program.display().to_string();
                }
                Ok(Secret::Command(words))
            }
            _ => Err(wrong("this is no reference to a password")),
        }
    }

    fn path(&self, written: &Spanned<String>) -> Result<PathBuf> {
        let text = written.get_ref();
        if !is_path(text) {
            let allowed = "the path of a file; a relative one begins at this file";
            return Err(self.wrong(written, "this is no path", allowed));
        }
        self.folders.resolve(text).ok_or_else(|| self.wrong(written, NO_HOME, "a path without `~`"))
    }

    fn host_key(&self, written: &Spanned<String>) -> Result<HostKey> {
        let text = written.get_ref().trim();
        let is_base64 = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
        };
        // ssh-keygen prints SHA-256 in base64 without padding: 43 characters.
        if text.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43 && is_base64(hash)) {
            return Ok(HostKey::Fingerprint(text.to_owned()));
        }
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            (Some(kind), Some(key))
                if (kind.starts_with("ssh-") || kind.starts_with("ecdsa-")) && is_base64(key) && key.len() > 40 =>
            {
                Ok(HostKey::Key(format!("{kind} {key}")))
            }
            _ => Err(self.wrong(
                written,
                "this is no host key",
                "what `ssh-keyscan` prints behind the name, as `ssh-ed25519 AAAA...`, or a fingerprint, `SHA256:...`",
            )),
        }
    }

    fn jump(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        if is_place(text) {
            return Ok(text.clone());
        }
        Err(self.wrong(written, "this is no jump host", "`[USER@]HOST[:PORT]`, as in OpenSSH's ProxyJump"))
    }

    fn uri(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        let (transport, rest) = text.split_once("://").unwrap_or_default();
        // A password in a URI is one in the inventory; libvirt takes none there. It takes what follows a `#` for no part of the query.
        let place = rest.split(['/', '?']).next().unwrap_or_default();
        let is_encoded = text
            .split('%')
            .skip(1)
            .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit()));
        let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !"#\"<>\\^`{|}".contains(c));
        if transport.starts_with("qemu+") && is_place(place) && is_encoded && is_plain {
            if !proves_the_host(rest) {
                let what = "libvirt would talk to whoever answers at this URI";
                return Err(self.wrong(written, what, "one without `no_verify` and `known_hosts_verify`"));
            }
            return Ok(text.clone());
        }
        let allowed = "as `qemu+ssh://root@kvm1/system`, without a password; an IPv6 address is in brackets, and `%20` stands for a blank";
        Err(self.wrong(written, "this is no URI of a remote QEMU for libvirt", allowed))
    }

    fn storage(&self, raw: &Spanned<raw::Storage>) -> Result<SharedStorage> {
        let absolute = |written: &Spanned<String>| {
            let path = PathBuf::from(written.get_ref());
            // The root of a file system is nobody's folder for guests.
            let climbs = path.components().any(|part| part == Component::ParentDir);
            // What QEMU, stress tools and shells take for something else has no place in the path of an image.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.+@=~#%".contains(c);
            let good = written.get_ref().chars().all(is_plain);
            let good = good && path.is_absolute() && path.parent().is_some() && !climbs;
            good.then_some(path).ok_or_else(|| {
                self.wrong(
                    written,
                    "this is no folder that hosts could share",
                    "an absolute path without `..`, of letters, digits and -_.+@=~#%",
                )
            })
        };
        let storage = raw.get_ref();
        match (&storage.mount, &storage.export, &storage.serve_on) {
            (Some(mount), None, None) => absolute(mount).map(SharedStorage::Mount),
            (None, Some(export), None) => {
                let (server, path) = export.get_ref().split_once(":/").unwrap_or_default();
                let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
                if !is_host(bare) || path.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
                {
                    return Err(self.wrong(
                        export,
                        "this is no NFS export",
                        "`SERVER:/PATH`, without blanks and commas; an IPv6 address may be in brackets",
                    ));
                }
                Ok(SharedStorage::Export { server: bare.to_owned(), path: format!("/{path}").into() })
            }
            (None, None, Some(server)) => self.named(server).map(SharedStorage::ServeOn),
            (first, second, third) => {
                let several = [first, second, third].iter().filter(|one| one.is_some()).count() > 1;
                let what = if several { "the storage is said twice" } else { "the storage is not said" };
                Err(self.wrong(
                    raw,
                    what,
                    "one of `mount = \"/PATH\"`, `export = \"SERVER:/PATH\"`, and `serve_on`, which is one of `controller`, \
                     `source`, `target`",
                ))
            }
        }
    }

    fn network(&self, raw: &Spanned<raw::Network>) -> Result<Network> {
        const ONE: &str =
            "one of `bridge`, with `subnet` and `guests`, `overlay = \"198.18.40.0/24\"`, and `nat = true`";
        let network = raw.get_ref();
        let nat = network.nat.as_ref().filter(|nat| *nat.get_ref());
        let of_a_bridge = network.subnet.as_ref().or(network.guests.as_ref()).or(network.gateway.as_ref());
        if let (None, Some(key)) = (&network.bridge, of_a_bridge) {
            return Err(self.wrong(key, "`subnet`, `guests` and `gateway` belong to a bridge", ONE));
        }
        match (&network.bridge, &network.overlay, nat) {
            (Some(bridge), None, None) => self.bridge(network, bridge, raw),
            (None, Some(overlay), None) => {
                let subnet = self.subnet(overlay, "an IPv4 subnet, as 198.18.40.0/24")?;
                // Two hosts, the controller and some guests.
                if subnet.prefix_len() > 27 {
                    return Err(self.wrong(
                        overlay,
                        "the subnet has no room for a fleet",
                        "a prefix of 27 bits or fewer",
                    ));
                }
                Ok(Network::Overlay(subnet))
            }
            (None, None, Some(_)) => Ok(Network::Nat),
            (None, None, None) => Err(self.wrong(raw, "the guests' network is not said", ONE)),
            _ => Err(self.wrong(raw, "the guests' network is said twice", ONE)),
        }
    }

    fn bridge(
        &self,
        network: &raw::Network,
        bridge: &Spanned<String>,
        table: &Spanned<raw::Network>,
    ) -> Result<Network> {
        let name = bridge.get_ref();
        // IFNAMSIZ is 16, with the zero at the end.
        let good = (1..=15).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_graphic() && c != '/' && c != ':');
        if !good {
            return Err(self.wrong(bridge, "this is no name of a bridge", "1 to 15 characters, as `br0`"));
        }
        let (Some(subnet_at), Some(guests_at)) = (&network.subnet, &network.guests) else {
            let what = format!("which addresses the guests on the bridge `{name}` may have is not said");
            return Err(self.wrong(
                table,
                &what,
                "`subnet = \"192.0.2.0/24\"` and `guests = \"192.0.2.128/25\"`, a part of it",
            ));
        };
        let subnet = self.subnet(subnet_at, "an IPv4 subnet, as 192.0.2.0/24")?;
        let guests = self.subnet(guests_at, "a part of the bridge's subnet, as 192.0.2.128/25")?;
        if !subnet.contains(&guests) || subnet == guests {
            let what = format!("{guests} is no part of the bridge's subnet, {subnet}");
            return Err(self.wrong(guests_at, &what, "a part of the subnet that nobody else uses"));
        }
        if guests.prefix_len() > 29 {
            return Err(self.wrong(
                guests_at,
                "there is no room for a fleet",
                "a prefix of 29 bits or fewer",
            ));
        }
        let gateway = |at: &Spanned<String>| -> Result<Ipv4Addr> {
            let gateway: Ipv4Addr = self.parse(at, "an address", "an IPv4 address")?;
            let free = subnet.contains(&gateway) && !guests.contains(&gateway);
            free.then_some(gateway).ok_or_else(|| {
                let what = format!("the gateway {gateway} cannot be used");
                self.wrong(
                    at,
                    &what,
                    &format!("an address in {subnet} and not in {guests}, which are the guests'"),
                )
            })
        };
        let gateway = network.gateway.as_ref().map(gateway).transpose()?;
        Ok(Network::Bridge { bridge: name.clone(), subnet, guests, gateway })
    }

    /// Makes sure that no guest can get an address that a host has.
    fn keeps_off(
        &self,
        network: &Network,
        raw: &Spanned<raw::Network>,
        hosts: [(&str, &ListedHost); 2],
    ) -> Result<()> {
        let (range, at) = match network {
            Network::Bridge { guests, .. } => (guests, &raw.get_ref().guests),
            Network::Overlay(subnet) => (subnet, &raw.get_ref().overlay),
            Network::Nat => return Ok(()),
        };
        let Some(at) = at else { return Ok(()) };
        for (which, host) in hosts {
            for address in [&host.address, &host.migration_address, &host.storage_address] {
                if address.parse::<Ipv4Addr>().is_ok_and(|address| range.contains(&address)) {
                    let what = format!("{range} is for guests, and has an address of the {which}, {address}");
                    return Err(self.wrong(at, &what, "addresses that nobody else has"));
                }
            }
        }
        Ok(())
    }

    /// A subnet by its own address: with bits of a host in it, something else may have been meant.
    fn subnet(&self, written: &Spanned<String>, allowed: &str) -> Result<Ipv4Net> {
        let subnet: Ipv4Net = self.parse(written, "a subnet", allowed)?;
        if subnet.addr() != subnet.network() || subnet.prefix_len() == 0 {
            let what = format!("{subnet} has an address that is not its first");
            return Err(self.wrong(written, &what, &format!("{}, if that is what is meant", subnet.trunc())));
        }
        Ok(subnet)
    }

    fn parse<T: FromStr>(&self, written: &Spanned<String>, what: &str, allowed: &str) -> Result<T> {
        written.get_ref().parse().map_err(|_| self.wrong(written, &format!("this is not {what}"), allowed))
    }

    fn allow(&self, written: &[Spanned<String>]) -> Result<Vec<Consent>> {
        let mut allow = Vec::new();
        for name in written {
            let consent: Consent = self.named(name)?;
            if allow.contains(&consent) {
                return Err(self.wrong(name, &format!("`{consent}` is allowed twice"), "each once"));
            }
            allow.push(consent);
        }
        Ok(allow)
    }
}

const NO_HOME: &str = "the path begins with `~`, and HOME is not set";

/// A word of letters, digits, `-`, `_` and `.`, which no program takes for an option.
pub(super) fn is_word(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_good)
}

/// A host's name, or an address of either kind.
fn is_host(text: &str) -> bool {
    is_word(text) || text.parse::<IpAddr>().is_ok()
}

/// `[USER@]HOST[:PORT]`, where an IPv6 address is in brackets.
fn is_place(text: &str) -> bool {
    let (user, place) = text.split_once('@').map_or((None, text), |(user, place)| (Some(user), place));
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or_default())),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    user.is_none_or(is_word) && is_host(host) && port.is_none_or(is_port)
}

/// Whether libvirt makes sure of the host's identity. Its parameters that leave this out are `no_verify` (ssh, tls) and
/// `known_hosts_verify` (libssh, libssh2), whose names may be encoded, too.
fn proves_the_host(uri: &str) -> bool {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let mut names = query.split(['&', ';']).map(|parameter| parameter.split('=').next().unwrap_or_default());
    names.all(|name| name.bytes().all(|c| c != b'%') && !["no_verify", "known_hosts_verify"].contains(&name))
}

/// The name of an environment variable, as shells know it.
fn is_variable(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_good) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// A path, and not a key that was pasted in its place.
fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control) && !text.contains("-----")
}
