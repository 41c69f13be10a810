//! MySQL and MariaDB: commands until their OK, ERR or last EOF; transactions; COM_QUIT and the server's unasked error.
//!
//! SQL text is never shown. Compressed connections have another framing: nothing is claimed about them.
//! Source: MySQL Internals Manual «Client/Server Protocol» (packets, Protocol::HandshakeV10, OK_Packet, ERR_Packet, EOF_Packet), MariaDB
//! Knowledge Base «Client/Server Protocol».

use super::fingerprint::Fingerprint;
use super::framing::{Framers, Measure, Record, le};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader, Successor};
use super::{Message, Protocol, What};

/// Version of the handshake; 9 died before 2000.
const PROTOCOL_VERSION: u8 = 10;
const CLIENT_COMPRESS: u64 = 0x20;
const CLIENT_SSL: u64 = 0x800;
const CLIENT_PROTOCOL_41: u64 = 0x200;
/// An SSLRequest is a login packet that ends before the user's name.
const SSL_REQUEST: u32 = 36;
const SERVER_STATUS_IN_TRANS: u64 = 0x1;
const SERVER_MORE_RESULTS_EXISTS: u64 = 0x8;

const OK: u8 = 0x00;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;
const LOCAL_INFILE: u8 = 0xfb;
/// An EOF packet of the old kind, its header included: marker, warnings (2), status (2).
const OLD_EOF: u64 = 9;

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_STATISTICS: u8 = 0x09;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_SEND_LONG_DATA: u8 = 0x18;
const COM_STMT_CLOSE: u8 = 0x19;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Commands,
    Login,
    /// What follows cannot be followed (compression).
    Opaque,
}

/// What the server's next packet is, within the answer to a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reply {
    #[default]
    First,
    Columns,
    Rows,
}

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct MySql {
    framers: Framers,
    ledger: Ledger,
    phase: Phase,
    reply: Reply,
    command: u8,
    in_transaction: Option<bool>,
    /// Compression was agreed on; it begins after the login.
    will_compress: bool,
}

impl Reader for MySql {
    const PROTOCOL: Protocol = Protocol::MySql;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let whole = le(octets, 0, 3)?.checked_add(4)?;
        if whole != u64::from(input.excerpt.length) || octets.get(3) != Some(&0) {
            return None;
        }
        let body = octets.get(4..)?;
        if input.is_from_client() {
            // In the middle: a command alone in its segment. Only those whose octets say more than a length and a number.
            let is_sql = |text: &[u8]| SQL_VERBS.iter().any(|verb| text.get(..verb.len()).is_some_and(|t| t.eq_ignore_ascii_case(verb)));
            let known = match body {
                [COM_QUERY | COM_STMT_PREPARE, text @ ..] => is_sql(text),
                [COM_QUIT | 0x0e] => whole == 5,
                _ => false,
            };
            return (known && input.starts_turn).then(Self::default);
        }
        let version = greeting_version(body)?;
        (input.is_first && version.len() >= 3).then(|| Self { phase: Phase::Login, ..Self::default() })
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::MySql, ..Message::default() };
        if self.phase == Phase::Opaque {
            return message;
        }
        let Self { framers, ledger, phase, reply, command, in_transaction, will_compress } = self;
        let mut wants_tls = false;
        let walked = framers.walk(input, measure, |packet| match (*phase, input.is_from_client()) {
            (Phase::Login, true) => {
                let flags = take_login(packet, ledger, &mut message);
                wants_tls |= flags & CLIENT_SSL != 0 && packet.octets == u64::from(SSL_REQUEST);
                *will_compress |= flags & CLIENT_COMPRESS != 0;
            }
            (Phase::Login, false) => {
                take_login_answer(packet, ledger, phase, &mut message);
                if *phase == Phase::Commands && *will_compress {
                    *phase = Phase::Opaque;
                }
            }
            (_, true) => take_command(packet, ledger, reply, command, &mut message),
            (_, false) => take_answer(packet, ledger, reply, *command, in_transaction, &mut message),
        });
        if walked.is_lost {
            self.ledger.lose();
        }
        if wants_tls {
            note.handover = Some((Successor::Anything, input.excerpt.length.min(SSL_REQUEST)));
        }
        walked.conclude(input, &mut message, note);
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        if self.phase == Phase::Opaque { None } else { self.ledger.outstanding() }
    }

    fn answered(&self) -> Option<bool> {
        self.ledger.answered()
    }

    fn in_transaction(&self) -> Option<bool> {
        self.in_transaction
    }
}

