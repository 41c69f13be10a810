//! Segments → connections and what happened to them.
//!
//! [`Tracker::push`] takes one segment and returns one [`Step`]: what it did. The tracker says what was seen; it knows nothing
//! of timers and findings. A connection is never cut because it is silent: silence is the phenomenon that this tool exists for.

pub mod connection;
pub mod coverage;
mod duplicate;
pub mod facts;
pub mod half;
mod incarnation;
pub mod reset;
pub mod role;
mod slab;
pub mod step;
mod table;
mod tracker;
mod transition;

pub use connection::Connection;
pub use slab::{Chunks, Connections, Slot};
pub use step::Step;
pub use tracker::{Expected, Tracker};
