#!/usr/bin/env python3
"""How much memory a report on many connections takes, as the kernel counts it for the process.

usage: memory.py AFTERFIN_BINARY [CONNECTIONS]     prints one JSON object; the capture goes to a temporary file and is removed

Three server endpoints with timers that scatter by 1 %, one of them with three hosts that only the Host field tells apart; every connection carries two
requests, nineteen in twenty end by the server's timer, the others by the client. Two hundred connections begin in a second, so that thousands are open.
"""
import heapq
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

SERVERS = ((bytes((10, 0, 0, 1)), 80), (bytes((10, 0, 0, 2)), 8080), (bytes((10, 0, 0, 3)), 443))
HOSTS = (("short.example", 0, 7.3), ("long.example", 1, 63.5), ("a.example", 2, 5.0), ("b.example", 2, 15.0), ("c.example", 2, 40.0))
FIN, SYN, PSH, ACK = 1, 2, 8, 16
ANSWER = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 2\r\n\r\nok"
START = 1_790_000_000
MILLISECOND = 0.001


def connection(number, dice):
    """Yields time and frame of one connection."""
    host, place, timer = HOSTS[number % 5]
    server, port = SERVERS[place]
    client = bytes((10, 1, (number >> 14) & 0x3F, 1 + ((number >> 8) & 0x3F)))
    source = 1024 + number % 60_000
    request = f"GET /orders HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\n\r\n".encode()
    now = number * 0.005
    numbers = [number * 7919 & 0xFFFFFFFF, number * 104729 & 0xFFFFFFFF]

    def frame(side, flags, payload=b""):
        ends = (client, source, server, port) if side == 0 else (server, port, client, source)
        ack = numbers[1 - side] if flags & ACK else 0
        tcp = struct.pack(">HHIIBBHHH", ends[1], ends[3], numbers[side], ack, 0x50, flags, 64_000, 0, 0)
        total = 40 + len(payload)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, 64, 6, 0, ends[0], ends[2])
        numbers[side] = numbers[side] + len(payload) + (1 if flags & (SYN | FIN) else 0) & 0xFFFFFFFF
        return ip + tcp + payload

    yield now, frame(0, SYN)
    yield now + MILLISECOND, frame(1, SYN | ACK)
    yield now + 2 * MILLISECOND, frame(0, ACK)
    idle = timer * dice.uniform(0.99, 1.01)
    for wait in (2 * MILLISECOND, dice.uniform(1.0, timer * 0.9)):
        now += wait
        yield now, frame(0, PSH | ACK, request)
        now += 2 * MILLISECOND
        yield now, frame(1, PSH | ACK, ANSWER)
    by_client = dice.random() < 0.05
    now += dice.uniform(0.1, idle) if by_client else idle
    first = 0 if by_client else 1
    yield now, frame(first, FIN | ACK)
    yield now + MILLISECOND, frame(1 - first, FIN | ACK)
    yield now + 2 * MILLISECOND, frame(first, ACK)


def write(path, connections):
    """Writes the capture in the order of time; gives the number of frames and the most connections that were open at once."""
    dice = random.Random(6)
    frames = most = 0
    going = []
    begun = 0
    with open(path, "wb", buffering=1 << 20) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101))
        while going or begun < connections:
            if begun < connections and (not going or begun * 0.005 <= going[0][0]):
                life = connection(begun, dice)
                at, octets = next(life)
                heapq.heappush(going, (at, begun, octets, life))
                begun += 1
                most = max(most, len(going))
                continue
            at, number, octets, life = going[0]
            nanos = round(at * 1e9)
            out.write(struct.pack("<IIII", START + nanos // 10**9, nanos % 10**9, len(octets), len(octets)) + octets)
            frames += 1
            following = next(life, None)
            if following is None:
                heapq.heappop(going)
            else:
                heapq.heapreplace(going, (following[0], number, following[1], life))
    return frames, most


def run(command, out):
    """Runs it; gives its largest resident set in octets and the seconds it took."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=out)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{command}: exit status {process.returncode}")
    return usage.ru_maxrss * 1024, time.monotonic() - began


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory() as directory:
        capture, report = os.path.join(directory, "many.pcap"), os.path.join(directory, "report.json")
        frames, most = write(capture, connections)
        octets = os.path.getsize(capture)
        with open(os.devnull, "wb") as nowhere:
            text, seconds = run([sys.argv[1], "report", capture], nowhere)
        with open(report, "wb") as out:
            as_json, _ = run([sys.argv[1], "report", "--format", "json", capture], out)
        with open(report, "rb") as written:
            found = json.load(written)
    timers = {(row["server"]["ip"], row["host"]): row["seconds"] for row in found["timeouts"] if row["side"] == "server" and row["what"] == "idle"}
    wanted = {(f"10.0.0.{place + 1}", host if place == 2 else None): seconds for host, place, seconds in HOSTS}
    wrong = {f"{ip} {host}": (seconds, timers.get((ip, host))) for (ip, host), seconds in wanted.items()
             if abs((timers.get((ip, host)) or 0) - seconds) > max(0.1, seconds * 0.03)}
    print(json.dumps({"connections": found["capture"]["connections"], "frames": frames, "octets": octets, "open_at_once": most, "seconds": round(seconds, 1),
                      "resident_text": text, "resident_json": as_json, "timers": len(timers), "wrong": wrong}))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
