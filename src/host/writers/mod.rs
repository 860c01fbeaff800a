//! Finds the writers of images: every process, loop device and QEMU that has an image open for writing, on both hosts and
//! on the storage server. The search goes by device and inode, whatever path led there. What QEMU's own NFS client has open is in
//! command lines, and in the disks of domains, into which one may have been plugged since. What is in neither, as a monitor or
//! standard input can name it, is known by its connection.

mod disks;
mod explained;
mod export;
mod words;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Hosts, Storage};
use crate::failure::{Failure, Result};
use crate::remote::Agent;
use crate::remote::protocol::{DomainDisk, FilePlace, ProcessId, QemuProgram, Writers};
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use disks::disk_files;
use explained::explained;
use export::Export;
use words::{NfsFile, nfs_files};

/// A process or loop device that can write to an image, or may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    /// The number of the image among the watched ones; none of a process that is connected to the storage server more often than
    /// for files that anything names.
    pub image: Option<usize>,
    /// The host of the writer; none on the storage server.
    pub side: Option<Side>,
    pub machine: String,
    /// The writing process; none for a loop device.
    pub process: Option<ProcessId>,
    /// The writer's name for people.
    pub name: String,
    /// The domain whose QEMU this is, as libvirt says.
    pub domain: Option<String>,
}

/// An image in the export that writers are searched of.
#[derive(Debug, Clone)]
pub struct SearchedImage {
    pub file: String,
    /// Whether it may come later than the search.
    pub may_come: bool,
}

/// A search on all machines, with the knowledge that one look leaves to the next.
pub struct WriterSearch {
    storage: SearchedMachine,
    hosts: [SearchedMachine; 2],
    export: Export,
    /// Paths of the images on the server, and whether each may come later.
    images: Vec<(String, bool)>,
    /// Other paths on the server that a command line or a disk has named.
    named: BTreeSet<String>,
    /// The files of each command line so far. Processes cannot be the keys: a starting process has no command line for a
    /// moment, and may become another program later.
    lines: HashMap<Vec<String>, Vec<NfsFile>>,
    /// The files of each disk so far, by its XML.
    disks: HashMap<String, Vec<NfsFile>>,
    limit: Duration,
}

struct SearchedMachine {
    name: String,
    side: Option<Side>,
    agent: Arc<Agent>,
}

impl WriterSearch {
    /// Prepares a search for writers of images in the export. Each answer of a machine may take as long as `limit`.
    pub fn new(hosts: &Hosts, storage: &Storage, images: &[SearchedImage], limit: Duration) -> WriterSearch {
        let entry = &storage.entry;
        let host = |side: Side| {
            let host = hosts.get(side);
            SearchedMachine {
                name: host.entry.name.clone(),
                side: Some(side),
                agent: Arc::clone(&host.agent),
            }
        };
        WriterSearch {
            storage: SearchedMachine {
                name: entry.name.clone(),
                side: None,
                agent: Arc::clone(&storage.agent),
            },
            hosts: [host(Side::Source), host(Side::Target)],
            export: Export { server: entry.server.clone(), path: entry.export.clone() },
            images: images
                .iter()
                .map(|image| (format!("{}/{}", entry.export, image.file), image.may_come))
                .collect(),
            named: BTreeSet::new(),
            lines: HashMap::new(),
            disks: HashMap::new(),
            limit,
        }
    }

    /// The present writers.
    pub fn look(&mut self) -> Result<Vec<Writer>> {
        let mut served = self.ask_storage()?;
        let inodes: Vec<u64> = served.paths.iter().map(|path| path.inode).collect();
        let limit = self.limit;
        let answers = at_once("ask a host who writes to images", &self.hosts, |host| {
            host.agent.writers(&inodes, &[], limit)
        });
        let answers = answers.into_iter().collect::<Result<Vec<Writers>>>()?;
        let before = self.named.len();
        answers.iter().chain([&served]).for_each(|answer| self.learn(answer));
        if self.named.len() > before {
            served = self.ask_storage()?;
        }
        self.judge(&served, &answers)
    }

    /// Reads the command lines and disks that no earlier answer had.
    fn learn(&mut self, answer: &Writers) {
        for QemuProgram { words, .. } in &answer.programs {
            if !self.lines.contains_key(words) {
                let files = nfs_files(words);
                self.name(&files);
                self.lines.insert(words.clone(), files);
            }
        }
        for DomainDisk { xml, .. } in &answer.disks {
            if !self.disks.contains_key(xml) {
                let files = disk_files(xml);
                self.name(&files);
                self.disks.insert(xml.clone(), files);
            }
        }
    }

    fn name(&mut self, files: &[NfsFile]) {
        self.named.extend(files.iter().filter(|file| file.writes).map(|file| file.path.clone()));
    }

