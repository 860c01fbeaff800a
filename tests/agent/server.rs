//! `multivm-agent serve` as a process on this machine, which tests ask as multivm does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The path of our program, as the build script of multivm built it.
pub const PROGRAM: &str = concat!(env!("OUT_DIR"), "/multivm-agent");

/// A process that does not outlive its test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `multivm-agent serve`.
pub struct Serve {
    pub process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Serve {
    /// Starts one that asks the witness of a socket. `command` is the program or runs its arguments.
    pub fn spawn(mut command: Command, socket: &str) -> Serve {
        let mut process = Process(
            command
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

    /// The lines of the answer to a question, without the mark of its end.
    pub fn ask(&mut self, question: &str) -> Vec<String> {
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

/// A socket's name that no other test uses: abstract sockets belong to the whole network namespace.
pub fn socket() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("multivm-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
