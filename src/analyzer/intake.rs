//! The first half of the analysis: frames → what they say of TCP, and the account of every frame.

use std::collections::BTreeMap;

use crate::capture::Capture;
use crate::decode::{Decoded, Decoder, FirstFragments, IP_FRAGMENT, SHORT_HEADER};
use crate::endpoint::Endpoint;
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment};
use crate::taken::{Frames, Incomplete, Taken};
use crate::tcp::Expected;
use crate::time::Timestamp;

/// Takes what frames say of TCP, in their order.
pub(super) trait Sink {
    /// A segment will come soon: a chance to fetch what is known of its connection.
    fn expect(&mut self, segment: &Segment<'_>) -> Expected;
    /// A segment, and what was found when it was expected.
    fn segment(&mut self, segment: &Segment<'_>, expected: Expected);
    /// An ICMP error that quotes a segment.
    fn quote(&mut self, quote: &IcmpQuote);
    /// A TCP header that is too short to be one.
    fn short_header(&mut self, src: Endpoint, dst: Endpoint, tenant: u32);
    /// From here on several inputs show the same time.
    fn overlap(&mut self);
    /// A datagram that never became whole.
    fn incomplete(&mut self, datagram: &IncompleteDatagram);
}

/// What every frame was: the sums are printed.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Frames read.
    pub(super) frames: u64,
    /// TCP segments.
    pub(super) segments: u64,
    /// Segments that share a frame with an earlier one.
    pub(super) further: u64,
    /// Segments of which only the first fragment was captured.
    pub(super) firsts: FirstFragments,
    /// Frames that are sound and no segments, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// Frames that should have been readable, by what is wrong.
    pub(super) malformed: BTreeMap<&'static str, u64>,
    /// Earliest time.
    pub(super) first: Option<Timestamp>,
    /// Latest time.
    pub(super) last: Option<Timestamp>,
    /// Frames without a time of their own.
    pub(super) untimed: u64,
}

impl Account {
    /// So many frames that counted as fragments were segments.
    fn first_fragments(&mut self, firsts: FirstFragments) {
        self.firsts = firsts;
        if let Some(skipped) = self.skipped.get_mut(IP_FRAGMENT) {
            *skipped = skipped.saturating_sub(firsts.segments);
        }
        self.skipped.retain(|_, count| *count > 0);
    }

