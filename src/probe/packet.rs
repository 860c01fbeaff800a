//! ICMP messages (RFC 792): requests to build, answers to take apart.

use std::net::Ipv4Addr;

const ECHO_REPLY: u8 = 0;
const ECHO: u8 = 8;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;

/// An answer to one of our requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The sequence number of the probe.
    Echo { sequence: u16 },
    /// The sequence number of the burst that the long probe belongs to.
    Burst { sequence: u16 },
    /// The sequence number of the request, and the guest's clock at its arrival: milliseconds since midnight UTC.
    Timestamp { sequence: u16, guest_ms: u32 },
}

/// The length of a long probe's body. With the headers it fits into the frames of every network.
pub const LONG: usize = 1400;

pub fn echo_request(id: u16, sequence: u16) -> Vec<u8> {
    message(ECHO, id, sequence, 0)
}

/// One of the long probes of a burst.
pub fn burst_request(id: u16, sequence: u16) -> Vec<u8> {
    message(ECHO, id, sequence, LONG)
}

/// A request for the other side's clock. The other side fills in its times; ours is not needed.
pub fn timestamp_request(id: u16, sequence: u16) -> Vec<u8> {
    message(TIMESTAMP, id, sequence, 12)
}

/// Type, code, checksum, identifier, sequence number, and a body of zeros.
fn message(kind: u8, id: u16, sequence: u16, body: usize) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = sequence.to_be_bytes();
    let sum: u32 = u32::from(kind) * 256 + u32::from(id) + u32::from(sequence);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [check_high, check_low] = (!(folded as u16)).to_be_bytes();
    let mut message = vec![kind, 0, check_high, check_low, id_high, id_low, high, low];
    message.resize(message.len() + body, 0);
    message
}

/// The sender and the content of an answer to us; none for any other packet. A raw socket receives the IP header, too (RFC
/// 791): its length is in 32-bit words in the first byte's lower half, the source address at byte 12.
pub fn reply(packet: &[u8], id: u16) -> Option<(Ipv4Addr, Reply)> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let message = packet.get(header..)?;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    if message.len() < 8 || message[4..6] != id.to_be_bytes() {
        return None;
    }
    let sequence = u16::from_be_bytes([message[6], message[7]]);
    let reply = match message[0] {
        ECHO_REPLY if message.len() >= LONG => Reply::Burst { sequence },
        ECHO_REPLY => Reply::Echo { sequence },
        TIMESTAMP_REPLY => Reply::Timestamp {
            sequence,
            // The second of the message's three times is the request's arrival. With the highest bit set it has a unit of
            // the sender's own.
            guest_ms: message
                .get(12..16)?
                .try_into()
                .map(u32::from_be_bytes)
                .ok()
                .filter(|ms| ms >> 31 == 0)?,
        },
        _ => return None,
    };
    Some((source.into(), reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_request_adds_up() {
        for packet in
            [echo_request(0x1234, 0xfffe), burst_request(0x1234, 0xfffe), timestamp_request(0xffff, 0xffff)]
        {
            let sum: u32 =
                packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            assert_eq!((folded & 0xffff) + (folded >> 16), 0xffff);
        }
    }

    #[test]
    fn only_our_replies_count() {
        let from = Ipv4Addr::new(198, 18, 1, 7);
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 198, 18, 1, 7, 198, 18, 0, 1];
        packet.extend([ECHO_REPLY, 0, 0, 0, 0x12, 0x34, 0, 1]);
        assert_eq!(reply(&packet, 0x1234), Some((from, Reply::Echo { sequence: 1 })));
        assert_eq!(reply(&packet, 0x1235), None);
        let mut long = packet.clone();
        long.resize(packet.len() + LONG, 0);
        assert_eq!(reply(&long, 0x1234), Some((from, Reply::Burst { sequence: 1 })));
        packet[20] = ECHO;
        assert_eq!(reply(&packet, 0x1234), None);
        packet[20] = TIMESTAMP_REPLY;
        assert_eq!(reply(&packet, 0x1234), None, "too short");
        packet.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0]);
        assert_eq!(reply(&packet, 0x1234), Some((from, Reply::Timestamp { sequence: 1, guest_ms: 258 })));
        packet[32] = 0x80;
        assert_eq!(reply(&packet, 0x1234), None, "not in milliseconds");
        assert_eq!(reply(&[0x4f], 0x1234), None);
    }
}
