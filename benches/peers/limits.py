"""What is wanted, and what a run may not exceed: the only place with such figures.

GOALS are those of the project, for each row of the table and each workload. A dash in the table is a goal that does not exist.
LIMITS are what makes a run fail: ratios only, because a ratio depends on the machine far less than a time does. Until the goals are reached, a limit
is the ratio that was measured last (docs/performance.md) plus a margin; whoever makes something faster lowers the limit in the same change, down to
GOALS. SMOKE_LIMITS hold for reduced workloads on a machine that does other things too.
"""

# How the reached value is held against the goal: at most, or at least.
AT_MOST, AT_LEAST = "≤", "≥"

# row: (title, unit, direction, goal for each workload)
GOALS = {
    "capinfos": ("time against `capinfos -tEscaeuyizox`, pcap", "×", AT_MOST, {"web": 1.0, "small": 1.0, "many": 1.5}),
    "capinfos_pcapng": ("the same, both on pcapng", "×", AT_MOST, {"web": 0.7, "small": 0.6, "many": 1.0}),
    "read": ("time against read(2) into one 1 MiB buffer", "×", AT_MOST, {"web": 5.0, "small": 5.0, "many": 10.5}),
    "threads": ("two threads against one", "×", AT_MOST, {"web": 0.75, "small": 0.75, "many": 0.8}),
    "tshark": ("times faster than `tshark -n -q -z conv,tcp`", "×", AT_LEAST, {"web": 60, "small": 60, "many": 50}),
    "tcptrace": ("times faster than `tcptrace -n`", "×", AT_LEAST, {"web": 10, "small": 15}),
    "memory": ("peak memory", "MiB", AT_MOST, {"web": 48, "small": 130, "many": 700}),
    "gzip": ("gzip: time against decompression alone", "×", AT_MOST, {"web": 1.15, "small": 1.15, "many": 1.15}),
    "zstd": ("zstd: time against decompression alone", "×", AT_MOST, {"web": 1.15, "small": 1.15, "many": 1.15}),
    "json": ("JSON with every connection, time against the report", "×", AT_MOST, {"many": 5.0}),
}

# MiB of memory that do not depend on the number of connections: on reduced workloads the rest of the goal shrinks with them.
FIXED_MEMORY = 16

# row: limit for each workload.
LIMITS = {
    "read": {"web": 110.0, "small": 280.0, "many": 550.0},
}

# Reduced workloads fit caches and are over in a moment: starting the program counts, and a busy machine disturbs. Three times what was measured on one.
SMOKE_LIMITS = {
    "read": {"web": 180.0, "small": 750.0, "many": 1800.0},
}

# Connections of each workload at --scale 1.
CONNECTIONS = {"web": 100_000, "small": 380_000, "many": 2_200_000}

# Peers that are never run on a workload: tcptrace takes 10 kB for each connection, 21 GiB for *many*.
NEVER = {("tcptrace", "many")}
