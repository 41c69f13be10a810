//! A job on many machines: what every part of it knows of the inputs.

use sha2::{Digest, Sha256};

use crate::dataset::{DatasetError, Inputs};

/// What is known of all inputs of a job, and what names it.
pub struct JobInputs {
    /// What is known.
    pub inputs: Inputs,
    /// SHA-256 of the account that says so.
    pub sha256: [u8; 32],
}

impl JobInputs {
    /// Reads the account of the inputs.
    pub fn read(octets: &[u8]) -> Result<Self, DatasetError> {
        Ok(Self { inputs: Inputs::read(octets)?, sha256: Sha256::digest(octets).into() })
    }
}
