//! One question to one guest, before a stream begins: does it answer an echo?

use std::io::Read;
use std::net::SocketAddrV4;
use std::time::Duration;

use socket2::SockAddr;

use super::packet::{self, Reply};
use super::socket::raw_socket;
use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// Sends echoes to a guest until it answers one.
///
/// # Errors
///
/// No answer comes within the limit.
pub fn await_answer(guest: &Guest, limit: Duration, stop: &StopFlag) -> Result<()> {
    let mut socket = raw_socket()?;
    socket.set_nonblocking(true).attempting(|| format!("probe {}", guest.name))?;
    let to = SockAddr::from(SocketAddrV4::new(guest.address, 0));
    let id = std::process::id() as u16;
    let (mut sequence, mut block) = (0_u16, [0; 2048]);
    wait_for(&format!("{} to answer an echo (ICMP)", guest.name), limit, stop, || {
        while let Ok(length) = socket.read(&mut block) {
            let answer = packet::reply(&block[..length], id);
            if answer
                .is_some_and(|(from, reply)| from == guest.address && matches!(reply, Reply::Echo { .. }))
            {
                return Poll::Ready(());
            }
        }
        sequence = sequence.wrapping_add(1);
        // Without a route, or with a full queue, the next one may come through.
        let _ = socket.send_to(&packet::echo_request(id, sequence), &to);
        Poll::again(format!("no answer to {sequence} echoes"))
    })
}