    /// The writers in the answers of the storage machine and of both hosts.
    fn judge(&self, served: &Writers, answers: &[Writers]) -> Result<Vec<Writer>> {
        let known = KnownPaths::new(&self.images, served)?;
        let machines = [(&self.storage, served)].into_iter().chain(self.hosts.iter().zip(answers));
        let mut found = Vec::new();
        for (machine, answer) in machines {
            found.extend(self.open(&known, machine, answer));
            let programs = answer.programs.iter();
            found.extend(programs.flat_map(|program| self.of_program(&known, machine, program, answer)));
            found.extend(self.unexplained(machine, answer));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn ask_storage(&self) -> Result<Writers> {
        let images = self.images.iter().map(|(image, _)| image);
        let paths: Vec<String> = images.chain(&self.named).cloned().collect();
        self.storage.agent.writers(&[], &paths, self.limit)
    }

    /// The images to which a program writes by QEMU's own NFS client, as its command line and the disks of its domain say.
    fn of_program(
        &self,
        known: &KnownPaths<'_>,
        machine: &SearchedMachine,
        program: &QemuProgram,
        answer: &Writers,
    ) -> Vec<Writer> {
        let on_server = machine.side.is_none();
        let [named, plugged] = self.files_of(program.process, answer);
        let files = named.into_iter().chain(plugged);
        let files = files.filter(|file| file.writes && self.export.is_server(&file.server, on_server));
        let name = program.words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word));
        files
            .filter_map(|file| known.image(&file.path))
            .map(|image| machine.writer(Some(image), Some(program.process), name, answer))
            .collect()
    }

    /// The files on NFS servers that a process's command line names, and those of its domain's disks.
    fn files_of(&self, process: ProcessId, answer: &Writers) -> [Vec<&NfsFile>; 2] {
        let program = answer.programs.iter().find(|program| program.process == process);
        let named = program.and_then(|program| self.lines.get(&program.words)).into_iter().flatten();
        let disks = answer.disks.iter().filter(|disk| disk.pid == process.pid);
        let plugged = disks.filter_map(|disk| self.disks.get(&disk.xml)).flatten();
        [named.collect(), plugged.collect()]
    }

    /// The processes that are connected to the storage server more often than for files that anything names.
    fn unexplained(&self, machine: &SearchedMachine, answer: &Writers) -> Vec<Writer> {
        let on_server = machine.side.is_none();
        let clients = answer.clients.iter().filter(|client| {
            let of_export =
                client.servers.iter().filter(|server| self.export.is_address(**server, on_server));
            let [named, plugged] = self.files_of(client.process, answer);
            of_export.count() > explained(&named, &plugged)
        });
        clients.map(|client| machine.writer(None, Some(client.process), &client.name, answer)).collect()
    }

    /// The writers on a machine that the kernel knows. This leaves out the files that the NFS server has open for its
    /// clients, and those of mounts that are not of the export.
    fn open(&self, known: &KnownPaths<'_>, machine: &SearchedMachine, answer: &Writers) -> Vec<Writer> {
        let may_be_one = |place: &FilePlace| match (place, machine.side) {
            (FilePlace::Here, None) => true,
            // The machine under a lab may have mounted the export, too.
            (FilePlace::Nfs(mounted), _) => self.export.may_be_in(mounted),
            (FilePlace::Here, Some(_)) => false,
        };
        let of_inode = |inode| known.of_inode(inode).map(Some);
        let files = answer.files.iter().filter(|file| !file.serves && may_be_one(&file.place));
        let files = files.filter_map(|file| {
            Some(machine.writer(of_inode(file.inode)?, Some(file.process), &file.name, answer))
        });
        let loops =
            answer.loops.iter().filter(|device| may_be_one(&device.place)).filter_map(|device| {
                Some(machine.writer(of_inode(device.inode)?, None, &device.name, answer))
            });
        files.chain(loops).collect()
    }
}

impl SearchedMachine {
    fn writer(
        &self,
        image: Option<usize>,
        process: Option<ProcessId>,
        name: &str,
        answer: &Writers,
    ) -> Writer {
        let domain =
            answer.domains.iter().find(|domain| Some(domain.pid) == process.map(|process| process.pid));
        Writer {
            image,
            side: self.side,
            machine: self.name.clone(),
            process,
            name: name.to_owned(),
            domain: domain.map(|domain| domain.name.clone()),
        }
    }
}

/// The paths and inodes that lead to images on the storage server.
struct KnownPaths<'a> {
    /// Each path with its inode and the number of its image.
    paths: Vec<(&'a str, u64, usize)>,
}

