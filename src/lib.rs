//! afterfin reads packet captures and says which TCP connections were used after the other side had closed or forgotten
//! them, what it cost, and which timeout to change.
//!
//! Data flows one way: [`capture`] (octets → frames) → [`decode`] (frame → segment) → `tcp` (segments → connections and their
//! events) → `observe` (events → bounded samples and candidates) → `infer` and `detect` (timers, findings) → [`report`] → [`render`].
//! [`analyzer`] wires them. `docs/ARCHITECTURE.md` is the map.

pub mod analyzer;
pub mod app;
pub mod capture;
pub mod cli;
#[cfg(feature = "arrow")]
pub mod dataset;
pub mod decode;
pub mod detect;
pub mod endpoint;
pub mod export;
pub mod frame;
pub mod infer;
pub mod observe;
pub mod options;
#[cfg(feature = "arrow")]
pub mod partial;
pub mod render;
pub mod report;
pub mod segment;
pub mod seq;
pub mod taken;
pub mod tcp;
pub mod time;
pub mod warning;
