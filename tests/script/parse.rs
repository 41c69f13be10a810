//! Text → statements. Knows the words of the language, nothing of TCP.

use std::net::SocketAddr;

/// A parsed script.
#[derive(Debug, Default)]
pub struct Program {
    pub hosts: Vec<Host>,
    pub link: Link,
    /// Seconds since 1970 of time 0.
    pub start: i64,
    pub snap: Option<usize>,
    pub lines: Vec<Line>,
}

/// How frames begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    #[default]
    Ethernet,
    Sll,
    Sll2,
    Raw,
}

/// An endpoint and what its segments look like.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    pub address: SocketAddr,
    pub mac: [u8; 6],
    pub ttl: u8,
    pub window: u16,
    pub isn: u32,
    pub id: u16,
    pub timestamps: Option<u32>,
}

/// One line that makes a frame.
#[derive(Clone, Debug)]
pub struct Line {
    pub number: usize,
    pub time: Time,
    pub action: Action,
    pub with: Attributes,
}

/// Nanoseconds since the start, or since the line before.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    At(i64),
    After(i64),
}

/// What a line does. Hosts are indices into [`Program::hosts`].
#[derive(Clone, Debug)]
pub enum Action {
    Send { from: usize, to: usize, flags: u16 },
    Icmp { from: usize, to: usize },
    Again(Option<String>),
    Resend(Option<String>),
}

/// A sequence or acknowledgement number as written.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    Absolute(u32),
    FromNext(i64),
    FromInitial(i64),
}

/// The timestamps option as written.
#[derive(Clone, Copy, Debug)]
pub enum Timestamps {
    None,
    Value(u32, u32),
}

/// Everything that may be said about a frame; what is not said is decided when the script is played.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    pub seq: Option<Number>,
    pub ack: Option<Number>,
    pub window: Option<u16>,
    pub urgent: Option<u16>,
    pub mss: Option<u16>,
    pub window_scale: Option<u8>,
    pub sack_permitted: bool,
    pub sack_blocks: Vec<(u32, u32)>,
    pub timestamps: Option<Timestamps>,
    pub options: Vec<(u8, Vec<u8>)>,
    pub ttl: Option<u8>,
    pub id: Option<u16>,
    pub source_mac: Option<[u8; 6]>,
    pub destination_mac: Option<[u8; 6]>,
    pub vlan: Option<u16>,
    pub vxlan: Option<u32>,
    pub pad: Option<usize>,
    pub ip_length: Option<u16>,
    pub snap: Option<usize>,
    pub fragment: Option<(usize, Option<usize>)>,
    pub record_cut: bool,
    pub interface: Option<u32>,
    pub translated: Option<(usize, usize)>,
    pub name: Option<String>,
    pub of: Option<String>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub mtu: Option<u16>,
    pub uncaptured: bool,
    pub undelivered: bool,
    pub payload: Option<Vec<u8>>,
    pub length: Option<usize>,
}

/// Epoch of time 0 unless a script says otherwise: 2023-11-14T22:13:20Z.
const DEFAULT_START: i64 = 1_700_000_000;

/// Parses a script; an error names the line.
pub fn parse(text: &str) -> Result<Program, String> {
    let mut program = Program { start: DEFAULT_START, ..Program::default() };
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let words = split(line).map_err(|error| format!("line {number}: {error}"))?;
        if !words.is_empty() {
            statement(&mut program, number, &words).map_err(|error| format!("line {number}: {error}"))?;
        }
    }
    Ok(program)
}

/// A word of a line: quoted text is kept apart, because it may hold anything.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Plain(String),
    Quoted(Vec<u8>),
}

fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            '#' => break,
            c if c.is_whitespace() => {
                rest.next();
            }
            '"' => {
                rest.next();
                words.push(Word::Quoted(quoted(&mut rest)?));
            }
            _ => {
                let mut word = String::new();
                while let Some(&c) = rest.peek().filter(|c| !c.is_whitespace() && **c != '#') {
                    word.push(c);
                    rest.next();
                }
                words.push(Word::Plain(word));
            }
        }
    }
    Ok(words)
}