/// Verbs that a statement begins with, as far as they are needed to know a connection from its middle.
const SQL_VERBS: &[&[u8]] = &[
    b"select",
    b"insert",
    b"update",
    b"delete",
    b"set ",
    b"show",
    b"begin",
    b"commit",
    b"rollback",
    b"start",
    b"use ",
    b"call",
    b"/*",
    b"replace",
];

/// The greeting's version: printable, begins with a digit, ends with NUL.
fn greeting_version(body: &[u8]) -> Option<&[u8]> {
    let (version, rest) = body.split_first()?;
    let text = rest.split(|octet| *octet == 0).next()?;
    let printable = text.iter().all(u8::is_ascii_graphic) && text.first().is_some_and(u8::is_ascii_digit) && text.contains(&b'.');
    (*version == PROTOCOL_VERSION && printable && rest.len() > text.len()).then_some(text)
}

/// The client's packets before the login is through; gives the capability flags of the first one.
fn take_login(packet: &Record<'_>, ledger: &mut Ledger, message: &mut Message) -> u64 {
    ledger.request();
    message.what = What::Setup;
    message.label = label::text("login");
    let flags = le(packet.body, 0, 4).unwrap_or_default();
    if packet.header_octet(3) == 1 && flags & CLIENT_PROTOCOL_41 != 0 { flags } else { 0 }
}

fn take_login_answer(packet: &Record<'_>, ledger: &mut Ledger, phase: &mut Phase, message: &mut Message) {
    message.what = What::Setup;
    if let Some(version) = greeting_version(packet.body).filter(|_| packet.header_octet(3) == 0) {
        message.label = label::text("greeting");
        let is_mariadb = version.windows(7).any(|window| window.eq_ignore_ascii_case(b"mariadb"));
        // MariaDB puts 5.5.5- before its version for the sake of old replication clients.
        let version = version.strip_prefix(b"5.5.5-").unwrap_or(version);
        message.product = label::text(if is_mariadb { "" } else { "MySQL " });
        label::push(&mut message.product, version);
        return;
    }
    ledger.answer();
    match packet.body.first() {
        Some(&OK) => {
            ledger.clear();
            *phase = Phase::Commands;
        }
        Some(&ERR) => {
            ledger.clear();
            message.announces_close = true;
            describe_error(packet.body, message);
        }
        _ => ledger.complete(),
    }
}

fn take_command(packet: &Record<'_>, ledger: &mut Ledger, reply: &mut Reply, command: &mut u8, message: &mut Message) {
    let Some(kind) = packet.body.first().copied().filter(|_| packet.header_octet(3) == 0) else {
        // The data of LOAD DATA LOCAL INFILE, or the rest of a statement beyond 16 MiB.
        if message.what == What::Unknown {
            message.what = What::Continuation;
        }
        return;
    };
    let (what, name) = match kind {
        COM_QUIT => (What::Farewell, "COM_QUIT"),
        COM_STMT_CLOSE => (What::Unknown, "COM_STMT_CLOSE"),
        COM_STMT_SEND_LONG_DATA => (What::Unknown, "COM_STMT_SEND_LONG_DATA"),
        _ => match command_name(kind) {
            Some(name) => (What::Request, name),
            None => (What::Unknown, ""),
        },
    };
    if what == What::Request {
        ledger.request();
        *reply = Reply::First;
        *command = kind;
    }
    message.announces_close |= what == What::Farewell;
    if message.label.is_empty() || (message.what != What::Request && what == What::Request) {
        message.what = what;
        message.label = label::text(name);
        message.fingerprint = if what == What::Request { Fingerprint::of_command(packet.body) } else { 0 };
    }
}

fn command_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x02 => "COM_INIT_DB",
        COM_QUERY => "COM_QUERY",
        0x04 => "COM_FIELD_LIST",
        0x05 => "COM_CREATE_DB",
        0x06 => "COM_DROP_DB",
        0x07 => "COM_REFRESH",
        COM_STATISTICS => "COM_STATISTICS",
        0x0a => "COM_PROCESS_INFO",
        0x0c => "COM_PROCESS_KILL",
        0x0d => "COM_DEBUG",
        0x0e => "COM_PING",
        0x11 => "COM_CHANGE_USER",
        0x12 => "COM_BINLOG_DUMP",
        0x15 => "COM_REGISTER_SLAVE",
        COM_STMT_PREPARE => "COM_STMT_PREPARE",
        0x17 => "COM_STMT_EXECUTE",
        0x1a => "COM_STMT_RESET",
        0x1b => "COM_SET_OPTION",
        0x1c => "COM_STMT_FETCH",
        0x1e => "COM_BINLOG_DUMP_GTID",
        0x1f => "COM_RESET_CONNECTION",
        _ => return None,
    })
}

