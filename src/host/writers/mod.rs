//! Finds the writers of images: every process, loop device and QEMU that has an image open for writing, on both hosts and
//! on the storage server. The search goes by device and inode, whatever path led there.

mod words;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Hosts, Storage};
use crate::failure::{Failure, Result};
use crate::remote::Agent;
use crate::remote::protocol::{Place, ProcessId, Program, Writers};
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use words::{NfsFile, nfs_files};

/// A process or loop device that can write to an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    /// The number of the image among the watched ones.
    pub image: usize,
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

/// A search on all machines, with the knowledge that one look leaves to the next.
pub struct WriterSearch {
    storage: Machine,
    hosts: [Machine; 2],
    /// The server's address, as the hosts have it; none where they have mounted its export.
    server: Option<String>,
    /// Paths of the images on the server.
    images: Vec<String>,
    /// Other paths on the server that a command line has named.
    named: BTreeSet<String>,
    /// The files of each command line so far. Processes cannot be the keys: a starting process has no command line for a
    /// moment, and may become another program later.
    lines: HashMap<Vec<String>, Vec<NfsFile>>,
    limit: Duration,
}

struct Machine {
    name: String,
    side: Option<Side>,
    agent: Arc<Agent>,
}

impl WriterSearch {
    /// Prepares a search for writers of images in the export. Each answer of a machine may take as long as `limit`.
    pub fn new(hosts: &Hosts, storage: &Storage, images: &[String], limit: Duration) -> WriterSearch {
        let entry = &storage.entry;
        let host = |side: Side| {
            let host = hosts.get(side);
            Machine { name: host.entry.name.clone(), side: Some(side), agent: Arc::clone(&host.agent) }
        };
        WriterSearch {
            storage: Machine { name: entry.name.clone(), side: None, agent: Arc::clone(&storage.agent) },
            hosts: [host(Side::Source), host(Side::Target)],
            server: entry.server.clone(),
            images: images.iter().map(|image| format!("{}/{image}", entry.export)).collect(),
            named: BTreeSet::new(),
            lines: HashMap::new(),
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
        for program in answers.iter().flat_map(|answer| &answer.programs) {
            if !self.lines.contains_key(&program.words) {
                let files = nfs_files(&program.words);
                self.named.extend(files.iter().filter(|file| file.writes).map(|file| file.path.clone()));
                self.lines.insert(program.words.clone(), files);
            }
        }
        if self.named.len() > before {
            served = self.ask_storage()?;
        }
        let known = Known::new(&self.images, &served)?;
        let mut found = known.open(&self.storage, &served);
        for (host, answer) in self.hosts.iter().zip(&answers) {
            found.extend(known.open(host, answer));
            found.extend(
                answer.programs.iter().flat_map(|program| self.of_program(&known, host, program, answer)),
            );
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn ask_storage(&self) -> Result<Writers> {
        let paths: Vec<String> = self.images.iter().chain(&self.named).cloned().collect();
        self.storage.agent.writers(&[], &paths, self.limit)
    }

    /// Whether a command line and the inventory may mean the same server: two different addresses are two servers, and a name
    /// proves nothing.
    fn is_server(&self, named: &str) -> bool {
        let address = |name: &str| name.parse::<IpAddr>().ok();
        match (address(named), self.server.as_deref().and_then(address)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
    }

    fn of_program(
        &self,
        known: &Known<'_>,
        host: &Machine,
        program: &Program,
        answer: &Writers,
    ) -> Vec<Writer> {
        let files = self.lines.get(&program.words).into_iter().flatten();
        let files = files.filter(|file| file.writes && self.is_server(&file.server));
        let name = program.words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word));
        files
            .filter_map(|file| known.image(&file.path))
            .map(|image| host.writer(image, Some(program.process), name, answer))
            .collect()
    }
}

impl Machine {
    fn writer(&self, image: usize, process: Option<ProcessId>, name: &str, answer: &Writers) -> Writer {
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
struct Known<'a> {
    /// Each path with its inode and the number of its image.
    paths: Vec<(&'a str, u64, usize)>,
}

impl<'a> Known<'a> {
    fn new(images: &[String], served: &'a Writers) -> Result<Known<'a>> {
        let mut files: Vec<(u64, u64)> = Vec::new();
        for image in images {
            let known = served.paths.iter().find(|known| known.path == *image);
            let known = known
                .ok_or_else(|| Failure::new(format!("find the image {image}"), "there is no such file"))?;
            files.push((known.device, known.inode));
        }
        let image = |path: &'a crate::remote::protocol::KnownPath| {
            let number = files.iter().position(|file| *file == (path.device, path.inode))?;
            Some((&*path.path, path.inode, number))
        };
        Ok(Known { paths: served.paths.iter().filter_map(image).collect() })
    }

    fn image(&self, path: &str) -> Option<usize> {
        self.paths.iter().find(|(known, ..)| *known == path).map(|(.., image)| *image)
    }

    fn of_inode(&self, inode: u64) -> Option<usize> {
        self.paths.iter().find(|(_, known, _)| *known == inode).map(|(.., image)| *image)
    }

    /// The writers on a machine. On the storage server this leaves out the files that the NFS server has open for its
    /// clients.
    fn open(&self, machine: &Machine, answer: &Writers) -> Vec<Writer> {
        let is_here = machine.side.is_none();
        let files = answer.files.iter().filter(|file| !file.serves);
        let files = files.filter(|file| is_here == (file.place == Place::Here)).filter_map(|file| {
            Some(machine.writer(self.of_inode(file.inode)?, Some(file.process), &file.name, answer))
        });
        let loops = answer.loops.iter().filter_map(|device| {
            Some(machine.writer(self.of_inode(device.inode)?, None, &device.name, answer))
        });
        files.chain(loops).collect()
    }
}
