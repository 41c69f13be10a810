//! Link layers: one file per family of link types, one registry.
//!
//! The numbers are those of <https://www.tcpdump.org/linktypes.html>. To add a link type, write a file with a reader and add its line
//! to [`REGISTRY`]; `docs/link-types.md` names each with the test that proves it. A number that is not here is skipped, never an error.

use crate::decode::view::View;
use crate::decode::walk::{End, Read, Walk};
use crate::frame::LinkType;

mod apple;
mod arcnet;
mod atm;
pub(crate) mod cisco_hdlc;
mod erf;
pub(crate) mod ethernet;
pub(crate) mod ethertype;
mod fddi;
mod fibre_channel;
pub(crate) mod frame_relay;
pub(crate) mod ieee80211;
mod infiniband;
mod ipnet;
mod juniper;
mod linux_cooked;
pub(crate) mod llc;
mod loopback;
mod nflog;
mod packet_filter;
pub(crate) mod ppp;
mod raw;
mod slip;
mod switch_tag;
mod token_ring;

/// How one family of link types is read.
#[derive(Debug)]
pub(crate) struct LinkReader {
    /// The name in encapsulation stacks.
    pub name: &'static str,
    /// The link types that it reads.
    pub numbers: &'static [u16],
    /// Reads the link header.
    pub read: for<'a> fn(u16, View<'a>, &mut Walk<'a>) -> Read<'a>,
}

/// Every link type that is read.
pub(crate) const REGISTRY: &[LinkReader] = &[
    ethernet::READER,
    linux_cooked::SLL,
    linux_cooked::SLL2,
    loopback::READER,
    loopback::ENC,
    packet_filter::READER,
    raw::ANY,
    raw::IPV4,
    raw::IPV6,
    raw::MPLS,
    ppp::READER,
    ppp::WITH_DIRECTION,
    ppp::PPPOE,
    cisco_hdlc::READER,
    cisco_hdlc::WITH_DIRECTION,
    frame_relay::READER,
    frame_relay::WITH_DIRECTION,
    slip::READER,
    ieee80211::BARE,
    ieee80211::RADIOTAP,
    ieee80211::PRISM,
    ieee80211::AVS,
    ieee80211::PPI,
    nflog::READER,
    apple::PKTAP,
    apple::FIREWIRE,
    switch_tag::DSA,
    switch_tag::EDSA,
    switch_tag::BROADCOM,
    switch_tag::BROADCOM_PREPENDED,
    ethernet::PREAMBLE,
    ethernet::NETANALYZER,
    ethernet::EMULATED_LAN,
    fddi::READER,
    arcnet::BSD,
    arcnet::LINUX,
    token_ring::READER,
    fibre_channel::READER,
    infiniband::READER,
    ipnet::READER,
    atm::RFC1483,
    atm::SUN,
    erf::READER,
    juniper::READER,
];

/// The reader of `number`, if there is one.
pub(crate) fn reader(number: u16) -> Option<&'static LinkReader> {
    REGISTRY.iter().find(|reader| reader.numbers.contains(&number))
}

/// Reads a frame of another link type inside a frame.
pub(crate) fn read<'a>(link_type: LinkType, view: View<'a>, walk: &mut Walk<'a>) -> Read<'a> {
    let reader = reader(link_type.0).ok_or(End::Skipped("link type not read"))?;
    (reader.read)(link_type.0, view, walk)
}

#[cfg(test)]
mod tests {
    use super::REGISTRY;

    #[test]
    fn registry_has_every_number_once() {
        let mut numbers: Vec<u16> = REGISTRY.iter().flat_map(|reader| reader.numbers.iter().copied()).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
