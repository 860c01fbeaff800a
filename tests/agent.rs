//! Our program for guests, as a process on this machine. Real damage, from outside, to a real witness.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rstest::{fixture, rstest};
use tempfile::TempDir;

#[path = "agent/pulse.rs"]
mod pulse;
/// Parts of the program that have tests of their own.
#[path = "../fixtures/guest/agent/ring.rs"]
mod ring;
#[path = "../fixtures/guest/agent/speeds.rs"]
mod speeds;

const PROGRAM: &str = concat!(env!("OUT_DIR"), "/multivm-guest");

const PAGE: usize = 4096;
const SLOT: u64 = 4096;
const SLOTS: u64 = 512;
const MIB: u64 = 8;
const PAGES: u64 = MIB * 256;
/// In a folder that the witness makes.
const FILE: &str = "made/records";

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `multivm-guest serve`.
struct Serve {
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Serve {
    fn start(socket: &str) -> Serve {
        let mut process = Process(
            Command::new(PROGRAM)
                .arg("serve")
                .env("MULTIVM_WITNESS_SOCKET", socket)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let (input, output) = (process.0.stdin.take().unwrap(), process.0.stdout.take().unwrap());
        Serve { process, input, output: BufReader::new(output) }
    }

    /// The lines of the answer, without the last.
    fn ask(&mut self, question: &str) -> Vec<String> {
        self.input.write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "no answer to {question}: {answer:?}");
            match line.trim_end_matches('\n') {
                "multivm-end" => return answer,
                line => answer.push(line.to_owned()),
            }
        }
    }
}

/// `multivm-guest witness`, with a socket of its own.
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
        Witness { process, serve: Serve::start(&socket), socket, folder }
    }

    fn ask(&mut self, question: &str) -> Vec<String> {
        self.serve.ask(&format!("witness {question}"))
    }

    fn begin(&mut self, ms: u32) {
        assert_eq!(self.ask(&format!("begin {ms}")), ["ok"]);
    }

    fn prove(&mut self) -> Proof {
        Proof(self.ask("prove"))
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
        assert_eq!((self.memory("bad"), self.disk("bad"), self.0.len()), (0, 0, 2), "{self:#?}");
    }

    /// Its one line with this head.
    fn only(&self, head: &str) -> &str {
        assert_eq!(self.0.len(), 3, "{self:#?}");
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

/// A name that no other test uses: abstract sockets belong to the whole network namespace.
fn socket() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("multivm-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
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
    Serve::start(&socket())
}

#[fixture]
fn witness() -> Witness {
    Witness::start()
}

// --- serve

/// Fields of /proc/PID/stat after the name, from the third.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(") ").unwrap().1.split(' ').collect()
}

fn pid(stat: &str) -> u32 {
    stat.split(' ').next().unwrap().parse().unwrap()
}

