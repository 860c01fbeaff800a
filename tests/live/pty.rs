//! A program on a terminal: a real pseudo-terminal, and an emulator that says what stands on its screen.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::emulator::Emulator;

/// Only for a program that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A program whose output and errors go to a terminal. Its input is a pipe, so that nothing is echoed.
pub struct OnTerminal {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    screen: Emulator,
    raw: Vec<u8>,
}

impl OnTerminal {
    pub fn start(command: &mut Command, rows: u16, columns: u16) -> OnTerminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let mut master = File::from(pty.master);
        let errors = pty.slave.try_clone().unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(pty.slave).stderr(errors).spawn().unwrap();
        // What is left of the command keeps the terminal open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (send, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // At its end a terminal gives an error, not an end.
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                if send.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        OnTerminal { child, input, output, screen: Emulator::new(rows, columns), raw: Vec::new() }
    }

    /// Waits until what stands on the screen is as wanted.
    pub fn wait(&mut self, what: &str, mut wanted: impl FnMut(&[String]) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !wanted(&self.rows()) {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => panic!("{what} never came ({error}); on the screen: {:#?}", self.rows()),
            }
        }
    }

    /// Waits for a row that contains a text.
    pub fn wait_for(&mut self, text: &str) {
        self.wait(text, |rows| rows.iter().any(|row| row.contains(text)));
    }

    /// Writes a line to the program's input.
    pub fn go_on(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits for the program's end.
    pub fn end(&mut self) -> ExitStatus {
        self.input = None;
        let deadline = Instant::now() + LIMIT;
        while let Ok(bytes) = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.take(&bytes);
        }
        self.child.wait().unwrap()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.screen.parser.process(bytes);
        self.raw.extend_from_slice(bytes);
    }

    /// What stands on the screen and above it.
    pub fn rows(&mut self) -> Vec<String> {
        self.screen.rows()
    }

    /// The row that the cursor is in, up to it.
    pub fn before_cursor(&self) -> String {
        let screen = self.screen.parser.screen();
        let (row, column) = screen.cursor_position();
        screen.contents_between(row, 0, row, column)
    }

    /// All bytes that came.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
