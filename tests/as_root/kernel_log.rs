//! The kernel's log, as our program on a host and in a guest reads it: most distributions let only root do that.

use std::fs;
use std::process::Command;

use crate::server::{PROGRAM, Serve, socket};

pub const CASES: [(&str, fn()); 2] = [
    ("of_the_kernel_log_only_what_was_asked_for", of_the_kernel_log_only_what_was_asked_for),
    ("a_machine_without_a_kernel_log_says_so", a_machine_without_a_kernel_log_says_so),
];

fn of_the_kernel_log_only_what_was_asked_for() {
    fs::File::open("/dev/kmsg")
        .expect("this test reads the kernel's log: it needs a machine, or a container, with /dev/kmsg");
    let mut serve = Serve::spawn(Command::new(PROGRAM), &socket());
    let mut log = |from| log(&mut serve, from);
    let all = log(0);
    assert!(all.len() > 2 && all.is_sorted_by_key(sequence), "{all:#?}");
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

fn a_machine_without_a_kernel_log_says_so() {
    let mut bare = Command::new("unshare");
    bare.args(["--mount", "sh", "-c", "mount -t tmpfs none /dev && exec \"$0\" \"$@\"", PROGRAM]);
    let mut serve = Serve::spawn(bare, &socket());
    let why = "multivm-no-kernel-log: cannot open /dev/kmsg: No such file or directory (os error 2)";
    assert_eq!(log(&mut serve, 0), [why]);
    let mounts = |process: u32| fs::read_link(format!("/proc/{process}/ns/mnt")).unwrap();
    assert_ne!(mounts(serve.process.0.id()), mounts(std::process::id()), "this machine's /dev is covered");
}

/// What the program answers of the log from a record on.
fn log(serve: &mut Serve, from: u64) -> Vec<String> {
    let answer = serve.ask(&format!("observe {from}"));
    let mark = answer.iter().position(|line| line == "multivm-kernel-log").unwrap();
    answer[mark + 1..].to_vec()
}

/// The number of a line `<PRIORITY>SEQUENCE[SECONDS.MICROS] TEXT`, which has this form.
fn sequence(line: &String) -> u64 {
    let (priority, rest) = line.strip_prefix('<').unwrap().split_once('>').unwrap();
    let (sequence, rest) = rest.split_once('[').unwrap();
    let (time, _) = rest.split_once("] ").unwrap();
    priority.parse::<u32>().unwrap();
    assert_eq!(time.split_once('.').unwrap().1.len(), 6, "{line}");
    sequence.parse().unwrap()
}
