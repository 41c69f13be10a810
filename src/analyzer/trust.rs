//! How far the capture can be trusted: said first, felt in every confidence.

use std::fmt::Write as _;

use crate::capture::Summary;
use crate::decode::FirstFragments;
use crate::detect::context::Context;
use crate::detect::wording;
use crate::report::{HandshakeView, Input, StateView, Trust};
use crate::taken::{Incomplete, Taken};
use crate::time::Span;

/// Steps back of the clock by less than this are the normal disorder of several queues.
const CLOCK_STEP: Span = Span::from_millis(100);

/// So many senders of datagrams that never became whole are named.
const SENDERS_NAMED: usize = 3;

/// The inputs as the report shows them.
pub fn inputs(summary: &Summary) -> Vec<Input> {
    summary
        .inputs
        .iter()
        .enumerate()
        .map(|(at, input)| Input {
            name: input.name.clone(),
            link: None,
            sha256: input.sha256.clone(),
            format: input.format,
            compression: input.compression,
            frames: input.frames,
            octets: input.octets,
            first: input.first,
            last: input.last,
            complete: input.complete,
            problems: summary
                .warnings
                .iter()
                .filter(|warning| usize::try_from(warning.file).is_ok_and(|file| file == at))
                .map(|warning| warning.text.clone())
                .collect(),
        })
        .collect()
}

/// What was lost to the limit of memory.
#[derive(Debug)]
pub struct Limit {
    /// The limit.
    pub octets: u64,
    /// Connections that were reduced to their facts before their time.
    pub given_up: u64,
    /// Connections of which nothing but the number is left.
    pub forgotten: u64,
    /// Segments of connections that were not followed at all.
    pub not_followed: u64,
}

impl Limit {
    /// In words, if anything was lost.
    fn says(&self) -> Option<String> {
        if self.given_up == 0 && self.not_followed == 0 {
            return None;
        }
        let mut said = format!(
            "to keep {} MiB for connections (--max-memory), {} that had ended or never came about {} reduced to counts before their time",
            self.octets >> 20,
            wording::count(self.given_up, "connection"),
            if self.given_up == 1 { "was" } else { "were" },
        );
        if self.forgotten > 0 {
            let _ = write!(said, ", {} of them to their number", self.forgotten);
        }
        if self.not_followed > 0 {
            let _ = write!(said, "; {} of connections that began later were not followed", wording::count(self.not_followed, "segment"));
        }
        said.push_str(". Established connections were kept, however long they were silent");
        Some(said)
    }
}

/// Everything that lowers confidence, with figures.
pub fn trust(taken: &Taken, context: &Context<'_>, limit: &Limit) -> Vec<Trust> {
    let Taken { summary, frames: account, .. } = taken;
    let mut list = Vec::new();
    let mut say = |what: &'static str, detail: String| list.push(Trust { what, detail });
    let of = |number: u64, all: u64| format!("{number} of {all}");
    let are = |number: u64| if number == 1 { "is" } else { "are" };
    for warning in summary.warnings.iter().filter(|warning| warning.lost_input) {
        let name = summary.inputs.get(usize::try_from(warning.file).unwrap_or(usize::MAX)).map_or("", |input| input.name.as_str());
        say("incomplete-input", format!("{name}: {}", warning.text));
    }
    if let Some(said) = limit.says() {
        say("memory-limit", said);
    }
    for note in &summary.notes {
        say("files", note.clone());
    }
    if taken.incomplete_datagrams > 0 {
        say("ip-fragments", fragments(taken.incomplete_datagrams, &taken.incomplete, summary));
    }
    if account.firsts.segments > 0 {
        say("first-fragments", first_fragments(account.firsts));
    }
    let skipped = |reason: &str| taken.skipped(reason);
    if skipped("802.11 fragment") > 0 {
        say(
            "802.11-fragments",
            format!(
                "{} beyond the first fragment of their 802.11 frame are not put together: lengths are those of the first fragment's IP header, \
                 what the payload says beyond it is hidden",
                wording::count(skipped("802.11 fragment"), "frame")
            ),
        );
    }
    let compressed = skipped("ppp compressed tcp").saturating_add(skipped("slip compressed tcp"));
    if compressed > 0 {
        say(
            "compressed-headers",
            format!(
                "{} with a TCP header compressed by Van Jacobson's method (RFC 1144) not read: their connections are missing or have holes",
                wording::count(compressed, "frame")
            ),
        );
    }
    let dropped: u64 = summary.interfaces.iter().filter_map(|interface| interface.dropped).sum();
    if dropped > 0 {
        say("dropped-frames", format!("{} dropped while capturing, as the capture itself says", wording::count(dropped, "frame")));
    }
    let cut: u64 = summary.inputs.iter().map(|input| input.frames_cut_by_snap_length).sum();
    if cut > 0 {
        say(
            "snap-length",
            format!(
                "{} frames are cut by the snap length: lengths are right, what the payload says may be hidden",
                of(cut, account.frames)
            ),
        );
    }
    let all = context.connections.len() as u64;
    let Counted { begun, open, one_sided, missed, duplicates, stepped } = Counted::of(context);
    if begun > 0 {
        say("starts-in-mid-connection", format!("{} connections began before the capture", of(begun, all)));
    }
    if open > 0 {
        say("ends-in-mid-connection", format!("{} connections {} still open when the capture ends", of(open, all), are(open)));
    }
    if one_sided > 0 {
        say(
            "one-sided",
            format!(
                "of {} connections only one direction was captured: nothing is said about the silence of the other",
                of(one_sided, all)
            ),
        );
    }
    if missed > 0 {
        say("missing-octets", format!("in {} connections octets were acknowledged that the capture does not show", of(missed, all)));
    }
    if duplicates > 0 {
        say(
            "duplicates",
            format!(
                "{} segments were seen more than once (several interfaces, a bridge or a router); each counts once",
                of(duplicates, account.segments)
            ),
        );
    }
    if stepped >= CLOCK_STEP {
        say("clock-step", format!("the clock of the capture runs backwards by up to {}", wording::span(stepped)));
    } else if stepped > Span::from_millis(5) {
        say(
            "out-of-order",
            format!(
                "frames are out of time order by up to {}; where it matters only acknowledgement numbers are believed",
                wording::span(stepped)
            ),
        );
    }
    if taken.sampled > 0 {
        say(
            "sampled",
            format!(
                "{} segments are sFlow samples: a part of the traffic only, with the times of the datagrams that carried them",
                of(taken.sampled, account.segments)
            ),
        );
    }
    if account.further > 0 {
        say(
            "several-segments-per-frame",
            format!(
                "{} segments share their frame with another one (802.11 aggregates, sFlow): frames are counted once, segments each",
                of(account.further, account.segments)
            ),
        );
    }
    if let Some((before, after)) = context.pauses.first() {
        say(
            "recording-paused",
            format!(
                "no frame at all for {} ({} in all): recordings that were joined; what happened meanwhile is not known",
                wording::span(after.since(*before)),
                wording::count(context.pauses.len() as u64, "such pause")
            ),
        );
    }
    if account.untimed > 0 {
        say("no-time", format!("{} have no time of their own", wording::count(account.untimed, "frame")));
    }
    list
}