#[rstest]
fn the_guest_is_observed(mut serve: Serve) {
    let answer = serve.ask("observe 0");
    assert_eq!(answer[0], fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
    assert!(answer[1].split(' ').all(|number| number.parse::<f64>().unwrap() > 0.0), "{}", answer[1]);
    let realtime = answer[2].split_once('.').unwrap();
    assert!(realtime.0.parse::<u64>().unwrap() > 1_700_000_000 && realtime.1.len() == 6, "{realtime:?}");

    let memory = answer.iter().position(|line| line.starts_with("multivm-memory ")).unwrap();
    let sizes: Vec<u64> = answer[memory].split(' ').skip(1).map(|size| size.parse().unwrap()).collect();
    assert!(sizes.len() == 2 && sizes[0] > sizes[1] && sizes[1] > 1 << 20, "{sizes:?}");
    assert_eq!(answer[memory + 1], "multivm-kernel-log");

    let processes = &answer[3..memory];
    assert!(processes.iter().any(|stat| pid(stat) == std::process::id()));
    for stat in processes {
        assert!(pid(stat) != 2 && fields(stat)[1] != "2", "a kernel thread: {stat}");
        assert_ne!(pid(stat), serve.process.0.id(), "itself: {stat}");
    }
}

#[rstest]
fn of_the_kernel_log_only_what_was_asked_for(mut serve: Serve) {
    let mut log = |from: u64| -> Vec<String> {
        let answer = serve.ask(&format!("observe {from}"));
        let mark = answer.iter().position(|line| line == "multivm-kernel-log").unwrap();
        answer[mark + 1..].to_vec()
    };
    // <PRIORITY>SEQUENCE[SECONDS.MICROS] TEXT
    let sequence = |line: &String| -> u64 {
        let (priority, rest) = line.strip_prefix('<').unwrap().split_once('>').unwrap();
        let (sequence, rest) = rest.split_once('[').unwrap();
        let (time, _) = rest.split_once("] ").unwrap();
        priority.parse::<u32>().unwrap();
        assert_eq!(time.split_once('.').unwrap().1.len(), 6, "{line}");
        sequence.parse().unwrap()
    };
    let all = log(0);
    if let Err(error) = File::open("/dev/kmsg") {
        assert_eq!(all, [format!("multivm-no-kernel-log: cannot open /dev/kmsg: {error}")]);
        return;
    }
    assert!(all.len() > 2 && all.is_sorted_by_key(sequence));
    assert_eq!(log(u64::MAX), [""; 0]);
    // Back to what was read before.
    let middle = sequence(&all[all.len() / 2]);
    let later = log(middle);
    assert_eq!(sequence(&later[0]), middle);
    assert_eq!(later[..all.len() - all.len() / 2], all[all.len() / 2..]);
    // Only what is new since.
    let last = sequence(later.last().unwrap());
    assert!(log(last + 1).iter().all(|line| sequence(line) > last));
}

#[rstest]
fn processes_of_a_group(mut serve: Serve) {
    let child = Process(Command::new("sleep").arg("600").process_group(0).spawn().unwrap());
    let group = child.0.id();
    // It is in the group before it is `sleep`.
    let line = eventually(|| {
        let answer = serve.ask(&format!("processes {group} 999999999"));
        assert_eq!(answer.len(), 1, "{answer:?}");
        answer[0].contains("(sleep)").then(|| answer[0].clone())
    });
    assert_eq!((pid(&line), fields(&line)[2]), (group, group.to_string().as_str()));
    assert_eq!(serve.ask("processes 999999999"), [""; 0]);
}

#[rstest]
fn cpu_time_of_all_processes(mut serve: Serve) {
    let mut ticks = || -> u64 { serve.ask("cpu")[0].strip_prefix("ticks ").unwrap().parse().unwrap() };
    let before = ticks();
    eventually(|| (ticks() > before).then_some(()));
}

#[rstest]
fn a_load_is_started_and_ended_with_its_workers(mut serve: Serve) {
    let folder = folder();
    let log = folder.path().join("log");
    let script = "echo $MARK; sleep 60 & sleep 60; :";
    let answer = serve.ask(&format!("start MARK=x y\t{}\tsh\t-c\t{script}", log.display()));
    let group = answer[0].strip_prefix("pid ").unwrap();
    eventually(|| (serve.ask(&format!("processes {group}")).len() == 3).then_some(()));
    assert_eq!(fs::read_to_string(&log).unwrap(), "x y\n");
    assert_eq!(serve.ask(&format!("kill {group}")), ["ok"]);
    // Also its own end is taken note of: no zombie stays.
    eventually(|| serve.ask(&format!("processes {group}")).is_empty().then_some(()));
    assert_eq!(serve.ask(&format!("kill {group}")), ["ok"]);
}

#[rstest]
fn a_load_that_cannot_be_started_says_why(mut serve: Serve) {
    let answer = serve.ask("start MARK=1\t/dev/null\t/there/is/no/such/program");
    assert!(answer[0].starts_with("cannot start /there/is/no/such/program: "), "{answer:?}");
}

#[rstest]
fn no_witness(mut serve: Serve) {
    let answer = serve.ask("witness prove");
    assert!(answer.len() == 1 && answer[0].starts_with("no witness: "), "{answer:?}");
}

#[rstest]
#[case("dance")]
#[case("observe")]
#[case("observe all")]
#[case("processes sshd")]
fn an_unknown_question_is_answered(mut serve: Serve, #[case] question: &str) {
    assert_eq!(serve.ask(question), [format!("unknown question: {question}")]);
    assert_eq!(serve.ask("processes"), [""; 0]);
}

#[rstest]
#[case(&[])]
#[case(&["dirty", "1", "100"])]
#[case(&["witness", "1"])]
#[case(&["witness", "0", "file"])]
fn wrong_usage(#[case] arguments: &[&str]) {
    let output = run(arguments, &socket());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("multivm-guest: usage: "), "{error}");
}

