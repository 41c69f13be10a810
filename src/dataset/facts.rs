//! What there is to say besides segments, as rows of an item with its words or its number: the account, the inputs, the interfaces, names.

use super::RowKind;
use super::account::Account;
use super::one_of_many::OneOfMany;
use crate::capture::{InputSummary, Interface};
use crate::time::Timestamp;

/// First fragments whose length others told.
pub(super) const MEASURED_FIRST: &str = "measured first fragment";
/// Whether a later fragment was captured at all.
pub(super) const LATER_SEEN: &str = "later fragment seen";
/// The program's version.
pub(super) const VERSION: &str = "version";
/// The options that change rows.
pub(super) const OPTIONS: &str = "options";
/// Rows that belong to a flow.
pub(super) const ROWS: &str = "rows";
/// Whether the user interrupted.
pub(super) const INTERRUPTED: &str = "interrupted";
/// The time of the first frame.
pub(super) const BEGINS: &str = "begins_ns";
/// The latest `order_ns`.
pub(super) const REACHED: &str = "reached_ns";
/// The longest time between a frame and the next later one.
pub(super) const LONGEST_SILENCE: &str = "longest_silence_ns";
/// The latest `order_ns` before an interface was described.
pub(super) const SINCE: &str = "since_ns";
/// An encapsulation that was met, in order.
pub(super) const STACK: &str = "stack";
/// See [`STACK`]: a kernel's interface.
pub(super) const SUB_INTERFACE: &str = "sub_interface";
/// Where a stretch with frames begins.
pub(super) const STRETCH_FROM: &str = "stretch_from_ns";
/// Where it ends.
pub(super) const STRETCH_TO: &str = "stretch_to_ns";

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
    // where the input is one of many, its counts are its own
    let all = if account.one_of_many.is_some() { number(0) } else { -1 };
    let of_all = [
        ("duplicate", account.summary.duplicate_frames),
        ("further segment", account.further),
        ("sampled segment", account.sampled),
        ("first fragment", account.first_fragments.segments),
        ("incomplete datagram", account.incomplete_datagrams),
    ];
    for (item, count) in of_all {
        list.push(fact(RowKind::Frames, all, item, None, Some(signed(count))));
    }
    for (file, input) in (0_u32..).zip(&account.summary.inputs) {
        list.extend(of_input(input).into_iter().map(|(item, text, value)| fact(RowKind::Input, number(file), item, text, value)));
    }
    for warning in &account.summary.warnings {
        let text = Some(warning.text.clone());
        list.push(fact(RowKind::Input, number(warning.file), "problem", text, Some(i64::from(warning.lost_input))));
    }
    if let Some(one) = &account.one_of_many {
        list.extend(of_one(account, one).into_iter().map(|(kind, item, text, value)| fact(kind, number(0), item, text, value)));
    }
    for (at, interface) in (0_i32..).zip(&account.summary.interfaces) {
        let of_it = of_interface(interface).into_iter();
        list.extend(of_it.map(|(item, text, value)| OwnedFact {
            interface: Some(at),
            ..fact(RowKind::Interface, number(interface.file), item, text, value)
        }));
    }
    for (at, since) in (0_i32..).zip(account.one_of_many.iter().flat_map(|one| &one.since)) {
        let of_it = |since: Timestamp| fact(RowKind::Interface, number(0), SINCE, None, Some(since.nanos()));
        list.extend(since.map(|since| OwnedFact { interface: Some(at), ..of_it(since) }));
    }
    for (address, name) in &account.summary.names {
        list.push(fact(RowKind::Name, all, &address.to_string(), Some(name.clone()), None));
    }
    list
}

/// What an input says of itself for those who read the others.
fn of_one(account: &Account, one: &OneOfMany) -> Vec<(RowKind, &'static str, Option<String>, Option<i64>)> {
    let (firsts, settings) = (account.first_fragments, one.settings);
    let separate = settings.separate;
    let options = [
        (separate.vlan, "separate vlan"),
        (separate.vni, "separate vni"),
        (separate.interface, "separate interface"),
        (settings.headers_only, "headers only"),
    ];
    let options: Vec<&str> = options.into_iter().filter(|(is_on, _)| *is_on).map(|(_, name)| name).collect();
    let mut list = vec![
        (RowKind::Frames, MEASURED_FIRST, None, Some(signed(firsts.measured))),
        (RowKind::Frames, LATER_SEEN, None, Some(i64::from(firsts.later_seen))),
        (RowKind::Input, VERSION, Some(env!("CARGO_PKG_VERSION").to_owned()), None),
        (RowKind::Input, OPTIONS, Some(options.join(", ")), None),
        (RowKind::Input, ROWS, None, Some(signed(one.rows))),
        (RowKind::Input, INTERRUPTED, None, Some(i64::from(account.stopped))),
    ];
    let times = [(BEGINS, one.begins), (REACHED, one.reached)];
    list.extend(times.into_iter().filter_map(|(item, time)| Some((RowKind::Input, item, None, Some(time?.nanos())))));
    for (item, names) in [(STACK, &account.names.stacks), (SUB_INTERFACE, &account.names.sub_interfaces)] {
        // the first stands for none
        list.extend(names.iter().skip(1).map(|name| (RowKind::Input, item, Some(name.clone()), None)));
    }
    for input in &account.summary.inputs {
        list.push((RowKind::Input, LONGEST_SILENCE, None, Some(input.longest_silence.nanos())));
        for (from, to) in &input.stretches {
            list.push((RowKind::Input, STRETCH_FROM, None, Some(from.nanos())));
            list.push((RowKind::Input, STRETCH_TO, None, Some(to.nanos())));
        }
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
