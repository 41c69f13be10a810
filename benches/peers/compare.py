#!/usr/bin/env python3
"""Runs afterfin beside its peers on the same captures and prints the wanted ratios beside the reached ones.

Exit code 1: a ratio is above its limit in limits.py. Every option is explained by --help; README.md has the rest.
"""
import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import limits
import measure

ROOT = Path(__file__).resolve().parents[2]
# Everything about the packets, without the hashes of the file: by default it reads the file three times for them.
CAPINFOS = ["capinfos", "-tEscaeuyizox"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, help="the afterfin to measure [default: build it with the release profile]")
    parser.add_argument("--generator", type=Path, help="the built example `workload` [default: build it with the release profile]")
    parser.add_argument("--directory", type=Path, default=ROOT / "target/peers", help="where the captures are made and kept")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the workloads; 0.05 takes about two minutes [default: 1]")
    parser.add_argument("--workloads", default="web,small,many", help="of these [default: web,small,many]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each pair; the median counts [default: 5]")
    parser.add_argument("--slow-rounds", type=int, default=1, help="rounds with tshark and tcptrace [default: 1]")
    parser.add_argument("--skip", default="", help="rows to leave out: " + ",".join(limits.GOALS))
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall",
                        help="what is compared; processor time (user + system) is steadier on a machine that does other things [default: wall]")
    parser.add_argument("--tcptrace", default="tcptrace", help="the program, if it is not in the path")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    parser.add_argument("--smoke", action="store_true",
                        help="a short form: scale 0.01, three rounds, processor time, no slow peers, generous limits")
    options = parser.parse_args()
    if options.smoke:
        options.scale, options.rounds, options.clock = 0.01, 3, "processor"
        options.skip += ",tshark,tcptrace,gzip,zstd,json,threads"
    options.workloads = options.workloads.split(",")
    options.skip = {name for name in options.skip.split(",") if name}
    unknown = (options.skip - limits.GOALS.keys()) | (set(options.workloads) - limits.CONNECTIONS.keys())
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if options.rounds < 1 or options.slow_rounds < 1:
        parser.error("at least one round")
    return options


def built(path, *target):
    """A program of this repository, built if none was named."""
    if path:
        return path.resolve()
    subprocess.run(["cargo", "build", "--release", "--locked", *target], cwd=ROOT, check=True)
    return ROOT / "target/release" / ("afterfin" if target[0] == "--bin" else f"examples/{target[1]}")


def captures(generator, workload, options):
    """The workload's files, made unless they are there: pcap, pcapng, and the totals."""
    connections = max(100, round(limits.CONNECTIONS[workload] * options.scale))
    options.directory.mkdir(parents=True, exist_ok=True)
    pcap = options.directory / f"{workload}-{connections}.pcap"
    told = pcap.with_suffix(".json")
    if not told.exists():
        print(f"making {pcap}", file=sys.stderr)
        run = subprocess.run([generator, workload, str(connections), pcap], stderr=subprocess.PIPE, text=True, check=True)
        told.write_text(run.stderr)
    pcapng = pcap.with_suffix(".pcapng")
    if not pcapng.exists() and not ({"capinfos_pcapng"} & options.skip):
        if shutil.which("editcap"):
            subprocess.run(["editcap", "-F", "pcapng", pcap, pcapng], check=True, stderr=subprocess.DEVNULL)
        else:
            subprocess.run([generator, workload, str(connections), pcapng], check=True, stderr=subprocess.DEVNULL)
    return pcap, pcapng, json.loads(told.read_text())


def compressed(pcap, tool, suffix):
    path = Path(f"{pcap}{suffix}")
    if not path.exists():
        with open(path, "wb") as out:
            subprocess.run([tool, "-c", "-q", pcap] if tool == "zstd" else [tool, "-c", "-6", pcap], stdout=out, check=True)
    return path


