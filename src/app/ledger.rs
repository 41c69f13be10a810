//! Who owes what: requests that were seen against responses that have ended.

/// The account of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    pending: u16,
    is_answered: bool,
    is_unsure: bool,
    has_begun: bool,
}

impl Ledger {
    /// A request that is owed an answer begins. After a loss of position, it settles what came before: a client that asks again has got
    /// its answer, as a rule.
    pub fn request(&mut self) {
        if self.is_unsure {
            *self = Self::default();
        }
        self.has_begun = true;
        self.pending = self.pending.saturating_add(1);
    }

    /// Octets of the answer to the oldest request.
    pub fn answer(&mut self) {
        self.is_answered = self.pending > 0;
    }

    /// The answer to the oldest request has ended.
    pub fn complete(&mut self) {
        self.has_begun = true;
        self.pending = self.pending.saturating_sub(1);
        self.is_answered = false;
    }

    /// Nothing is owed any more, whatever was counted.
    pub fn clear(&mut self) {
        *self = Self { has_begun: true, ..Self::default() };
    }

    /// Requests or responses may have been missed.
    pub fn lose(&mut self) {
        self.is_unsure = true;
    }

    /// So many requests are owed an answer.
    pub fn pending(self) -> u16 {
        self.pending
    }

    /// Sets the number of requests that are owed an answer, where the protocol numbers them.
    pub fn set_pending(&mut self, pending: u16) {
        self.has_begun = true;
        self.is_unsure = false;
        self.is_answered &= pending > 0;
        self.pending = pending;
    }

    /// See [`super::Dialogue::response_outstanding`].
    pub fn outstanding(self) -> Option<bool> {
        (self.has_begun && !self.is_unsure).then_some(self.pending > 0)
    }

    /// See [`super::Dialogue::answered`].
    pub fn answered(self) -> Option<bool> {
        (self.pending > 0 && !self.is_unsure).then_some(self.is_answered)
    }
}
