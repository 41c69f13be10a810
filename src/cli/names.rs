//! `--names FILE`: names of addresses in the format of hosts(5).

use std::net::IpAddr;
use std::path::Path;

use super::Failure;

/// Reads a hosts file: an address, its name, aliases (ignored); `#` begins a comment. The first name of an address counts.
pub fn read(path: &Path) -> Result<Vec<(IpAddr, String)>, Failure> {
    let octets = std::fs::read(path).map_err(|error| Failure::file(path, &error.to_string()))?;
    parse(&String::from_utf8_lossy(&octets)).map_err(|why| Failure::file(path, &why))
}

fn parse(text: &str) -> Result<Vec<(IpAddr, String)>, String> {
    let mut names: Vec<(IpAddr, String)> = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else { continue };
        // `fe80::1%lo0`: the zone means nothing on another machine.
        let address = address.split('%').next().unwrap_or_default();
        let (Ok(address), Some(name)) = (address.parse::<IpAddr>(), words.next()) else {
            return Err(format!("line {number} is not an address and a name, as in hosts(5)"));
        };
        if !names.iter().any(|(known, _)| *known == address) {
            names.push((address, name.to_owned()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_file_first_name_counts() {
        let names =
            parse("# comment\n127.0.0.1 localhost lo # x\n\n10.0.0.5\tapi api.example\n10.0.0.5 other\nfe80::1%lo0 link\n").unwrap();
        let texts: Vec<_> = names.iter().map(|(ip, name)| format!("{ip} {name}")).collect();
        assert_eq!(texts, ["127.0.0.1 localhost", "10.0.0.5 api", "fe80::1 link"]);
    }

    #[test]
    fn hosts_file_bad_line_is_named() {
        assert_eq!(parse("10.0.0.5 a\nnonsense\n").unwrap_err(), "line 2 is not an address and a name, as in hosts(5)");
        assert!(parse("10.0.0.5\n").is_err());
    }
}
