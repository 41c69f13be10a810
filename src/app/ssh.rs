//! SSH: banner and key exchange; everything behind NEWKEYS is encrypted.
//!
//! Source: RFC 4253 sections 4.2, 6, 7.3, 11.1.

use super::framing::{Framers, Measure, be};
use super::label;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// A banner has at most 255 octets.
const LONGEST_BANNER: usize = 255;
/// Implementations accept at least 35,000 octets; OpenSSH 256 KiB.
const LONGEST_PACKET: u64 = 256 << 10;
const DISCONNECT: u8 = 1;
const NEWKEYS: u8 = 21;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Ssh {
    framers: Framers,
    client_encrypts: bool,
    server_encrypts: bool,
}

impl Reader for Ssh {
    const PROTOCOL: Protocol = Protocol::Ssh;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        is_banner(input.head()).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Ssh, ..Message::default() };
        let encrypts = if input.is_from_client() { &mut self.client_encrypts } else { &mut self.server_encrypts };
        if *encrypts {
            message.what = What::Encrypted;
            return message;
        }
        let framer = self.framers.of(input.direction);
        framer.prepare(input);
        let continues = !framer.is_lost() && !framer.is_at_boundary();
        let octets = input.head();
        if is_banner(octets) && !continues {
            let line = octets.iter().take(LONGEST_BANNER).position(|octet| *octet == b'\n');
            framer.pass(line.map_or(input.excerpt.length as u64, |end| (end as u64).saturating_add(1)));
            message.what = What::Setup;
            message.label = label::text("SSH banner");
            let software = octets.splitn(3, |octet| *octet == b'-').nth(2).unwrap_or_default();
            let end = software.iter().position(|octet| !octet.is_ascii_graphic()).unwrap_or(software.len());
            label::push(&mut message.product, software.get(..end).unwrap_or_default());
        }
        let mut at = 0;
        while let Some(packet) = framer.next(&input.excerpt, &mut at, measure) {
            let code = packet.header_octet(5);
            if message.label.is_empty() {
                message.what = if code == DISCONNECT { What::Farewell } else { What::Setup };
                message.label = label::text(if code == DISCONNECT { "SSH disconnect" } else { "SSH key exchange" });
            }
            if code == NEWKEYS {
                *encrypts = true;
                break;
            }
        }
        if message.what == What::Unknown {
            if continues {
                message.what = What::Continuation;
            } else if framer.is_lost() {
                // The key exchange is over, or was not captured.
                message.what = if input.in_order { What::Encrypted } else { What::Unknown };
                note.is_lost = false;
            }
        }
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        None
    }
}

fn is_banner(octets: &[u8]) -> bool {
    octets.starts_with(b"SSH-2.0-") || octets.starts_with(b"SSH-1.99-") || octets.starts_with(b"SSH-1.5-")
}

/// Packet length (4), padding length, message number: those of the transport layer are below 50.
fn measure(header: &[u8]) -> Measure {
    match (be(header, 0, 4), header.get(4), header.get(5)) {
        (Some(length), _, _) if !(5..=LONGEST_PACKET).contains(&length) => Measure::Invalid,
        (_, Some(padding), _) if *padding < 4 => Measure::Invalid,
        (Some(length), Some(_), Some(1..=49)) => Measure::Octets(length.saturating_add(4)),
        (_, _, Some(_)) => Measure::Invalid,
        _ => Measure::More,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn packet(code: u8) -> Vec<u8> {
        vec![0, 0, 0, 12, 10, code, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    #[test]
    fn ssh_is_setup_until_its_new_keys_and_encrypted_behind() {
        let mut talk = Conversation::new();
        let message = talk.server(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        assert_eq!((message.protocol, message.what, message.product.as_str()), (Protocol::Ssh, What::Setup, "OpenSSH_9.2p1"));
        assert_eq!(talk.client(&[&b"SSH-2.0-Go\r\n"[..], &packet(20)].concat()).what, What::Setup);
        assert_eq!(talk.server(&packet(20)).what, What::Setup);
        assert_eq!(talk.client(&packet(21)).what, What::Setup);
        assert_eq!(talk.client(&[0xaa; 44]).what, What::Encrypted);
        assert_eq!(talk.server(&packet(31)).what, What::Setup);
        assert_eq!(talk.outstanding(), None);
    }

    #[test]
    fn ssh_disconnect_in_the_clear_is_a_farewell() {
        let mut talk = Conversation::new();
        talk.server(b"SSH-2.0-x\r\n");
        talk.client(b"SSH-2.0-y\r\n");
        assert_eq!(talk.server(&packet(1)).what, What::Farewell);
    }
}
