//! `--anonymize` and `--anonymize-key`: the key out of a file, or a random one.

use std::fs::File;
use std::io::Read;

use super::Failure;
use super::args::AnonymizeArgs;
use crate::export::{Anonymizer, Key};

/// A key file is read so far; what is longer is something else.
const LONGEST_KEY: u64 = 1 << 20;

/// The maker of pseudonyms, if they are asked for; a key file asks for them too.
pub fn anonymizer(args: &AnonymizeArgs) -> Result<Option<Anonymizer>, Failure> {
    let key = match &args.anonymize_key {
        Some(path) => {
            let mut content = Vec::new();
            let read = File::open(path).and_then(|file| file.take(LONGEST_KEY.saturating_add(1)).read_to_end(&mut content));
            read.map_err(|error| Failure::file(path, &format!("the key cannot be read: {error}")))?;
            if content.len() as u64 > LONGEST_KEY {
                return Err(Failure::file(path, "is too long for a key: 32 octets are enough"));
            }
            Key::of_content(&content).map_err(|why| Failure::file(path, &why))?
        }
        None if args.anonymize => Key::random().map_err(|why| Failure::new(&why))?,
        None => return Ok(None),
    };
    Ok(Some(Anonymizer::new(&key)))
}