// --- the witness at work

#[rstest]
fn it_starts_idle_and_clean(mut witness: Witness) {
    let proof = witness.prove();
    proof.assert_clean();
    assert_eq!((proof.memory("pages"), proof.memory("generation")), (PAGES, 0));
    assert_eq!((proof.disk("slots"), proof.disk("written"), proof.disk("errors")), (SLOTS, 0, 0));
}

#[rstest]
fn it_is_clean_while_everything_is_rewritten(mut witness: Witness) {
    witness.begin(20);
    let (mut generation, mut written) = (0, 0);
    // Beyond 63 every line of a page was rewritten.
    eventually(|| {
        let proof = witness.prove();
        proof.assert_clean();
        assert!(proof.memory("generation") >= generation && proof.disk("written") >= written);
        (generation, written) = (proof.memory("generation"), proof.disk("written"));
        (generation > 70 && written > 20).then_some(())
    });
}

#[rstest]
fn a_pause_stops_it(mut witness: Witness) {
    witness.work(3);
    let before = witness.prove();
    let pages = |witness: &mut Witness| {
        let begin = witness.address(0);
        (0..PAGES).map(|page| block(&witness.memory(), begin + page * PAGE as u64)).collect::<Vec<_>>()
    };
    let memory = pages(&mut witness);
    let file = fs::read(witness.path()).unwrap();
    // Longer than a pass and the time between two records: what does not stop is seen.
    let begin = Instant::now();
    eventually(|| (begin.elapsed() > Duration::from_millis(200)).then_some(()));
    let after = witness.prove();
    assert_eq!(before.memory("generation"), after.memory("generation"));
    assert_eq!(before.disk("written"), after.disk("written"));
    assert!(pages(&mut witness) == memory && fs::read(witness.path()).unwrap() == file);
    witness.work(after.disk("written") + 1);
    witness.prove().assert_clean();
}

#[rstest]
fn pages_have_addresses(mut witness: Witness) {
    let proof = witness.prove();
    let region = hexadecimal(value(proof.lines("memory")[0], "region"));
    assert_eq!(region % PAGE as u64, 0);
    assert_eq!(witness.address(5), region + 5 * PAGE as u64);
    assert_eq!(witness.ask(&format!("address {PAGES}")), [format!("unknown question: address {PAGES}")]);
}

#[rstest]
fn a_second_witness_leaves_the_first_alone(mut witness: Witness) {
    witness.work(2);
    let path = witness.path();
    let output = run(&["witness", "1", path.to_str().unwrap()], &witness.socket);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("another witness"), "{error}");
    witness.prove().assert_clean();
}

#[rstest]
fn it_ends_when_told_to(mut witness: Witness) {
    assert_eq!(witness.ask("quit"), ["ok"]);
    assert!(witness.process.0.wait().unwrap().success());
    assert!(witness.ask("prove")[0].starts_with("no witness: "));
}

