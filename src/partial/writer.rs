//! Writes a partial report while the connections pass.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{CHUNK, End, Event, Head, Kind, MAGIC, RUN, Record, Rest};

/// Writes one partial. Memory is that of a run of events.
pub struct PartialWriter<W: Write> {
    sink: W,
    sha256: Sha256,
    run: Vec<Event>,
    connections: u64,
    events: u64,
    octets: Vec<u8>,
}

impl<W: Write> PartialWriter<W> {
    /// Begins.
    pub fn begin(mut sink: W, head: &Head) -> io::Result<Self> {
        sink.write_all(MAGIC)?;
        let mut sha256 = Sha256::new();
        sha256.update(MAGIC);
        let mut writer = Self { sink, sha256, run: Vec::new(), connections: 0, events: 0, octets: Vec::new() };
        writer.frame(Kind::Head, head)?;
        Ok(writer)
    }

    /// How many connections were written: the number that the next one gets within the partial.
    pub const fn connections(&self) -> u64 {
        self.connections
    }

    /// Adds a connection.
    pub fn connection(&mut self, record: &Record) -> io::Result<()> {
        self.connections = self.connections.saturating_add(1);
        self.frame(Kind::Connection, record)
    }

    /// Adds an event. Those of one place keep their order.
    pub fn event(&mut self, event: Event) -> io::Result<()> {
        self.events = self.events.saturating_add(1);
        self.run.push(event);
        if self.run.len() >= RUN { self.write_run() } else { Ok(()) }
    }

    /// Ends the partial, and says so in it.
    pub fn end(mut self, rest: &Rest) -> io::Result<W> {
        self.write_run()?;
        self.frame(Kind::Rest, rest)?;
        let end = End { connections: self.connections, events: self.events, sha256: self.sha256.clone().finalize().into() };
        self.frame(Kind::End, &end)?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    /// The events so far, in order. A run ends with an empty frame.
    fn write_run(&mut self) -> io::Result<()> {
        if self.run.is_empty() {
            return Ok(());
        }
        let mut run = std::mem::take(&mut self.run);
        run.sort_by_key(|event| event.order);
        for chunk in run.chunks(CHUNK) {
            self.frame(Kind::Events, chunk)?;
        }
        self.frame::<[Event]>(Kind::Events, &[])?;
        run.clear();
        self.run = run;
        Ok(())
    }

    fn frame<T: Serialize + ?Sized>(&mut self, kind: Kind, content: &T) -> io::Result<()> {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        octets.extend_from_slice(&[kind as u8, 0, 0, 0, 0]);
        let mut octets = postcard::to_extend(content, octets).map_err(|error| io::Error::other(error.to_string()))?;
        let length = u32::try_from(octets.len().saturating_sub(5)).ok().filter(|length| *length <= kind.most_octets());
        let length = length.ok_or_else(|| io::Error::other("what is kept of one connection is too large"))?;
        for (to, from) in octets.iter_mut().skip(1).zip(length.to_le_bytes()) {
            *to = from;
        }
        self.sha256.update(&octets);
        self.sink.write_all(&octets)?;
        octets.clear();
        self.octets = octets;
        Ok(())
    }
}
