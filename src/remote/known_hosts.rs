//! Files of machines' keys, in OpenSSH's format (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh2::{CheckResult, KnownHostFileKind, Session};

use crate::inventory::Login;

/// What a file says of a machine that has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// The key is the machine's.
    Known,
    /// The machine has other keys.
    Other,
    /// The machine is in no line.
    Unknown,
    /// The key must never be accepted.
    Revoked,
    /// The machine is to prove its identity by a certificate, which libssh2 does not know.
    Certified,
}

/// What a line's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyMark {
    None,
    Revoked,
    Authority,
}

/// A line with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyLine<'a> {
    mark: KeyMark,
    /// Names and patterns, separated by commas, or one name that is hashed.
    names: &'a str,
    kind: &'a str,
    key: &'a str,
}

/// The machine's name in such files.
pub fn known_as(login: &Login) -> String {
    match login.port {
        22 => login.address.clone(),
        port => format!("[{}]:{port}", login.address),
    }
}

/// What a file's text says of a machine of that name which has proved that key.
pub fn standing(text: &str, name: &str, key: &[u8]) -> KeyStanding {
    let own: Vec<KeyLine<'_>> = lines(text).filter(|line| line.is_of(name)).collect();
    let has = |mark: KeyMark| own.iter().any(|line| line.mark == mark);
    let has_key = |mark: KeyMark| own.iter().any(|line| line.mark == mark && line.is_key(key));
    if has_key(KeyMark::Revoked) {
        KeyStanding::Revoked
    } else if has_key(KeyMark::None) {
        KeyStanding::Known
    } else if has(KeyMark::None) {
        KeyStanding::Other
    } else if has(KeyMark::Authority) {
        KeyStanding::Certified
    } else {
        KeyStanding::Unknown
    }
}

/// The keys of a machine of that name, in base64.
pub fn keys<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    numbered(text, name).into_iter().map(|(_, key)| key).collect()
}

/// The keys of a machine of that name, in base64, each with the number of its line.
pub fn numbered<'a>(text: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let lines = text.lines().zip(1..).filter_map(|(line, number)| Some((number, KeyLine::parse(line)?)));
    lines
        .filter(|(_, line)| line.mark == KeyMark::None && line.is_of(name))
        .map(|(number, line)| (number, line.key))
        .collect()
}

/// The text without the keys of a machine of that name, and those keys in base64. Its other lines stay as they are: also
/// the other names of a line, lines for a pattern of names, and marked ones.
pub fn without<'a>(text: &'a str, name: &str) -> (String, Vec<&'a str>) {
    let (mut left, mut keys) = (String::new(), Vec::new());
    for text in text.lines() {
        let line = KeyLine::parse(text).filter(|line| line.mark == KeyMark::None && line.is_of(name));
        let others = line.and_then(|line| line.other_names(name));
        match (line, others) {
            (Some(line), Some(others)) => {
                keys.push(line.key);
                if !others.is_empty() {
                    left.push_str(&text.replacen(line.names, &others, 1));
                    left.push('\n');
                }
            }
            _ => {
                left.push_str(text);
                left.push('\n');
            }
        }
    }
    (left, keys)
}

fn lines(text: &str) -> impl Iterator<Item = KeyLine<'_>> {
    text.lines().filter_map(KeyLine::parse)
}

impl<'a> KeyLine<'a> {
    /// None for a comment, and for whatever OpenSSH would not understand.
    fn parse(text: &'a str) -> Option<KeyLine<'a>> {
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let mut names = words.next().filter(|word| !word.starts_with('#'))?;
        let mark = match names {
            "@revoked" => KeyMark::Revoked,
            "@cert-authority" => KeyMark::Authority,
            marked if marked.starts_with('@') => return None,
            _ => KeyMark::None,
        };
        if mark != KeyMark::None {
            names = words.next()?;
        }
        Some(KeyLine { mark, names, kind: words.next()?, key: words.next()? })
    }

    fn is_key(&self, key: &[u8]) -> bool {
        STANDARD.decode(self.key).is_ok_and(|own| own == key)
    }

    fn is_of(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        if self.is_hashed() {
            return self.is_hash_of(&name);
        }
        let mut is_of = false;
        for pattern in self.names.to_ascii_lowercase().split(',') {
            match pattern.strip_prefix('!') {
                Some(not) if fits(not.as_bytes(), name.as_bytes()) => return false,
                Some(_) => {}
                None => is_of |= fits(pattern.as_bytes(), name.as_bytes()),
            }
        }
        is_of
    }

    fn is_hashed(&self) -> bool {
        self.names.starts_with("|1|")
    }

    /// libssh2 knows how names are hashed.
    fn is_hash_of(&self, name: &str) -> bool {
        let Ok(mut known) = Session::new().and_then(|session| session.known_hosts()) else { return false };
        let line = format!("{} {} {}", self.names, self.kind, self.key);
        let Ok(key) = STANDARD.decode(self.key) else { return false };
        known.read_str(&line, KnownHostFileKind::OpenSSH).is_ok()
            && matches!(known.check(name, &key), CheckResult::Match)
    }

    /// The names of the line without this one; none if it is not among them by itself.
    fn other_names(&self, name: &str) -> Option<String> {
        if self.is_hashed() {
            return Some(String::new());
        }
        let (own, others): (Vec<&str>, Vec<&str>) =
            self.names.split(',').partition(|other| other.eq_ignore_ascii_case(name));
        (!own.is_empty()).then(|| others.join(","))
    }
}

/// Whether a pattern fits a name: `*` stands for any characters, `?` for one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        (Some((one, pattern)), Some((other, name))) => (*one == b'?' || one == other) && fits(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Two keys, in OpenSSH's encoding.
    const ONE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    const TWO: &str = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Eb";

