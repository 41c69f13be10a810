//! `--anonymize` and `--anonymize-key`: the key out of a file, or a random one.

use std::fs::File;
use std::io::Read;

use super::Failure;
use super::args::AnonymizeArgs;
use super::job;
use super::options::{Output, Shown};
use crate::export::{Anonymizer, Key};
use crate::report::Report;

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

/// Puts a report under pseudonyms, if there is a maker of them. The selection names original addresses, so it is applied before; what is
/// left of it for the writing is returned. The user's own names of addresses are left out.
pub fn apply(anonymizer: Option<Anonymizer>, report: &mut Report, shown: Shown, output: &mut Output) -> Shown {
    let Some(mut anonymizer) = anonymizer else { return shown };
    job::narrow(report, &shown, output.zone);
    anonymizer.report(report);
    output.names.clear();
    Shown::default()
}
