//! Connection's events → bounded samples and candidates, while the stream passes.
//!
//! What needs a timer that only all connections together reveal is not decided here: this room keeps, per connection, the request
//! whose fate is open, the finished [`Case`]s that may become findings, and the event log for the timeline; and over all connections
//! the [`samples`] that `infer` turns into timers, and the [`retry`] watch.

pub mod across;
pub mod answered;
pub mod case;
mod chronicle;
pub mod closes;
pub mod distribution;
mod evidence;
pub mod half_closed;
pub mod legs;
pub mod log;
pub mod observer;
pub mod path;
pub mod points;
pub mod request;
pub mod retry;
pub mod sampler;
pub mod samples;
pub mod sights;
pub mod told;
pub mod waiting;
mod watch;

pub use across::Across;
pub use case::Case;
pub use half_closed::HalfClosedSpan;
pub use observer::{HalfClosedTimes, Observer};
pub use request::Request;
pub use waiting::WaitingClose;
pub use watch::Watch;