#[rstest]
fn a_file_that_cannot_be_made() {
    let output = run(&["witness", "1", "/proc/none/file"], &socket());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("multivm-guest: cannot create /proc/none: "), "{error}");
}

// --- damage to memory

#[rstest]
#[case(3, "address")]
#[case(8, "generation")]
#[case(100, "pattern")]
#[case(4095, "pattern")]
fn a_flipped_byte_is_told_once(mut witness: Witness, #[case] offset: u64, #[case] kind: &str) {
    let address = witness.address(5);
    flip(&witness.memory(), address + offset);
    let proof = witness.prove();
    let found = if kind == "generation" { 0x10 } else { 0 };
    assert_eq!(
        proof.only("bad-page"),
        format!("bad-page page=5 address={address:#x} expected=0 found={found} kind={kind} offset={offset}")
    );
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (1, 0));
    witness.prove().assert_clean();
}

#[rstest]
fn a_flipped_byte_is_seen_while_everything_is_rewritten(mut witness: Witness) {
    let address = witness.address(PAGES - 1);
    witness.begin(20);
    // In the last line, which is rewritten by the 63rd generation only.
    flip(&witness.memory(), address + 4090);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!(
        (number(line, "page"), value(line, "kind"), number(line, "offset")),
        (PAGES - 1, "pattern", 4090)
    );
    witness.prove().assert_clean();
}

#[rstest]
fn a_page_from_elsewhere(mut witness: Witness) {
    let (from, to) = (witness.address(7), witness.address(8));
    put(&witness.memory(), &block(&witness.memory(), from), to);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!((number(line, "page"), value(line, "kind")), (8, "address"));
    witness.prove().assert_clean();
}

#[rstest]
fn a_page_that_missed_a_rewriting(mut witness: Witness) {
    let address = witness.address(9);
    let old = block(&witness.memory(), address);
    witness.work(3);
    put(&witness.memory(), &old, address);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!((number(line, "page"), value(line, "kind"), number(line, "found")), (9, "generation", 0));
    // A pass may have been under way.
    let generation = proof.memory("generation");
    assert!(generation > 1 && [generation - 1, generation].contains(&number(line, "expected")), "{proof:#?}");
    witness.prove().assert_clean();
}

/// The usual order of a lost write: the page goes on to be written after it.
#[rstest]
fn a_page_that_missed_a_rewriting_and_had_others_since(mut witness: Witness) {
    let address = witness.address(9);
    let old = block(&witness.memory(), address);
    witness.work(3);
    let before = generation(&witness, address);
    // Not line 0, which the next rewriting would make good if it did not look.
    put(&witness.memory(), &old[64..], address + 64);
    witness.begin(20);
    eventually(|| (generation(&witness, address) > before).then_some(()));
    witness.begin(0);
    let proof = witness.prove();
    let line = proof.only("bad-page");
    assert_eq!((number(line, "page"), value(line, "kind")), (9, "pattern"));
    assert_eq!(value(line, "expected"), value(line, "found"));
    witness.prove().assert_clean();
}

/// No proof until nothing of it is left.
#[rstest]
#[case::whole(0)]
#[case::all_but_line_0(64)]
fn a_page_that_missed_a_rewriting_and_was_rewritten_whole_since(mut witness: Witness, #[case] from: usize) {
    let address = witness.address(9);
    let old = block(&witness.memory(), address);
    witness.work_unproved(|witness| generation(witness, address) > 2);
    let before = generation(&witness, address);
    put(&witness.memory(), &old[from..], address + from as u64);
    witness.begin(20);
    eventually(|| (generation(&witness, address) > before + 70).then_some(()));
    let proof = witness.prove();
    let line = proof.only("bad-page");
    let said = ["expected", "found"].map(|name| number(line, name));
    assert_eq!((number(line, "page"), proof.memory("bad")), (9, 1));
    if from == 0 {
        assert_eq!((value(line, "kind"), number(line, "offset"), said), ("generation", 8, [before, 0]));
    } else {
        // Line 1 is the first of the wrong ones that is rewritten, by generation 64.
        assert_eq!((value(line, "kind"), number(line, "offset") / 64, said), ("pattern", 1, [63, 63]));
    }
    witness.prove().assert_clean();
}

