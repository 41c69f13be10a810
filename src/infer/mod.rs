//! Samples → timers: which idle timeout each server, client and device on the way has, as far as many connections show it.

pub mod cluster;
pub mod timers;

pub use timers::{ServerTimer, Timers};