fn take_answer(
    packet: &Record<'_>,
    ledger: &mut Ledger,
    reply: &mut Reply,
    command: u8,
    in_transaction: &mut Option<bool>,
    message: &mut Message,
) {
    let is_owed = ledger.pending() > 0;
    ledger.answer();
    if message.what == What::Unknown {
        message.what = if is_owed { What::Response } else { What::Unknown };
    }
    let kind = packet.body.first().copied();
    if kind == Some(ERR) {
        if !is_owed {
            // ER_CLIENT_INTERACTION_TIMEOUT (4031), ER_CONNECTION_KILLED (1927): the server closes behind it.
            message.what = What::Farewell;
            message.announces_close = true;
        }
        describe_error(packet.body, message);
        ledger.complete();
        *reply = Reply::First;
        return;
    }
    let status = match (kind, *reply) {
        (Some(EOF), Reply::Columns) if packet.octets == OLD_EOF => {
            *reply = Reply::Rows;
            return;
        }
        (Some(EOF), _) if packet.octets == OLD_EOF => le(packet.body, 3, 2),
        (Some(EOF), Reply::Columns | Reply::Rows) if packet.octets < 0x00ff_ffff => ok_status(packet.body),
        (Some(OK), Reply::First) if command == COM_STMT_PREPARE => Some(0),
        (Some(OK), Reply::First) => ok_status(packet.body),
        (Some(_), Reply::First) if command == COM_STATISTICS => Some(0),
        (Some(LOCAL_INFILE), Reply::First) | (None, _) => return,
        (Some(_), Reply::First) => {
            *reply = Reply::Columns;
            return;
        }
        _ => return,
    };
    *reply = Reply::First;
    if !matches!(command, COM_STMT_PREPARE | COM_STATISTICS) {
        *in_transaction = status.map(|status| status & SERVER_STATUS_IN_TRANS != 0);
    }
    if status.is_none_or(|status| status & SERVER_MORE_RESULTS_EXISTS == 0) {
        ledger.complete();
    }
}

/// The status flags of an OK packet: behind two length-encoded numbers.
fn ok_status(body: &[u8]) -> Option<u64> {
    let mut at = 1_usize;
    for _ in 0..2 {
        at = at.checked_add(match body.get(at)? {
            0..=0xfa => 1,
            0xfc => 3,
            0xfd => 4,
            0xfe => 9,
            _ => return None,
        })?;
    }
    le(body, at, 2)
}

fn describe_error(body: &[u8], message: &mut Message) {
    if let Some(code) = le(body, 1, 2) {
        message.label = label::text("ERR ");
        label::push_number(&mut message.label, code);
    }
}