/// What a page says of itself.
fn generation(witness: &Witness, address: u64) -> u64 {
    u64::from_le_bytes(block(&witness.memory(), address)[8..16].try_into().unwrap())
}

#[rstest]
fn pages_found_before_a_proof_and_by_it_are_told_together(mut witness: Witness) {
    let address = witness.address(0);
    // Line 1 is rewritten by generation 1, line 63 not before generation 63.
    for (pages, line) in [(0..3, 63), (3..6, 1), (6..20, 63)] {
        for page in pages {
            flip(&witness.memory(), address + page * PAGE as u64 + line * 64);
        }
    }
    witness.work_unproved(|witness| generation(witness, address + (PAGES - 1) * PAGE as u64) > 0);
    let proof = witness.prove();
    let pages: Vec<u64> = proof.lines("bad-page").iter().map(|line| number(line, "page")).collect();
    assert_eq!((proof.memory("bad"), pages), (20, vec![3, 4, 5, 0, 1, 2, 6, 7]));
    witness.prove().assert_clean();
}

#[rstest]
fn eight_pages_are_told_and_all_counted(mut witness: Witness) {
    let address = witness.address(0);
    for page in 0..20 {
        flip(&witness.memory(), address + page * PAGE as u64 + 64);
    }
    let proof = witness.prove();
    assert_eq!((proof.memory("bad"), proof.lines("bad-page").len()), (20, 8));
    witness.prove().assert_clean();
}

// --- damage to the file

/// Damage to slot 2, after its first record was written. Given the file and what was in the slot before.
type Damage = fn(&File, &[u8]);

#[rstest]
#[case::flipped("torn", 2, |file: &File, _: &[u8]| flip(file, 2 * SLOT + 2000))]
#[case::half("torn", 2, |file: &File, old: &[u8]| put(file, &old[..2048], 2 * SLOT + 2048))]
#[case::zeroed("lost", 0, |file: &File, _: &[u8]| put(file, &[0; PAGE], 2 * SLOT))]
#[case::of_another_run("lost", 0, |file: &File, _: &[u8]| flip(file, 2 * SLOT + 20))]
#[case::restored("stale", 0, |file: &File, old: &[u8]| put(file, old, 2 * SLOT))]
#[case::from_another_slot("doubled", 1, |file: &File, _: &[u8]| put(file, &block(file, SLOT), 2 * SLOT))]
fn a_damaged_record_is_told_once(
    mut witness: Witness,
    #[case] kind: &str,
    #[case] found: u64,
    #[case] damage: Damage,
) {
    let old = block(&witness.file(), 2 * SLOT);
    witness.work(2);
    damage(&witness.file(), &old);
    let proof = witness.prove();
    assert_eq!(
        proof.only("bad-record"),
        format!("bad-record slot=2 offset=8192 expected=2 found={found} kind={kind}")
    );
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 1));
    witness.prove().assert_clean();
}

/// No proof until it is overwritten.
#[rstest]
#[case::flipped("torn", |file: &File, _: &[u8]| flip(file, 2 * SLOT + 2000))]
#[case::zeroed("lost", |file: &File, _: &[u8]| put(file, &[0; PAGE], 2 * SLOT))]
#[case::from_another_slot("doubled", |file: &File, _: &[u8]| put(file, &block(file, SLOT), 2 * SLOT))]
fn a_damaged_record_that_was_overwritten_is_told_once(
    mut witness: Witness,
    #[case] kind: &str,
    #[case] damage: Damage,
) {
    damage(&witness.file(), &[]);
    witness.work_unproved(|witness| is_written(witness, 2));
    let proof = witness.prove();
    assert_eq!(
        proof.only("bad-record"),
        format!("bad-record slot=2 offset=8192 expected=0 found=0 kind={kind}")
    );
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 1));
    witness.prove().assert_clean();
}

