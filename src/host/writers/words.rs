//! Finds the files on NFS servers that the command line of one of QEMU's programs names, and whether the program writes to
//! them. QEMU has an NFS client of its own, of which the kernel sees only a TCP connection.

use serde_json::{Map, Value};

/// A file on an NFS server that a command line names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NfsFile {
    pub server: String,
    /// The path on the server.
    pub path: String,
    pub writes: bool,
    /// Whether QEMU reads in the file itself what it stands on, and opens that, too.
    pub brings_others: bool,
}

/// The files that a program's command line names, from its words.
pub fn nfs_files(words: &[String]) -> Vec<NfsFile> {
    let Some((program, words)) = words.split_first() else { return Vec::new() };
    let program = program.rsplit('/').next().unwrap_or(program);
    let mut nodes = Nodes::default();
    let mut found = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let is_last = number + 1 == words.len();
        let json = word.strip_prefix("json:").unwrap_or(word);
        if let Ok(Value::Object(node)) = serde_json::from_str(json) {
            nodes.add(&node, None);
        } else {
            found.extend(of_word(word, writes(program, words, is_last)));
        }
    }
    found.extend(nodes.files());
    found
}

/// Whether a program writes to a file that has no read-only option of its own.
fn writes(program: &str, words: &[String], is_last: bool) -> bool {
    let has = |options: &[&str]| words.iter().any(|word| options.contains(&&**word));
    match program {
        "qemu-img" => match words.first().map(String::as_str) {
            Some("info" | "map" | "measure" | "compare") => false,
            Some("check") => {
                has(&["-r", "--repair"]) || words.iter().any(|word| word.starts_with("--repair="))
            }
            Some("bench") => has(&["-w"]),
            // The source of the copy comes first.
            Some("convert") => is_last,
            Some("dd") => words.last().is_some_and(|word| word.starts_with("of=")) && is_last,
            _ => true,
        },
        "qemu-nbd" | "qemu-io" => !has(&["-r", "--read-only"]),
        _ => true,
    }
}

/// The file in a word that is a URL, has an option with a URL, or has options for an NFS file: `nfs://server/path`,
/// `file=nfs://server/path,readonly=on`, `driver=nfs,server.host=server,path=/path`.
fn of_word(word: &str, writes: bool) -> Option<NfsFile> {
    let options: Vec<(&str, &str)> = word.split(',').filter_map(|option| option.split_once('=')).collect();
    let option =
        |names: &[&str]| options.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
    let is_on = |names: &[&str]| matches!(option(names), Some("on" | "true" | "yes"));
    let spared = is_on(&["readonly", "read-only", "snapshot", "file.read-only"]);
    let writes = writes && !spared;
    if let Some(at) = word.find("nfs://") {
        // A command of qemu-io's is one word.
        let url = word[at..].split([',', ' ']).next().unwrap_or_default();
        let (server, path) = of_url(url)?;
        return Some(NfsFile { server, path, writes, brings_others: true });
    }
    let driver = option(&["driver", "file.driver"]);
    let path = option(&["path", "file.path"])?;
    let server = option(&["server.host", "file.server.host"])?;
    let (server, path) = (server.to_owned(), path.to_owned());
    (driver == Some("nfs")).then_some(NfsFile { server, path, writes, brings_others: true })
}

/// Server and path of a URL `nfs://server[:port]/path[?options]`.
fn of_url(url: &str) -> Option<(String, String)> {
    let (server, path) = url.strip_prefix("nfs://")?.split_once('/')?;
    let server = server.split(':').next().unwrap_or(server);
    Some((server.to_owned(), format!("/{}", path.split('?').next().unwrap_or(path))))
}

/// The block nodes of `-blockdev` options (qapi/block-core.json, BlockdevOptions).
#[derive(Default)]
struct Nodes(Vec<Node>);

struct Node {
    name: Option<String>,
    file: Option<(String, String)>,
    read_only: Option<bool>,
    /// Names of the nodes to which a writable node passes its writes: its file, and a qcow2's separate data file.
    below: Vec<String>,
    /// The node whose description contains this one.
    above: Option<usize>,
}

impl Nodes {
    fn add(&mut self, node: &Map<String, Value>, above: Option<usize>) {
        let text = |name: &str| node.get(name).and_then(Value::as_str);
        let server = node.get("server").and_then(|server| server.get("host")).and_then(Value::as_str);
        let file = match (text("driver"), server, text("path")) {
            (Some("nfs"), Some(server), Some(path)) => Some((server.to_owned(), path.to_owned())),
            _ => text("filename").or(text("file")).and_then(of_url),
        };
        let number = self.0.len();
        let children = || ["file", "data-file"].into_iter().filter_map(|name| node.get(name));
        self.0.push(Node {
            name: text("node-name").map(str::to_owned),
            file,
            read_only: node.get("read-only").and_then(Value::as_bool),
            below: children().filter_map(Value::as_str).map(str::to_owned).collect(),
            above,
        });
        children().filter_map(Value::as_object).for_each(|child| self.add(child, Some(number)));
    }

