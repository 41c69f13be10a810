#!/usr/bin/env python3
"""Compares afterfin's facts of each connection with those computed here from what tshark dissects.

usage: differential.py AFTERFIN_BINARY CAPTURE...          one line for each deviation: capture, client endpoint, what (tab-separated)
       differential.py --facts CAPTURE...                  prints the facts computed here, as JSON lines

tshark only dissects (addresses, numbers, flags, lengths) and splits 4-tuples into streams; everything else is decided here, so that its own heuristics
(keep-alive, retransmission) play no part. Definitions, per connection, in file order:

  segments, syn, fin, rst   every frame of that side
  payload_octets            sum of TCP payload lengths; unique_octets: each sequence number once
  handshake                 complete: SYN, SYN-ACK and an ACK of it; none: neither SYN nor SYN-ACK; unanswered: a SYN, and nothing came back
  first_fin                 frame and sender of the first FIN
  wire_gaps                 silences of 1 s or more between consecutive frames
  keepalive_probes          0 or 1 octet at snd_nxt - 1, ACK, no SYN, FIN or RST, all that side sent is acknowledged, the peer's last window is not 0, no FIN sent
  after_close               first segment with octets beyond everything that side had sent, after a FIN of the other side, filling no hole, not beyond its own FIN

Deliberate differences:

  tshark before 4.4 does not begin a stream at a SYN-ACK with another number: such streams are split here. Later ones also begin one at a SYN with the known
  number after a FIN or RST, which afterfin takes for an incarnation inside the connection: such streams are joined here.
  Between a SYN and its SYN-ACK, a segment of the other side that does not acknowledge the SYN is one of the incarnation before, under way for long: it counts,
  and has no effect. Its sender has sent nothing yet in this connection, so that the SYN-ACK which comes then joins whatever it acknowledges.
  A frame seen again within 5 ms is no probe.
  Incarnations inside a stream (numbers that jump by more than 2**20, or a SYN with the known number after payload, FIN or RST) are told apart by afterfin alone:
  only counts are compared there.
"""
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

FIELDS = "frame.number frame.time_epoch ip.src ip.dst ipv6.src ipv6.dst tcp.stream tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.len tcp.window_size_value ip.id tcp.options.timestamp.tsval".split()
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
WRAP, HALF = 1 << 32, 1 << 31
NANOSECONDS = 10**9
JUMP = 1 << 20
OBSERVED_AGAIN = 5_000_000  # nanoseconds: a second sight of the same frame, no second SYN
SERVERS = ("10.2.0.1", "2001:db8:0:2::1")  # of the generator
SIDES = ("segments", "payload_octets", "unique_octets", "syn", "fin", "rst", "keepalive_probes")
COUNTS = ("segments", "payload_octets", "syn", "rst")


class Frame:
    __slots__ = ("number", "time", "source", "destination", "stream", "seq", "ack", "flags", "length", "window", "mark")

    def __init__(self, row):
        number, time, s4, d4, s6, d6, stream, sport, dport, seq, ack, flags, length, window, ip_id, stamp = row
        seconds, _, fraction = time.partition(".")
        self.number, self.time, self.stream = int(number), int(seconds) * NANOSECONDS + int((fraction + "0" * 9)[:9]), int(stream)
        self.source, self.destination = endpoint(s4 or s6, sport), endpoint(d4 or d6, dport)
        self.seq, self.ack, self.flags, self.length, self.window = int(seq), int(ack or 0), int(flags, 16), int(length), int(window)
        self.mark = (ip_id, stamp)

    def has(self, flag):
        return bool(self.flags & flag)


