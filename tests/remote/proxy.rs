//! Between client and server: counts connections and messages, keeps answers back, and cuts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Proxy {
    pub port: u16,
    way: Arc<Way>,
}

/// What befalls all connections that there are at a moment. Later ones work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They end.
    Cut,
    /// No word of the server arrives any more. The client's do.
    Mute,
}

/// Whose messages are counted. A message is what one read brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Clients,
    Both,
}

/// A fault that is to come.
struct Armed {
    fault: Fault,
    whose: Whose,
    /// How many messages still pass.
    left: usize,
}

#[derive(Default)]
struct Way {
    lines: Mutex<Vec<Arc<Line>>>,
    armed: Mutex<Option<Armed>>,
}

/// One connection.
struct Line {
    client: TcpStream,
    server: TcpStream,
    /// What the server says is thrown away.
    mute: AtomicBool,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), way: Arc::default() };
        let way = Arc::clone(&proxy.way);
        thread::spawn(move || {
            for client in listener.incoming() {
                let line = Arc::new(Line {
                    client: client.unwrap(),
                    server: TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(),
                    mute: AtomicBool::new(false),
                });
                way.lines.lock().unwrap().push(Arc::clone(&line));
                for is_clients in [true, false] {
                    let (way, line) = (Arc::clone(&way), Arc::clone(&line));
                    thread::spawn(move || line.pump(&way, is_clients));
                }
            }
        });
        proxy
    }

    /// How many there were so far.
    pub fn connections(&self) -> usize {
        self.way.lines.lock().unwrap().len()
    }

    /// From now on no word of the server arrives over the connections that there are.
    pub fn mute(&self) {
        self.way.befall(Fault::Mute);
    }

    /// Ends every connection. New ones work.
    pub fn cut(&self) {
        self.way.befall(Fault::Cut);
    }

    /// Lets this many more messages arrive before the fault.
    pub fn after(&self, messages: usize, whose: Whose, fault: Fault) {
        if messages == 0 {
            return self.way.befall(fault);
        }
        *self.way.armed.lock().unwrap() = Some(Armed { fault, whose, left: messages });
    }

    /// Whether a fault is still to come.
    pub fn is_armed(&self) -> bool {
        self.way.armed.lock().unwrap().is_some()
    }
}

impl Way {
    fn befall(&self, fault: Fault) {
        for line in self.lines.lock().unwrap().iter() {
            match fault {
                Fault::Cut => line.end(),
                Fault::Mute => line.mute.store(true, Ordering::SeqCst),
            }
        }
    }

    /// Lets a message pass, and then the fault befall the connections if it was the last message before. While a fault is to
    /// come, one message passes at a time.
    fn pass(&self, is_clients: bool, pass: impl FnOnce() -> bool) -> bool {
        let mut armed = self.armed.lock().unwrap();
        let Some(next) = armed.as_mut().filter(|next| is_clients || next.whose == Whose::Both) else {
            drop(armed);
            return pass();
        };
        let passed = pass();
        next.left -= 1;
        if next.left == 0 {
            let fault = next.fault;
            *armed = None;
            self.befall(fault);
        }
        passed
    }
}

impl Line {
    /// Passes on what one side says.
    fn pump(&self, way: &Way, is_clients: bool) {
        let (mut from, mut to) =
            if is_clients { (&self.client, &self.server) } else { (&self.server, &self.client) };
        let mut block = [0; 16 * 1024];
        while let Ok(count) = from.read(&mut block) {
            let is_lost = || !is_clients && self.mute.load(Ordering::SeqCst);
            if count == 0 || !way.pass(is_clients, || is_lost() || to.write_all(&block[..count]).is_ok()) {
                break;
            }
        }
        self.end();
    }

    fn end(&self) {
        for stream in [&self.client, &self.server] {
            // The other side may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
