#!/usr/bin/env python3
"""Facts of every shared capture against the oracle: 99.5 % in each field, 98 % in the sparse ones (counted only where either side says something).

usage: facts.py AFTERFIN_BINARY SHARED_DIRECTORY [more arguments of score_facts.py]

Runs tools/score_facts.py, prints what it prints, and holds each field to its own threshold.
"""
import re
import subprocess
import sys
from pathlib import Path

SPARSE = {"rst", "wire_gaps", "keepalive_probes", "first_fin", "after_close"}
LEAST, LEAST_SPARSE = 99.5, 98.0


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, shared = sys.argv[1], Path(sys.argv[2])
    command = [sys.executable, shared / "tools/score_facts.py", binary, shared / "captures/third-party", "--least", str(LEAST_SPARSE), *sys.argv[3:]]
    run = subprocess.run(command, capture_output=True, text=True)
    print(run.stdout, end="")
    print(run.stderr, end="", file=sys.stderr)
    shares = {name: float(share) for name, share in re.findall(r"^(\w+) +([\d.]+) %", run.stdout, re.M)}
    low = [name for name, share in shares.items() if share < (LEAST_SPARSE if name in SPARSE else LEAST)]
    if low:
        print(f"below {LEAST} % (sparse {LEAST_SPARSE} %): {', '.join(low)}")
    sys.exit(1 if low or not shares or run.returncode else 0)


if __name__ == "__main__":
    main()
