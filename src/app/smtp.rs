//! SMTP: commands and replies, mails, QUIT and 421.
//!
//! Source: RFC 5321, RFC 3207, RFC 4954.

use super::lines::{Grammar, Lines};
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

const GRAMMAR: Grammar = Grammar {
    protocol: Protocol::Smtp,
    verbs: &[
        ("EHLO", What::Setup),
        ("HELO", What::Setup),
        ("LHLO", What::Setup),
        ("AUTH", What::Setup),
        ("STARTTLS", What::Setup),
        ("MAIL", What::Request),
        ("RCPT", What::Request),
        ("DATA", What::Request),
        ("BDAT", What::Request),
        // Nothing is lost with these: they only tidy up, or ask whether the server is there.
        ("RSET", What::Setup),
        ("NOOP", What::Setup),
        ("VRFY", What::Request),
        ("EXPN", What::Request),
        ("HELP", What::Request),
        ("XCLIENT", What::Setup),
        ("QUIT", What::Farewell),
    ],
    encryption: ("STARTTLS", 220),
    greeting: b"SMTP",
    openings: &["EHLO", "HELO", "LHLO", "MAIL FROM"],
    proofs: &[],
};

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Smtp(Lines);

impl Reader for Smtp {
    const PROTOCOL: Protocol = Protocol::Smtp;

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

    fn greeted() -> Conversation {
        let mut talk = Conversation::new();
        let message = talk.server(b"220 mx.example.org ESMTP Postfix\r\n");
        assert_eq!(
            (message.protocol, message.what, message.product.as_str()),
            (Protocol::Smtp, What::Setup, "mx.example.org ESMTP Postfix")
        );
        assert_eq!(talk.client(b"EHLO client.example.org\r\n").what, What::Setup);
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"250-mx.example.org\r\n250-PIPELINING\r\n");
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(b"250 8BITMIME\r\n").what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
        talk
    }

    #[test]
    fn smtp_mail_is_answered_once_behind_its_dot() {
        let mut talk = greeted();
        let message = talk.client(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
        assert_eq!((message.what, message.label.as_str()), (What::Request, "MAIL"));
        talk.server(b"250 ok\r\n250 ok\r\n354 go on\r\n");
        assert_eq!(talk.outstanding(), Some(false));
        assert_eq!(talk.client(b"Subject: QUIT\r\n\r\nQUIT\r\n").what, What::Continuation);
        assert_eq!(talk.outstanding(), Some(false));
        talk.client(b"bye\r\n.\r\n");
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"250 queued\r\n");
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn smtp_credentials_are_never_shown() {
        let mut talk = greeted();
        assert_eq!(talk.client(b"AUTH LOGIN\r\n").label.as_str(), "AUTH");
        talk.server(b"334 VXNlcm5hbWU6\r\n");
        let message = talk.client(b"c2VjcmV0\r\n");
        assert_eq!((message.what, message.label.as_str(), message.fingerprint), (What::Setup, "credentials", 0));
        assert_eq!(talk.client(b"c2VjcmV0\r\n").label.as_str(), "");
    }

    #[test]
    fn smtp_quit_and_the_unasked_421_are_farewells() {
        let mut talk = greeted();
        let message = talk.server(b"421 4.4.2 mx.example.org Error: timeout exceeded\r\n");
        assert_eq!((message.what, message.announces_close), (What::Farewell, true));
        let mut talk = greeted();
        assert_eq!(talk.client(b"QUIT\r\n").what, What::Farewell);
        assert_eq!(talk.server(b"221 Bye\r\n").what, What::Farewell);
        let mut talk = greeted();
        talk.client(b"NOOP\r\n");
        assert_eq!(talk.server(b"421 too much load\r\n").what, What::Response);
    }

    #[test]
    fn smtp_starttls_leads_to_tls() {
        let mut talk = greeted();
        talk.client(b"STARTTLS\r\n");
        talk.server(b"220 go ahead\r\n");
        talk.client(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
        assert_eq!(talk.dialogue.protocol(), Protocol::Tls);
    }

    #[test]
    fn smtp_command_cut_at_forty_octets_is_told_by_its_verb() {
        let mut talk = Conversation::cut(40);
        talk.server(b"220 mx ESMTP\r\n");
        talk.client(b"HELO a\r\n");
        let message = talk.client(b"MAIL FROM:<a.rather.long.address@mail.example.org> SIZE=1000\r\n");
        assert_eq!((message.what, message.label.as_str()), (What::Request, "MAIL"));
    }
}
