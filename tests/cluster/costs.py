"""What a report on a cluster costs beside `afterfin report`: processor seconds by phase and program, shuffled octets.

Two jobs are measured, a small one and a large one: what starts once (virtual machines, interpreters, code that is compiled) is in both, and what a million
rows cost is the difference.
"""

from standalone import Sampler

PHASES = {"segments of": "map", "partial reports": "shuffle and reduce", "fetching": "fetch"}


def phase_of(job, captures):
    """What the job does now. Of the reduce, the stage before the shuffle is told apart by its number of tasks."""

    def phase():
        for stage in job.stages():
            for begins, name in PHASES.items():
                if stage["status"] == "ACTIVE" and begins in stage.get("description", ""):
                    return "shuffle, written" if stage["numTasks"] == captures and begins == "partial reports" else name
        return "start, merge, end"

    return phase


class Measured:
    """One job: processor seconds of each phase and program, rows, octets."""

    def __init__(self, checks, cluster, paths, name):
        _, _, self.report, self.report_memory = checks.expect(paths)
        program = '[[ $1 =~ ^(segments|reduce|merge)$ ]] && exec /usr/bin/time -q -a -o "$log" -f "$1 %U %S %M" "$afterfin" "$@"'
        timed = checks.instead(program)
        partitions = 8 if len(paths) != 8 else 12  # another number than captures: the phases are told by it
        job = checks.submit(cluster, paths, partitions, timed)
        sampler = Sampler([process.pid for _, process in cluster.workers] + [cluster.master.pid, job.process.pid], phase_of(job, len(paths)))
        sampler.start()
        checks.same(name, job, paths)
        self.seconds, self.totals, self.wall = sampler.end(), job.totals(), job.seconds
        self.rows = self.totals["records"]
        self.filters, self.peaks = {}, {}
        for line in (timed.parent / "log").read_text().splitlines():
            program, user, system, peak = line.split()
            self.filters[program] = self.filters.get(program, 0) + float(user) + float(system)
            self.peaks[program] = max(self.peaks.get(program, 0), int(peak) / 1024)

    def of_phase(self, phase):
        """Seconds of what is not afterfin: its programs are measured exactly, by the kernel."""
        engine = {"java": "Spark", "python": "Python", "python3": "Python"}
        sums = {}
        for (of, name), spent in self.seconds.items():
            if of == phase and name in engine:
                sums[engine[name]] = sums.get(engine[name], 0) + spent
        return sums


def measure(checks, cluster, paths, some):
    """Prints the figures of docs/cluster.md."""
    small, large = Measured(checks, cluster, some, "the small job"), Measured(checks, cluster, paths, "the large job")
    millions = (large.rows - small.rows) / 1e6
    print(f"{small.rows} and {large.rows} rows, {small.wall:.0f} and {large.wall:.0f} s of wall time; processor seconds per million rows:")
    print(f"  report: {(large.report - small.report) / millions:.2f}, at most {large.report_memory:.0f} MiB")
    total = 0
    for program in sorted(large.filters):
        cost = (large.filters[program] - small.filters.get(program, 0)) / millions
        total += cost
        print(f"  afterfin {program}: {cost:.2f}, at most {large.peaks[program]:.0f} MiB")
    for phase in sorted({phase for phase, _ in large.seconds}):
        before, after = small.of_phase(phase), large.of_phase(phase)
        costs = {name: (spent - before.get(name, 0)) / millions for name, spent in after.items()}
        total += sum(costs.values())
        print(f"  {phase}: {', '.join(f'{name} {cost:.2f}' for name, cost in sorted(costs.items()))}")
    print(f"  all of it: {total:.2f}")
    for job in (small, large):
        print(f"  in all, {job.rows} rows: {sum(job.seconds.values()):.0f} s")
    print(
        f"octets per row: shuffled {large.totals['shuffle'] / large.rows:.1f}, spilled {large.totals['spilled'] / large.rows:.1f}, partial reports (compressed) {large.totals['partials'] / large.rows:.1f}"
    )
