"""What the packets of a capture show, connection by connection: frames, closes, late and crossing data, idle gaps.

An own small reader (pcap; Ethernet, Linux cooked v2; IPv4; TCP), so that the truth does not come from the program under test.
"""
import hashlib
import struct
from pathlib import Path

FIN, SYN, RST, ACK = 1, 2, 4, 16
CROSSING_S = 0.25  # two segments cross only if they are near in time
GAP_S = 1.0


class Packet:
    """One TCP segment."""

    __slots__ = ("frame", "t", "src", "dst", "seq", "ack", "flags", "window", "length", "payload", "link")

    def __init__(self, frame, t, src, dst, seq, ack, flags, window, length, payload, link):
        self.frame, self.t, self.src, self.dst, self.seq, self.ack = frame, t, src, dst, seq, ack
        self.flags, self.window, self.length, self.payload, self.link = flags, window, length, payload, link


def packets(path):
    """(t0, TCP packets) of a pcap in microseconds; times are relative to its first frame."""
    data = Path(path).read_bytes()
    if len(data) < 24:
        return 0.0, []
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at, frame, t0, out = 24, 0, None, []
    while at + 16 <= len(data):
        seconds, micros, caught, _ = struct.unpack_from(order + "IIII", data, at)
        octets = data[at + 16:at + 16 + caught]
        at += 16 + caught
        frame += 1
        t = seconds * 1_000_000 + micros
        t0 = t if t0 is None else t0
        if link == 276:
            if octets[:2] != b"\x08\x00":
                continue
            ip, address = octets[20:], octets[12:18].hex(":")
        else:
            if octets[12:14] != b"\x08\x00":
                continue
            ip, address = octets[14:], octets[0:6].hex(":") + "<" + octets[6:12].hex(":")
        header = (ip[0] & 15) * 4
        if ip[9] != 6 or struct.unpack_from("!H", ip, 6)[0] & 0x1FFF:
            continue
        total = struct.unpack_from("!H", ip, 2)[0]
        tcp = ip[header:]
        sport, dport, seq, ack, offset, flags, window = struct.unpack_from("!HHIIBBH", tcp, 0)
        skip = (offset >> 4) * 4
        src = ".".join(map(str, ip[12:16])) + f":{sport}"
        dst = ".".join(map(str, ip[16:20])) + f":{dport}"
        out.append(Packet(frame, (t - t0) / 1e6, src, dst, seq, ack, flags, window, total - header - skip, tcp[skip:total - header], address))
    return (t0 or 0) / 1e6, out


def before(a, b):
    """a < b in sequence space."""
    return ((a - b) & 0xFFFFFFFF) > 0x7FFFFFFF


def connections(path):
    """(t0, facts of each connection in the order of Wireshark's stream numbers)."""
    t0, all_packets = packets(path)
    open_now, out = {}, []
    for p in all_packets:
        key = frozenset((p.src, p.dst))
        c = open_now.get(key)
        if c is None or (p.flags & SYN and not p.flags & ACK and (c.isn != p.seq or c.closed)):
            c = open_now[key] = Facts(p, sum(1 for o in out if o.key == key) + 1, key)
            out.append(c)
        c.add(p)
    return t0, out