    /// `ssh-keygen -H` made it of `kvm1.example.org`.
    const HASHED: &str = "|1|VlJNTZ758ievyKiZiyDGNjgDEt4=|MhaWIC+JScB7KzddR0cnm75UBMc=";

    /// `ssh-keygen -H` made it of `[kvm1.example.org]:2222`.
    const HASHED_PORT: &str = "|1|Z4HM4ETRLofoZJrtFWtvAJldQAo=|AE/AN+kNN6g+wkI8h9nsSOy7ju8=";

    fn of(text: &str, name: &str) -> KeyStanding {
        let text =
            text.replace("ONE", &format!("ssh-ed25519 {ONE}")).replace("TWO", &format!("ssh-ed25519 {TWO}"));
        standing(&text, name, &STANDARD.decode(ONE).unwrap())
    }

    #[rstest]
    #[case::alone("kvm1.example.org ONE", KeyStanding::Known)]
    #[case::with_a_comment("kvm1.example.org ONE root@kvm1 of 2026", KeyStanding::Known)]
    #[case::behind_tabs("kvm1.example.org\tONE", KeyStanding::Known)]
    #[case::among_names("kvm1,192.0.2.7,kvm1.example.org ONE", KeyStanding::Known)]
    #[case::in_capitals("KVM1.Example.ORG ONE", KeyStanding::Known)]
    #[case::by_a_pattern("*.example.org ONE", KeyStanding::Known)]
    #[case::by_a_pattern_but("*.example.org,!kvm?.example.org ONE", KeyStanding::Unknown)]
    #[case::hashed("|1|HASHED ONE", KeyStanding::Known)]
    #[case::hashed_with_another_key("|1|HASHED TWO", KeyStanding::Other)]
    #[case::another_name("kvm1 ONE", KeyStanding::Unknown)]
    #[case::another_port("[kvm1.example.org]:2222 ONE", KeyStanding::Unknown)]
    #[case::another_port_that_is_hashed("|1|HASHED-PORT ONE", KeyStanding::Unknown)]
    #[case::another_key("kvm1.example.org TWO", KeyStanding::Other)]
    #[case::one_of_two_keys("kvm1.example.org TWO\nkvm1.example.org ONE", KeyStanding::Known)]
    #[case::revoked("@revoked kvm1.example.org ONE", KeyStanding::Revoked)]
    #[case::revoked_for_all("kvm1.example.org ONE\n@revoked * ONE", KeyStanding::Revoked)]
    #[case::revoked_for_others("kvm1.example.org ONE\n@revoked kvm2.example.org ONE", KeyStanding::Known)]
    #[case::another_key_is_revoked("@revoked * TWO\nkvm1.example.org ONE", KeyStanding::Known)]
    #[case::certified("@cert-authority *.example.org TWO", KeyStanding::Certified)]
    #[case::the_key_of_an_authority_is_no_hosts("@cert-authority *.example.org ONE", KeyStanding::Certified)]
    #[case::certified_and_known("@cert-authority * TWO\nkvm1.example.org ONE", KeyStanding::Known)]
    #[case::an_unknown_mark("@trusted kvm1.example.org ONE", KeyStanding::Unknown)]
    #[case::a_comment("# kvm1.example.org ONE", KeyStanding::Unknown)]
    #[case::a_broken_line("kvm1.example.org\nnonsense\nkvm1.example.org ONE", KeyStanding::Known)]
    #[case::nothing("", KeyStanding::Unknown)]
    fn a_machine_is_known_as_openssh_knows_it(#[case] text: &str, #[case] expected: KeyStanding) {
        let text = text.replace("|1|HASHED-PORT", HASHED_PORT).replace("|1|HASHED", HASHED);
        assert_eq!(of(&text, "kvm1.example.org"), expected);
    }

    #[test]
    fn another_port_is_another_machine() {
        assert_eq!(of("kvm1.example.org TWO", "[kvm1.example.org]:2222"), KeyStanding::Unknown);
        for name in ["[kvm1.example.org]:2222", HASHED_PORT] {
            assert_eq!(of(&format!("{name} ONE"), "[kvm1.example.org]:2222"), KeyStanding::Known);
        }
    }

    #[test]
    fn a_key_is_found_in_its_line() {
        let text = format!("# kvm1\n\nkvm2 k {ONE}\n@revoked kvm1 k {ONE}\nkvm1 k {TWO}\n*1 k {ONE}\n");
        assert_eq!(numbered(&text, "kvm1"), [(5, TWO), (6, ONE)]);
        assert_eq!(numbered(&text, "kvm3"), []);
    }

    #[test]
    fn one_name_is_taken_out_and_all_else_stays() {
        let stays =
            format!("# kvm1.example.org\n\n@revoked kvm1.example.org k {TWO}\n*.example.org k {TWO}\n");
        let text = format!(
            "{stays}a,kvm1.example.org,b k {ONE} c d\nkvm1.example.org\tk {TWO}\n{HASHED} ssh-ed25519 {ONE}\n{HASHED_PORT} ssh-ed25519 {ONE}"
        );
        let (left, keys) = without(&text, "kvm1.example.org");
        assert_eq!(left, format!("{stays}a,b k {ONE} c d\n{HASHED_PORT} ssh-ed25519 {ONE}\n"));
        assert_eq!(keys, [ONE, TWO, ONE]);
        assert_eq!(without(&left, "kvm1.example.org"), (left.clone(), Vec::new()));
    }
}