/// Whether the slot has its first record after those the file was filled with.
fn is_written(witness: &Witness, slot: u64) -> bool {
    let block = block(&witness.file(), slot * SLOT);
    let word = |index: usize| u64::from_le_bytes(block[index * 8..][..8].try_into().unwrap());
    (word(4), word(5)) == (slot, slot)
}

#[rstest]
fn records_found_before_a_proof_and_by_it_are_told_together(mut witness: Witness) {
    put(&witness.file(), &[0; 18 * PAGE], 3 * SLOT);
    put(&witness.file(), &[0; 2 * PAGE], 0);
    witness.work_unproved(|witness| is_written(witness, 4));
    let proof = witness.prove();
    let slots: Vec<u64> = proof.lines("bad-record").iter().map(|line| number(line, "slot")).collect();
    // Those that were overwritten first; slot 0 is not before record 512.
    let (before, by): (Vec<u64>, Vec<u64>) =
        [0, 1].into_iter().chain(3..21).partition(|slot| (1..=proof.disk("written")).contains(slot));
    assert_eq!(slots, [before, by].concat()[..8], "{proof:#?}");
    assert_eq!(proof.disk("bad"), 20);
    witness.prove().assert_clean();
}

#[rstest]
fn a_record_that_cannot_be_read(mut witness: Witness) {
    witness.file().set_len((SLOTS - 1) * SLOT).unwrap();
    let proof = witness.prove();
    let line = proof.only("bad-record");
    assert_eq!((number(line, "slot"), value(line, "kind")), (SLOTS - 1, "unreadable"));
    witness.prove().assert_clean();
}

#[rstest]
fn eight_records_are_told_and_all_counted(mut witness: Witness) {
    put(&witness.file(), &[0; 20 * PAGE], 200 * SLOT);
    let proof = witness.prove();
    assert_eq!((proof.disk("bad"), proof.lines("bad-record").len()), (20, 8));
    witness.prove().assert_clean();
}

#[rstest]
fn records_can_be_found_in_a_raw_image(witness: Witness) {
    let bytes = fs::read(witness.path()).unwrap();
    assert_eq!(bytes.len() as u64, SLOTS * SLOT);
    assert!(bytes.chunks(PAGE).all(|block| block.starts_with(b"multivm-record\n\0")));
}

/// Failing writes, by a limit on the size of files: from there on, no write succeeds.
#[rstest]
fn a_failed_write_is_told_and_tried_again() {
    // Ignored, or the signal that comes with the error ends the witness.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", PROGRAM]);
    let mut witness = Witness::spawn(shell);
    let limit = |witness: &Witness, limit: &str| {
        let pid = witness.process.0.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
        assert!(status.unwrap().success());
    };
    witness.begin(20);
    limit(&witness, "0");
    let proof = eventually(|| Some(witness.prove()).filter(|proof| proof.disk("errors") > 1));
    assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 0), "{proof:#?}");
    let error = proof.only("disk-error");
    let next = proof.disk("written") + 1;
    assert!(error.starts_with(&format!("disk-error cannot write record {next} of ")), "{error}");
    // Anything may be there after a failed write: it is not wrong.
    put(&witness.file(), &[0; PAGE], next % SLOTS * SLOT);
    limit(&witness, "unlimited");
    eventually(|| {
        let proof = witness.prove();
        assert_eq!((proof.memory("bad"), proof.disk("bad")), (0, 0), "{proof:#?}");
        (proof.disk("written") > next).then_some(())
    });
}
