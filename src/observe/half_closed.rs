//! Connections that one side closed while the other acknowledged it and stayed.

use serde::{Deserialize, Serialize};

use crate::endpoint::Side;
use crate::report::How;
use crate::tcp::half::Mark;
use crate::tcp::{Connection, Step};

/// One side closed, the other acknowledged and stayed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HalfClosedSpan {
    /// Who closed.
    pub closer: Side,
    /// Its FIN.
    pub fin: Mark,
    /// The acknowledgement of the FIN.
    pub acknowledged: Mark,
    /// The other side had not closed before the capture began: it opened the connection or sent payload in it.
    pub seen_open: bool,
    /// A response was outstanding then.
    pub outstanding: bool,
    /// What ended it, and when: new payload (`None`), FIN or RST of the other side, or an RST of the closer.
    pub ended: Option<(Mark, Option<How>)>,
    /// The side that ended it.
    pub ended_by: Option<Side>,
    /// The connection was used after the FIN.
    pub used: bool,
}

/// Takes in one step: begins, notes the use of, or ends the half-closed span of a connection.
pub(super) fn step(kept: &mut Option<Box<HalfClosedSpan>>, step: &Step, connection: &Connection) {
    if let Some(span) = kept.as_deref_mut() {
        let by_other = step.side != span.closer;
        span.used |= by_other && step.payload.is_some();
        if span.ended.is_some() {
            return;
        }
        let reset = step.reset.is_some_and(|reset| reset.valid);
        if reset || (by_other && (step.payload.is_some() || step.fin)) {
            let how = if reset { Some(How::Rst) } else { step.fin.then_some(How::Fin) };
            span.ended = Some((step.mark, how));
            span.ended_by = Some(step.side);
        }
        return;
    }
    let closer = step.side.other();
    let Some(fin) = connection.half(closer).effective_fin() else { return };
    let already_closed = connection.half(step.side).fin.is_some() || connection.reset.is_some() || step.payload.is_some();
    // An acknowledgement of more than the FIN: for the other side it was none (a device between, a forged one).
    let of_fin = step.ack == Some(fin.position + 1);
    if fin.acknowledged == Some(step.mark) && of_fin && !already_closed && connection.exists() {
        let keeper = connection.half(step.side);
        let outstanding = closer == connection.client && connection.response_outstanding();
        *kept = Some(Box::new(HalfClosedSpan {
            closer,
            fin: fin.mark,
            acknowledged: step.mark,
            seen_open: keeper.base_is_syn || keeper.data_end.is_some(),
            outstanding,
            ended: None,
            ended_by: None,
            used: false,
        }));
    }
}
