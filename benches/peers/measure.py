"""Runs programs and says what they took: wall time, processor time, peak memory."""
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BUFFER_OCTETS = 1 << 20


@dataclass
class Run:
    wall: float
    processor: float
    memory_mib: float  # 0 where it is not known

    def seconds(self, clock):
        return self.wall if clock == "wall" else self.processor


def gnu_time():
    """GNU time, which starts the program from a process of its own: what this script occupies does not count as the program's memory."""
    path = shutil.which("time")
    if path and "GNU" in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
        return path
    return None


GNU_TIME = gnu_time()


def run(command, accepted=(0,)):
    """One run of a program with its output to /dev/null. A program that fails ends the comparison: its time would mean nothing."""
    with tempfile.NamedTemporaryFile("r") as told, open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as errors:
        prefix = [GNU_TIME, "-q", "-f", "%M", "-o", told.name] if GNU_TIME else []
        began = time.perf_counter()
        child = subprocess.Popen([*prefix, *map(str, command)], stdin=null, stdout=null, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in accepted:
            errors.seek(0)
            text = errors.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(map(str, command))} ended with {child.returncode}:\n{text}")
        kib = int(told.read().split()[-1]) if GNU_TIME else 0
    return Run(wall, usage.ru_utime + usage.ru_stime, kib / 1024)


def read(path):
    """The floor: read(2) of the whole file into one buffer that is used again."""
    buffer = bytearray(BUFFER_OCTETS)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        began, processor = time.perf_counter(), time.process_time()
        while os.readv(descriptor, [buffer]):
            pass
        return Run(time.perf_counter() - began, time.process_time() - processor, 0)
    finally:
        os.close(descriptor)


def warm(path):
    """Puts the file into the page cache."""
    read(path)


@dataclass
class Pair:
    """Two programs that ran in turn: medians of each, and the median of the rounds' ratios."""

    first: Run
    second: Run
    ratio: float  # first to second
    rounds: int


def median(runs):
    return Run(*(statistics.median(getattr(run, field) for run in runs) for field in ("wall", "processor", "memory_mib")))


def pair(first, second, rounds, clock):
    """Runs two callables in turn, so many rounds; whichever went first in one round goes second in the next."""
    runs = ([], [])
    for number in range(rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for which in order:
            runs[which].append((first, second)[which]())
    ratios = [one.seconds(clock) / max(other.seconds(clock), 1e-6) for one, other in zip(*runs)]
    return Pair(median(runs[0]), median(runs[1]), statistics.median(ratios), rounds)


def machine():
    """The machine and how busy it is."""
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {"processor": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "load": [round(load, 1) for load in os.getloadavg()]}
