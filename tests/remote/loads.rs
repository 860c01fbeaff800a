//! The folders of loads that write files, on a host and in a guest.

use std::net::Ipv4Addr;
use std::sync::Arc;

use multivm::guest::Guest;
use multivm::load::{Loads, Place, ToolCommand};
use multivm::remote::{Agent, Remote};
use multivm::scenario::{Bytes, Member, Signs};
use multivm::sys::stop::StopFlag;

use crate::{Case, LIMIT, Sshd};

pub const CASES: &[Case] =
    &[("a_load_takes_its_folder_with_it_and_nobody_elses", a_load_takes_its_folder_with_it_and_nobody_elses)];

/// multivm's folder in a guest and on a host. The server gets a file system of the case's own there.
const HOME: &str = "/var/lib/multivm";

fn a_load_takes_its_folder_with_it_and_nobody_elses(sshd: &Sshd) {
    let remote = || Remote::new("server", sshd.login(sshd.port));
    let run = |script: &str| remote().check(script, LIMIT).unwrap();
    run(&format!("mkdir -p {HOME} && mount -t tmpfs tmpfs {HOME}"));
    for place in [on_host(remote()), in_guest(remote())] {
        let folder = place.folder();
        assert!(folder.starts_with(HOME), "{folder}");
        assert_ends(&place);
        assert_eq!(run(&format!("ls -d {folder} 2> /dev/null; :")), "", "what the load made is gone");
        run(&format!("mkdir -p {folder} && echo mine > {folder}/thesis"));
        assert_ends(&place);
        assert_eq!(run(&format!("cat {folder}/thesis")), "mine\n", "the load was refused the folder");
    }
    run(&format!("umount {HOME} && {{ rmdir {HOME} 2> /dev/null || :; }}"));
}

/// Starts a load that writes files and ends at once, so that whoever starts it gives it up.
fn assert_ends(place: &Place) {
    let signs = Signs { writes: true, ..Signs::default() };
    let command = ToolCommand { words: vec!["true".into()], signs, basis: None };
    let failure = Loads::start(place, &[command], &StopFlag::new()).unwrap_err();
    assert!(failure.to_string().contains("`true` has ended"), "{failure}");
}

fn on_host(remote: Remote) -> Place {
    let agent = Agent::new(remote).for_loads_of("test-host");
    Place::on_host("server", Arc::new(agent), format!("{HOME}/loads-source/load"))
}

fn in_guest(remote: Remote) -> Place {
    let no = String::new;
    Place::Guest(Arc::new(Guest::new(
        "vm1".into(),
        "test-guest".into(),
        no(),
        no(),
        Ipv4Addr::LOCALHOST,
        Member { image: None, vcpus: 1, memory: Bytes(256 << 20) },
        Agent::new(remote),
    )))
}
