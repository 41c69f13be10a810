"""One scenario while it runs: its network, capture points, programs, events and labels; at the end the truth files."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from rig import dissect
from rig.http import Client
from rig.net import Net, wait_all

SNAP = 320  # octets kept of each frame: headers and the first line of what an application says


class Lab:
    """What a scenario function works with."""

    def __init__(self, name, tag, out):
        self.name, self.out = name, Path(out)
        self.net = Net(tag)
        self.home = Path(tempfile.mkdtemp(prefix=f"lab-{name}-"))
        os.chmod(self.home, 0o755)
        self.title, self.config, self.notes = name, {}, []
        self.points, self.events, self.labels, self.rules, self.expected, self.unsure = [], [], [], [], [], []
        self.servers = {}
        self.lock = threading.Lock()
        self.t0 = time.time()

    # --- what happens

    def event(self, who, event, /, **more):
        with self.lock:
            self.events.append({"t": time.time(), "who": who, "ev": event, **more})

    def client(self, space, address, port=80, who="client", **options):
        """A connected client inside a namespace; see `rig.http.Client`."""
        return Client(self, space, address, port, who, **options)

    def together(self, *functions):
        """Runs functions side by side and raises what any of them raised."""
        wrong = []

        def guarded(function):
            try:
                function()
            except Exception as error:  # reported below, in the scenario's own thread
                wrong.append(error)
        threads = [threading.Thread(target=guarded, args=(f,), daemon=True) for f in functions]
        for t in threads:
            t.start()
        for t in threads:
            t.join(90)
        if wrong:
            raise wrong[0]

    # --- capture

    def capture(self, point, space, interface="eth0", only="ip or arp", snap=SNAP):
        """Records at a named point from now on what the filter `only` lets through, `snap` octets of each frame; NAME-POINT.pcap."""
        path = self.home / f"{self.name}-{point}.pcap"
        process = self.net.start(space, "tcpdump", "-i", interface, "--immediate-mode", "-U", "-n", "-s", snap, "-Z", "root", "-w", path,
                                 only, stderr=subprocess.PIPE)
        for line in process.stderr:
            if b"listening on" in line:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        time.sleep(0.1)
        self.points.append((point, space, interface, path, process))

    def stop_captures(self):
        time.sleep(0.4)
        for *_, process in self.points:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        wait_all([p[-1] for p in self.points], 5.0)

    # --- truth

    def label(self, opener, truth, must="yes", why="", sure=True, may=(), accept=(), also=(), at=None, **label):
        """The truth about the connection(s) opened from an endpoint, at all points or those in `at`.

        `accept`: kinds that name it as well; `also`: kinds that must be reported beside it; `may`: kinds that may stand beside it.
        """
        self.labels.append((str(opener), at, {"class": truth, "must_report": must, "sure": sure, "why": why, "accept": sorted(accept), "may": sorted(may), "also": sorted(also)}, label))

    def rule(self, server, judge):
        """The truth about connections to a server endpoint whose client ports no program told: `judge(facts)` gives (class, must, why[, accept])."""
        self.rules.append((server, judge))

    def expect(self, kind, server=None, client=None, must="yes", why="", at=None, **more):
        """A finding that speaks of many connections."""
        self.expected.append((at, {"kind": kind, "server": server, "client": client, "must_report": must, "why": why, **more}))

    def timer(self, server, seconds, why=""):
        """How long a server keeps idle connections: seconds, None where no timer may be claimed, or "seen": the median idle time before its closes."""
        self.servers[server] = {"idle_timeout_s": seconds, "why": why}

    def write(self):
        """Copies each capture out and writes its truth beside it."""
        written = []
        for point, space, interface, path, _ in self.points:
            target = self.out / path.name
            shutil.copyfile(path, target)
            t0, all_facts = dissect.connections(target)
            rows = [self.judged(facts, stream, t0, point) for stream, facts in enumerate(all_facts)]
            events = [dict(e, t_rel=round(e["t"] - t0, 6)) for e in sorted(self.events, key=lambda e: e["t"])]
            truth = {
                "capture": target.name, "files": [target.name], "bytes": target.stat().st_size, "sha256": [dissect.digest(target)],
                "scenario": self.title, "vantage": f"{space}:{interface}", "config": self.config, "capture_t0_epoch": t0,
                "verdict_counts": dict(Counter(r["auto_verdict"] for r in rows)), "unsure": self.unsure, "notes": self.notes,
                "truth_counts": dict(Counter(r["truth"]["class"] for r in rows)), "servers": {server: seen_timer(timer, server, all_facts) for server, timer in self.servers.items()},
                "expected": [e for at, e in self.expected if at is None or point in at], "connections": rows, "app_events": events,
            }
            (self.out / f"{target.stem}.truth.json").write_text(in_lines(truth))
            written.append(target.name)
        return written

    def judged(self, facts, stream, t0, point):
        row = facts.row(stream, t0)
        for opener, at, truth, label in self.labels:
            if opener == facts.opener and (at is None or point in at) and label.get("incarnation", facts.incarnation) == facts.incarnation:
                row["truth"] = dict(truth)
                if label:
                    row["label"] = label
        if "truth" not in row:
            for server, judge in self.rules:
                if server == facts.server:
                    name, must, why, *accept = judge(facts)
                    row["truth"] = {"class": name, "must_report": must, "sure": True, "why": why, "accept": sorted(accept[0]) if accept else [], "may": [], "also": []}
        late = any(d["by"] == facts.opener and d["after"] == "FIN" for d in facts.late)
        if row.get("truth", {}).get("class") == "stale_reuse" and not late:
            self.unsure.append(f"{facts.opener}: labelled a stale reuse at {point}, but no late data there")
        row.setdefault("truth", {"class": "none", "must_report": "no", "sure": True, "why": "", "accept": [], "may": [], "also": []})
        return row

    def end(self):
        self.net.end()
        shutil.rmtree(self.home, ignore_errors=True)


def in_lines(truth):
    """JSON with a line for each field, and for each row of the longer lists."""
    rows = []
    for key, value in truth.items():
        if key in ("connections", "app_events", "expected") and value:
            text = "[\n " + ",\n ".join(json.dumps(row) for row in value) + "\n]"
        else:
            text = json.dumps(value)
        rows.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def seen_timer(timer, server, all_facts):
    """The timer as configured, or as the server kept it."""
    if timer["idle_timeout_s"] != "seen":
        return timer
    idle = sorted(f.closes[0]["idle_before_s"] for f in all_facts if f.closes and f.server == server and f.closes[0]["by"] == server and f.closes[0]["idle_before_s"] > 0.9)
    return dict(timer, idle_timeout_s=idle[len(idle) // 2] if idle else None, samples=idle)


def pooled_leg(facts):
    """The truth of a proxy's connection to a server that closes when idle, from the acknowledgement numbers of the packets alone."""
    late = [d for d in facts.late if d["by"] == facts.opener and not d["own_fin_before"]]
    if any(d["ack_covers_fin"] for d in late):
        return "stale_reuse", "yes", "a request after the server's FIN, which the proxy had acknowledged"
    if late or any(c["by"] == facts.opener for c in facts.crossing):
        return "race_at_timeout", "yes", "a request that crossed the server's FIN"
    aborted = facts.closes and facts.closes[0]["kind"] == "RST" and facts.closes[0]["by"] == facts.server
    if aborted and facts.requests and 0 <= facts.closes[0]["t"] - facts.requests[-1].t <= 0.25 and len(facts.requests) > len(facts.responses):
        return "race_unread_rst", "yes", "the server's close found the request unread: its kernel aborted"
    if facts.closes and facts.closes[0]["by"] == facts.server and facts.closes[0]["idle_before_s"] > 0.9:
        return "idle_close", "no", ""
    return "none", "no", ""
