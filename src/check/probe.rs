//! Reachable: an uninterrupted stream of ICMP echoes from outside, through the whole scenario. The longest gap
//! between two answers is the network downtime of the guest, as its clients would feel it.
//!
//! Resolution: the probe interval. A gap is measured between the arrivals of two consecutive answers, by this
//! machine's monotonic clock, so a delayed answer counts as well as a lost one.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Proof;
use crate::failure::{Attempt, Done, Failure};
use crate::guest::Guest;
use crate::wait::Cancel;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// What the stream saw of one guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub guest: String,
    pub sent: u64,
    pub received: u64,
    pub longest_gap: Duration,
    /// When the longest gap began.
    pub longest_gap_at: SystemTime,
}

/// The running stream: one thread for all guests.
pub struct ProbeStream {
    stop: Cancel,
    thread: Option<JoinHandle<Vec<Summary>>>,
}

impl Drop for ProbeStream {
    fn drop(&mut self) {
        // The net under an early return: the thread ends by itself.
        self.stop.cancel();
    }
}

struct Track {
    name: String,
    address: Ipv4Addr,
    sent: u64,
    received: u64,
    last: Instant,
    longest: Duration,
    longest_at: SystemTime,
}

impl Track {
    /// An answer, or the end of the stream, closes a gap.
    fn close_gap(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        if gap > self.longest {
            self.longest = gap;
            self.longest_at = SystemTime::now() - gap;
        }
        self.last = now;
    }
}

impl ProbeStream {
    /// Begins to probe every guest once per `interval`.
    pub fn start(guests: &[Arc<Guest>], interval: Duration) -> Done<ProbeStream> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))
            .attempting(|| "open a raw ICMP socket for the probe stream".into())?;
        // A migration of ten guests at once must not overrun the queue while this thread waits for a CPU.
        let _ = socket.set_recv_buffer_size(1 << 20);
        let begin = Instant::now();
        let mut tracks: Vec<Track> = guests
            .iter()
            .map(|guest| Track {
                name: guest.name.clone(),
                address: guest.address,
                sent: 0,
                received: 0,
                last: begin,
                longest: Duration::ZERO,
                longest_at: SystemTime::now(),
            })
            .collect();
        let stop = Cancel::new();
        let token = stop.clone();
        let thread = thread::Builder::new()
            .name("probe-stream".into())
            .spawn(move || {
                stream(&socket, &mut tracks, interval, &token);
                let end = Instant::now();
                tracks
                    .into_iter()
                    .map(|mut track| {
                        track.close_gap(end);
                        Summary {
                            guest: track.name,
                            sent: track.sent,
                            received: track.received,
                            longest_gap: track.longest,
                            longest_gap_at: track.longest_at,
                        }
                    })
                    .collect()
            })
            .attempting(|| "start the probe stream's thread".into())?;
        Ok(ProbeStream { stop, thread: Some(thread) })
    }

    /// Ends the stream.
    pub fn stop(mut self) -> Done<Vec<Summary>> {
        self.stop.cancel();
        let summaries = self.thread.take().and_then(|thread| thread.join().ok());
        summaries.ok_or_else(|| Failure::new("probe the guests", "the stream's thread panicked"))
    }
}

fn stream(socket: &Socket, tracks: &mut [Track], interval: Duration, stop: &Cancel) {
    let id = std::process::id() as u16;
    let mut sequence: u16 = 0;
    let mut due = Instant::now();
    let mut block = [0; 256];
    while !stop.is_cancelled() {
        if Instant::now() >= due {
            sequence = sequence.wrapping_add(1);
            let packet = echo_request(id, sequence);
            for track in tracks.iter_mut() {
                let to = SockAddr::from(SocketAddrV4::new(track.address, 0));
                // No route or a full queue is a lost probe, which is what is being measured.
                let _ = socket.send_to(&packet, &to);
                track.sent += 1;
            }
            due += interval;
            // After a stall there is no burst of probes to catch up.
            due = due.max(Instant::now());
        }
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        if socket.set_read_timeout(Some(wait)).is_err() {
            continue;
        }
        let Ok(length) = (&*socket).read(&mut block) else { continue };
        let now = Instant::now();
        if let Some(address) = reply_from(&block[..length], id)
            && let Some(track) = tracks.iter_mut().find(|track| track.address == address)
        {
            track.received += 1;
            track.close_gap(now);
        }
    }
}

/// RFC 792: type, code, checksum, identifier, sequence number.
fn echo_request(id: u16, sequence: u16) -> [u8; 8] {
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = sequence.to_be_bytes();
    let sum: u32 = u32::from(ECHO_REQUEST) * 256 + u32::from(id) + u32::from(sequence);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [check_high, check_low] = (!(folded as u16)).to_be_bytes();
    [ECHO_REQUEST, 0, check_high, check_low, id_high, id_low, high, low]
}

/// Who answered us, if the packet is an answer to us. A raw socket receives the IP header, too (RFC 791): its length
/// is in 32-bit words in the first byte's lower half, the source address at byte 12.
fn reply_from(packet: &[u8], id: u16) -> Option<Ipv4Addr> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let message = packet.get(header..)?;
    let ours = message.len() >= 8 && message[0] == ECHO_REPLY && message[4..6] == id.to_be_bytes();
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    ours.then(|| source.into())
}

/// The guest must have answered, and no gap may be longer than `limit`.
pub fn check(summary: &Summary, limit: Duration) -> Proof {
    let ok = summary.received > 0 && summary.longest_gap <= limit;
    let seen = format!(
        "longest gap {:.3} s, from {}; {} of {} probes answered",
        summary.longest_gap.as_secs_f64(),
        humantime::format_rfc3339_millis(summary.longest_gap_at),
        summary.received,
        summary.sent
    );
    let expected = format!("answers to probes from outside with no gap above {:.3} s", limit.as_secs_f64());
    let proof = Proof::new("reachable", ok, expected, seen);
    if ok {
        proof
    } else {
        proof.try_next(
            "compare the time of the gap with the migrations in record.jsonl: outside of them the guest or its link \
             was down",
        )
    }
}

/// The stream did not come to its end.
pub fn unknown(why: &str) -> Proof {
    Proof::new("reachable", false, "an uninterrupted stream of probes", format!("not known: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_request_adds_up() {
        let packet = echo_request(0x1234, 0xfffe);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    #[test]
    fn only_our_replies_count() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 198, 18, 1, 7, 198, 18, 0, 1];
        packet.extend([ECHO_REPLY, 0, 0, 0, 0x12, 0x34, 0, 1]);
        assert_eq!(reply_from(&packet, 0x1234), Some(Ipv4Addr::new(198, 18, 1, 7)));
        assert_eq!(reply_from(&packet, 0x1235), None);
        packet[20] = ECHO_REQUEST;
        assert_eq!(reply_from(&packet, 0x1234), None);
        assert_eq!(reply_from(&[0x4f], 0x1234), None);
    }

    #[test]
    fn a_silent_guest_is_not_reachable() {
        let summary = Summary {
            guest: "vm1".into(),
            sent: 10,
            received: 0,
            longest_gap: Duration::from_millis(200),
            longest_gap_at: SystemTime::now(),
        };
        assert!(!check(&summary, Duration::from_secs(10)).ok);
    }
}