def endpoint(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def tshark_version():
    text = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", text).groups()))


def frames(path):
    command = ["tshark", "-n", "-r", path, "-o", "tcp.desegment_tcp_streams:FALSE", "-Y", "tcp", "-T", "fields", "-E", "separator=/t"]
    for field in FIELDS:
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [Frame(line.split("\t")) for line in run.stdout.splitlines() if line]


def streams(path, split):
    by_number = {}
    for frame in frames(path):
        by_number.setdefault(frame.stream, []).append(frame)
    parts = joined([part for stream in by_number.values() for part in (resplit(stream) if split else [stream])])
    return sorted(parts, key=lambda part: part[0].number)


class Opening:
    """A SYN that waits for its SYN-ACK."""

    def __init__(self):
        self.syn = None
        self.next = 1  # beyond everything that its sender sent, from the SYN on
        self.over = False

    def ahead(self, number):
        return (number - self.syn.seq + HALF) % WRAP - HALF

    def is_stray(self, frame):
        """Whether the frame belongs to the incarnation before; frames come in order."""
        if frame.flags & (SYN | ACK | RST) == SYN:
            self.syn = self.syn or frame
        elif frame.has(SYN):
            self.over = True
        elif self.syn and not self.over and not frame.has(RST) and frame.source == self.syn.source:
            self.next = max(self.next, self.ahead(frame.seq) + frame.length + frame.has(FIN))
        elif self.syn and not self.over and frame.source != self.syn.source:
            if frame.has(RST) and not frame.has(ACK):
                return True
            if frame.has(ACK) and not 0 < self.ahead(frame.ack) <= self.next + JUMP:
                return True
            self.over = True
        return False


def resplit(stream):
    """A SYN-ACK with another number, answering another SYN than the one known, begins a connection; Wireshark 4.0 does not see that."""
    parts, known, syns, opening = [[]], {}, set(), Opening()
    for frame in stream:
        if opening.is_stray(frame):
            parts[-1].append(frame)
            continue
        kind = frame.flags & (SYN | ACK | RST)
        other = known.get(frame.source, frame.seq) != frame.seq
        if kind == SYN | ACK and other and (frame.destination, (frame.ack - 1) % WRAP) not in syns:
            parts.append([])
            known, syns, opening = {}, set(), Opening()
            opening.over = True
        if kind == SYN:
            syns |= {(frame.source, frame.seq), (frame.source, (frame.seq + frame.length) % WRAP)}
        known.setdefault(frame.source, frame.seq if frame.has(SYN) else (frame.seq - 1) % WRAP)
        parts[-1].append(frame)
    return parts


def joined(streams):
    """A SYN with the number known goes on with the connection; Wireshark 4.4 begins another one there after a FIN or RST, 4.0 where it missed the split before."""
    parts, current = [], {}
    for stream in sorted(streams, key=lambda stream: stream[0].number):
        first, pair = stream[0], frozenset((stream[0].source, stream[0].destination))
        before = current.get(pair)
        if first.flags & (SYN | ACK | RST) == SYN and known_number(before or [], first.source) == first.seq:
            before.extend(stream)
            continue
        parts.append(list(stream))
        current[pair] = parts[-1]
    return parts


def known_number(frames, source):
    """The number of a side's SYN, else the one before the first octet that its first segment or an earlier acknowledgement of it tells."""
    known = None
    for frame in frames:
        if frame.source == source and frame.has(SYN) and not frame.has(RST):
            return frame.seq
        if known is None and frame.source == source:
            known = (frame.seq - 1) % WRAP
        elif known is None and frame.has(ACK):
            known = (frame.ack - 1) % WRAP
    return known


def seen_again(frame, before):
    """Whether one of the last frames is another sight of this one."""
    same = lambda f: (f.source, f.seq, f.ack, f.flags, f.length, f.window, f.mark)
    return any(same(frame) == same(seen) and frame.time - seen.time <= OBSERVED_AGAIN for seen in before[-6:])


class Side:
    def __init__(self):
        self.count = dict.fromkeys(SIDES, 0)
        self.next = None  # beyond everything sent, unwrapped
        self.reference = None  # a number to unwrap by: the same, or what the other side acknowledged
        self.data_end = None
        self.acknowledged = None  # highest acknowledgement sent, in the other side's numbers
        self.window = None
        self.fin = None  # unwrapped number of the first FIN
        self.ranges = []

    def unwrap(self, number):
        near = self.reference
        return number if near is None else near + (number - near + HALF) % WRAP - HALF


def unique(ranges):
    total, end = 0, None
    for low, high in sorted(ranges):
        low = low if end is None else max(low, end)
        if high > low:
            total += high - low
        end = high if end is None else max(end, high)
    return total


def judge_handshake(syn, syn_ack, final_ack, sides):
    if syn and syn_ack and final_ack:
        return "complete"
    if not syn and not syn_ack:
        return "none"
    silent = any(not side.count["segments"] for side in sides) and not any(side.count["rst"] for side in sides)
    return "unanswered" if syn and not syn_ack and silent else "other"


def facts(part):
    ends = {part[0].source: Side(), part[0].destination: Side()}
    gaps, longest, previous = 0, None, None
    syn = syn_ack = final_ack = first_fin = after_close = None
    jumped, used, begins, opening = False, False, {}, Opening()
    for place, frame in enumerate(part):
        own, other = ends[frame.source], ends[frame.destination]
        rst = frame.has(RST)
        own.count["segments"] += 1
        own.count["payload_octets"] += frame.length
        own.count["rst"] += rst
        if previous is not None and frame.time - previous >= NANOSECONDS:
            gaps, longest = gaps + 1, max(longest or 0, frame.time - previous)
        previous = frame.time
        if opening.is_stray(frame):
            own.count["fin"] += frame.has(FIN)
            continue
        if frame.flags & (SYN | ACK | RST) == SYN:
            jumped = jumped or (used and begins.get(frame.source) == frame.seq)
        begins.setdefault(frame.source, frame.seq if frame.has(SYN) else (frame.seq - 1) % WRAP)
        used = used or rst or frame.has(FIN) or (frame.length > 0 and not frame.has(SYN))
        if rst:
            continue
        at = own.unwrap(frame.seq)
        if own.next is not None and abs(at - own.next) > JUMP:
            jumped = True
        start = at + frame.has(SYN)
        end = start + frame.length
        if frame.has(SYN):
            own.count["syn"] += 1
            if not frame.has(ACK):
                syn = syn or frame
            else:
                syn_ack = syn_ack or frame
        elif syn_ack and not final_ack and frame.source != syn_ack.source and frame.has(ACK) and (frame.ack - syn_ack.seq - 1) % WRAP < HALF:
            final_ack = frame
        probe = own.next is not None and frame.length <= 1 and not frame.has(SYN | FIN) and at == own.next - 1
        if probe and frame.has(ACK) and own.fin is None and other.acknowledged is not None and other.acknowledged >= own.next and other.window != 0:
            own.count["keepalive_probes"] += not seen_again(frame, part[max(0, place - 6) : place])
        new = frame.length > 0 and not probe and (own.data_end is None or end > own.data_end) and (own.fin is None or end <= own.fin)
        hole = own.next is not None and at < own.next
        if new and not hole and other.fin is not None and after_close is None:
            after_close = frame.number
        if frame.has(FIN):
            own.count["fin"] += 1
            own.fin = end if own.fin is None else own.fin
            first_fin = first_fin or (frame.number, frame.source)
        own.next = max(end + frame.has(FIN), own.next if own.next is not None else end + frame.has(FIN))
        own.reference = own.next
        if frame.length:
            own.ranges.append((start, end))
            own.data_end = max(end, own.data_end if own.data_end is not None else end)
        if frame.has(ACK):
            if other.reference is None and not frame.has(SYN):
                other.reference = frame.ack
            ack = other.unwrap(frame.ack) if other.reference is not None else None
            if ack is not None:
                own.acknowledged = ack if own.acknowledged is None else max(ack, own.acknowledged)
        own.window = frame.window
    for side in ends.values():
        side.count["unique_octets"] = unique(side.ranges)
    client = syn.source if syn else syn_ack.destination if syn_ack else None
    handshake = judge_handshake(syn, syn_ack, final_ack, ends.values())
    return {
        "first_frame": part[0].number, "pair": sorted(ends), "client": client, "sides": {name: side.count for name, side in ends.items()}, "handshake": handshake,
        "first_fin": first_fin, "wire_gaps": (gaps, None if longest is None else longest / 1e9), "after_close": after_close, "jumped": jumped,
    }


def reported(binary, path):
    run = subprocess.run([binary, "report", "--format", "json", path], capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"afterfin ended with {run.returncode} on {path}: {run.stderr.strip()[:400]}")
    return sorted(json.loads(run.stdout)["connections"], key=lambda row: row["stream"])


def view(row):
    """A row of the report in the shape of facts()."""
    client, server = (endpoint(row[role]["ip"], row[role]["port"]) for role in ("client", "server"))
    handshake = row["handshake"] if row["handshake"] in ("complete", "none", "unanswered") else "other"
    fin, after, gaps = row["first_fin"], row["after_close"], row["wire_gaps"]
    return {
        "first_frame": row["first_frame"], "pair": sorted((client, server)), "client": client if row["role_basis"] != "guess" else None,
        "sides": {client: row["client_to_server"], server: row["server_to_client"]}, "handshake": handshake,
        "first_fin": fin and (fin["frame"], client if fin["by"] == "client" else server),
        "wire_gaps": (gaps["count"], gaps["longest_seconds"] if gaps["count"] else None), "after_close": after and after["first_frame"],
    }


def differences(want, got):
    for side, counts in want["sides"].items():
        for name in COUNTS if want["jumped"] else SIDES:
            if counts[name] != got["sides"][side][name]:
                yield f"{name} of {side}: {counts[name]}, afterfin {got['sides'][side][name]}"
    names = ["first_frame", "wire_gaps"] + ([] if want["jumped"] else ["handshake", "first_fin", "after_close", "client"])
    for name in names:
        a, b = want[name], got[name]
        if name == "wire_gaps" and a[0] == b[0] and (a[1] is None) == (b[1] is None) and (a[1] is None or abs(a[1] - b[1]) < 1e-6):
            continue
        if name == "client" and a is None:
            continue
        if a != b and list(a or ()) != list(b or ()) if isinstance(a, tuple) else a != b:
            yield f"{name}: {a}, afterfin {b}"


def compare(binary, path, split):
    """Deviations of one capture: (client endpoint, what)."""
    wanted, got = {}, {}
    ours = reported(binary, path)
    theirs = [facts(part) for part in streams(path, split)]
    for number, want in enumerate(theirs):
        wanted.setdefault(tuple(want["pair"]), []).append((number, want))
    for row in ours:
        have = view(row)
        got.setdefault(tuple(have["pair"]), []).append((row["stream"], have))
    same_number = len(ours) == len(theirs)
    found = []
    for pair in sorted(set(wanted) | set(got)):
        client = next((name for name in pair if not name.strip("[").startswith(SERVERS)), pair[0])
        a, b = wanted.get(pair, []), got.get(pair, [])
        if len(a) != len(b):
            found.append((client, f"connections: first frames {[w['first_frame'] for _, w in a]}, afterfin {[w['first_frame'] for _, w in b]}"))
            continue
        for (number, want), (stream, have) in zip(a, b):
            if same_number and number != stream:
                found.append((client, f"number: {number}, afterfin {stream}"))
            found += [(client, f"frame {want['first_frame']}: {text}") for text in differences(want, have)]
    frames_total = sum(side["segments"] for want in theirs for side in want["sides"].values())
    return found, len(theirs), frames_total


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        split = tshark_version() < (4, 4)
    except FileNotFoundError:
        sys.exit("tshark is not installed")
    first, paths = sys.argv[1], sys.argv[2:]
    if first == "--facts":
        for path in paths:
            for number, part in enumerate(streams(path, split)):
                print(json.dumps({"capture": path, "stream": number, **facts(part)}))
        return
    connections = segments = 0
    with ThreadPoolExecutor(2) as pool:
        for path, (found, streams_seen, frames_seen) in zip(paths, pool.map(lambda path: compare(first, path, split), paths)):
            connections, segments = connections + streams_seen, segments + frames_seen
            for client, what in found:
                print(f"{path}\t{client}\t{what}")
    print(f"compared {connections} connections with {segments} segments", file=sys.stderr)


if __name__ == "__main__":
    main()