impl<'a> KnownPaths<'a> {
    fn new(images: &[(String, bool)], served: &'a Writers) -> Result<KnownPaths<'a>> {
        let mut files: Vec<Option<(u64, u64)>> = Vec::new();
        for (image, may_come) in images {
            let known = served.paths.iter().find(|known| known.path == *image);
            if known.is_none() && !may_come {
                return Err(Failure::new(format!("find the image {image}"), "there is no such file"));
            }
            files.push(known.map(|known| (known.device, known.inode)));
        }
        let image = |path: &'a crate::remote::protocol::KnownPath| {
            let number = files.iter().position(|file| *file == Some((path.device, path.inode)))?;
            Some((&*path.path, path.inode, number))
        };
        Ok(KnownPaths { paths: served.paths.iter().filter_map(image).collect() })
    }

    fn image(&self, path: &str) -> Option<usize> {
        self.paths.iter().find(|(known, ..)| *known == path).map(|(.., image)| *image)
    }

    fn of_inode(&self, inode: u64) -> Option<usize> {
        self.paths.iter().find(|(_, known, _)| *known == inode).map(|(.., image)| *image)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::inventory::Login;
    use crate::remote::Remote;

    fn search() -> WriterSearch {
        let machine = |name: &str, side: Option<Side>| {
            let login = Login::of_root("127.0.0.1", 1, "key", "known_hosts");
            SearchedMachine {
                name: name.to_owned(),
                side,
                agent: Arc::new(Agent::new(Remote::new(name, login))),
            }
        };
        WriterSearch {
            storage: machine("storage", None),
            hosts: [machine("source", Some(Side::Source)), machine("target", Some(Side::Target))],
            export: Export { server: Some("198.18.0.1".into()), path: "/export".into() },
            images: vec![("/export/vm1.qcow2".into(), false), ("/export/load1.qcow2".into(), true)],
            named: BTreeSet::new(),
            lines: HashMap::new(),
            disks: HashMap::new(),
            limit: Duration::ZERO,
        }
    }

    fn said(lines: &[&str]) -> Writers {
        lines.iter().map(|line| format!("{}\n", line.replace('|', "\t"))).collect::<String>().parse().unwrap()
    }

    /// The writers in what the storage server and the source say, each with its domain and machine.
    fn found(storage: &[&str], source: &[&str]) -> Vec<String> {
        let mut search = search();
        let served = said(&[&["path|1|77|/export/vm1.qcow2"][..], storage].concat());
        let answers = [said(source), Writers::default()];
        answers.iter().chain([&served]).for_each(|answer| search.learn(answer));
        let told = |writer: Writer| {
            let domain = writer.domain.map(|domain| format!(" of {domain}")).unwrap_or_default();
            let unexplained = if writer.image.is_none() { ", unexplained" } else { "" };
            format!("{}{domain} on {}{unexplained}", writer.name, writer.machine)
        };
        search.judge(&served, &answers).unwrap().into_iter().map(told).collect()
    }

    #[rstest]
    #[case::shell("file|9|1|77|here|-|sh", Some("sh on storage"))]
    #[case::server("file|9|1|77|here|server|ganesha.nfsd", None)]
    #[case::another_file("file|9|1|78|here|-|sh", None)]
    #[case::through_a_mount("file|9|1|77|nfs:198.18.0.1:/export|-|sh", Some("sh on storage"))]
    #[case::through_a_mount_of_another_server("file|9|1|77|nfs:198.18.0.9:/export|-|sh", None)]
    #[case::nbd(
        "program|9|1|/usr/bin/qemu-nbd|-t|nfs://198.18.0.1/export/vm1.qcow2",
        Some("qemu-nbd on storage")
    )]
    #[case::loopback("program|9|1|qemu-nbd|-t|nfs://127.0.0.1/export/vm1.qcow2", Some("qemu-nbd on storage"))]
    #[case::another_server("program|9|1|qemu-nbd|-t|nfs://198.18.0.9/export/vm1.qcow2", None)]
    #[case::reader("program|9|1|qemu-nbd|-r|nfs://198.18.0.1/export/vm1.qcow2", None)]
    #[case::loop_device("loop|77|here|loop0", Some("loop0 on storage"))]
    #[case::loop_device_of_another_server("loop|77|nfs:198.18.0.9:/export|loop0", None)]
    #[case::our_check("program|9|1|qemu-img|check|--force-share|--output=json|vm1.qcow2", None)]
    fn a_writer_on_the_storage_server_is_found(#[case] line: &str, #[case] expected: Option<&str>) {
        assert_eq!(found(&[line], &[]), Vec::from_iter(expected));
    }

    #[test]
    fn an_image_that_may_come_is_searched_when_it_is_there() {
        let writer = "file|9|1|88|here|-|sh";
        assert!(found(&[writer], &[]).is_empty());
        assert_eq!(found(&["path|1|88|/export/load1.qcow2", writer], &[]), ["sh on storage"]);
        let lost = search().judge(&Writers::default(), &[]).unwrap_err().to_string();
        assert!(lost.contains("find the image /export/vm1.qcow2"), "{lost}");
    }

    #[rstest]
    #[case::export("file|9|1|77|nfs:198.18.0.1:/export|-|dd", Some("dd on source"))]
    #[case::by_name("file|9|1|77|nfs:nas:/export|-|dd", Some("dd on source"))]
    #[case::another_server("file|9|1|77|nfs:198.18.0.9:/export|-|dd", None)]
    #[case::another_export("file|9|1|77|nfs:198.18.0.1:/home|-|dd", None)]
    #[case::loop_device("loop|77|nfs:198.18.0.1:/export|loop0", Some("loop0 on source"))]
    #[case::loop_device_of_another_export("loop|77|nfs:198.18.0.1:/home|loop0", None)]
    #[case::loop_device_of_another_file("loop|78|nfs:198.18.0.1:/export|loop0", None)]
    #[case::own_server("program|9|1|qemu-nbd|-t|nfs://127.0.0.1/export/vm1.qcow2", None)]
    fn a_writer_on_a_host_is_found(#[case] line: &str, #[case] expected: Option<&str>) {
        assert_eq!(found(&[], &[line]), Vec::from_iter(expected));
    }

    #[rstest]
    #[case::of_nothing(&["client|9|1|qemu-io|198.18.0.1"], &["qemu-io on source, unexplained"])]
    #[case::of_another_server(&["client|9|1|qemu-io|198.18.0.9"], &[])]
    #[case::loopback_of_a_host(&["client|9|1|qemu-io|127.0.0.1"], &[])]
    #[case::by_its_command_line(
        &["client|9|1|qemu-nbd|198.18.0.1", "program|9|1|qemu-nbd|-r|nfs://198.18.0.1/export/a"],
        &[]
    )]
    #[case::in_more_than_its_command_line(
        &["client|9|1|q|198.18.0.1|198.18.0.1|198.18.0.1", "program|9|1|qemu-io|-r|nfs://198.18.0.1/export/a"],
        &["q on source, unexplained"]
    )]
    #[case::by_another_process(
        &["client|9|1|qemu-io|198.18.0.1", "program|8|1|qemu-nbd|-r|nfs://198.18.0.1/export/a"],
        &["qemu-io on source, unexplained"]
    )]
    fn a_connection_that_nothing_explains_is_found(#[case] source: &[&str], #[case] expected: &[&str]) {
        assert_eq!(found(&[], source), expected);
    }

    #[test]
    fn a_guests_own_qemu_has_a_connection_for_each_file() {
        let node = |path: &str, name: &str| {
            format!(
                "-blockdev|{{\"driver\":\"nfs\",\"server\":{{\"host\":\"198.18.0.1\"}},\"path\":\"{path}\",\"node-name\":\"{name}\"}}|\
                 -blockdev|{{\"driver\":\"qcow2\",\"read-only\":true,\"file\":\"{name}\"}}"
            )
        };
        let nodes = [node("/export/base", "below"), node("/export/a", "above")].join("|");
        let program = format!("program|9|1|/usr/bin/qemu-system-x86_64|{nodes}");
        let disk = "disk|9|<disk type='network'><source protocol='nfs' name='/export/a'><host name='198.18.0.1'/></source>\
                    <readonly/><backingStore><source protocol='nfs' name='/export/base'><host name='198.18.0.1'/></source>\
                    </backingStore></disk>";
        let with = |connections: &str| {
            let client = format!("client|9|1|qemu-system-x86{connections}");
            found(&[], &[&client, &program, "domain|9|vm1", disk])
        };
        assert!(with("|198.18.0.1|198.18.0.1").is_empty());
        let third = with("|198.18.0.1|198.18.0.1|198.18.0.1");
        assert_eq!(third, ["qemu-system-x86 of vm1 on source, unexplained"]);
    }

    #[test]
    fn a_disk_that_was_plugged_in_is_found() {
        const QEMU: &str = "program|9|1|/usr/bin/qemu-system-x86_64|-S";
        const DOMAIN: &str = "domain|9|neighbour";
        let disk = |more: &str| {
            format!(
                "disk|9|<disk type='network'><source protocol='nfs' name='/export/vm1.qcow2'>\
                 <host name='198.18.0.1'/></source>{more}</disk>"
            )
        };
        let writer = "qemu-system-x86_64 of neighbour on source";
        assert_eq!(found(&[], &[QEMU, DOMAIN, &disk("")]), [writer]);
        assert_eq!(found(&[], &[QEMU, DOMAIN, &disk(""), &disk("<shareable/>")]), [writer], "one writer");
        assert!(found(&[], &[QEMU, DOMAIN, &disk("<readonly/>")]).is_empty());
        assert!(found(&[], &[DOMAIN, &disk("")]).is_empty(), "its QEMU has ended");
    }
}
