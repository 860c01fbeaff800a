//! Between client and server: counts connections, keeps answers back, and cuts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Proxy {
    pub port: u16,
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
}

/// One connection.
struct Line {
    client: TcpStream,
    server: TcpStream,
    /// What the server says is thrown away.
    mute: AtomicBool,
    /// It gets mute with this message of the client, counted from 1; 0: with none.
    last_heard: AtomicUsize,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), lines: Arc::default() };
        let lines = Arc::clone(&proxy.lines);
        thread::spawn(move || {
            for client in listener.incoming() {
                let line = Arc::new(Line {
                    client: client.unwrap(),
                    server: TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(),
                    mute: AtomicBool::new(false),
                    last_heard: AtomicUsize::new(0),
                });
                lines.lock().unwrap().push(Arc::clone(&line));
                let other = Arc::clone(&line);
                thread::spawn(move || other.pump(&other.client, &other.server, || other.count()));
                thread::spawn(move || {
                    line.pump(&line.server, &line.client, || !line.mute.load(Ordering::SeqCst));
                });
            }
        });
        proxy
    }

    /// How many there were so far.
    pub fn connections(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// From now on no word of the server arrives over the connections that there are.
    pub fn mute(&self) {
        for line in self.lines.lock().unwrap().iter() {
            line.mute.store(true, Ordering::SeqCst);
        }
    }

    /// The newest connection gets mute when the client has sent this many more messages: the last of them arrives, and no
    /// answer to it.
    pub fn mute_after(&self, messages: usize) {
        self.lines.lock().unwrap().last().unwrap().last_heard.store(messages, Ordering::SeqCst);
    }

    /// Ends every connection. New ones work.
    pub fn cut(&self) {
        self.lines.lock().unwrap().iter().for_each(|line| line.end());
    }
}

impl Line {
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, passes: impl Fn() -> bool) {
        let mut block = [0; 16 * 1024];
        while let Ok(count) = from.read(&mut block) {
            if count == 0 || (passes() && to.write_all(&block[..count]).is_err()) {
                break;
            }
        }
        self.end();
    }

    /// A message of the client, which always passes.
    fn count(&self) -> bool {
        match self.last_heard.load(Ordering::SeqCst) {
            0 => {}
            1 => self.mute.store(true, Ordering::SeqCst),
            left => self.last_heard.store(left - 1, Ordering::SeqCst),
        }
        true
    }

    fn end(&self) {
        for stream in [&self.client, &self.server] {
            // The other side may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
