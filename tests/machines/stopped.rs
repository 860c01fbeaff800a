//! Machines that the emulation stops: their kernel hangs, or one of their CPUs does, which then runs nothing any more.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use multivm::remote::Remote;

/// How long a machine may take to run something on each of its CPUs. A busy one is slow, and still does it.
const ANSWER: Duration = Duration::from_secs(120);

/// How long a machine may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The time between two looks at a machine.
const PAUSE: Duration = Duration::from_secs(30);

/// What is seen of machines while a run goes on.
pub struct Machines {
    machines: Vec<(IpAddr, Remote)>,
    looked: RefCell<Instant>,
}

impl Machines {
    pub fn new(machines: impl IntoIterator<Item = (IpAddr, Remote)>) -> Machines {
        Machines { machines: machines.into_iter().collect(), looked: RefCell::new(Instant::now()) }
    }

    /// The machine that has stopped, if one has; none as long as the last look is not long ago.
    pub fn stopped_by_now(&self) -> Option<IpAddr> {
        if self.looked.borrow().elapsed() < PAUSE {
            return None;
        }
        let stopped = self.stopped();
        self.looked.replace(Instant::now());
        stopped
    }

    pub fn stopped(&self) -> Option<IpAddr> {
        self.machines
            .iter()
            .find(|(address, remote)| has_stopped(*address, remote))
            .map(|(address, _)| *address)
    }
}

/// Whether nobody answers for a machine's address, or the machine takes a connection and one of its CPUs runs nothing. A machine
/// that a packet filter hides still answers for its address: a run that shut itself out has not met a machine that stopped.
fn has_stopped(address: IpAddr, remote: &Remote) -> bool {
    match TcpStream::connect_timeout(&SocketAddr::from((address, 22)), CONNECT) {
        Ok(_) => remote
            .check(
                "for cpu in $(seq 0 $(($(nproc --all) - 1))); do taskset -c $cpu true || exit; done",
                ANSWER,
            )
            .is_err(),
        Err(_) => !is_neighbour(address),
    }
}

/// Whether the kernel has a link address for a machine to which it has just sent something.
fn is_neighbour(address: IpAddr) -> bool {
    let known = Command::new("ip").args(["neigh", "show", "to"]).arg(address.to_string()).output();
    known.is_ok_and(|known| String::from_utf8_lossy(&known.stdout).contains(" lladdr "))
}
