//! The guests as seen from outside: a stream of ICMP echoes to each of them, through a whole scenario. A gap between two
//! answers is a downtime of the guest's network, as its clients feel it. A few of the probes ask for the guest's clock, too
//! (ICMP timestamp), which shows by how much it fell behind while the guest stood still. Twice a second a burst of long echoes shows
//! how wide the network is: what carries the others in time may carry next to nothing more.
//!
//! Resolution: the probe interval. A gap is measured between the arrivals of two consecutive answers, by this machine's
//! monotonic clock, so a delayed answer counts as well as a lost one.

mod answer;
mod bursts;
mod counts;
mod packet;
mod socket;
mod track;

use std::io::Read;
use std::net::SocketAddrV4;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::gettid;
use socket2::{SockAddr, Socket};

use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;
pub use answer::await_answer;
use bursts::BURST;
pub use bursts::{BURST_BYTES, BURST_EVERY, Burst};
pub use counts::{COUNTED, Counts, Piece};
use packet::Reply;
use socket::raw_socket;
use track::Track;
pub use track::{Gap, Reading, TOLD_INTERVALS};

/// One probe of so many also asks for the clock.
const CLOCK_EVERY: u16 = 5;

/// The view of one guest from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub guest: String,
    pub sent: u64,
    pub received: u64,
    pub counts: Counts,
    /// Every gap longer than [`TOLD_INTERVALS`] probe intervals, in the order of time.
    pub gaps: Vec<Gap>,
    pub longest: Gap,
    /// Readings of its clock, in the order of time; none if it does not answer such questions.
    pub readings: Vec<Reading>,
    /// Bursts of long probes, in the order of time.
    pub bursts: Vec<Burst>,
    /// Times longer than one interval in which this machine did not probe: answers missing in them are not the guest's
    /// fault.
    pub stalls: Arc<Vec<Gap>>,
}

struct Sockets {
    /// Receives the answers to bursts, too.
    probes: Socket,
    /// Sends bursts.
    bursts: Socket,
}

/// The running stream: one thread for all guests.
pub struct ProbeStream(Watch<Vec<Summary>>);

impl ProbeStream {
    /// Begins to probe every guest once per `interval`.
    pub fn start(guests: &[Arc<Guest>], interval: Duration) -> Result<ProbeStream> {
        let sockets = Sockets { probes: raw_socket()?, bursts: raw_socket()? };
        // A burst that waits in a narrow network must keep no probe from being sent.
        sockets.bursts.set_nonblocking(true).attempting(|| "open a socket for bursts".into())?;
        // A migration of ten guests at once must not overrun the queue while this thread waits for a CPU.
        let _ = sockets.probes.set_recv_buffer_size(1 << 20);
        let begin = Instant::now();
        let mut tracks: Vec<Track> =
            guests.iter().map(|guest| Track::new(&guest.name, guest.address, interval, begin)).collect();
        let watch = Watch::start("probe-stream", move |stop| {
            take_precedence();
            let stalls = Arc::new(stream(&sockets, &mut tracks, interval, stop));
            let end = Instant::now();
            tracks.into_iter().map(|track| summary(track, end, &stalls)).collect()
        })?;
        Ok(ProbeStream(watch))
    }

    /// Ends the stream.
    pub fn stop(self) -> Result<Vec<Summary>> {
        self.0.stop()
    }
}

/// Lets this thread have a CPU at once when it is due, on a machine whose CPUs are all taken: it needs little, and what it
/// misses looks like a gap of the guests. Where that is not allowed the stream's own stalls say what it is worth.
fn take_precedence() {
    let _ = Command::new("chrt")
        .args(["--rr", "--pid", "1", &gettid().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn summary(mut track: Track, end: Instant, stalls: &Arc<Vec<Gap>>) -> Summary {
    track.close_gap(end);
    Summary {
        guest: track.name,
        sent: track.sent,
        received: track.received,
        counts: track.counts,
        gaps: track.gaps,
        longest: track.longest,
        readings: track.readings,
        bursts: track.bursts.into_told(),
        stalls: Arc::clone(stalls),
    }
}

/// Probes until the stop flag is set, and returns the times in which it did not probe.
fn stream(sockets: &Sockets, tracks: &mut [Track], interval: Duration, stop: &StopFlag) -> Vec<Gap> {
    let id = std::process::id() as u16;
    let mut sequence: u16 = 0;
    let mut due = Instant::now();
    let mut stalls = Vec::new();
    let mut block = [0; 2048];
    while !stop.is_set() {
        let now = Instant::now();
        if now >= due {
            if now - due > interval {
                stalls.push(Gap { from: due, length: now - due });
            }
            sequence = sequence.wrapping_add(1);
            probe(&sockets.probes, tracks, id, sequence);
            burst(&sockets.bursts, tracks, id, sequence, interval);
            // After a stall this sends no burst of probes to catch up.
            due = (due + interval).max(Instant::now());
        }
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        if sockets.probes.set_read_timeout(Some(wait)).is_err() {
            continue;
        }
        let Ok(length) = (&sockets.probes).read(&mut block) else { continue };
        let now = Instant::now();
        let Some((address, reply)) = packet::reply(&block[..length], id) else { continue };
        let Some(track) = tracks.iter_mut().find(|track| track.address == address) else { continue };
        match reply {
            Reply::Echo { sequence } => track.answered(sequence, now),
            Reply::Burst { sequence } => track.bursts.answered(sequence, now),
            Reply::Timestamp { sequence, guest_ms } => track.told_clock(sequence, guest_ms, now),
        }
    }
    stalls
}

fn probe(socket: &Socket, tracks: &mut [Track], id: u16, sequence: u16) {
    let echo = packet::echo_request(id, sequence);
    let timestamp = packet::timestamp_request(id, sequence);
    for track in tracks {
        let to = SockAddr::from(SocketAddrV4::new(track.address, 0));
        // Without a route, or with a full queue, the probe is lost, which is what the stream measures.
        let _ = socket.send_to(&echo, &to);
        track.sent(sequence, Instant::now());
        if sequence.is_multiple_of(CLOCK_EVERY) {
            track.ask_clock(sequence, Instant::now());
            let _ = socket.send_to(&timestamp, &to);
        }
    }
}

/// Sends its burst to every guest whose turn it is: not to all of them at once.
fn burst(socket: &Socket, tracks: &mut [Track], id: u16, sequence: u16, interval: Duration) {
    let turns = (BURST_EVERY.as_nanos() / interval.as_nanos().max(1)).max(1) as usize;
    let due = tracks.iter_mut().enumerate();
    for (_, track) in due.filter(|(number, _)| (usize::from(sequence) + number).is_multiple_of(turns)) {
        let to = SockAddr::from(SocketAddrV4::new(track.address, 0));
        let probe = packet::burst_request(id, sequence);
        track.bursts.sent(sequence, Instant::now());
        for _ in 0..BURST {
            let _ = socket.send_to(&probe, &to);
        }
    }
}
