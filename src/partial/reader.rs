//! Reads partial reports: the records at once, the events later and in order.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{CHUNK, End, Event, Head, Kind, MAGIC, PartialError, Record, Rest};

/// Where the content of a frame stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    length: u32,
}

/// A partial report whose octets were read once and are whole.
#[derive(Debug)]
pub struct Partial {
    /// What it was made with.
    pub head: Head,
    /// Its sums.
    pub rest: Rest,
    /// SHA-256 of its content: two partials that have the same are the same.
    pub sha256: [u8; 32],
    file: Arc<File>,
    runs: Vec<Vec<Place>>,
}

impl Partial {
    /// Reads a file to its end; `record` gets the connections, in their order. Nothing of it counts if an error comes back.
    pub fn open(path: &Path, record: &mut dyn FnMut(Record)) -> Result<Self, PartialError> {
        let mut frames = Frames::open(File::open(path)?)?;
        let (mut head, mut rest) = (None, None);
        let (mut connections, mut events) = (0_u64, 0_u64);
        let mut runs = Vec::new();
        let mut run = Vec::new();
        let mut version_is_ours = false;
        loop {
            let before = frames.sha256.clone();
            let Some((kind, place)) = frames.next()? else { return Err(PartialError::Cut(frames.at)) };
            match kind {
                Kind::Head => {
                    let read: Head = frames.content(place)?;
                    if read.version != env!("CARGO_PKG_VERSION") {
                        return Err(PartialError::Version(read.version));
                    }
                    version_is_ours = true;
                    head = Some(read);
                }
                _ if !version_is_ours => return Err(PartialError::Damaged { at: place.at, why: "a frame stands before the head" }),
                Kind::Connection => {
                    connections = connections.saturating_add(1);
                    record(frames.content(place)?);
                }
                Kind::Events => {
                    let chunk = events_of(&frames.octets, place)?;
                    events = events.saturating_add(chunk.len() as u64);
                    if chunk.is_empty() {
                        runs.push(std::mem::take(&mut run));
                    } else {
                        run.push(place);
                    }
                }
                Kind::Rest => rest = Some(frames.content(place)?),
                Kind::End => {
                    let end: End = frames.content(place)?;
                    let sha256: [u8; 32] = before.finalize().into();
                    if end != (End { connections, events, sha256 }) {
                        return Err(PartialError::Damaged { at: place.at, why: "its end does not fit what came before" });
                    }
                    let at = frames.at;
                    match frames.next() {
                        Ok(None) => {}
                        Err(PartialError::Io(error)) => return Err(error.into()),
                        // a frame, or what is none
                        Ok(Some(_)) | Err(_) => return Err(PartialError::Damaged { at, why: "something follows its end" }),
                    }
                    let damaged = PartialError::Damaged { at: place.at, why: "a part is missing" };
                    let (Some(head), Some(rest)) = (head, rest) else { return Err(damaged) };
                    return Ok(Self { head, rest, sha256, file: Arc::new(frames.source.into_inner()), runs });
                }
            }
        }
    }

    /// The events of each run, in order. All runs read from one descriptor: a large job has thousands of them.
    pub fn events(&self) -> impl Iterator<Item = Events> {
        let begin = |places: &Vec<Place>| Events {
            file: Arc::clone(&self.file),
            places: places.clone().into_iter(),
            chunk: Vec::new().into_iter(),
        };
        self.runs.iter().map(begin)
    }
}

/// The events of a run.
#[derive(Debug)]
pub struct Events {
    file: Arc<File>,
    places: std::vec::IntoIter<Place>,
    chunk: std::vec::IntoIter<Event>,
}

impl Events {
    /// The next event.
    pub fn next_event(&mut self) -> Result<Option<Event>, PartialError> {
        loop {
            if let Some(event) = self.chunk.next() {
                return Ok(Some(event));
            }
            let Some(place) = self.places.next() else { return Ok(None) };
            let mut file = &*self.file;
            file.seek(SeekFrom::Start(place.at))?;
            let mut octets = vec![0; place.length as usize];
            file.read_exact(&mut octets)?;
            self.chunk = events_of(&octets, place)?.into_iter();
        }
    }
}

/// The events of a frame. Their number is looked at first: they take many times the room in memory that they take in the file.
fn events_of(octets: &[u8], place: Place) -> Result<Vec<Event>, PartialError> {
    match postcard::take_from_bytes::<u64>(octets) {
        Ok((count, _)) if count <= CHUNK as u64 => decode(octets, place),
        _ => Err(PartialError::Damaged { at: place.at, why: "a frame of more events than one holds" }),
    }
}

fn decode<T: DeserializeOwned>(octets: &[u8], place: Place) -> Result<T, PartialError> {
    match postcard::take_from_bytes(octets) {
        Ok((content, [])) => Ok(content),
        _ => Err(PartialError::Damaged { at: place.at, why: "a frame's content is not what its kind says" }),
    }
}

struct Frames {
    source: BufReader<File>,
    at: u64,
    sha256: Sha256,
    octets: Vec<u8>,
}

impl Frames {
    fn open(file: File) -> Result<Self, PartialError> {
        let mut frames = Self { source: BufReader::with_capacity(1 << 18, file), at: 0, sha256: Sha256::new(), octets: Vec::new() };
        let mut magic = [0; MAGIC.len()];
        match frames.fill(&mut magic)? {
            count if count == magic.len() && magic == *MAGIC => {}
            count if MAGIC.starts_with(magic.get(..count).unwrap_or_default()) => return Err(PartialError::Cut(count as u64)),
            _ => return Err(PartialError::Foreign),
        }
        frames.sha256.update(MAGIC);
        Ok(frames)
    }

    /// Reads as much as there is.
    fn fill(&mut self, octets: &mut [u8]) -> Result<usize, PartialError> {
        let mut filled = 0;
        while let Some(room) = octets.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.source.read(room) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.at = self.at.saturating_add(filled as u64);
        Ok(filled)
    }

    /// The next frame, its content in `octets`; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<(Kind, Place)>, PartialError> {
        let mut head = [0; 5];
        match self.fill(&mut head)? {
            0 => return Ok(None),
            5 => {}
            _ => return Err(PartialError::Cut(self.at)),
        }
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        let at = self.at;
        let damaged = |why| PartialError::Damaged { at: at.saturating_sub(5), why };
        let kind = Kind::of(kind).ok_or_else(|| damaged("a frame of no known kind"))?;
        if length > kind.most_octets() {
            return Err(damaged("a frame that is too long"));
        }
        // As the octets come: a length alone makes no room.
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        (&mut self.source).take(u64::from(length)).read_to_end(&mut octets)?;
        self.octets = octets;
        self.at = self.at.saturating_add(self.octets.len() as u64);
        if self.octets.len() as u64 != u64::from(length) {
            return Err(PartialError::Cut(self.at));
        }
        self.sha256.update(head);
        self.sha256.update(&self.octets);
        Ok(Some((kind, Place { at, length })))
    }

    fn content<T: DeserializeOwned>(&self, place: Place) -> Result<T, PartialError> {
        decode(&self.octets, place)
    }
}
