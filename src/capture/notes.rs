//! How the files of a rotation fit together: gaps (a file is missing) and overlaps (two capture points, or a frame recorded twice).

use super::InputSummary;
use crate::time::{Span, Timestamp};

/// A shorter time between two files is no gap, whatever the traffic is like.
const LEAST_GAP: Span = Span::from_secs(1);
/// Files that overlap by less are neighbours in a rotation whose frames are out of order by some buffer's flush.
const LEAST_OVERLAP: Span = Span::from_millis(10);
/// Notes of one kind; the rest is counted.
const MAX_NOTES: usize = 20;

/// Sentences on gaps and overlaps between the inputs, in the order of reading.
pub fn notes(inputs: &[InputSummary], duplicate_frames: u64) -> Vec<String> {
    let longest = inputs.iter().map(|input| input.longest_silence).max().unwrap_or(Span::ZERO);
    let mut gaps = Vec::new();
    let mut overlaps = Vec::new();
    let mut before: Option<(Timestamp, &str)> = None;
    for input in inputs {
        let (Some(first), Some(last)) = (input.first, input.last) else { continue };
        if let Some((end, name)) = before {
            let gap = first.since(end);
            // A silence that the files themselves show as well is the traffic's nature, not a missing file.
            if gap >= LEAST_GAP && gap > longest {
                gaps.push(format!(
                    "{:.3} s without a frame between {name} and {}, longer than any silence within the files ({:.3} s): a file may be missing",
                    gap.seconds(),
                    input.name,
                    longest.seconds()
                ));
            }
            let overlap = end.min(last).since(first);
            if overlap >= LEAST_OVERLAP {
                overlaps.push(format!("{name} and {} overlap by {:.3} s and were merged by time", input.name, overlap.seconds()));
            }
        }
        before = match before {
            Some((end, name)) if end > last => Some((end, name)),
            _ => Some((last, &input.name)),
        };
    }
    let mut notes = limited(gaps, "gaps");
    notes.extend(limited(overlaps, "overlaps"));
    if duplicate_frames > 0 {
        notes.push(format!("{duplicate_frames} frames are in two files with the same time and octets and were counted once"));
    }
    notes
}

fn limited(mut notes: Vec<String>, what: &str) -> Vec<String> {
    let rest = notes.len().saturating_sub(MAX_NOTES);
    notes.truncate(MAX_NOTES);
    if rest > 0 {
        notes.push(format!("{rest} more {what} between files"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, first: i64, last: i64, silence: i64) -> InputSummary {
        let at = |seconds| Some(Timestamp::new(seconds, 0));
        let longest_silence = Span::from_secs(silence);
        InputSummary { name: name.into(), first: at(first), last: at(last), longest_silence, ..InputSummary::default() }
    }

    #[test]
    fn notes_gap_longer_than_every_silence_is_told() {
        let inputs = [input("a", 0, 60, 5), input("b", 60, 120, 2), input("d", 180, 240, 3)];
        let found = notes(&inputs, 0);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("60.000 s without a frame between b and d"), "{found:?}");
    }

    #[test]
    fn notes_gap_as_long_as_a_silence_within_a_file_is_not_told() {
        let inputs = [input("a", 0, 60, 30), input("d", 90, 240, 3)];
        assert_eq!(notes(&inputs, 0), Vec::<String>::new());
    }

    #[test]
    fn notes_file_within_another_is_an_overlap_of_its_length() {
        let inputs = [input("long", 0, 100, 1), input("short", 10, 30, 1), input("next", 100, 130, 1)];
        let found = notes(&inputs, 7);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], "long and short overlap by 20.000 s and were merged by time");
        assert!(found[1].starts_with("7 frames are in two files"));
    }
}
