"""The report made on a real cluster, beside the one of a single process: see tests/cluster/run.

Each check prints a line; the exit status is 1 if one of them fails.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import captures
import costs
import filters
from standalone import Cluster, Job, processes

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "integrations/spark/afterfin_spark.py"


def run_reporting(binary, paths, output):
    """`afterfin report` on the captures: status, processor seconds, peak memory in MiB."""
    with tempfile.TemporaryFile() as messages:
        child = subprocess.Popen([binary, "report", "--no-config", "-o", output, *paths], stderr=messages)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "absent"


class Checks:
    """What is checked, with the figures of each."""

    def __init__(self, arguments, work):
        self.work, self.only = work, arguments.only
        (work / "program").mkdir()
        self.binary = Path(shutil.copy2(arguments.binary, work / "program/afterfin"))  # tasks look for it by this name
        self.arguments, self.failed, self.number = arguments, [], 0
        self.sets = {}

    def tell(self, name, sound, figures):
        print(f"{'PASS' if sound else 'FAIL'}  {name}: {figures}", flush=True)
        if not sound:
            self.failed.append(name)

    def wanted(self, name):
        return not self.only or any(part in name for part in self.only)

    def expect(self, paths):
        """What a single process makes of these captures, made once."""
        key = tuple(map(str, paths))
        if key not in self.sets:
            output = self.work / f"report-{len(self.sets)}.json"
            self.sets[key] = (output, *run_reporting(self.binary, paths, output))
        return self.sets[key]

    def instead(self, text):
        """A shell script that is shipped as `afterfin`; $afterfin is the program, $mark a directory that is not there yet."""
        self.number += 1
        home = self.work / f"instead-{self.number}"
        home.mkdir()
        script = home / "afterfin"
        script.write_text(f"#!/bin/bash\nafterfin={self.binary}\nmark={home / 'mark'}\nlog={home / 'log'}\n{text}\nexec \"$afterfin\" \"$@\"\n")
        script.chmod(0o755)
        return script

    def submit(self, cluster, paths, partitions, binary=None, settings=()):
        self.number += 1
        self.output = self.work / f"cluster-{self.number}.json"
        arguments = ["--partitions", partitions, "-o", self.output, *paths, "--", "--no-config"]
        return Job(cluster, binary or self.binary, SCRIPT, arguments, settings)

    def same(self, name, job, paths, more=lambda totals: (True, "")):
        """Whether the job made the report of a single process, octet by octet, with its exit status."""
        job.wait()
        output, status, _, _ = self.expect(paths)
        equal = self.output.exists() and self.output.read_bytes() == output.read_bytes() and job.status == status
        totals = job.totals()
        sound, figures = more(totals)
        text = (
            f"{digest(self.output)} beside {digest(output)}, status {job.status} beside {status}, {job.seconds:.0f} s, "
            f"{totals['records']} rows in {totals['shuffle'] / 1e6:.1f} MB shuffled{figures}"
        )
        self.tell(name, equal and sound, text if equal else f"{text}, log {job.log}")
        if equal:
            self.output.unlink()  # it is there once already

    def fails(self, name, job, *words):
        """Whether the job ends with an error that names the cause, and without a report."""
        job.wait()
        log = job.log.read_text(errors="replace")
        missing = [word for word in words if word not in log]
        sound = job.status != 0 and not self.output.exists() and not missing
        line = next((line.strip() for line in log.splitlines() if "RuntimeError: afterfin" in line), "")
        self.tell(
            name,
            sound,
            f"status {job.status}, {'a' if self.output.exists() else 'no'} report, {line[:200] or 'no message'}"
            + (f", log {job.log}" if not sound else ""),
        )


def partitions(checks, cluster, sixteen):
    for number in (1, 8, 64):
        if checks.wanted(name := f"{number} partitions"):
            checks.same(name, checks.submit(cluster, sixteen, number), sixteen)


def killed(checks, cluster, sixteen):
    def recovered(orphans):
        def figures(totals):
            left = set(orphans) & set(processes())
            sound = totals["failed"] > 0 and not left
            return (
                sound,
                f", {totals['failed']} tasks lost ({totals['fetch failures']} by missing shuffle files, {totals['stage attempts']} stages again), {len(left)} of {len(orphans)} orphans alive",
            )

        return figures

    # A task that waits a little makes the moment the same at every size.
    slow = checks.instead("case $1 in segments|reduce) sleep 0.5;; esac")
    if checks.wanted(name := "a worker killed in the map"):
        job = checks.submit(cluster, sixteen, 8, slow)
        job.when("segments of", 16, 3)
        checks.same(name, job, sixteen, recovered(cluster.kill()))
        cluster.fill()
    if checks.wanted(name := "a worker killed in the reduce, its disks lost"):
        job = checks.submit(cluster, sixteen, 8, slow)
        job.when("partial reports", 8, 2)
        orphans = cluster.kill()

        def again(totals):
            sound, figures = recovered(orphans)(totals)
            return sound and totals["fetch failures"] + totals["stage attempts"] > 0, figures

        checks.same(name, job, sixteen, again)
        cluster.fill()


def one_flow(checks, cluster):
    if not checks.wanted(name := "all traffic in one flow"):
        return
    paths = captures.one_flow(checks.work, checks.arguments.segments // 2)
    timed = checks.instead('[[ $1 == reduce ]] && exec /usr/bin/time -q -a -o "$log" -f %M "$afterfin" "$@"')
    job = checks.submit(cluster, paths, 8, timed)
    _, _, _, memory = checks.expect(paths)

    def figures(totals):
        peaks = sorted(int(line) / 1024 for line in (timed.parent / "log").read_text().split())
        sound = len(peaks) >= 8 and peaks[-1] < checks.arguments.most_memory
        return (
            sound,
            f", reduce at most {peaks[-1]:.0f} MiB (report {memory:.0f}), heap of an executor {cluster.heap}, spilled to disk {totals['spilled'] / 1e6:.0f} MB",
        )

    checks.same(name, job, paths, figures)


def dying(checks, cluster, some):
    """Programs and feeders that end before their time."""
    half = 'size=$("$afterfin" "$@" | wc -c); "$afterfin" "$@" | head -c $((size / 2))'
    one = '[[ $1 == segments && " $* " == *" --first-file 2 "* ]]'
    if checks.wanted(name := "a child of the map fails every time"):
        checks.fails(
            name,
            checks.submit(cluster, some, 4, checks.instead(f"if {one}; then {half}; echo out of order >&2; exit 3; fi")),
            "ended with 3",
            "out of order",
        )
    if checks.wanted(name := "a child of the map fails once"):
        checks.same(
            name,
            checks.submit(cluster, some, 4, checks.instead(f'if {one} && mkdir "$mark"; then {half}; exit 3; fi')),
            some,
            lambda totals: (totals["failed"] == 1, ""),
        )
    if checks.wanted(name := "a stream of the map is cut, status 0"):
        checks.fails(name, checks.submit(cluster, some, 4, checks.instead(f"if {one}; then {half}; exit 0; fi")), "ended with 0")
    if checks.wanted(name := "a child of the reduce fails once, with half of its output"):
        reduce = 'if [[ $1 == reduce ]] && mkdir "$mark"; then "$afterfin" "$@" >"$mark/all"; head -c $(($(stat -c %s "$mark/all") / 2)) "$mark/all"; exit 3; fi'
        checks.same(name, checks.submit(cluster, some, 4, checks.instead(reduce)), some, lambda totals: (totals["failed"] == 1, ""))
    if checks.wanted(name := "a feeder of the reduce is killed"):
        feeder = (
            'if [[ $1 == reduce ]] && mkdir "$mark"; then trap "" TERM; head -c 4096 >/dev/null; ('
            'sleep 0.3; "$afterfin" "$@" >"$mark/out" 2>"$mark/err"; echo $? >"$mark/status") & kill -9 $PPID; wait; fi'
        )
        checks.same(
            name,
            checks.submit(cluster, some, 4, checks.instead(feeder)),
            some,
            lambda totals: (totals["failed"] >= 1, f", {totals['failed']} tasks again"),
        )
    if checks.wanted(name := "a task that hangs runs a second time elsewhere"):
        stuck = checks.instead(f'if {one} && mkdir "$mark"; then echo $$ >"$log"; exec sleep 600; fi')
        settings = {
            "spark.speculation": "true",
            "spark.speculation.quantile": "0.5",
            "spark.speculation.multiplier": "1.5",
            "spark.speculation.minTaskRuntime": "2s",
        }
        job = checks.submit(cluster, some, 4, stuck, settings.items())

        def ended(totals):
            pid = int((stuck.parent / "log").read_text())
            return pid not in processes(), f", the first program is {'still there' if pid in processes() else 'gone'}"

        checks.same(name, job, some, ended)


def damage(checks, cluster, some):
    if checks.wanted(name := "a corrupt, a missing and a cut capture in the middle of the list"):
        paths = captures.with_damage(checks.work, some)
        checks.same(name, checks.submit(cluster, paths, 8), paths, lambda _: (checks.expect(paths)[1] == 2, ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--spark", required=True, help="the directory of pyspark")
    parser.add_argument("--segments", type=int, default=int(os.environ.get("AFTERFIN_CLUSTER_SEGMENTS", "6000000")))
    parser.add_argument("--heap", default="1g", help="of an executor")
    parser.add_argument("--most-memory", type=int, default=512, help="MiB that a reduce may take for one flow of any length")
    parser.add_argument("--only", action="append", help="checks whose name contains this")
    parser.add_argument("--cost", action="store_true", help="measure what it costs instead")
    parser.add_argument("--keep", action="store_true", help="leave the working directory")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the cluster too
    began = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="afterfin-cluster-"))
    try:
        checks = Checks(arguments, work)
        sixteen = captures.sixteen(arguments.generator, work, arguments.segments)
        small = work / "some"
        small.mkdir()
        some = [path for path in captures.sixteen(arguments.generator, small, 20_000) if path.suffix != ".gz"][:9]
        some = sorted(some, key=lambda path: path.suffix)  # classic pcap first
        if arguments.cost:
            with Cluster(arguments.spark, sys.executable, work / "spark", heap=arguments.heap) as cluster:
                costs.measure(checks, cluster, sixteen, some)
            return 0
        filters.check(checks, sixteen if arguments.segments <= 300_000 else some)
        with Cluster(arguments.spark, sys.executable, work / "spark", heap=arguments.heap) as cluster:
            partitions(checks, cluster, sixteen)
            killed(checks, cluster, sixteen)
            one_flow(checks, cluster)
            dying(checks, cluster, some)
            damage(checks, cluster, some)
        print(f"{'FAIL: ' + ', '.join(checks.failed) if checks.failed else 'everything holds'}; {time.monotonic() - began:.0f} s")
        return 1 if checks.failed else 0
    finally:
        if arguments.keep:
            print(work)
        else:
            subprocess.run(["rm", "-rf", work], check=False)


if __name__ == "__main__":
    sys.exit(main())
