"""The three filters without an engine, rows in memory: the same report for every number of partitions, and nothing made of what is not whole."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integrations/spark"))
from afterfin_spark import ORDER, whole  # the same check of the end as on a cluster


class Filters:
    """Rows, account and partial reports of some captures."""

    def __init__(self, binary, paths, work):
        self.binary, self.work = binary, work
        tables = []
        for number, path in enumerate(paths):
            child = subprocess.run(
                [binary, "segments", "--one-of-many", "--first-file", str(number), "--", path],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            assert child.returncode in (0, 2), child.returncode
            everything = pa.ipc.open_stream(child.stdout).read_all()
            self.schema, self.end = everything.schema, everything.slice(everything.num_rows - 1)
            tables.append(pa.Table.from_batches(whole(pa.BufferReader(child.stdout)), self.schema))
        rows = pa.concat_tables(tables)
        of_flows = pc.not_equal(rows["flow_hash"], 0)
        self.rows = rows.filter(of_flows).sort_by([(name, "ascending") for name in ORDER])
        self.account = work / "account.arrow"
        self.account.write_bytes(self.stream(rows.filter(pc.invert(of_flows))))

    def stream(self, rows, told=None):
        """Rows with an end row that tells how many there are, or another number."""
        at = self.schema.get_field_index("number")
        end = self.end.set_column(at, self.schema.field(at), pa.array([rows.num_rows if told is None else told], pa.int64()))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as writer:
            writer.write_table(rows, max_chunksize=8192)
            writer.write_table(end)
        return sink.getvalue().to_pybytes()

    def without_end(self, rows):
        """A stream that is well closed, but has no end row: what a feeder leaves that dies between two batches."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as writer:
            writer.write_table(rows, max_chunksize=8192)
        return sink.getvalue().to_pybytes()

    def partition(self, number, of):
        """The rows of a partition; the sign of the hash does not matter to Python's remainder."""
        hashes = self.rows["flow_hash"].to_numpy()
        return self.rows.filter(pa.array(hashes % of == number))

    def reduce(self, octets):
        return subprocess.run([self.binary, "reduce", "--no-config", "--inputs", self.account], input=octets, capture_output=True, check=False)

    def partials(self, of):
        paths = []
        for number in range(of):
            child = self.reduce(self.stream(self.partition(number, of)))
            assert child.returncode == 0, child.stderr.decode()
            paths.append(self.work / f"{of}-{number}.partial")
            paths[-1].write_bytes(child.stdout)
        return paths

    def merge(self, partials, output):
        output.unlink(missing_ok=True)
        return subprocess.run(
            [self.binary, "merge", "--inputs", self.account, *partials, "--no-config", "-o", output], capture_output=True, check=False
        )


def check(checks, paths):
    """The checks that need no cluster."""
    if not checks.wanted("filters"):
        return
    work = checks.work / "filters"
    work.mkdir()
    filters = Filters(checks.binary, paths, work)
    expected, status, _, _ = checks.expect(paths)
    output = work / "merged.json"
    made = {of: filters.partials(of) for of in (1, 3, 8, 64)}
    for of, partials in made.items():
        child = filters.merge(partials[::-1] if of == 3 else partials, output)
        equal = child.returncode == status and output.exists() and output.read_bytes() == expected.read_bytes()
        checks.tell(
            f"filters, {of} partitions",
            equal,
            f"{filters.rows.num_rows} rows, status {child.returncode}, {child.stderr.decode()[:200].strip() or 'equal'}",
        )

    rows = filters.partition(0, 3)
    stream = filters.stream(rows)
    cuts = {
        "cut within a batch": stream[: len(stream) // 2],
        "without its end marker": stream[:-8],
        "without its end row": filters.without_end(rows),
        "with another count": filters.stream(rows, rows.num_rows + 1),
        "in another order": filters.stream(rows.take(pa.array(range(rows.num_rows - 1, -1, -1)))),
        "with nothing at all": b"",
    }
    for what, octets in cuts.items():
        child = filters.reduce(octets)
        sound = child.returncode not in (0, 1) and not child.stdout
        checks.tell(
            f"filters, a stream {what}",
            sound,
            f"status {child.returncode}, {len(child.stdout)} octets of output, {child.stderr.decode().strip()[:160]}",
        )

    partials = made[3]
    cut = work / "cut.partial"
    cut.write_bytes(partials[1].read_bytes()[:-9])
    for what, given in {
        "a partial report twice": [*partials, partials[1]],
        "a partial report missing": partials[:2],
        "a partial report that is cut": [partials[0], cut, partials[2]],
        "partial reports of different partitionings": [partials[0], *made[8][1:]],
    }.items():
        child = filters.merge(given, output)
        sound = child.returncode == 2 and not output.exists() and child.stderr
        if what == "a partial report twice" and child.returncode == status and output.exists():
            sound = output.read_bytes() == expected.read_bytes()
        checks.tell(
            f"filters, {what}",
            bool(sound),
            f"status {child.returncode}, {'a' if output.exists() else 'no'} report, {child.stderr.decode().strip()[:160]}",
        )
