//! An inventory file's strings to what they mean.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::Ipv4Net;
use toml::Spanned;

use super::{Access, Consent, Folders, HostKey, Machine, Network, Pair, Secret, Storage, Sudo, raw};
use crate::axis::AxisValue;
use crate::failure::InputError;
use crate::failure::input::Source;

type Result<T> = std::result::Result<T, InputError>;

pub(super) fn file(source: Source<'_>, raw: &raw::File, folders: &Folders<'_>) -> Result<Vec<Pair>> {
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
    source: Source<'a>,
    folders: &'a Folders<'a>,
}

impl Reader<'_> {
    fn wrong<T>(&self, place: &Spanned<T>, what: &str, allowed: &str) -> InputError {
        self.source.error(place.span(), what, "", &[format!("allowed: {allowed}")])
    }

    fn pair(&self, raw: &raw::Pair) -> Result<Pair> {
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        for word in raw.labels.iter().chain([&raw.name]) {
            if word.get_ref().is_empty() || !is_word(word.get_ref()) {
                let what = format!("`{word}` cannot be the name or a label of a pair");
                return Err(self.wrong(word, &what, "letters, digits, `-`, `_` and `.`"));
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
        Ok(Pair {
            name: raw.name.get_ref().clone(),
            labels: raw.labels.iter().map(|label| label.get_ref().clone()).collect(),
            source,
            target,
            storage: self.storage(&raw.storage)?,
            network: self.network(&raw.network)?,
            allow: self.allow(&raw.allow)?,
        })
    }

    fn machine(&self, raw: &Spanned<raw::Host>) -> Result<Machine> {
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
        Ok(Machine {
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
        let what = format!("value `{name}` of `{}`", V::AXIS);
        self.source.one_of(name, &what, &names, None).map(|place| V::all()[place])
    }

    /// A host's name or address, alone.
    fn address(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        let is_name = !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if is_name || text.parse::<std::net::IpAddr>().is_ok() {
            return Ok(text.clone());
        }
        let what = format!("`{text}` is no name or address of a host");
        Err(self.wrong(
            written,
            &what,
            "a name or an address alone; `user`, `port` and `uri` are keys of their own",
        ))
    }

    fn port(&self, written: &Spanned<i64>) -> Result<u16> {
        u16::try_from(*written.get_ref())
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| self.wrong(written, &format!("`{written}` is no port"), "1 to 65535"))
    }

    fn user(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if text.is_empty() || text.starts_with('-') || !is_name {
            return Err(self.wrong(
                written,
                &format!("`{text}` is no user's name"),
                "a name as in the host's passwd",
            ));
        }
        Ok(text.clone())
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
            ("env", Some(name), _) => Ok(Secret::Environment(name.to_owned())),
            ("file", Some(path), _) => self.resolve(path).map(Secret::File).ok_or_else(|| wrong(NO_HOME)),
            ("command", _, Some(words)) => {
                let words: Option<Vec<String>> =
                    words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
                let words = words.filter(|words| words.first().is_some_and(|program| !program.is_empty()));
                words.map(Secret::Command).ok_or_else(|| wrong("the command is no list of words"))
            }
            _ => Err(wrong("this is no reference to a password")),
        }
    }

    fn path(&self, written: &Spanned<String>) -> Result<PathBuf> {
        let text = written.get_ref();
        if text.is_empty() {
            return Err(self.wrong(
                written,
                "a path cannot be empty",
                "a path; a relative one begins at this file",
            ));
        }
        self.resolve(text).ok_or_else(|| self.wrong(written, NO_HOME, "a path without `~`"))
    }

    fn resolve(&self, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(rest) => self.folders.home.map(|home| home.join(rest)),
            None => Some(self.folders.file.join(text)),
        }
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
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.@:[]".contains(c);
        if text.is_empty() || text.starts_with('-') || !text.chars().all(good) {
            let what = format!("`{text}` is no jump host");
            return Err(self.wrong(written, &what, "`[USER@]HOST[:PORT]`, as in OpenSSH's ProxyJump"));
        }
        Ok(text.clone())
    }

    fn uri(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        let is_qemu = text.starts_with("qemu+") && text.contains("://");
        if !is_qemu || text.contains(char::is_whitespace) {
            let what = format!("`{text}` is no URI of a remote QEMU for libvirt");
            return Err(self.wrong(written, &what, "as `qemu+ssh://root@kvm1/system`"));
        }
        Ok(text.clone())
    }

    fn storage(&self, raw: &Spanned<raw::Storage>) -> Result<Storage> {
        let absolute = |written: &Spanned<String>| {
            let path = PathBuf::from(written.get_ref());
            // The root of a file system is nobody's folder for guests.
            let good = path.is_absolute() && path.parent().is_some();
            good.then_some(path).ok_or_else(|| {
                self.wrong(
                    written,
                    &format!("`{written}` is no folder that hosts could share"),
                    "an absolute path",
                )
            })
        };
        let storage = raw.get_ref();
        match (&storage.mount, &storage.export, &storage.serve_on) {
            (Some(mount), None, None) => absolute(mount).map(Storage::Mount),
            (None, Some(export), None) => {
                let (server, path) = export.get_ref().split_once(":/").unwrap_or_default();
                if server.is_empty() {
                    let what = format!("`{export}` is no NFS export");
                    return Err(self.wrong(export, &what, "`SERVER:/PATH`"));
                }
                Ok(Storage::Export { server: server.to_owned(), path: format!("/{path}").into() })
            }
            (None, None, Some(server)) => self.named(server).map(Storage::ServeOn),
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
        match (&network.bridge, &network.overlay, nat) {
            (Some(bridge), None, None) => self.bridge(network, bridge, raw),
            (None, Some(_) | None, _) if of_a_bridge.is_some() => {
                let key = of_a_bridge.map_or(0..0, Spanned::span);
                let what = "`subnet`, `guests` and `gateway` belong to a bridge";
                Err(self.source.error(key, what, "", &[format!("allowed: {ONE}")]))
            }
            (None, Some(overlay), None) => {
                let subnet: Ipv4Net = self.parse(overlay, "a subnet", "an IPv4 subnet, as 198.18.40.0/24")?;
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
            return Err(self.wrong(
                bridge,
                &format!("`{name}` is no name of a bridge"),
                "1 to 15 characters, as `br0`",
            ));
        }
        let (Some(subnet_at), Some(guests_at)) = (&network.subnet, &network.guests) else {
            let what = format!("which addresses the guests on the bridge `{name}` may have is not said");
            return Err(self.wrong(
                table,
                &what,
                "`subnet = \"192.0.2.0/24\"` and `guests = \"192.0.2.128/25\"`, a part of it",
            ));
        };
        let subnet: Ipv4Net = self.parse(subnet_at, "a subnet", "an IPv4 subnet, as 192.0.2.0/24")?;
        let guests: Ipv4Net = self.parse(guests_at, "a part of a subnet", "as 192.0.2.128/25")?;
        if !subnet.contains(&guests) {
            let what = format!("{guests} is not in the bridge's subnet, {subnet}");
            return Err(self.wrong(guests_at, &what, "a part of the subnet that nobody else uses"));
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

    fn parse<T: FromStr>(&self, written: &Spanned<String>, what: &str, allowed: &str) -> Result<T> {
        written
            .get_ref()
            .parse()
            .map_err(|_| self.wrong(written, &format!("`{written}` is not {what}"), allowed))
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
