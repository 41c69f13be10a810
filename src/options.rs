//! What the user may set, validated: the command line makes these, the library takes them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Thresholds of the analysis, each with its reason in `docs/limits.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// An application-idle period of at least this is an idle gap.
    pub idle_gap: Span,
    /// A half-closed side that neither sends nor closes for this long is a leak.
    pub close_wait: Span,
    /// The same request on another connection within this is a retry.
    pub retry_window: Span,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { idle_gap: Span::from_secs(1), close_wait: Span::from_secs(5), retry_window: Span::from_secs(10) }
    }
}

impl Thresholds {
    /// Each threshold with its name on the command line and in the configuration file.
    pub const fn named(&self) -> [(&'static str, Span); 3] {
        [("idle-gap", self.idle_gap), ("close-wait", self.close_wait), ("retry-window", self.retry_window)]
    }

    /// The threshold of a name.
    pub fn by_name(&mut self, name: &str) -> Option<&mut Span> {
        match name {
            "idle-gap" => Some(&mut self.idle_gap),
            "close-wait" => Some(&mut self.close_wait),
            "retry-window" => Some(&mut self.retry_window),
            _ => None,
        }
    }
}

/// What keeps overlapping tenants apart: part of a connection's identity on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Separate {
    /// VLAN identifiers.
    pub vlan: bool,
    /// VXLAN, Geneve, NVGRE … network identifiers.
    pub vni: bool,
    /// Capture interfaces.
    pub interface: bool,
}

/// Which connections and findings the report shows. The analysis itself always sees everything.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selection {
    /// Connections with one of these addresses on either side; empty: all.
    pub hosts: Vec<IpAddr>,
    /// Connections with one of these ports on either side; empty: all.
    pub ports: Vec<u16>,
    /// These connection numbers; empty: all.
    pub streams: BTreeSet<u64>,
    /// Connections that were alive at or after this time.
    pub from: Option<Timestamp>,
    /// Connections that were alive at or before this time.
    pub to: Option<Timestamp>,
    /// Findings of these kinds (their names); empty: all.
    pub kinds: BTreeSet<String>,
    /// Findings at or above this severity: 0 info, 1 warning, 2 error.
    pub min_severity: u8,
}

/// Everything that changes what a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysisOptions {
    /// Thresholds.
    pub thresholds: Thresholds,
    /// Tenants.
    pub separate: Separate,
    /// What is shown.
    pub selection: Selection,
    /// Keep the event log of these connections in full (`timeline --stream N`); empty: only of what the report shows.
    pub timelines: BTreeSet<u64>,
    /// Upper bound of what is kept of connections, in octets; a fixed figure so that results do not depend on the machine.
    pub max_memory: u64,
    /// Keep a row for every connection (JSON, `connections`); else only what the text report shows.
    pub all_connections: bool,
    /// Idle timeouts that the user knows of a side that the capture does not show.
    pub assume: Vec<Assumption>,
    /// Threads that may be used: from two on one reads and decodes while another follows the connections. Changes nothing in the report.
    pub threads: u16,
    /// The process ends after this analysis: what was kept of the connections is not given back piece by piece, which takes a twentieth of the
    /// time.
    pub is_last: bool,
}

/// `--assume client=300s`: a timeout that the user knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// `client`, `server`, or an address.
    pub who: String,
    /// The timeout.
    pub timeout: Span,
}

impl Default for AnalysisOptions {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            separate: Separate::default(),
            selection: Selection::default(),
            timelines: BTreeSet::new(),
            max_memory: 2 << 30,
            all_connections: true,
            assume: Vec::new(),
            threads: 1,
            is_last: false,
        }
    }
}
