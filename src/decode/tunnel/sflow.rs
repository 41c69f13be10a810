//! sFlow version 5 (<https://sflow.org/sflow_version_5.txt>): the beginnings of sampled packets.

use crate::decode::parts::Aggregate;
use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// Version, the agent's address, sub-agent, number of the datagram, uptime, number of samples.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let address: usize = match (view.be32(0)?, view.be32(4)?) {
        (5, 1) => 4,
        (5, 2) => 16,
        _ => return None,
    };
    let after_address = view.skip(address.saturating_add(8))?;
    let samples = after_address.be32(12)?;
    let first = after_address.skip(16)?;
    Some(walk.enter(Layer::Sflow).map(|()| (Next::Parts(Aggregate::Sflow(samples)), first)))
}
