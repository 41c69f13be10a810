//! Samples → timers: which idle timeout each server, client and device on the way has, as far as many connections show it; what is known
//! of such timers, and what to write where.

pub mod buckets;
pub mod chain;
pub mod churn;
pub mod cluster;
pub mod elsewhere;
pub mod known_timeouts;
pub mod limits;
pub mod maker;
pub mod products;
pub mod rows;
pub mod timers;

pub use chain::ChainHop;
pub use timers::{ServerTimer, Timers};