fn quoted(rest: &mut impl Iterator<Item = char>) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    loop {
        match rest.next().ok_or("the quote is not closed")? {
            '"' => return Ok(octets),
            '\\' => match rest.next().ok_or("nothing follows the backslash")? {
                'r' => octets.push(b'\r'),
                'n' => octets.push(b'\n'),
                't' => octets.push(b'\t'),
                '0' => octets.push(0),
                'x' => {
                    let digits: String = rest.take(2).collect();
                    octets.push(u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no octet"))?);
                }
                c @ ('"' | '\\') => octets.push(c as u8),
                c => return Err(format!("\\{c} is unknown")),
            },
            c => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn statement(program: &mut Program, number: usize, words: &[Word]) -> Result<(), String> {
    let (Word::Plain(first), rest) = words.split_first().ok_or("empty")? else { return Err("a line cannot begin with text".into()) };
    let argument = |what: &str| match rest {
        [Word::Plain(word)] => Ok(word.as_str()),
        _ => Err(format!("{first} wants one {what}")),
    };
    match first.as_str() {
        "host" => program.hosts.push(host(program.hosts.len(), rest)?),
        "start" => program.start = parsed(argument("number of seconds")?, "start")?,
        "snap" => program.snap = Some(parsed(argument("number of octets")?, "snap")?),
        "link" => {
            program.link = match argument("link type")? {
                "ethernet" => Link::Ethernet,
                "sll" => Link::Sll,
                "sll2" => Link::Sll2,
                "raw" => Link::Raw,
                other => return Err(format!("link type {other} is unknown")),
            }
        }
        time => {
            let line = line(program, number, time, rest)?;
            program.lines.push(line);
        }
    }
    Ok(())
}

fn host(index: usize, words: &[Word]) -> Result<Host, String> {
    let [Word::Plain(name), Word::Plain(address), attributes @ ..] = words else { return Err("host wants a name and ADDRESS:PORT".into()) };
    let low = u8::try_from(index + 1).map_err(|_| "too many hosts")?;
    let mut host = Host {
        name: name.clone(),
        address: parsed(address, "address")?,
        mac: [2, 0, 0, 0, 0, low],
        ttl: 64,
        window: 64240,
        isn: 1000 + 4000 * u32::from(low - 1),
        id: 0x1000_u16.wrapping_mul(u16::from(low)),
        timestamps: None,
    };
    for word in attributes {
        let Word::Plain(word) = word else { return Err("a host has no text".into()) };
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word} is unknown"))?;
        match key {
            "mac" => host.mac = mac(value)?,
            "ttl" => host.ttl = parsed(value, key)?,
            "win" => host.window = parsed(value, key)?,
            "isn" => host.isn = parsed(value, key)?,
            "id" => host.id = parsed(value, key)?,
            "ts" => host.timestamps = Some(parsed(value, key)?),
            _ => return Err(format!("{key} is unknown for a host")),
        }
    }
    Ok(host)
}

fn line(program: &Program, number: usize, time: &str, words: &[Word]) -> Result<Line, String> {
    let time = match time.strip_prefix('+') {
        Some(after) => Time::After(nanoseconds(after)?),
        None => Time::At(nanoseconds(time)?),
    };
    let (Word::Plain(what), mut rest) = words.split_first().ok_or("nothing follows the time")? else {
        return Err("text follows the time".into());
    };
    let mut optional_name = || match rest.split_first() {
        Some((Word::Plain(word), others)) if !word.contains(['=', '@']) => {
            rest = others;
            Some(word.clone())
        }
        _ => None,
    };
    let action = match what.as_str() {
        "again" => Action::Again(optional_name()),
        "resend" => Action::Resend(optional_name()),
        pair => {
            let (from, to) = endpoints(program, pair)?;
            match optional_name().ok_or("no flags")?.as_str() {
                "ICMP" => Action::Icmp { from, to },
                names => Action::Send { from, to, flags: flags(names)? },
            }
        }
    };
    let mut with = Attributes::default();
    for word in rest {
        match word {
            Word::Quoted(octets) => with.payload = Some(octets.clone()),
            Word::Plain(word) => attribute(program, &mut with, word)?,
        }
    }
    Ok(Line { number, time, action, with })
}

fn endpoints(program: &Program, pair: &str) -> Result<(usize, usize), String> {
    let (from, to) = pair.split_once('>').ok_or_else(|| format!("{pair} is not SRC>DST"))?;
    let find = |name: &str| program.hosts.iter().position(|host| host.name == name).ok_or_else(|| format!("no host {name}"));
    Ok((find(from)?, find(to)?))
}

fn flags(names: &str) -> Result<u16, String> {
    if names == "-" {
        return Ok(0);
    }
    names.split(',').try_fold(0, |sum, name| {
        let flag = match name {
            "FIN" => 0x01,
            "SYN" => 0x02,
            "RST" => 0x04,
            "PSH" => 0x08,
            "ACK" => 0x10,
            "URG" => 0x20,
            "ECE" => 0x40,
            "CWR" => 0x80,
            "NS" => 0x100,
            other => return Err(format!("flag {other} is unknown")),
        };
        Ok(sum | flag)
    })
}

fn attribute(program: &Program, with: &mut Attributes, word: &str) -> Result<(), String> {
    if let Some(interface) = word.strip_prefix("@if") {
        with.interface = Some(parsed(interface, "interface")?);
        return Ok(());
    }
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "seq" => with.seq = Some(sequence(value)?),
        "ack" => with.ack = Some(sequence(value)?),
        "win" => with.window = Some(parsed(value, key)?),
        "urg" => with.urgent = Some(parsed(value, key)?),
        "mss" => with.mss = Some(parsed(value, key)?),
        "wscale" => with.window_scale = Some(parsed(value, key)?),
        "sack" if value.is_empty() => with.sack_permitted = true,
        "sackblock" => {
            let (left, right) = value.split_once('-').ok_or("sackblock=LEFT-RIGHT")?;
            with.sack_blocks.push((parsed(left, key)?, parsed(right, key)?));
        }
        "ts" if value == "none" => with.timestamps = Some(Timestamps::None),
        "ts" => {
            let (own, echo) = value.split_once('/').ok_or("ts=VALUE/ECHO")?;
            with.timestamps = Some(Timestamps::Value(parsed(own, key)?, parsed(echo, key)?));
        }
        "opt" => {
            let (kind, octets) = value.split_once(':').ok_or("opt=KIND:HEX")?;
            with.options.push((parsed(kind, key)?, hex(octets)?));
        }
        "ttl" => with.ttl = Some(parsed(value, key)?),
        "id" => with.id = Some(parsed(value, key)?),
        "smac" => with.source_mac = Some(mac(value)?),
        "dmac" => with.destination_mac = Some(mac(value)?),
        "vlan" => with.vlan = Some(parsed(value, key)?),
        "vxlan" => with.vxlan = Some(parsed(value, key)?),
        "pad" => with.pad = Some(parsed(value, key)?),
        "iplen" => with.ip_length = Some(parsed(value, key)?),
        "snap" => with.snap = Some(parsed(value, key)?),
        "frag" => {
            let (from, to) = value.split_once('-').ok_or("frag=FROM-TO")?;
            with.fragment = Some((parsed(from, key)?, if to.is_empty() { None } else { Some(parsed(to, key)?) }));
        }
        "cut" => with.record_cut = true,
        "as" => with.translated = Some(endpoints(program, value)?),
        "name" => with.name = Some(value.to_owned()),
        "of" => with.of = Some(value.to_owned()),
        "type" => with.icmp_type = Some(parsed(value, key)?),
        "code" => with.icmp_code = Some(parsed(value, key)?),
        "mtu" => with.mtu = Some(parsed(value, key)?),
        "uncaptured" => with.uncaptured = true,
        "undelivered" => with.undelivered = true,
        "hex" => with.payload = Some(hex(value)?),
        "len" => with.length = Some(parsed(value, key)?),
        _ => return Err(format!("{word} is unknown")),
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{what}: {text} is no value for it"))
}

fn sequence(text: &str) -> Result<Number, String> {
    let offset = |rest: &str| if rest.is_empty() { Ok(0) } else { parsed(rest.trim_start_matches('+'), "offset") };
    if let Some(rest) = text.strip_prefix("nxt") {
        return Ok(Number::FromNext(offset(rest)?));
    }
    if let Some(rest) = text.strip_prefix("isn") {
        return Ok(Number::FromInitial(offset(rest)?));
    }
    Ok(Number::Absolute(parsed(text, "sequence number")?))
}

/// Decimal seconds, exactly.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = seconds.bytes().chain(fraction.bytes()).all(|octet| octet.is_ascii_digit());
    if seconds.is_empty() || fraction.len() > 9 || !digits {
        return Err(format!("{text} is no time"));
    }
    let fraction: i64 = parsed(&format!("{fraction:0<9}"), "time")?;
    Ok(parsed::<i64>(seconds, "time")? * 1_000_000_000 + fraction)
}

fn mac(text: &str) -> Result<[u8; 6], String> {
    hex(&text.replace(':', ""))?.try_into().map_err(|_| format!("{text} is no link address"))
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(format!("{text} is not hexadecimal"));
    }
    let octets = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    octets.collect::<Result<_, _>>().map_err(|_| format!("{text} is not hexadecimal"))
}