    fn time(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        self.first = Some(self.first.map_or(time, |known| known.min(time)));
        self.last = Some(self.last.map_or(time, |known| known.max(time)));
    }
}

impl From<Account> for Frames {
    fn from(account: Account) -> Self {
        let Account { frames, segments, further, firsts, skipped, malformed, first, last, untimed } = account;
        let named = |counts: BTreeMap<&'static str, u64>| counts.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        Self { frames, segments, further, firsts, skipped: named(skipped), malformed: named(malformed), first, last, untimed }
    }
}

/// Reads and decodes.
pub(super) struct Intake {
    /// The inputs.
    pub(super) capture: Capture,
    /// What decoding keeps.
    pub(super) decoder: Decoder,
    /// What the frames were.
    pub(super) account: Account,
    /// It was told that inputs overlap.
    pub(super) overlapped: bool,
}

impl Intake {
    /// Takes one frame; false: there is none more.
    #[inline]
    pub(super) fn next(&mut self, sink: &mut impl Sink) -> bool {
        let Self { capture, decoder, account, overlapped } = self;
        if !capture.advance() {
            return false;
        }
        if capture.has_overlapped() && !*overlapped {
            *overlapped = true;
            sink.overlap();
        }
        let Some(frame) = capture.frame() else { return false };
        account.frames += 1;
        account.time(frame.time);
        while let Some(earlier) = decoder.before(&frame) {
            account.segments += 1;
            sink.segment(&earlier, Expected::default());
        }
        match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                account.segments += 1;
                sink.segment(&segment, Expected::default());
                while let Some(further) = decoder.more(&frame) {
                    account.segments += 1;
                    account.further += 1;
                    sink.segment(&further, Expected::default());
                }
            }
            Decoded::IcmpQuote(quote) => {
                *account.skipped.entry("icmp error").or_default() += 1;
                sink.quote(&quote);
            }
            Decoded::ShortHeader { src, dst, tenant } => {
                sink.short_header(src, dst, tenant);
                *account.malformed.entry(SHORT_HEADER).or_default() += 1;
            }
            Decoded::Waits => {}
            Decoded::Skipped(reason) => *account.skipped.entry(reason).or_default() += 1,
            Decoded::Malformed(reason) => *account.malformed.entry(reason).or_default() += 1,
        }
        self.give_up(sink);
        true
    }

    /// No frame comes any more: what waits for later ones comes, and datagrams that wait for fragments are given up.
    pub(super) fn end(&mut self, sink: &mut impl Sink) {
        self.decoder.end();
        while let Some(earlier) = self.decoder.after_last() {
            self.account.segments += 1;
            sink.segment(&earlier, Expected::default());
        }
        self.decoder.give_up();
        self.give_up(sink);
        self.account.first_fragments(self.decoder.first_fragments());
    }

    /// Closes the inputs: everything that was found.
    pub(super) fn taken(self, incomplete: Vec<Incomplete>, stopped: bool) -> Taken {
        let Self { capture, decoder, account, .. } = self;
        // a capture goes on after its last frame: silence until its end is silence that was watched
        let end = account.last.map_or(Timestamp::default(), |last| capture.ended().map_or(last, |ended| last.max(ended)));
        Taken {
            summary: capture.finish(),
            frames: account.into(),
            incomplete_datagrams: decoder.incomplete_fragments(),
            sampled: decoder.sampled(),
            names: decoder.names(),
            incomplete,
            end,
            stopped,
        }
    }

    #[inline]
    fn give_up(&mut self, sink: &mut impl Sink) {
        while let Some(datagram) = self.decoder.next_incomplete() {
            sink.incomplete(&datagram);
        }
    }
}

