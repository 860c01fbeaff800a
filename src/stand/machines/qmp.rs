//! QEMU's monitor, by its protocol QMP: lines of JSON over a socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::{Cause, Failure, FailureKind, Result};

/// How long QEMU may take to answer a command.
const LIMIT: Duration = Duration::from_secs(30);

/// The monitor of one QEMU, ready for commands.
pub struct Monitor {
    name: String,
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Connects to the socket of the QEMU of machine `name`.
    pub fn connect(name: &str, socket: &Path) -> Result<Monitor> {
        let attempted = || format!("reach QEMU's monitor at {}", socket.display());
        let connect = || -> Result<Monitor, Cause> {
            let stream = UnixStream::connect(socket)?;
            let mut monitor = Monitor { name: name.to_owned(), stream: BufReader::new(stream) };
            // It greets first, and takes no other command before this one.
            monitor.message(Instant::now() + LIMIT)?;
            monitor.ask("qmp_capabilities", json!({}))?;
            Ok(monitor)
        };
        connect().map_err(|cause| Failure::new(attempted(), cause).at(name))
    }

    /// Gives a command, and returns the answer.
    pub fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.ask(command, arguments)
            .map_err(|cause| Failure::new(format!("give QEMU the command {command}"), cause).at(&self.name))
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, Cause> {
        let deadline = Instant::now() + LIMIT;
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.stream.get_ref().set_write_timeout(Some(LIMIT))?;
        self.stream.get_mut().write_all(line.as_bytes())?;
        loop {
            // Events come between commands and their answers.
            if let Some(answer) = answer(self.message(deadline)?) {
                return answer.map_err(Cause::from);
            }
        }
    }

    /// The next message.
    fn message(&mut self, deadline: Instant) -> Result<Value, Cause> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Cause::new(FailureKind::TimedOut, format!("no answer within {} s", LIMIT.as_secs())));
        }
        self.stream.get_ref().set_read_timeout(Some(left))?;
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(Cause::new(FailureKind::Unreachable, "QEMU closed its monitor"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// The answer in a message; none if it is an event.
fn answer(mut message: Value) -> Option<Result<Value, String>> {
    if let Some(answer) = message.get_mut("return") {
        return Some(Ok(answer.take()));
    }
    let error = message.get("error")?;
    Some(Err(error.get("desc").and_then(Value::as_str).unwrap_or("an error without words").to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Lets a server that says these lines, each after the first after a line of the client's, meet a client.
    fn with_a_server<T>(lines: &'static [&'static str], client: impl FnOnce(&Path) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qmp");
        let listener = UnixListener::bind(&socket).unwrap();
        let serve = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut heard = Vec::new();
            for (number, line) in lines.iter().enumerate() {
                if number > 0 {
                    heard.push(asked.next().unwrap().unwrap());
                }
                writeln!(&stream, "{line}").unwrap();
            }
            heard
        });
        let result = client(&socket);
        let heard = serve.join().unwrap();
        assert!(heard[0].contains("qmp_capabilities"), "{heard:?}");
        result
    }

    const GREETING: &str = r#"{"QMP": {"version": {}, "capabilities": []}}"#;

    #[test]
    fn events_between_a_command_and_its_answer_are_passed_over() {
        let lines: &[&str] = &[
            GREETING,
            r#"{"return": {}}"#,
            "{\"event\": \"STOP\", \"timestamp\": {}}\n{\"return\": {\"status\": \"paused\"}}",
        ];
        let status = with_a_server(lines, |socket| {
            let mut monitor = Monitor::connect("host1", socket).unwrap();
            monitor.run("query-status", json!({})).unwrap()
        });
        assert_eq!(status["status"], "paused");
    }

    #[test]
    fn a_refusal_is_told_in_qemus_words() {
        let lines: &[&str] = &[
            GREETING,
            r#"{"return": {}}"#,
            r#"{"error": {"class": "GenericError", "desc": "Resetting the Virtual Machine is required"}}"#,
        ];
        let failure = with_a_server(lines, |socket| {
            let mut monitor = Monitor::connect("host1", socket).unwrap();
            monitor.run("cont", json!({})).unwrap_err()
        });
        assert_eq!(
            failure.to_string(),
            "cannot give QEMU the command cont on host1: Resetting the Virtual Machine is required"
        );
    }

    #[test]
    fn a_monitor_that_is_gone_is_unreachable() {
        let lines: &[&str] = &[GREETING, r#"{"return": {}}"#];
        let failure = with_a_server(lines, |socket| {
            let mut monitor = Monitor::connect("host1", socket).unwrap();
            monitor.run("quit", json!({})).unwrap_err()
        });
        assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
    }
}
