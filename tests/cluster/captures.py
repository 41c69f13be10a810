"""Captures for the cluster: sixteen that overlap, and some for one question each. The same octets from the same numbers on every machine.

Traffic is that of `benches/workload`, cut into pieces that share frames with their neighbours as the files of two capturing processes do, and seen once
more at a second capture point: a hop further, 350 µs later. Between them lie recordings of the laboratory.
"""

import gzip
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "fixtures/lab"
RECORDINGS = ["t02-nginx-wired-get-any.pcap", "t03-blindproxy-multi.pcapng", "t05-silent-drop-client.pcap", "churn-close-each-client.pcap"]
HEADER = struct.Struct("<IIII")
GLOBAL = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
OVERLAP = 0.1  # of a piece, at each of its ends
DELAY = 350  # µs between the capture points
PACKETS = {"small": 26, "web": 26, "many": 5}  # of a connection, about
SHARES = {"small": 0.25, "web": 0.15, "many": 0.15}  # of the wanted segments; `small` counts twice, for it is seen at two points


def packets(octets):
    """Where each packet of a classic pcap file of little-endian microseconds begins and ends."""
    at = len(GLOBAL)
    while at < len(octets):
        end = at + HEADER.size + HEADER.unpack_from(octets, at)[2]
        yield at, end
        at = end


def generate(generator, kind, connections, path):
    subprocess.run([generator, kind, str(connections), str(path)], check=True, stderr=subprocess.DEVNULL)


def pieces(octets, count):
    """The file in so many pieces; each begins before the one before it ends."""
    starts = [start for start, _ in packets(octets)] + [len(octets)]
    size = (len(starts) - 1) / count
    for number in range(count):
        first = max(0, int((number - OVERLAP) * size))
        last = min(len(starts) - 1, int((number + 1 + OVERLAP) * size))
        yield GLOBAL + octets[starts[first] : starts[last]]


def further_point(octets):
    """The same traffic a hop further and a little later: other link addresses, one less to live, the checksum that fits (RFC 1624)."""
    copy = bytearray(octets)
    for at, _ in packets(octets):
        seconds, micros, _, _ = HEADER.unpack_from(octets, at)
        moved, micros = divmod(micros + DELAY, 1_000_000)
        struct.pack_into("<II", copy, at, seconds + moved, micros)
        frame = at + HEADER.size
        copy[frame : frame + 12] = b"\x02\0\0\0\1\1\x02\0\0\0\1\2"
        if copy[frame + 12] == 0x08:
            copy[frame + 22] -= 1
            checksum = struct.unpack_from(">H", copy, frame + 24)[0] + 0x100
            struct.pack_into(">H", copy, frame + 24, (checksum & 0xFFFF) + (checksum >> 16))
        else:
            copy[frame + 21] -= 1
    return bytes(copy)


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def as_pcapng(octets, interface):
    """The file as pcapng, with a named interface (draft-ietf-opsawg-pcapng)."""
    name = interface.encode()
    option = struct.pack("<HH", 2, len(name)) + name + b"\0" * (-len(name) % 4) + b"\0\0\0\0"
    blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", 1, 0, 262144) + option)]
    for at, end in packets(octets):
        seconds, micros, kept, wire = HEADER.unpack_from(octets, at)
        time = seconds * 1_000_000 + micros
        blocks.append(block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, kept, wire) + octets[at + HEADER.size : end]))
    return b"".join(blocks)


def sixteen(generator, directory, segments):
    """Sixteen captures of about so many segments; their paths in the order in which they are named, which is not that of time."""
    traffic = {}
    for kind, share in SHARES.items():
        path = directory / f"{kind}.all"
        generate(generator, kind, max(20, int(segments * share / PACKETS[kind])), path)
        traffic[kind] = path.read_bytes()
        path.unlink()
    files = {}
    for number, piece in enumerate(pieces(traffic["small"], 5)):
        if number == 1:
            files[f"front-{number}.pcap.gz"] = gzip.compress(piece, 1, mtime=0)
        elif number == 3:
            files[f"front-{number}.pcapng"] = as_pcapng(piece, "front0")
        else:
            files[f"front-{number}.pcap"] = piece
    for number, piece in enumerate(pieces(further_point(traffic["small"]), 3)):
        files[f"behind-{number}.pcapng"] = as_pcapng(piece, "behind0")
    for kind in ("web", "many"):
        for number, piece in enumerate(pieces(traffic[kind], 2)):
            files[f"{kind}-{number}.pcap"] = piece
    for name, octets in files.items():
        (directory / name).write_bytes(octets)
    paths = [directory / name for name in files]
    for number, name in enumerate(RECORDINGS):
        paths.insert(4 * number, LAB / name)
    paths[3], paths[9] = paths[9], paths[3]
    return paths


def one_flow(directory, segments):
    """A long download in two captures that overlap: every segment is of one connection."""
    client, server = b"\x0a\0\0\5", b"\x0a\0\1\x09"

    def frame(micros, from_client, flags, seq, ack, payload):
        source, destination = (client, server) if from_client else (server, client)
        ports = struct.pack(">HH", 41234, 80) if from_client else struct.pack(">HH", 80, 41234)
        tcp = ports + struct.pack(">IIBBHHH", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0) + payload
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + source + destination
        octets = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip + tcp
        return HEADER.pack(1_790_000_000 + micros // 1_000_000, micros % 1_000_000, len(octets), len(octets)) + octets

    body = b"x" * 64
    parts = [frame(0, True, 0x02, 0, 0, b""), frame(100, False, 0x12, 0, 1, b""), frame(200, True, 0x10, 1, 1, b"")]
    parts.append(frame(300, True, 0x18, 1, 1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    for number in range((segments - 4) * 2 // 3):
        parts.append(frame(1000 + 50 * number, False, 0x10, 1 + 64 * number, 28, body))
        if number % 2:
            parts.append(frame(1020 + 50 * number, True, 0x10, 28, 65 + 64 * number, b""))
    paths = []
    for number, piece in enumerate(pieces(GLOBAL + b"".join(parts), 2)):
        paths.append(directory / f"one-flow-{number}.pcap")
        paths[-1].write_bytes(piece)
    return paths


def with_damage(directory, sound):
    """Some sound captures with a corrupt one, a cut one and a missing one between them."""
    corrupt, cut, missing = directory / "corrupt.pcap", directory / "cut.pcap", directory / "missing.pcap"
    octets = bytearray(Path(sound[0]).read_bytes())
    at = [start for start, _ in packets(octets)]
    octets[at[len(at) // 2] + 8 : at[len(at) // 2] + 16] = b"\xff" * 8  # lengths that cannot be
    corrupt.write_bytes(octets)
    cut.write_bytes(Path(sound[1]).read_bytes()[:-7])
    return [sound[2], corrupt, missing, cut, *sound[3:]]