class Facts:
    """One connection, as it goes by."""

    def __init__(self, p, incarnation, key):
        syn_ack = p.flags & (SYN | ACK) == SYN | ACK
        self.key, self.incarnation = key, incarnation
        self.opener, self.server = (p.dst, p.src) if syn_ack else (p.src, p.dst)
        self.opener_from = "SYN-ACK" if syn_ack else "SYN" if p.flags & SYN else "first packet"
        self.isn = p.seq if p.flags & SYN and not syn_ack else None
        self.packets, self.closes, self.late, self.crossing, self.gaps = [], [], [], [], []
        self.retransmissions, self.probes = [], []
        self.next_seq, self.acked, self.fins, self.last_data = {}, {}, {}, {}
        self.data_t, self.closed, self.requests, self.responses = p.t, False, [], []
        self.pending = []

    def add(self, p):
        peer = p.dst
        self.packets.append(p)
        end = (p.seq + p.length + bool(p.flags & SYN) + bool(p.flags & FIN)) & 0xFFFFFFFF
        known = self.next_seq.get(p.src)
        new = p.length > 0 and (known is None or before(known, (p.seq + p.length) & 0xFFFFFFFF))
        probe = known is not None and p.length <= 1 and not p.flags & (SYN | FIN | RST) and p.seq == (known - 1) & 0xFFFFFFFF \
            and self.acked.get(peer) == known and p.src not in self.fins
        if probe:
            self.probes.append(p.frame)
        elif p.length and not new:
            self.retransmissions.append(p.frame)
        if p.flags & SYN:
            self.data_t = p.t
        if new and not probe:
            self.note_data(p, peer)
        if p.flags & FIN and p.src not in self.fins:
            self.fins[p.src] = (p, (p.seq + p.length) & 0xFFFFFFFF)
            self.closed = True
            self.note_close(p, "FIN")
            for request in (self.last_data.get(peer),):
                if request and p.t - request.t <= CROSSING_S and before(p.ack, (request.seq + request.length) & 0xFFFFFFFF) \
                        and before(request.ack, (self.fins[p.src][1] + 1) & 0xFFFFFFFF):
                    self.crossing.append({"frame": request.frame, "t": round(request.t, 6), "by": request.src, "len": request.length, "fin_frame": p.frame,
                                          "dt_fin_after_request_s": round(p.t - request.t, 6), "then_rst_by_closer": False})
        if p.flags & RST:
            self.closed = True
            self.note_close(p, "RST")
            for late in self.late:
                if late["by"] == peer and late["outcome"] is None:
                    late["outcome"] = {"kind": "rst", "frame": p.frame, "dt_s": round(p.t - late["t"], 6)}
            for crossing in self.crossing:
                if crossing["by"] == peer and not crossing["then_rst_by_closer"]:
                    crossing.update(then_rst_by_closer=True, rst_frame=p.frame)
        if p.flags & ACK and not p.flags & RST:
            if p.src not in self.acked or before(self.acked[p.src], p.ack):
                self.acked[p.src] = p.ack
        if not p.flags & RST and (known is None or before(known, end) or p.flags & SYN):
            self.next_seq[p.src] = end

    def note_data(self, p, peer):
        gap = p.t - self.data_t
        if gap >= GAP_S and self.packets[0] is not p:
            self.gaps.append({"from_t": round(self.data_t, 6), "to_t": round(p.t, 6), "idle_s": round(gap, 6), "ended_by_frame": p.frame, "ended_by": p.src})
        close = next((c for c in self.closes if c["by"] == peer), None)
        if close:
            covers = peer in self.fins and not before(p.ack, (self.fins[peer][1] + 1) & 0xFFFFFFFF)
            self.late.append({"frame": p.frame, "t": round(p.t, 6), "by": p.src, "len": p.length, "after": close["kind"], "after_frame": close["frame"],
                              "dt_s": round(p.t - close["t"], 6), "ack_covers_fin": covers, "own_fin_before": p.src in self.fins, "outcome": None})
        turns = self.requests if p.src == self.opener else self.responses
        others = self.responses if p.src == self.opener else self.requests
        if not turns or (others and others[-1].t >= turns[-1].t and others[-1].frame > turns[-1].frame):
            turns.append(p)
        self.last_data[p.src] = p
        self.data_t = p.t

    def note_close(self, p, kind):
        close = {"by": p.src, "kind": kind, "frame": p.frame, "t": round(p.t, 6), "with_data": p.length, "idle_before_s": round(p.t - self.data_t, 6)}
        if kind == "RST":
            close["has_ack_flag"] = bool(p.flags & ACK)
        self.closes.append(close)

    def verdict(self):
        """What the packets alone suggest; the label comes from the configuration and the programs."""
        if any(d["ack_covers_fin"] and not d["own_fin_before"] for d in self.late):
            return "data after the peer's FIN, acknowledged"
        if self.crossing or any(not d["own_fin_before"] and d["after"] == "FIN" and d["dt_s"] <= CROSSING_S for d in self.late):
            return "race (data crossed the FIN)"
        if len(self.fins) == 2:
            return "both FINs"
        if any(c["kind"] == "RST" for c in self.closes):
            return "reset"
        return "one FIN" if self.fins else "no close seen"

    def row(self, stream, t0):
        """The connection's part of a truth file."""
        closes = [dict(c, epoch=round(t0 + c["t"], 6)) for c in self.closes]
        return {
            "tshark_stream": stream, "tuple": f"{self.opener} -> {self.server}", "incarnation": self.incarnation, "opener": self.opener, "opener_from": self.opener_from,
            "frames": [self.packets[0].frame, self.packets[-1].frame], "packets": len(self.packets),
            "t_first": round(self.packets[0].t, 6), "t_last": round(self.packets[-1].t, 6),
            "closes": closes, "first_close": closes[0] if closes else None,
            "data_after_peer_close": self.late, "crossing_requests": self.crossing, "idle_gaps_over_1s": self.gaps,
            "keepalive_probe_frames": self.probes, "retransmission_frames": self.retransmissions, "auto_verdict": self.verdict(),
        }


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
