//! Whether an address is free, in a network of two machines: this test's thread, and a process that stays as long as the test.

use std::io::Read;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::thread;

use multivm::guest::is_taken;
use nix::sched::{CloneFlags, unshare};

pub const CASES: [(&str, fn()); 1] = [("a_machine_that_lets_nobody_connect_has_its_address", silent_machine)];

/// The other machine's process. Its end takes the network away.
struct OtherMachine(Child);

impl OtherMachine {
    /// Gives the calling thread a network of its own, with the other machine behind the link `near`.
    fn behind_a_link() -> OtherMachine {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo there; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut there = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut there).unwrap();
        let other = OtherMachine(child);
        run(&["ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]);
        run(&["ip", "link", "set", "far", "netns", &other.0.id().to_string()]);
        run(&["ip", "address", "add", "198.18.7.1/24", "dev", "near"]);
        run(&["ip", "link", "set", "near", "up"]);
        // It has no way to answer anything but a neighbour's question, and the kernel asks for none.
        other.run("for way in all far; do echo 0 > /proc/sys/net/ipv4/conf/$way/rp_filter; done; ip link set far up");
        other
    }

    fn run(&self, script: &str) {
        run(&["nsenter", "--net", "--target", &self.0.id().to_string(), "sh", "-ec", script]);
    }
}

impl Drop for OtherMachine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn silent_machine() {
    // The thread's network ends with it.
    let thread = thread::spawn(|| {
        let other = OtherMachine::behind_a_link();
        let address = Ipv4Addr::new(198, 18, 7, 2);
        assert!(!is_taken(address), "nobody has it yet");
        other.run("ip address add 198.18.7.2/32 dev far");
        assert!(is_taken(address), "a machine has it that answers no connection");
        other.run("ip address delete 198.18.7.2/32 dev far");
        assert!(!is_taken(address), "nobody has it any more, whatever is remembered");
        other.run("ip address add 198.18.7.2/24 dev far");
        assert!(is_taken(address), "a machine has it that refuses connections");
    });
    thread.join().unwrap();
}