class Comparison:
    """The rows of one workload."""

    def __init__(self, options, binary, workload, pcap, pcapng, totals):
        self.options, self.binary, self.workload = options, binary, workload
        self.pcap, self.pcapng, self.totals = pcap, pcapng, totals
        self.rows = {}

    def afterfin(self, path, *more):
        # 0 and 1 are sound ends: 1 says that there are findings, if it was asked to.
        return lambda: measure.run([self.binary, "report", *more, path], accepted=(0, 1))

    @staticmethod
    def peer(*command):
        return lambda: measure.run(command)

    def compare(self, row, first, second, rounds=None, inverse=False, clock=None):
        """One row: the ratio of first to second, or of second to first where the goal is «times faster»."""
        clock = clock or self.options.clock
        pair = measure.pair(first, second, rounds or self.options.rounds, clock)
        ratio = 1 / pair.ratio if inverse else pair.ratio
        nanoseconds = [run.seconds(clock) * 1e9 / self.totals["packets"] for run in (pair.first, pair.second)]
        self.rows[row] = {
            "value": ratio,
            "clock": clock,
            "rounds": pair.rounds,
            "afterfin_ns_per_packet": nanoseconds[0],
            "other_ns_per_packet": nanoseconds[1],
            "afterfin": vars(pair.first),
            "other": vars(pair.second),
        }
        print(f"  {self.workload:5} {row:15} {ratio:8.2f}   {nanoseconds[0]:8.1f} ns against {nanoseconds[1]:8.1f} ns per packet", file=sys.stderr)
        return pair

    def wanted(self, row, tool=None):
        if row in self.options.skip or (row, self.workload) in limits.NEVER:
            return False
        if tool and not shutil.which(tool):
            print(f"  {self.workload:5} {row:15} skipped: {tool} is not installed", file=sys.stderr)
            return False
        return True

    def run(self):
        report = self.afterfin(self.pcap)
        measure.warm(self.pcap)
        if self.wanted("read"):
            self.compare("read", report, lambda: measure.read(self.pcap))
        if self.wanted("capinfos", "capinfos"):
            self.compare("capinfos", report, self.peer(*CAPINFOS, self.pcap))
        if self.wanted("capinfos_pcapng", "capinfos"):
            measure.warm(self.pcapng)
            self.compare("capinfos_pcapng", self.afterfin(self.pcapng), self.peer(*CAPINFOS, self.pcapng))
        if self.wanted("threads"):
            self.compare("threads", self.afterfin(self.pcap, "--threads", "2"), self.afterfin(self.pcap, "--threads", "1"), clock="wall")
        for tool, suffix in (("gzip", ".gz"), ("zstd", ".zst")):
            if self.wanted(tool, tool):
                path = compressed(self.pcap, tool, suffix)
                measure.warm(path)
                # two threads share the work: only the wall clock tells
                self.compare(tool, self.afterfin(path), self.peer(tool, "-dcq", path), clock="wall")
        if self.workload in limits.GOALS["json"][3] and self.wanted("json"):
            self.compare("json", self.afterfin(self.pcap, "--format", "json"), report)
        if self.wanted("tshark", "tshark"):
            self.compare("tshark", report, self.peer("tshark", "-n", "-q", "-z", "conv,tcp", "-r", self.pcap), self.options.slow_rounds, inverse=True)
        if self.wanted("tcptrace", self.options.tcptrace):
            self.compare("tcptrace", report, self.peer(self.options.tcptrace, "-n", self.pcap), self.options.slow_rounds, inverse=True)
        if self.wanted("memory"):
            run = report()
            self.rows["memory"] = {"value": run.memory_mib}
            if run.memory_mib == 0:
                print("  peak memory is not known without GNU time (/usr/bin/time)", file=sys.stderr)
                del self.rows["memory"]
        return self.rows


def goal_of(row, workload, scale):
    """The goal; that of memory shrinks with the connections, except for what does not depend on them."""
    goal = limits.GOALS[row][3].get(workload)
    if row == "memory" and goal is not None and scale != 1:
        goal = round(limits.FIXED_MEMORY + (goal - limits.FIXED_MEMORY) * scale)
    return goal


def table(results, scale):
    """Markdown: the wanted value beside the reached one."""
    workloads = list(results)
    lines = ["| | " + " | ".join(f"{name}: wanted | reached" for name in workloads) + " |", "|---|" + "---|---|" * len(workloads)]
    for row, (title, unit, direction, _) in limits.GOALS.items():
        cells = []
        for workload in workloads:
            goal, found = goal_of(row, workload, scale), results[workload]["rows"].get(row)
            value = "–" if found is None else f"{found['value']:.0f}" if found["value"] >= 100 else f"{found['value']:.2f}"
            mark = ""
            if goal is not None and found is not None:
                reached = found["value"] <= goal if direction == limits.AT_MOST else found["value"] >= goal
                mark = " ✓" if reached else " ✗"
            cells += ["–" if goal is None else f"{direction} {goal} {unit}".replace(" ×", ""), value + mark]
        if any(row in results[workload]["rows"] for workload in workloads):
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def regressions(results, bounds):
    return [
        f"{workload}: {limits.GOALS[row][0]}: {results[workload]['rows'][row]['value']:.2f}, the limit is {limit}"
        for row, of_workloads in bounds.items()
        for workload, limit in of_workloads.items()
        if row in results.get(workload, {}).get("rows", {}) and results[workload]["rows"][row]["value"] > limit
    ]


def main():
    options = arguments()
    binary = built(options.binary, "--bin", "afterfin")
    generator = built(options.generator, "--example", "workload")
    machine = measure.machine()
    results = {}
    for workload in options.workloads:
        pcap, pcapng, totals = captures(generator, workload, options)
        rows = Comparison(options, binary, workload, pcap, pcapng, totals).run()
        results[workload] = {"totals": totals, "rows": rows}
    told = {"machine": machine, "load_at_the_end": measure.machine()["load"], "clock": options.clock, "scale": options.scale, "results": results}
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; load {machine['load'][0]} before, {told['load_at_the_end'][0]} after; "
          f"{options.clock} time, scale {options.scale}\n")
    for workload, result in results.items():
        totals = result["totals"]
        print(f"{workload}: {totals['packets']:,} packets, {totals['connections']:,} connections, {totals['octets'] / totals['packets']:.0f} octets a packet")
    print(f"\n{table(results, options.scale)}")
    failed = regressions(results, limits.SMOKE_LIMITS if options.smoke else limits.LIMITS)
    for line in failed:
        print(f"REGRESSION: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