/// How many connections were captured badly, and how.
#[derive(Debug, Default)]
struct Counted {
    begun: u64,
    open: u64,
    one_sided: u64,
    missed: u64,
    duplicates: u64,
    stepped: Span,
}

impl Counted {
    fn of(context: &Context<'_>) -> Self {
        let mut counted = Self::default();
        for (_, seen) in context.connections.all() {
            let facts = seen.facts();
            counted.begun += u64::from(facts.handshake == HandshakeView::None);
            counted.open += u64::from(matches!(facts.state, StateView::Open | StateView::HalfClosed) && facts.exists);
            counted.one_sided += u64::from(facts.one_sided() && facts.exists);
            counted.missed += u64::from(facts.has_missing_octets());
            counted.duplicates += facts.halves.iter().map(|half| half.counts.duplicates).sum::<u64>();
            counted.stepped = counted.stepped.max(facts.clock_back);
        }
        counted
    }
}

/// Segments of which a capture filter kept the first fragment alone.
fn first_fragments(firsts: FirstFragments) -> String {
    let FirstFragments { segments, measured, later_seen } = firsts;
    let why = if later_seen {
        "no later fragment had been captured until then"
    } else {
        "no later fragment is in the capture: probably a filter by port, which later fragments do not have"
    };
    let unknown = segments.saturating_sub(measured);
    let lengths = match (measured, unknown) {
        (_, 0) => "the numbers that follow tell their lengths".to_owned(),
        (0, _) => "octets beyond it are not known".to_owned(),
        _ => format!("the numbers that follow tell the length of {measured}, octets beyond it are not known of {unknown}"),
    };
    format!("of {} only the first fragment was captured; {why}; {lengths}", wording::count(segments, "segment"))
}

/// Datagrams that never became whole, by sender: a lost fragment after a change of the path's MTU, or a capture that missed it.
fn fragments(number: u64, incomplete: &[Incomplete], summary: &Summary) -> String {
    let mut said = format!("{} never became whole", wording::count(number, "fragmented datagram"));
    let mut senders: Vec<&Incomplete> = incomplete.iter().collect();
    senders.sort_by_key(|sender| (std::cmp::Reverse(sender.count), sender.first));
    for (place, sender) in senders.iter().take(SENDERS_NAMED).enumerate() {
        let connection = sender.stream.map_or_else(|| "no other segment of it".to_owned(), |stream| format!("connection {stream}"));
        let input = usize::try_from(sender.first.file()).ok().and_then(|file| summary.inputs.get(file));
        let file = input.filter(|_| summary.inputs.len() > 1).map_or_else(String::new, |input| format!(" of {}", input.name));
        let (separator, frame) = (if place == 0 { ": " } else { "; " }, sender.first.number());
        let _ =
            write!(said, "{separator}{} from {} to {} ({connection}, first in frame {frame}{file})", sender.count, sender.src, sender.dst);
    }
    if let Some(more) = senders.len().checked_sub(SENDERS_NAMED).filter(|more| *more > 0) {
        let _ = write!(said, "; and {more} more senders");
    }
    said
}
