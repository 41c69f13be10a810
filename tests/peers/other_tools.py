#!/usr/bin/env python3
"""Compares afterfin with what the test suites of Zeek, tcptrace, Arkime, nDPI and pkts expect of their own captures.

usage: other_tools.py AFTERFIN_BINARY CORPUS_DIRECTORY [--show]

Each tool cuts connections by rules of its own (silence, timeouts), so counts are summed over all connections of one pair of endpoints. Compared are

  zeek      packets of both sides, and the final state where a pair has one connection on either side
  tcptrace  packets, unique payload octets, SYN and FIN counts
  arkime    packets
  pkts      number of connections

Prints the agreement of each; --show lists the deviations. The floors are what was measured when each deviation had been looked at: most are packets that the
tool leaves out by its own rules (bad checksums, segments after its connection had ended, packets that its filters dropped). Exits 0 when every floor holds.
"""
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

FLOORS = {
    # wikipedia (a filter that changes in mid-capture), gre-aruba-amsdu (two packets in one frame), vntag_vlan_sandwich (truncated: Zeek counts none)
    "zeek packets": 97.0,
    "zeek state": 99.0,
    "tcptrace packets": 99.0,
    "tcptrace unique octets": 98.0,  # urgent.dmp: tcptrace counts a zero-window probe's octet as sent again
    "tcptrace syn/fin": 99.0,
    "arkime packets": 99.0,
    "pkts connections": 100.0,
}
STATES = {  # Zeek's conn_state and what it means in a report: (state, handshake) that agree
    "S0": lambda row: row["handshake"] in ("unanswered", "partial", "none"),
    "REJ": lambda row: row["handshake"] == "refused",
    "S1": lambda row: row["state"] == "open",
    "S2": lambda row: row["state"] == "half-closed",
    "S3": lambda row: row["state"] == "half-closed",
    # An RST after both FINs is the end of the connection for Zeek too.
    "SF": lambda row: row["state"] == "closed" or row["client_to_server"]["fin"] and row["server_to_client"]["fin"],
    "RSTO": lambda row: row["state"] == "reset",
    "RSTR": lambda row: row["state"] == "reset",
}


def pair(a, b):
    return tuple(sorted((str(a[0]), int(a[1])) for a in (a, b)))


class Report:
    """afterfin's connections of one capture, by pair of endpoints."""

    def __init__(self, binary, path):
        run = subprocess.run([binary, "report", "--format", "json", path], capture_output=True, timeout=120)
        self.failed = None if run.stdout.strip() else run.stderr.decode(errors="replace").strip()
        self.rows = [] if self.failed else json.loads(run.stdout)["connections"]
        self.by_pair = {}
        for row in self.rows:
            ends = [(row[role]["ip"], row[role]["port"]) for role in ("client", "server")]
            self.by_pair.setdefault(pair(*ends), []).append((ends, row))

    def sums(self, ends, name):
        """The sum of a count, for each of the two endpoints in the order given."""
        total = Counter()
        for (client, server), row in self.by_pair.get(pair(*ends), []):
            total[client] += row["client_to_server"][name]
            total[server] += row["server_to_client"][name]
        return tuple(total[(str(ip), int(port))] for ip, port in ends)


def zeek(root, captures):
    """(capture, pair → records of conn.log) of each baseline that describes a whole capture."""
    for line in (root / "zeek/INDEX.tsv").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        baseline, log, _, sha, _, agrees, *_ = line.split("\t")
        if agrees != "True" or sha not in captures:
            continue
        flows, names = {}, []
        for record in (root / "zeek" / baseline / log).read_text(errors="replace").splitlines():
            if record.startswith("#fields"):
                names = record.split("\t")[1:]
            elif not record.startswith("#") and names:
                row = dict(zip(names, record.split("\t")))
                if row.get("proto") == "tcp" and "id.orig_h" in row and all(row.get(name, "-").isdigit() for name in ("id.orig_p", "id.resp_p", "orig_pkts", "resp_pkts")):
                    ends = (row["id.orig_h"], int(row["id.orig_p"])), (row["id.resp_h"], int(row["id.resp_p"]))
                    flows.setdefault(pair(*ends), []).append((ends, row))
        yield captures[sha], flows