fn measure(header: &[u8]) -> Measure {
    match (le(header, 0, 3), header.get(3)) {
        (Some(length), Some(_)) => Measure::Octets(length.saturating_add(4)),
        _ => Measure::More,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&length[..3], &[sequence], body].concat()
    }

    fn login(flags: u32) -> Vec<u8> {
        packet(1, &[&flags.to_le_bytes()[..], &[0, 0, 0, 1, 33], &[0; 23], b"root\0\x04abcd"].concat())
    }

    fn logged_in() -> Conversation {
        let mut talk = Conversation::new();
        let message = talk.server(&packet(0, &[&b"\x0a8.0.36\0"[..], &[7; 60]].concat()));
        assert_eq!((message.protocol, message.what, message.product.as_str()), (Protocol::MySql, What::Setup, "MySQL 8.0.36"));
        let message = talk.client(&login(0x200));
        assert_eq!((message.what, message.label.as_str(), message.fingerprint), (What::Setup, "login", 0));
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&packet(2, &[1, 4]));
        talk.client(&packet(3, &[2]));
        talk.server(&packet(4, &[0, 0, 0, 2, 0, 0, 0]));
        assert_eq!(talk.outstanding(), Some(false));
        talk
    }

    #[test]
    fn mysql_update_is_answered_by_ok_with_its_transaction() {
        let mut talk = logged_in();
        let message = talk.client(&packet(0, b"\x03update t set password='x'"));
        assert_eq!((message.what, message.label.as_str()), (What::Request, "COM_QUERY"));
        assert_ne!(message.fingerprint, 0);
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(&packet(1, &[0, 1, 0, 3, 0, 0, 0])).what, What::Response);
        assert_eq!((talk.outstanding(), talk.dialogue.in_transaction()), (Some(false), Some(true)));
    }

    #[test]
    fn mysql_result_set_ends_with_its_second_eof() {
        let mut talk = logged_in();
        talk.client(&packet(0, b"\x03select 1"));
        talk.server(&[packet(1, &[1]), packet(2, &[3, b'd', b'e', b'f']), packet(3, &[0xfe, 0, 0, 2, 0]), packet(4, &[1, b'1'])].concat());
        assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
        talk.server(&packet(5, &[0xfe, 0, 0, 2, 0]));
        assert_eq!((talk.outstanding(), talk.dialogue.in_transaction()), (Some(false), Some(false)));
    }

    #[test]
    fn mysql_result_set_without_eof_packets_ends_with_ok() {
        let mut talk = logged_in();
        talk.client(&packet(0, b"\x03select 1"));
        talk.server(&[packet(1, &[1]), packet(2, &[3, b'd', b'e', b'f']), packet(3, &[1, b'1'])].concat());
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&packet(4, &[0xfe, 0, 0, 2, 0, 0, 0]));
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn mysql_several_results_are_one_answer() {
        let mut talk = logged_in();
        talk.client(&packet(0, b"\x03call p()"));
        talk.server(&packet(1, &[0, 0, 0, 10, 0, 0, 0]));
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&packet(2, &[0, 0, 0, 2, 0, 0, 0]));
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn mysql_quit_and_the_unasked_error_are_farewells() {
        let mut talk = logged_in();
        let quit = talk.client(&packet(0, &[1]));
        assert_eq!((quit.what, quit.label.as_str()), (What::Farewell, "COM_QUIT"));
        let error = packet(0, b"\xff\xbf\x0f#HY000The client was disconnected by the server because of inactivity.");
        let mut talk = logged_in();
        let message = talk.server(&error);
        assert_eq!((message.what, message.label.as_str(), message.announces_close), (What::Farewell, "ERR 4031", true));
        let mut talk = logged_in();
        talk.client(&packet(0, b"\x03select"));
        assert_eq!(talk.server(&error).what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn mysql_encryption_leads_to_tls() {
        let mut talk = Conversation::new();
        talk.server(&packet(0, &[&b"\x0a5.5.5-10.11.6-MariaDB-1\0"[..], &[7; 60]].concat()));
        let request = packet(1, &[&0x0a00_u32.to_le_bytes()[..], &[0, 0, 0, 1, 33], &[0; 23]].concat());
        talk.client(&[request, vec![22, 3, 1, 0, 5, 1, 0, 0, 1, 0]].concat());
        assert_eq!(talk.dialogue.protocol(), Protocol::Tls);
    }

    #[test]
    fn mysql_compressed_connection_is_not_judged() {
        let mut talk = Conversation::new();
        talk.server(&packet(0, &[&b"\x0a8.0.36\0"[..], &[7; 60]].concat()));
        talk.client(&login(0x220));
        talk.server(&packet(2, &[0, 0, 0, 2, 0, 0, 0]));
        assert_eq!(talk.client(&[12, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 3, b's', b'e', b'l', b'e', b'c', b't', b'x']).what, What::Unknown);
        assert_eq!(talk.outstanding(), None);
    }

    #[test]
    fn mysql_mariadb_greeting_names_the_product() {
        let message = Conversation::new().server(&packet(0, &[&b"\x0a5.5.5-10.11.6-MariaDB-1\0"[..], &[7; 60]].concat()));
        assert_eq!(message.product.as_str(), "10.11.6-MariaDB-1");
    }

    #[test]
    fn mysql_met_in_the_middle_needs_a_statement() {
        assert_eq!(Conversation::new().client(&packet(0, b"\x03SELECT 1")).what, What::Request);
        assert_eq!(Conversation::cut(40).client(&packet(0, &[&b"\x03select "[..], &[b'x'; 90]].concat())).what, What::Request);
        assert_eq!(Conversation::new().client(&packet(0, b"\x03\x01\x02\x03")).protocol, Protocol::Unknown);
        assert_eq!(Conversation::new().client(&[5, 0, 0, 0, 3, b's']).protocol, Protocol::Unknown);
    }
}