#[cfg(feature = "arrow")]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use arrow_ipc::reader::StreamReader;
    use arrow_ipc::writer::StreamWriter;

    use super::*;
    use crate::capture::{CaptureOptions, Source};
    use crate::dataset::{Content, DatasetError, Dropped, Inputs, Places, Settings, Stream, Twins, flow_hash, schema, write_stream};
    use crate::decode::DecodeOptions;

    /// Segments and evidence by flow, in their order.
    #[derive(Debug, Default, PartialEq)]
    struct Seen(BTreeMap<u64, Vec<String>>);

    impl Sink for Seen {
        fn overlap(&mut self) {}
        fn expect(&mut self, _: &Segment<'_>) -> Expected {
            Expected::default()
        }
        fn segment(&mut self, segment: &Segment<'_>, _: Expected) {
            let interface = segment.vantage.interface & 0xffff;
            let Segment { frame, time, seq, payload_length, flags, .. } = segment;
            let text = format!("{frame:?} {time:?} {interface} {seq:?} {payload_length} {flags:?}");
            self.0.entry(flow_hash(segment.src, segment.dst, segment.tenant)).or_default().push(text);
        }
        fn quote(&mut self, quote: &IcmpQuote) {
            self.0.entry(flow_hash(quote.src, quote.dst, quote.tenant)).or_default().push(format!("{quote:?}"));
        }
        fn short_header(&mut self, src: Endpoint, dst: Endpoint, tenant: u32) {
            self.0.entry(flow_hash(src, dst, tenant)).or_default().push("short header".to_owned());
        }
        fn incomplete(&mut self, datagram: &IncompleteDatagram) {
            self.0.entry(flow_hash(datagram.src, datagram.dst, datagram.tenant)).or_default().push(format!("{datagram:?}"));
        }
    }

    /// As the report reads them.
    fn together(paths: &[PathBuf]) -> Option<(Seen, Taken)> {
        let sources = paths.iter().cloned().map(Source::Path).collect();
        let capture = Capture::open(sources, &CaptureOptions { hash: true }).ok()?;
        let mut intake =
            Intake { capture, decoder: Decoder::new(DecodeOptions::default()), account: Account::default(), overlapped: false };
        let mut seen = Seen::default();
        while intake.next(&mut seen) {}
        intake.end(&mut seen);
        Some((seen, intake.taken(Vec::new(), false)))
    }

    /// The rows of one input.
    fn rows(path: &Path, argument: u32) -> Vec<u8> {
        let source = Source::Path(path.to_owned());
        let capture = Capture::open_one_of_many(source, &CaptureOptions { hash: true }, Arc::default()).unwrap();
        let settings = Settings { first_file: argument, one_of_many: true, ..Settings::default() };
        let mut octets = Vec::new();
        write_stream(capture, settings, &mut octets, &AtomicBool::new(false), &mut |_, _| {}).unwrap();
        octets
    }

    /// The rows without a flow of all inputs, and an end row.
    fn account(streams: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut writer = StreamWriter::try_new(&mut octets, &schema()).unwrap();
        let (mut end, mut count) = (None, 0);
        for stream in streams {
            let mut batches: Vec<RecordBatch> = StreamReader::try_new(&stream[..], None).unwrap().map(Result::unwrap).collect();
            end = batches.pop();
            let column =
                |batch: &RecordBatch| batch.column_by_name("flow_hash").unwrap().as_any().downcast_ref::<Int64Array>().unwrap().value(0);
            for batch in batches.iter().filter(|batch| column(batch) == 0) {
                count += batch.num_rows();
                writer.write(batch).unwrap();
            }
        }
        let end = end.unwrap();
        let number = schema().index_of("number").unwrap();
        let mut columns: Vec<ArrayRef> = end.columns().to_vec();
        columns[number] = Arc::new(Int64Array::from(vec![i64::try_from(count).unwrap()]));
        writer.write(&RecordBatch::try_new(schema(), columns).unwrap()).unwrap();
        writer.finish().unwrap();
        drop(writer);
        octets
    }

    /// As parts of a job find them, who get the rows of each flow in their order.
    fn apart(paths: &[PathBuf]) -> Result<(Seen, Inputs, Dropped), DatasetError> {
        let streams: Vec<Vec<u8>> = (0..).zip(paths).map(|(argument, path)| rows(path, argument)).collect();
        let inputs = Inputs::read(&account(&streams)[..])?;
        let mut batches = Vec::new();
        for stream in &streams {
            let mut stream = Stream::open(&stream[..])?;
            while let Some(batch) = stream.next_batch()? {
                batches.push(batch);
            }
        }
        let mut of_flows = Vec::new();
        let mut places = Places::default();
        for batch in &batches {
            for row in batch.rows(&mut places)? {
                let row = row?;
                of_flows.extend((row.flow_hash != 0).then_some(row));
            }
        }
        assert_eq!(inputs.flow_rows(), of_flows.len() as u64);
        of_flows.sort_by_key(|row| (row.flow_hash, row.place()));
        let (mut seen, mut twins) = (Seen::default(), Twins::default());
        for row in &of_flows {
            if twins.is_duplicate(row) {
                continue;
            }
            match row.content {
                Content::Segment(mut segment) => {
                    inputs.settle(&mut segment)?;
                    seen.segment(&segment, Expected::default());
                }
                Content::IcmpQuote(mut quote) => {
                    quote.frame = inputs.settle_frame(quote.frame)?;
                    seen.quote(&quote);
                }
                Content::IncompleteDatagram(mut datagram) => {
                    datagram.frame = inputs.settle_frame(datagram.frame)?;
                    seen.incomplete(&datagram);
                }
                Content::ShortHeader { src, dst, tenant, .. } => seen.short_header(src, dst, tenant),
                Content::OtherFrame { .. } | Content::Server { .. } | Content::Fact(_) => {}
            }
        }
        Ok((seen, inputs, twins.into_dropped()))
    }

    /// What was found together and apart is the same; gives it.
    fn same(paths: &[PathBuf]) -> Taken {
        let (seen, taken) = together(paths).unwrap();
        let (seen_apart, inputs, dropped) = apart(paths).unwrap();
        assert_eq!(inputs.taken(&dropped, taken.names.clone(), Vec::new()), taken, "{paths:?}");
        for (hash, texts) in &seen.0 {
            assert_eq!(seen_apart.0.get(hash), Some(texts), "{paths:?}");
        }
        assert_eq!(seen_apart.0.len(), seen.0.len(), "{paths:?}");
        taken
    }

    fn package() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn lab(name: &str) -> PathBuf {
        package().join("fixtures/lab").join(name)
    }

    fn word(octets: &[u8], at: usize) -> usize {
        u32::from_le_bytes(octets[at..at + 4].try_into().unwrap()) as usize
    }

    /// The header of a capture, and its records: what comes before the first frame, and the frames.
    fn records(path: &Path) -> (Vec<u8>, Vec<Vec<u8>>) {
        let octets = fs::read(path).unwrap();
        let (mut header, mut records, mut at) = (Vec::new(), Vec::new(), 0);
        if word(&octets, 0) == 0x0a0d_0d0a {
            while at < octets.len() {
                let block = octets[at..at + word(&octets, at + 4)].to_vec();
                at += block.len();
                match word(&block, 0) {
                    6 => records.push(block),
                    0x0a0d_0d0a | 1 => header.extend(block),
                    _ => {}
                }
            }
        } else {
            header.extend(&octets[..24]);
            at = 24;
            while at < octets.len() {
                let length = 16 + word(&octets, at + 8);
                records.push(octets[at..at + length].to_vec());
                at += length;
            }
        }
        let time =
            |record: &Vec<u8>| if header.len() == 24 { (word(record, 0), word(record, 4)) } else { (word(record, 12), word(record, 16)) };
        records.sort_by_key(time);
        (header, records)
    }

    /// Writes a file with some of the records.
    fn cut(path: PathBuf, header: &[u8], records: &[Vec<u8>]) -> PathBuf {
        fs::write(&path, [header.to_vec(), records.concat()].concat()).unwrap();
        path
    }

    #[test]
    fn files_that_share_frames_are_the_same_apart_and_together() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["t08-good-pool.pcap", "t03-blindproxy-multi.pcapng", "t01-blind-10s-client.pcap"] {
            let (header, records) = records(&lab(name));
            let part = |name: &str, from: usize, to: usize| {
                cut(folder.path().join(name), &header, &records[records.len() * from / 10..records.len() * to / 10])
            };
            let [a, b, c] = [part("a", 0, 6), part("b", 4, 10), part("c", 2, 5)];
            let taken = same(&[a.clone(), b.clone()]);
            assert!(taken.summary.duplicate_frames > 0 && taken.frames.frames == records.len() as u64, "{name}");
            assert!(taken.summary.notes.iter().any(|note| note.contains("frames are in two files")), "{:?}", taken.summary.notes);
            same(&[c.clone(), b.clone(), a.clone()]);
            same(&[b.clone(), a, b, c]);
        }
    }

    #[test]
    fn rotation_shares_its_interfaces_and_capture_points_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (header, records) = records(&lab("t03-blindproxy-multi.pcapng"));
        let part = |name: &str, from: usize, to: usize| {
            cut(folder.path().join(name), &header, &records[records.len() * from / 10..records.len() * to / 10])
        };
        let rotation = [part("c", 6, 10), part("a", 0, 3), part("b", 3, 6)];
        let alone = same(&rotation[1..2]).summary.interfaces.len();
        assert_eq!(same(&rotation).summary.interfaces.len(), alone);
        let every_second = |name: &str, which: usize| {
            let some: Vec<Vec<u8>> = records.iter().skip(which).step_by(2).cloned().collect();
            cut(folder.path().join(name), &header, &some)
        };
        assert_eq!(same(&[every_second("d", 0), every_second("e", 1)]).summary.interfaces.len(), 2 * alone);
        let crossed = [part("f", 2, 7), part("g", 0, 3), part("h", 5, 10), part("i", 8, 10)];
        assert!(same(&crossed).summary.interfaces.len() > alone);
    }

    #[test]
    fn file_that_is_no_capture_or_damaged_or_empty_is_told_as_the_report_tells_it() {
        let folder = tempfile::tempdir().unwrap();
        let words = folder.path().join("words");
        fs::write(&words, "no capture").unwrap();
        let (header, records) = records(&lab("t01-blind-10s-client.pcap"));
        let empty = cut(folder.path().join("empty"), &header, &[]);
        let cut_short = cut(folder.path().join("cut"), &header, &[records.concat()[..2000].to_vec()]);
        let absent = folder.path().join("absent");
        let taken =
            same(&[lab("t08-good-pool.pcap"), words.clone(), empty.clone(), cut_short, absent.clone(), lab("t01-blind-10s-client.pcap")]);
        assert_eq!(taken.summary.warnings.iter().filter(|warning| warning.lost_input).count(), 3);
        same(&[empty.clone(), empty]);
        let none = [words, absent];
        let expected = Capture::open(none.iter().cloned().map(Source::Path).collect(), &CaptureOptions::default()).err().unwrap();
        assert_eq!(apart(&none).err().unwrap().to_string(), format!("the account of the inputs: {expected}"));
    }

    #[test]
    fn fixtures_are_the_same_apart_and_together() {
        let mut paths: Vec<PathBuf> = ["crafted", "formats", "lab"]
            .iter()
            .flat_map(|directory| fs::read_dir(package().join("fixtures").join(directory)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension != "script"))
            .collect();
        paths.sort();
        // what fragments say of each other across inputs is the limit of reading them apart
        let is_in_fragments = |taken: &Taken| taken.skipped(IP_FRAGMENT) > 0 || taken.frames.firsts.segments > 0;
        let mut others = Vec::new();
        for path in paths {
            match together(std::slice::from_ref(&path)) {
                Some((_, taken)) if is_in_fragments(&taken) => {
                    same(std::slice::from_ref(&path));
                    same(&[path.clone(), path]);
                }
                _ => others.push(path),
            }
        }
        assert!(others.len() > 200);
        for some in others.chunks(3) {
            if together(some).is_some() {
                same(some);
                same(&[some, some].concat());
            }
        }
    }

    #[test]
    fn account_that_does_not_fit_is_refused() {
        let paths = [lab("t08-good-pool.pcap"), lab("t01-blind-10s-client.pcap"), lab("t03-blindproxy-multi.pcapng")];
        let [a, b, c] = [(0, 0), (1, 1), (2, 2)].map(|(argument, at)| rows(&paths[at], argument));
        let refused = |streams: &[Vec<u8>]| Inputs::read(&account(streams)[..]).unwrap_err().to_string();
        assert!(Inputs::read(&account(&[c.clone(), a.clone(), b.clone()])[..]).is_ok(), "in any order");
        assert_eq!(refused(&[a.clone(), c.clone()]), "the account of the inputs: input 1 is missing");
        assert!(
            refused(&[a.clone(), b.clone(), c, b.clone()]).contains("input 1 (")
                && refused(&[a.clone(), b.clone(), b.clone()]).contains("more than once")
        );
        let with = |settings: Settings| {
            let mut octets = Vec::new();
            let source = Source::Path(paths[1].clone());
            let capture = Capture::open_one_of_many(source, &CaptureOptions::default(), Arc::default()).unwrap();
            write_stream(capture, settings, &mut octets, &AtomicBool::new(false), &mut |_, _| {}).unwrap();
            octets
        };
        let other = with(Settings { first_file: 1, one_of_many: true, headers_only: true, ..Settings::default() });
        assert!(refused(&[a.clone(), other]).ends_with("headers only instead of none"));
        assert!(refused(&[a.clone(), with(Settings { first_file: 1, ..Settings::default() })]).contains("--one-of-many"));
        let whole = account(&[a, b]);
        assert!(Inputs::read(&whole[..whole.len() - 100]).is_err());
    }
}
