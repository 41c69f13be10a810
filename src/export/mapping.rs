//! The mapping as text: what was replaced by what. Whoever has it can undo the anonymisation.

use std::io::{self, Write};

use super::anonymize::Anonymizer;

/// Writes one line for each pseudonym: kind, original, pseudonym, separated by tabs; octets of words that are not plain text are escaped.
pub fn write_mapping(anonymizer: &Anonymizer, sink: &mut dyn Write) -> io::Result<()> {
    let mapping = anonymizer.mapping();
    writeln!(sink, "# kind\toriginal\tpseudonym")?;
    for (original, pseudonym) in &mapping.addresses {
        writeln!(sink, "ip\t{original}\t{pseudonym}")?;
    }
    for (original, pseudonym) in &mapping.link_addresses {
        writeln!(sink, "mac\t{}\t{}", link_address(*original), link_address(*pseudonym))?;
    }
    for (original, pseudonym) in &mapping.words {
        writeln!(sink, "word\t{}\t{}", original.escape_ascii(), pseudonym.escape_ascii())?;
    }
    Ok(())
}

fn link_address(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}
