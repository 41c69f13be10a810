#!/usr/bin/env python3
"""Tables that afterfin writes, read by those for whom they are meant: every query of docs/dataset.md with DuckDB, its figures against the JSON report;
the files with Polars and pandas, the stream with pyarrow, and the flow hash computed once more from its description.

    tests/peers/dataset.py AFTERFIN        a program built with the feature parquet; the packages are in tests/peers/requirements.txt
"""

import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow.ipc
import pyarrow.parquet

ROOT = Path(__file__).resolve().parents[2]
# late requests, a silent drop with retransmissions and ICMP errors, resets by a device between, refused connections, two encapsulations
CAPTURES = [
    "t01-blind-10s-client.pcap",
    "t04-dnat-drop-router-any.pcap",
    "t05-silent-drop-client.pcap",
    "t06-tuple-reuse-client.pcap",
    "t07-vxlan-underlay.pcap",
    "table-expired-reset-client.pcap",
    "churn-close-each-client.pcap",
]
TABLES = ["segments", "evidence", "frames", "interfaces", "names", "inputs", "connections", "findings"]
MASK = 2**64 - 1


def mix(state, word):
    """One step of the flow hash, as docs/cluster.md says."""
    z = (state + word + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def flow_hash(one, other, tenant):
    """The flow hash of two endpoints, each (text of the address, port)."""

    def words(endpoint):
        address = ipaddress.ip_address(endpoint[0])
        number = int(address) if address.version == 6 else 0xFFFF00000000 | int(address)
        return number >> 64, number & MASK, endpoint[1]

    low, high = sorted([words(one), words(other)])
    state = 0x243F6A8885A308D3
    for word in (low[0], low[1], high[0], high[1], tenant << 32 | low[2] << 16 | high[2]):
        state = mix(state, word)
    return state - 2**64 if state >> 63 else state


def run(*arguments):
    return subprocess.run([AFTERFIN, *arguments], check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env={**os.environ, "AFTERFIN_CONFIG": ""}).stdout


def queries():
    """The queries of the page, by the question before each."""
    page = (ROOT / "docs/dataset.md").read_text()
    return {question: sql for question, sql in re.findall(r"^\*\*(.+?)\*\*[^\n]*(?:\n[^\n`]+)*\n\n```sql\n(.+?)```", page, re.M | re.S)}


def sum_of(report, field):
    return sum(c["client_to_server"][field] + c["server_to_client"][field] for c in report["connections"])


def check_queries(report):
    """Runs each query in the directory of the tables and compares its figures with the report's."""
    found = {}
    for question, sql in queries().items():
        result = duckdb.sql(sql)
        rows = [dict(zip(result.columns, row)) for row in result.fetchall()]
        assert rows, f"{question}: no row"
        found[question.split("?")[0]] = rows
        print(f"    {len(rows):5} rows  {question}")
    assert len(found) == 10, sorted(found)
    capture, connections, findings = report["capture"], report["connections"], report["findings"]

    rows = found["Is everything there"]
    assert sum(row["frames"] for row in rows) == capture["frames"] and all(row["complete"] for row in rows)
    skipped = {}
    for row in rows:
        if row["what"] == "skipped":
            skipped[row["reason"]] = skipped.get(row["reason"], 0) + row["frames"]
    assert skipped == capture["skipped"], skipped

    octets = {}
    for c in connections:
        for one, other, counts in (("client", "server", "client_to_server"), ("server", "client", "server_to_client")):
            key = c[one]["ip"], c[other]["ip"], c[other]["port"]
            octets[key] = octets.get(key, 0) + c[counts]["payload_octets"]
    for row in found["Who talks most"]:
        assert octets[row["src_ip"], row["dst_ip"], row["dst_port"]] == row["octets"], row

    after = sum((c["after_close"] or {"segments": 0})["segments"] for c in connections)
    assert sum(row["segments"] for row in found["Who goes on after the other side has closed"]) == after > 0

    late = found["Which requests came after the server's FIN or RST, and how late"]
    stale = {f["frame"] for f in findings if f["kind"] == "stale-reuse"}
    assert stale and stale <= {row["frame"] for row in late}, (stale, late)
    assert any((row["begins"] or "").startswith("GET /") for row in late), late

    assert sum(row["resets"] for row in found["Who sends RSTs"]) == sum_of(report, "rst") > 0
    assert any(row["at_least_seconds"] >= 8 for row in found["How long are flows silent"])
    assert sum(row["connections"] for row in found["How many connections a minute, and how many fail"]) == len(connections)
    lost = found["Where are segments lost"]
    assert sum(row["retransmissions"] for row in lost) == sum_of(report, "retransmissions") > 0
    assert sum(row["findings"] for row in found["Which server, which kind of problem, after how much idle time"]) == len(findings) > 0


def check_readers(captures, report):
    """The same files with other readers; the stream."""
    counts = {name: duckdb.sql(f"SELECT count(*) FROM '{name}.parquet'").fetchall()[0][0] for name in TABLES}
    assert counts["connections"] == len(report["connections"]) and counts["findings"] == len(report["findings"])
    for name, count in counts.items():
        assert polars.scan_parquet(f"{name}.parquet").select(polars.len()).collect().item() == count
        assert len(pandas.read_parquet(f"{name}.parquet")) == count
    assert b"afterfin.segments/1" in pyarrow.parquet.ParquetFile("segments.parquet").metadata.metadata[b"afterfin.schema"]
    flows = "SELECT count(DISTINCT flow_hash) FROM segments"
    segments = polars.read_parquet("segments.parquet")
    assert polars.SQLContext(segments=segments).execute(flows, eager=True).item() == segments["flow_hash"].n_unique()

    table = pyarrow.ipc.open_stream(run("segments", *captures)).read_all()
    assert table.schema.metadata[b"afterfin.schema"] == b"afterfin.segments/1"
    end = table.slice(len(table) - 1).to_pylist()[0]
    assert (end["kind"], end["text"], end["number"]) == (8, "complete", len(table) - 1), end
    of_stream = duckdb.sql("SELECT flow_hash, count(*), sum(payload_length) FROM \"table\" WHERE kind = 0 GROUP BY ALL ORDER BY ALL").fetchall()
    of_files = duckdb.sql("SELECT flow_hash, count(*), sum(payload_length) FROM 'segments.parquet' GROUP BY ALL ORDER BY ALL").fetchall()
    assert of_stream == of_files

    ends = "SELECT DISTINCT src_ip, src_port, dst_ip, dst_port, tenant, flow_hash FROM 'segments.parquet'"
    flows = duckdb.sql(ends).fetchall()
    for src_ip, src_port, dst_ip, dst_port, tenant, told in flows:
        assert flow_hash((src_ip, src_port), (dst_ip, dst_port), tenant & 0xFFFFFFFF) == told
    print(f"    {counts['segments']} segments of {len(flows) // 2} flows; DuckDB {duckdb.__version__}, Polars {polars.__version__}, pandas {pandas.__version__}, pyarrow {pyarrow.__version__} agree")


def main():
    captures = [str(ROOT / "fixtures/lab" / name) for name in CAPTURES]
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        run("segments", "--parquet", "-o", ".", *captures)
        run("connections", "-o", "connections.parquet", *captures)
        run("report", "-o", "findings.parquet", *captures)
        report = json.loads(run("report", "--format", "json", *captures))
        check_queries(report)
        check_readers(captures, report)
        os.chdir(ROOT)


if len(sys.argv) != 2:
    sys.exit(__doc__)
AFTERFIN = os.path.abspath(sys.argv[1])
main()
