//! Our program for guests, as a process on this machine. Real damage, from outside, to a real witness.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rstest::{fixture, rstest};
use tempfile::TempDir;

use server::{PROGRAM, Process, Serve, socket};

mod disk;
mod memory;
mod pulse;
mod questions;
mod server;
mod work;
mod writers;

const PAGE: usize = 4096;
const SLOT: u64 = 4096;
const SLOTS: u64 = 512;
const MIB: u64 = 8;
const PAGES: u64 = MIB * 256;
/// In a folder that the witness makes.
const FILE: &str = "made/records";

/// `multivm-agent witness`, with a socket of its own.
struct Witness {
    process: Process,
    socket: String,
    folder: TempDir,
    serve: Serve,
}

impl Witness {
    fn start() -> Witness {
        Witness::spawn(Command::new(PROGRAM))
    }

    /// `command` is the program or runs its arguments.
    fn spawn(mut command: Command) -> Witness {
        let (folder, socket) = (folder(), socket());
        command.arg("witness").arg(MIB.to_string()).arg(folder.path().join(FILE));
        let mut process =
            Process(command.env("MULTIVM_WITNESS_SOCKET", &socket).stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Witness { process, serve: Serve::spawn(Command::new(PROGRAM), &socket), socket, folder }
    }

    fn ask(&mut self, question: &str) -> Vec<String> {
        self.serve.ask(&format!("witness {question}"))
    }

    fn begin(&mut self, ms: u32) {
        assert_eq!(self.ask(&format!("begin {ms} 1000")), ["ok"]);
    }

    fn prove(&mut self) -> Proof {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.proof(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The proof of a number.
    fn proof(&mut self, number: u64) -> Proof {
        Proof(self.ask(&format!("prove {number}")))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    fn file(&self) -> File {
        OpenOptions::new().read(true).write(true).open(self.path()).unwrap()
    }

    fn memory(&self) -> File {
        let path = format!("/proc/{}/mem", self.process.0.id());
        OpenOptions::new().read(true).write(true).open(&path).unwrap_or_else(|error| {
            panic!(
                "{path}: {error}; this test needs to trace its own children (kernel.yama.ptrace_scope < 2)"
            )
        })
    }

    fn address(&mut self, page: u64) -> u64 {
        hexadecimal(&self.ask(&format!("address {page}"))[0])
    }

    /// Lets it work until it has had this many generations and records, then pauses it.
    fn work(&mut self, rounds: u64) {
        self.begin(20);
        eventually(|| {
            let proof = self.prove();
            (proof.memory("generation").min(proof.disk("written")) >= rounds).then_some(())
        });
        self.begin(0);
    }

    /// Lets it work until this is so, then pauses it.
    fn work_unproved(&mut self, done: impl Fn(&Witness) -> bool) {
        self.begin(20);
        eventually(|| done(self).then_some(()));
        self.begin(0);
    }
}

/// What a witness answers to `prove`.
#[derive(Debug)]
struct Proof(Vec<String>);

impl Proof {
    fn lines(&self, head: &str) -> Vec<&str> {
        self.0.iter().map(String::as_str).filter(|line| line.split(' ').next() == Some(head)).collect()
    }

    fn memory(&self, name: &str) -> u64 {
        number(self.lines("memory")[0], name)
    }

    fn disk(&self, name: &str) -> u64 {
        number(self.lines("disk")[0], name)
    }

    fn assert_clean(&self) {
        let bad = [self.memory("bad"), self.disk("bad"), number(self.lines("files")[0], "bad")];
        assert_eq!((bad, self.0.len()), ([0; 3], 3), "{self:#?}");
    }

    /// Its one line with this head.
    fn only(&self, head: &str) -> &str {
        assert_eq!(self.0.len(), 4, "{self:#?}");
        self.lines(head)[0]
    }
}

/// A value of `NAME=VALUE NAME=VALUE ...`.
fn value<'a>(line: &'a str, name: &str) -> &'a str {
    let mut values = line.split(' ').filter_map(|word| word.split_once('='));
    values.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name} in {line:?}")).1
}

fn number(line: &str, name: &str) -> u64 {
    value(line, name).parse().unwrap()
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// Fields of /proc/PID/stat after the name, from the third.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(") ").unwrap().1.split(' ').collect()
}

/// On a disk: /tmp may be a tmpfs, which may lack O_DIRECT.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn run(arguments: &[&str], socket: &str) -> Output {
    Command::new(PROGRAM).args(arguments).env("MULTIVM_WITNESS_SOCKET", socket).output().unwrap()
}

fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 30 s");
        thread::sleep(Duration::from_millis(5));
    }
}

fn flip(file: &File, offset: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

fn put(file: &File, bytes: &[u8], offset: u64) {
    file.write_all_at(bytes, offset).unwrap();
}

fn block(file: &File, offset: u64) -> [u8; PAGE] {
    let mut block = [0; PAGE];
    file.read_exact_at(&mut block, offset).unwrap();
    block
}

#[fixture]
fn serve() -> Serve {
    Serve::spawn(Command::new(PROGRAM), &socket())
}

#[fixture]
fn witness() -> Witness {
    Witness::start()
}
