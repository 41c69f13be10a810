//! Steps → the event log of their connection.

use super::log::{Event, Log, What as Logged};
use super::observer::Observer;
use crate::app::{Label, What};
use crate::tcp::step::{Handshake, NewPayload};
use crate::tcp::{Connection, Step};

impl Observer {
    pub(super) fn note(&mut self, at: usize, connection: &Connection, event: Event) {
        let Some(watch) = self.watches.get_mut(at) else { return };
        if watch.log.is_none() {
            let full = self.options.timelines.contains(&connection.stream);
            let spare = self.spare_logs.pop().map(|mut log| {
                log.begin(full);
                log
            });
            watch.log = Some(spare.unwrap_or_else(|| Box::new(if full { Log::full() } else { Log::default() })));
        }
        if let Some(log) = &mut watch.log {
            log.push(event);
        }
    }

    pub(super) fn log(&mut self, step: &Step, connection: &Connection) {
        let (mark, side) = (step.mark, step.side);
        let event = |what: Logged, label: Label| Event { mark, side, last: mark.time, what, label };
        let none = Label::new_const();
        let at = step.connection;
        if let Some(gap) = step.gap {
            self.note(at, connection, Event { mark: gap.start, side: gap.after, last: mark.time, what: Logged::Gap(gap), label: none });
        }
        if step.restarted {
            self.note(at, connection, event(Logged::Restart, none));
        }
        match step.handshake {
            Handshake::Syn if step.retransmission.is_none() => self.note(at, connection, event(Logged::Syn, none)),
            Handshake::SynAck if step.retransmission.is_none() => self.note(at, connection, event(Logged::SynAck, none)),
            Handshake::Completed => self.note(at, connection, event(Logged::Established, none)),
            _ => {}
        }
        if let Some(payload) = &step.payload {
            self.log_payload(step, connection, payload);
        }
        if step.probe {
            self.extend_or_note(at, connection, event(Logged::Probes { count: 1, answered: 0 }, none));
        } else if step.probe_answer {
            self.answer_probe(at);
        }
        if step.retransmission.is_some() && step.fin == step.has_fin {
            self.extend_or_note(at, connection, event(Logged::Retransmissions(1), none));
        }
        if step.fin {
            self.note(at, connection, event(Logged::Fin { acknowledged: None }, none));
        }
        if let Some(reset) = step.reset {
            self.note(at, connection, event(Logged::Rst { shape: reset.shape, valid: reset.valid }, none));
        }
        let peer_fin = connection.half(side.other()).fin;
        if peer_fin.is_some_and(|fin| fin.acknowledged == Some(mark))
            && let Some(log) = self.watches.get_mut(at).and_then(|watch| watch.log.as_deref_mut())
            && let Some(Event { what: Logged::Fin { acknowledged }, .. }) = log.latest_fin_mut(side.other())
        {
            *acknowledged = Some(mark);
        }
    }

    fn log_payload(&mut self, step: &Step, connection: &Connection, payload: &NewPayload) {
        let octets = u64::try_from(payload.end - payload.start).unwrap_or(0);
        let message = &payload.message;
        let event = |what: Logged| Event { mark: step.mark, side: step.side, last: step.mark.time, what, label: message.label };
        if message.what == What::Farewell {
            self.note(step.connection, connection, event(Logged::Farewell));
            return;
        }
        let new_line = payload.starts_turn || step.gap.is_some() || message.what == What::Request;
        if !new_line
            && let Some(log) = self.watches.get_mut(step.connection).and_then(|watch| watch.log.as_deref_mut())
            && let Some(latest) = log.latest_mut()
            && latest.side == step.side
            && let Logged::Turn { octets: sum, status } = &mut latest.what
        {
            *sum += octets;
            *status = status.or(message.status);
            latest.last = step.mark.time;
            return;
        }
        self.note(step.connection, connection, event(Logged::Turn { status: message.status, octets }));
    }

    fn extend_or_note(&mut self, at: usize, connection: &Connection, event: Event) {
        if let Some(log) = self.watches.get_mut(at).and_then(|watch| watch.log.as_deref_mut())
            && let Some(latest) = log.latest_mut()
            && latest.side == event.side
        {
            match (&mut latest.what, event.what) {
                (Logged::Probes { count, .. }, Logged::Probes { .. }) | (Logged::Retransmissions(count), Logged::Retransmissions(_)) => {
                    *count = count.saturating_add(1);
                    latest.last = event.last;
                    return;
                }
                _ => {}
            }
        }
        self.note(at, connection, event);
    }

    fn answer_probe(&mut self, at: usize) {
        if let Some(log) = self.watches.get_mut(at).and_then(|watch| watch.log.as_deref_mut())
            && let Some(Event { what: Logged::Probes { answered, .. }, .. }) = log.latest_mut()
        {
            *answered = answered.saturating_add(1);
        }
    }
}