def tcptrace(root, files):
    """(capture, connections) of each `tcptrace -l` output."""
    for path in sorted((root / "tcptrace").glob("*.long.txt")):
        name = path.name.removesuffix(".long.txt").removesuffix(".gz")
        if name not in files:
            continue
        flows = []
        for part in path.read_text(errors="replace").split("TCP connection ")[1:]:
            hosts = re.findall(r"host \w+:\s+(\S+?):(\d+)$", part, re.M)
            values = lambda label: tuple(map(int, re.search(rf"^ *{label}: +(\d+) .*?{label}: +(\d+)", part, re.M).groups()))
            marks = re.search(r"SYN/FIN pkts sent: +(\d+)/(\d+) +SYN/FIN pkts sent: +(\d+)/(\d+)", part)
            if len(hosts) == 2 and marks:
                flows.append((hosts, values("total packets"), values("unique bytes sent"), tuple(map(int, marks.groups()))))
        yield files[name], flows


def arkime(root, files):
    for path in sorted((root / "arkime").glob("*.test.json")):
        name = path.name.replace(".test.json", ".pcap")
        if name not in files:
            continue
        total = {}
        for session in json.loads(path.read_text())["sessions3"]:
            body = session["body"]
            if body.get("ipProtocol") == 6 and "port" in body["source"]:
                ends = [(body[side]["ip"], body[side]["port"]) for side in ("source", "destination")]
                count = total.setdefault(pair(*ends), Counter())
                for end, side in zip(ends, ("source", "destination")):
                    count[end] += body[side]["packets"]
        yield files[name], total


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, root, show = sys.argv[1], Path(sys.argv[2]), "--show" in sys.argv
    manifest = [line.split("\t") for line in (root / "MANIFEST.tsv").read_text().splitlines() if line and not line.startswith("#")]
    by_sha = {sha: root / "captures" / path for path, sha, *_ in manifest}
    by_name = lambda owner: {Path(path).name: root / "captures" / path for path, *_ in manifest if re.match(owner, path)}
    seen, good, reports = Counter(), Counter(), {}

    def report(path):
        if path not in reports:
            reports[path] = Report(binary, path)
            if reports[path].failed:
                print(f"not read: {path.name}: {reports[path].failed}")
        return reports[path]

    def judge(what, path, where, want, got):
        if report(path).failed:
            return
        seen[what] += 1
        good[what] += want == got
        if want != got and show:
            print(f"{what}: {path.name} {where}: wanted {want}, got {got}")

    for path, flows in zeek(root, by_sha):
        for where, records in flows.items():
            ends = records[0][0]
            want = tuple(sum(int(row[f"{side}_pkts"]) for orig, row in records for side, end in zip(("orig", "resp"), orig) if end == mine) for mine in ends)
            judge("zeek packets", path, where, want, report(path).sums(ends, "segments"))
            rows = report(path).by_pair.get(where, [])
            state = records[0][1].get("conn_state")
            if len(records) == len(rows) == 1 and state in STATES:
                row = rows[0][1]
                judge("zeek state", path, where, state, state if STATES[state](row) else f"{row['handshake']}, {row['state']}")
    for path, flows in tcptrace(root, by_name(r"blitz\+tcptrace/")):
        for hosts, packets, unique, marks in flows:
            if sum(set(h) == set(hosts) for h, *_ in flows) > 1 or "." not in hosts[0][0]:
                continue  # the same pair twice: tcptrace and afterfin may cut elsewhere; IPv6 is written without its groups
            judge("tcptrace packets", path, hosts, packets, report(path).sums(hosts, "segments"))
            judge("tcptrace unique octets", path, hosts, unique, report(path).sums(hosts, "unique_octets"))
            syn, fin = report(path).sums(hosts, "syn"), report(path).sums(hosts, "fin")
            judge("tcptrace syn/fin", path, hosts, marks, (syn[0], fin[0], syn[1], fin[1]))
    for path, total in arkime(root, by_name(r"(arkime\+arkime|aol\+moloch)/")):
        for where, counts in total.items():
            judge("arkime packets", path, where, tuple(counts[end] for end in where), report(path).sums(where, "segments"))
    pkts = by_name(r"aboutsip\+pkts/")
    for line in (root / "pkts-expected.tsv").read_text().splitlines():
        name, _, text = line.partition("\t")
        count = re.match(r"(\d+) stream", text)
        if count and name in pkts:
            judge("pkts connections", pkts[name], "", int(count[1]), len(report(pkts[name]).rows))
    low = False
    for what, floor in FLOORS.items():
        share = 100.0 * good[what] / seen[what] if seen[what] else 0.0
        low |= share < floor or not seen[what]
        print(f"{what:24} {share:6.2f} %  ({good[what]} of {seen[what]}, floor {floor} %)")
    sys.exit(1 if low else 0)


if __name__ == "__main__":
    main()