    fn files(&self) -> Vec<NfsFile> {
        let file = |(number, node): (usize, &Node)| {
            let (server, path) = node.file.clone()?;
            let writes = self.writes(number, self.0.len());
            Some(NfsFile { server, path, writes, brings_others: false })
        };
        self.0.iter().enumerate().filter_map(file).collect()
    }

    /// Whether anything writes to a node. The node must allow writes, and so must one of the nodes above it, if there are
    /// any. `depth` ends a circle, which QEMU would refuse.
    fn writes(&self, number: usize, depth: usize) -> bool {
        let node = &self.0[number];
        if depth == 0 || node.read_only == Some(true) {
            return false;
        }
        let is_above = |(at, other): (usize, &Node)| {
            let named = node.name.as_ref().is_some_and(|name| other.below.contains(name));
            (named || node.above == Some(at)).then_some(at)
        };
        let above: Vec<usize> = self.0.iter().enumerate().filter_map(is_above).collect();
        above.is_empty() || above.into_iter().any(|above| self.writes(above, depth - 1))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(line: &str) -> Vec<NfsFile> {
        nfs_files(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn file(path: &str, writes: bool, brings_others: bool) -> NfsFile {
        NfsFile { server: "198.18.0.1".into(), path: path.into(), writes, brings_others }
    }

    #[rstest]
    #[case::drive("qemu-system-x86_64 -drive file=nfs://198.18.0.1/export/a,if=virtio", true)]
    #[case::read_only("qemu-system-x86_64 -drive file=nfs://198.18.0.1/export/a,readonly=on", false)]
    #[case::thrown_away("qemu-system-x86_64 -drive snapshot=on,file=nfs://198.18.0.1/export/a", false)]
    #[case::old_option("/usr/bin/kvm -m 64 -hda nfs://198.18.0.1/export/a", true)]
    #[case::options(
        "qemu-storage-daemon --blockdev driver=nfs,server.host=198.18.0.1,server.type=inet,path=/export/a,node-name=a",
        true
    )]
    #[case::nbd("qemu-nbd -t nfs://198.18.0.1:2049/export/a?version=3", true)]
    #[case::nbd_that_reads("qemu-nbd -r nfs://198.18.0.1/export/a", false)]
    #[case::info("qemu-img info -U nfs://198.18.0.1/export/a", false)]
    #[case::check("qemu-img check nfs://198.18.0.1/export/a", false)]
    #[case::repair("qemu-img check -r all nfs://198.18.0.1/export/a", true)]
    #[case::resize("qemu-img resize nfs://198.18.0.1/export/a 1G", true)]
    #[case::copied_from("qemu-img convert -O raw nfs://198.18.0.1/export/a /tmp/b", false)]
    #[case::copied_over("qemu-img convert -O raw /tmp/b nfs://198.18.0.1/export/a", true)]
    #[case::io("qemu-io -c info nfs://198.18.0.1/export/a", true)]
    fn an_image_is_named_in_many_ways(#[case] line: &str, #[case] writes: bool) {
        assert_eq!(found(line), [file("/export/a", writes, true)]);
    }

    #[test]
    fn a_command_in_one_word_names_a_file() {
        let command = "open nfs://198.18.0.1/export/a -o discard=unmap";
        let found = nfs_files(&["qemu-io", "-c", command].map(str::to_owned));
        assert_eq!(found, [file("/export/a", true, true)]);
    }

    /// The options with which libvirt 9.0 and 11.3 start a guest.
    #[test]
    fn a_node_is_written_by_what_stands_on_it() {
        let line = concat!(
            r#"qemu -blockdev {"driver":"nfs","server":{"host":"198.18.0.1","type":"inet"},"path":"/export/base","node-name":"libvirt-2-storage","auto-read-only":true,"discard":"unmap"} "#,
            r#"-blockdev {"node-name":"libvirt-2-format","read-only":true,"driver":"qcow2","file":"libvirt-2-storage","backing":null} "#,
            r#"-blockdev {"driver":"nfs","server":{"host":"198.18.0.1","type":"inet"},"path":"/export/a","node-name":"libvirt-1-storage","auto-read-only":true} "#,
            r#"-blockdev {"node-name":"libvirt-1-format","read-only":false,"driver":"qcow2","file":"libvirt-1-storage","backing":"libvirt-2-format"}"#,
        );
        assert_eq!(found(line), [file("/export/base", false, false), file("/export/a", true, false)]);
    }

    #[test]
    fn a_node_inside_another_is_written_as_that_is() {
        let inside = |more: &str| {
            let nested =
                r#"{"driver":"nfs","server":{"host":"198.18.0.1","type":"inet"},"path":"/export/a"}"#;
            found(&format!(r#"qemu -blockdev {{"driver":"qcow2"{more},"file":{nested}}}"#))
        };
        assert_eq!(inside(""), [file("/export/a", true, false)]);
        assert_eq!(inside(r#","read-only":true"#), [file("/export/a", false, false)]);
    }

    #[test]
    fn a_program_that_names_no_file_on_a_server_names_none() {
        assert!(found("qemu-system-x86_64 -m 64 -drive file=/var/lib/a.qcow2").is_empty());
        assert!(nfs_files(&[]).is_empty());
    }
}
