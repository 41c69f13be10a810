//! Links on a terminal (OSC 8): from the name of an input to the file.
//!
//! Source: «Hyperlinks in terminal emulators», <https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda>: a URL of printable
//! ASCII, the rest percent-encoded, and a file URL with the name of the machine that has the file, because a terminal may show another
//! machine's output.

use std::fmt::Write as _;
use std::path::Path;

use crate::report::Report;

/// Whether the terminal is one that is known to have links.
pub fn terminal_has_them() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb") && supports_hyperlinks::supports_hyperlinks()
}

/// Adds to each input of the report the URL of its file. Pseudonyms and standard input name no file and get none.
pub fn add(report: &mut Report) {
    let host = host_name();
    for input in &mut report.inputs {
        input.link = std::fs::canonicalize(&input.name).ok().filter(|path| path.is_file()).map(|path| file_url(&path, &host));
    }
}

/// `file://host/path`, with everything percent-encoded that is not plainly a part of a path (RFC 3986 section 2.3, RFC 8089).
fn file_url(path: &Path, host: &str) -> String {
    let mut url = format!("file://{host}");
    for octet in path.as_os_str().as_encoded_bytes() {
        match octet {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => url.push(char::from(*octet)),
            other => {
                let _ = write!(url, "%{other:02X}");
            }
        }
    }
    url
}

/// The machine's name, as far as it fits a URL; empty, which means this machine, where there is none.
fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    let is_plain = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'));
    if is_plain { name } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_url_encodes_what_a_terminal_or_a_parser_would_obey() {
        let path = Path::new("/tmp/a b\u{1b}]8;;http://evil/\u{7}%#?é.pcap");
        assert_eq!(file_url(path, "host-1"), "file://host-1/tmp/a%20b%1B%5D8%3B%3Bhttp%3A//evil/%07%25%23%3F%C3%A9.pcap");
    }
}
