//! Machine hosts whose images this machine serves: nothing serves on a host, and nothing stays here.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use libtest_mimic::{Completion, Failed};
use multivm::inventory::file::InventoryFile;
use multivm::stand::pair::server;

use super::{Raised, expect, played};

/// How long this machine may take to answer itself.
const ANSWER: Duration = Duration::from_secs(3);

pub fn by_this_machine() -> Result<Completion, Failed> {
    let hosts = Raised::up()?;
    let folder = tempfile::tempdir()?;
    let inventory = folder.path().join("inventory.toml");
    let text = fs::read_to_string(&hosts.inventory)?;
    let other = text.replace("serve_on = \"source\"", "serve_on = \"controller\"");
    expect(text != other, "the inventory of the machines has no `serve_on`")?;
    fs::write(&inventory, other)?;
    // Its permissions come along.
    fs::copy(hosts.inventory.with_file_name("password"), folder.path().join("password"))?;
    let file = InventoryFile::load(&inventory, None).map_err(|error| error.to_string())?;
    let here = server::address(file.pair(None).map_err(|error| error.to_string())?)?;
    played(&Raised { inventory, is_up: false })?;
    let left = TcpStream::connect_timeout(&SocketAddr::from((here, 2049)), ANSWER);
    expect(left.is_err(), "this machine still serves")?;
    hosts.down()?;
    Ok(Completion::Completed)
}
