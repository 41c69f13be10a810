//! No allocation per packet: twice as many packets of the same connections make no more allocations.

#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::analyze;
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// A pcap of `exchanges` requests and answers, each acknowledged, on one connection (Ethernet, IPv4).
fn exchanges(exchanges: u32) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    let (mut client, mut server, mut time) = (1000_u32, 5000_u32, 0_u32);
    let mut packet = |from_client: bool, seq: u32, ack: u32, flags: u8, payload: &[u8], time: u32| {
        let (source, target) = if from_client { ((1, 40_000_u16), (2, 80_u16)) } else { ((2, 80), (1, 40_000)) };
        let length = 40 + payload.len();
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend(Ipv4Addr::new(10, 0, 0, source.0).octets());
        frame.extend(Ipv4Addr::new(10, 0, 0, target.0).octets());
        frame.extend(source.1.to_be_bytes());
        frame.extend(target.1.to_be_bytes());
        frame.extend(seq.to_be_bytes());
        frame.extend(ack.to_be_bytes());
        frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        let octets = u32::try_from(frame.len()).unwrap().to_le_bytes();
        file.extend((time / 1_000_000).to_le_bytes());
        file.extend((time % 1_000_000).to_le_bytes());
        file.extend(octets);
        file.extend(octets);
        file.extend(frame);
    };
    packet(true, client - 1, 0, 0x02, b"", 0);
    packet(false, server - 1, client, 0x12, b"", 100);
    packet(true, client, server, 0x10, b"", 200);
    for _ in 0..exchanges {
        time += 20_000;
        let request = b"GET /orders HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        packet(true, client, server, 0x18, request, time);
        client = client.wrapping_add(u32::try_from(request.len()).unwrap());
        packet(false, server, client, 0x10, b"", time + 100);
        packet(false, server, client, 0x18, answer, time + 200);
        server = server.wrapping_add(u32::try_from(answer.len()).unwrap());
        packet(true, client, server, 0x10, b"", time + 300);
    }
    file
}

/// Allocations of a whole analysis, and the peak of its memory.
fn measure(file: Vec<u8>) -> (u64, usize) {
    let source = Source::Stream("test".to_string(), Box::new(std::io::Cursor::new(file)));
    let before = dhat::HeapStats::get().total_blocks;
    let capture = Capture::open(vec![source], &CaptureOptions::default()).unwrap();
    let report = analyze(capture, &AnalysisOptions::default(), &AtomicBool::new(false), &mut |_, _| {});
    let after = dhat::HeapStats::get();
    assert_eq!(report.connections.len(), 1);
    assert_eq!(report.capture.tcp_segments, report.capture.frames);
    (after.total_blocks - before, after.curr_bytes)
}

#[test]
fn packets_cost_no_allocation() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let (few, _) = measure(exchanges(5_000));
    let (many, _) = measure(exchanges(20_000));
    assert!(many <= few + 64, "20,003 packets made {few} allocations, 80,003 made {many}");
}
