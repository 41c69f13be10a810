"""What a report on a cluster costs beside `afterfin report`: processor seconds by phase and program, shuffled octets."""

from standalone import Sampler

PHASES = {"segments of": "map", "partial reports": "reduce", "fetching": "fetch"}
CAPTURES = 16


def phase_of(job):
    """What the job does now. Of the reduce, the stage before the shuffle is told apart by its number of tasks."""

    def phase():
        stages = [stage for stage in job.stages() if stage["status"] == "ACTIVE"]
        for stage in stages:
            for begins, name in PHASES.items():
                if begins in stage.get("description", ""):
                    return "shuffle write" if name == "reduce" and stage["numTasks"] == CAPTURES else name
        return "start, merge, end"

    return phase


def measure(checks, cluster, paths):
    """Prints the table of docs/cluster.md."""
    _, _, spent, memory = checks.expect(paths)
    timed = checks.instead('[[ $1 == segments || $1 == reduce || $1 == merge ]] && exec /usr/bin/time -q -a -o "$log" -f "$1 %U %S %M" "$afterfin" "$@"')
    job = checks.submit(cluster, paths, 8, timed)
    roots = [process.pid for _, process in cluster.workers] + [cluster.master.pid, job.process.pid]
    sampler = Sampler(roots, phase_of(job))
    sampler.start()
    checks.same("the measured job", job, paths)
    seconds = sampler.end()
    rows = job.rows()
    millions = rows / 1e6
    print(f"{rows} rows; report: {spent / millions:.2f} s per million, {memory:.0f} MiB; job: {job.seconds:.0f} s of wall time")
    filters = {}
    for line in (timed.parent / "log").read_text().splitlines():
        name, user, system, peak = line.split()
        total, most = filters.get(name, (0, 0))
        filters[name] = total + float(user) + float(system), max(most, int(peak) / 1024)
    for name, (total, most) in filters.items():
        print(f"afterfin {name}: {total / millions:.2f} s per million, at most {most:.0f} MiB")
    for phase in sorted({phase for phase, _ in seconds}):
        parts = {name: spent for (of, name), spent in seconds.items() if of == phase and spent >= 0.05}
        told = ", ".join(f"{name} {spent / millions:.2f}" for name, spent in sorted(parts.items(), key=lambda part: -part[1]))
        print(f"{phase}: {sum(parts.values()) / millions:.2f} s per million ({told})")
    totals = job.totals()
    print(f"shuffled {totals['shuffle'] / rows:.1f} octets per row, spilled {totals['spilled'] / rows:.1f}; partial reports and account: {job.fetched() / rows:.1f}")
