//! What there is to say besides segments, as rows of an item with its words or its number: the account, the inputs, the interfaces, names.

use super::RowKind;
use super::account::Account;
use crate::capture::{InputSummary, Interface};
use crate::time::Timestamp;

/// A row that tells something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnedFact {
    pub kind: RowKind,
    /// −1: all inputs.
    pub file: i32,
    pub interface: Option<i32>,
    pub item: String,
    pub text: Option<String>,
    pub number: Option<i64>,
}

/// A count in a column of signed numbers.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An input's number in a column of signed numbers.
pub(super) fn input_number(file: u32, first_file: u32) -> i32 {
    i32::try_from(file.saturating_add(first_file)).unwrap_or(i32::MAX)
}

/// Every fact of a reading, in the order of kinds and inputs.
pub(super) fn facts(account: &Account, first_file: u32) -> Vec<OwnedFact> {
    let mut list = Vec::new();
    let number = |file| input_number(file, first_file);
    let fact = |kind, file, item: &str, text, number| OwnedFact { kind, file, interface: None, item: item.to_owned(), text, number };
    for ((file, what, reason), count) in &account.frames {
        let reason = (!reason.is_empty()).then(|| (*reason).to_owned());
        list.push(fact(RowKind::Frames, number(*file), what, reason, Some(signed(*count))));
    }
    for (file, count) in &account.untimed {
        list.push(fact(RowKind::Frames, number(*file), "untimed", None, Some(signed(*count))));
    }
    let of_all = [
        ("duplicate", account.summary.duplicate_frames),
        ("further segment", account.further),
        ("sampled segment", account.sampled),
        ("first fragment", account.first_fragments),
        ("incomplete datagram", account.incomplete_datagrams),
    ];
    for (item, count) in of_all {
        list.push(fact(RowKind::Frames, -1, item, None, Some(signed(count))));
    }
    for (file, input) in (0_u32..).zip(&account.summary.inputs) {
        list.extend(of_input(input).into_iter().map(|(item, text, value)| fact(RowKind::Input, number(file), item, text, value)));
    }
    for warning in &account.summary.warnings {
        let text = Some(warning.text.clone());
        list.push(fact(RowKind::Input, number(warning.file), "problem", text, Some(i64::from(warning.lost_input))));
    }
    for (at, interface) in (0_i32..).zip(&account.summary.interfaces) {
        let of_it = of_interface(interface).into_iter();
        list.extend(of_it.map(|(item, text, value)| OwnedFact {
            interface: Some(at),
            ..fact(RowKind::Interface, number(interface.file), item, text, value)
        }));
    }
    for (address, name) in &account.summary.names {
        list.push(fact(RowKind::Name, -1, &address.to_string(), Some(name.clone()), None));
    }
    list
}

type Said = (&'static str, Option<String>, Option<i64>);

fn of_input(input: &InputSummary) -> Vec<Said> {
    let time = |time: Option<Timestamp>| time.map(Timestamp::nanos);
    let every: [Said; 11] = [
        ("name", Some(input.name.clone()), None),
        ("sha256", input.sha256.clone(), None),
        ("format", Some(input.format.to_owned()), None),
        ("compression", input.compression.map(str::to_owned), None),
        ("frames", None, Some(signed(input.frames))),
        ("octets", None, Some(signed(input.octets))),
        ("first_ns", None, time(input.first)),
        ("last_ns", None, time(input.last)),
        ("ended_ns", None, time(input.ended)),
        ("cut_frames", None, Some(signed(input.frames_cut_by_snap_length))),
        ("complete", None, Some(i64::from(input.complete))),
    ];
    every.into_iter().filter(|(_, text, number)| text.is_some() || number.is_some()).collect()
}

fn of_interface(interface: &Interface) -> Vec<Said> {
    let every: [Said; 4] = [
        ("link_type", None, Some(i64::from(interface.link_type))),
        ("name", interface.name.clone(), None),
        ("filter", interface.filter.clone(), None),
        ("dropped", None, interface.dropped.map(signed)),
    ];
    every.into_iter().filter(|(_, text, number)| text.is_some() || number.is_some()).collect()
}
