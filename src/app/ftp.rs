//! FTP's control connection: commands and replies, QUIT and 421.
//!
//! Source: RFC 959, RFC 2389, RFC 2428, RFC 3659, RFC 4217.

use super::lines::{Grammar, Lines};
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

const GRAMMAR: Grammar = Grammar {
    protocol: Protocol::Ftp,
    verbs: &[
        ("USER", What::Setup),
        ("PASS", What::Setup),
        ("ACCT", What::Setup),
        ("AUTH", What::Setup),
        ("PBSZ", What::Setup),
        ("PROT", What::Setup),
        ("FEAT", What::Request),
        ("OPTS", What::Request),
        ("SYST", What::Request),
        ("STAT", What::Request),
        ("HELP", What::Request),
        ("NOOP", What::Request),
        ("PWD", What::Request),
        ("XPWD", What::Request),
        ("CWD", What::Request),
        ("CDUP", What::Request),
        ("MKD", What::Request),
        ("RMD", What::Request),
        ("DELE", What::Request),
        ("RNFR", What::Request),
        ("RNTO", What::Request),
        ("SIZE", What::Request),
        ("MDTM", What::Request),
        ("TYPE", What::Request),
        ("MODE", What::Request),
        ("STRU", What::Request),
        ("PORT", What::Request),
        ("EPRT", What::Request),
        ("PASV", What::Request),
        ("EPSV", What::Request),
        ("LIST", What::Request),
        ("NLST", What::Request),
        ("MLSD", What::Request),
        ("MLST", What::Request),
        ("RETR", What::Request),
        ("STOR", What::Request),
        ("APPE", What::Request),
        ("REST", What::Request),
        ("ABOR", What::Request),
        ("SITE", What::Request),
        ("QUIT", What::Farewell),
    ],
    encryption: ("AUTH", 234),
    greeting: b"FTP",
    openings: &["AUTH TLS", "AUTH SSL", "EPSV", "PASV"],
    // «User name okay, need password» is nobody else's.
    proofs: &[331],
};

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Ftp(Lines);

impl Reader for Ftp {
    const PROTOCOL: Protocol = Protocol::Ftp;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        Lines::recognise(input, &GRAMMAR).map(Self)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        self.0.read(input, &GRAMMAR, note)
    }

    fn response_outstanding(&self) -> Option<bool> {
        self.0.outstanding()
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    #[test]
    fn ftp_session_is_followed_without_its_password() {
        let mut talk = Conversation::new();
        let message = talk.server(b"220 (vsFTPd 3.0.3)\r\n");
        assert_eq!((message.protocol, message.what, message.product.as_str()), (Protocol::Ftp, What::Setup, "(vsFTPd 3.0.3)"));
        talk.client(b"USER alice\r\n");
        talk.server(b"331 Please specify the password.\r\n");
        let message = talk.client(b"PASS secret\r\n");
        assert_eq!((message.what, message.label.as_str(), message.fingerprint), (What::Setup, "PASS", 0));
        talk.server(b"230 Login successful.\r\n");
        assert_eq!(talk.client(b"RETR file\r\n").what, What::Request);
        assert_eq!(talk.server(b"150 Opening BINARY mode data connection.\r\n").what, What::Response);
        assert_eq!(talk.outstanding(), Some(true), "a preliminary reply completes nothing");
        talk.server(b"226 Transfer complete.\r\n");
        assert_eq!(talk.outstanding(), Some(false));
        assert_eq!(talk.server(b"421 Timeout.\r\n").what, What::Farewell);
        assert_eq!(talk.client(b"QUIT\r\n").what, What::Farewell);
    }

    #[test]
    fn ftp_encryption_leads_to_tls() {
        let mut talk = Conversation::new();
        talk.server(b"220 ProFTPD Server\r\n");
        talk.client(b"AUTH TLS\r\n");
        talk.server(b"234 AUTH TLS successful\r\n");
        talk.client(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
        assert_eq!(talk.dialogue.protocol(), Protocol::Tls);
    }

    #[test]
    fn ftp_greeting_that_names_nothing_waits_for_a_command() {
        let mut talk = Conversation::new();
        assert_eq!(talk.server(b"220 Welcome\r\n").protocol, Protocol::Unknown);
        assert_eq!(talk.client(b"AUTH TLS\r\n").protocol, Protocol::Ftp);
        let mut talk = Conversation::new();
        talk.server(b"220 Welcome\r\n");
        talk.client(b"USER alice\r\n");
        assert_eq!(talk.server(b"331 Password required\r\n").protocol, Protocol::Ftp);
    }
}
