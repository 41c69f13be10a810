"""The report of afterfin on many captures, made by the machines of a Spark cluster; the octets are those that `afterfin report` writes.

    spark-submit --files afterfin afterfin_spark.py [--partitions N] -o OUT CAPTURE… [-- OPTION OF THE REPORT…]

Each capture is one task of the map (`afterfin segments`), its rows are shuffled by flow hash and sorted, each partition is one task of the reduce
(`afterfin reduce`), and `afterfin merge` makes the report on the driver. docs/cluster.md is the contract of the three; README.md says what is needed.
A task writes nothing but to local temporary files, and its rows count only when its program has ended well: it may run twice, or half and once more.
"""

import argparse
import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import SparkFiles, StorageLevel, TaskContext
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

END = 8  # the kind of the last row of a stream
ORDER = ["flow_hash", "order_ns", "file", "frame", "part"]
THRESHOLDS = ["--idle-gap", "--close-wait", "--retry-window", "--config"]
CHUNK = 1 << 18  # octets of a partial report in one row
FETCHED = 64  # chunks that a task gives to the driver at once
PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent():
    """Between fork and exec: Linux ends the child when this process ends, even if it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def afterfin(*arguments, accepted=(0,), **pipes):
    """A run of afterfin that has to end with an accepted status. It ends when this process ends; signals to the executor's process group do not reach it,
    because what it writes when it is interrupted is no whole capture. Its messages go to a file, so that it never waits for a reader.
    """
    failure = None
    with tempfile.TemporaryFile(dir=SparkFiles.getRootDirectory()) as messages:
        command = [SparkFiles.get("afterfin"), *arguments]
        with subprocess.Popen(command, stderr=messages, start_new_session=True, preexec_fn=end_with_parent, **pipes) as child:
            try:
                yield child
            except (OSError, ValueError) as error:  # a pipe that broke, a stream that is not whole: why, the child's messages say
                failure = error
            except BaseException:
                child.kill()
                raise
        if failure or child.returncode not in accepted:
            messages.seek(0)
            said = messages.read().decode(errors="replace")[-4000:].strip()
            raise RuntimeError(f"afterfin {' '.join(arguments)} ended with {child.returncode} ({failure or 'not accepted'}): {said}") from failure


def whole(stream):
    """The batches of a stream without its end row, which has to be there and to tell how many rows came before it."""
    rows, told = 0, None
    for batch in pa.ipc.open_stream(stream):
        end = pc.index(batch["kind"], END).as_py()
        if told is not None or -1 < end < batch.num_rows - 1:
            raise ValueError("rows follow the end row")
        if pc.any(pc.and_(pc.equal(batch["item"], "interrupted"), pc.equal(batch["number"], 1))).as_py():
            raise ValueError("it was interrupted")
        if end >= 0:
            told, batch = batch["number"][end].as_py(), batch.slice(0, end)
        rows += batch.num_rows
        yield batch
    if told != rows:
        raise ValueError(f"{rows} rows came, the end row tells {told}")


def write(sink, batches, schema, end):
    """Writes a stream: the rows, and only if they came without an error an end row that tells how many there are."""
    rows = 0
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            rows += batch.num_rows
        row = {**end, "text": "complete", "number": rows}
        writer.write_batch(pa.RecordBatch.from_pylist([row], schema))
    sink.close()


def segments(captures, options):
    """The map: the numbers of captures → their rows."""

    def run(batches):
        for batch in batches:
            for number in batch["id"].to_pylist():
                arguments = ["segments", "--one-of-many", "--first-file", str(number), *options, "--", captures[number]]
                with afterfin(*arguments, accepted=(0, 2), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
                    yield from whole(child.stdout)

    return run


def reduce(schema, end, options):
    """The reduce: the sorted rows of a partition → its partial report, in chunks, once it is whole."""

    def run(batches):
        partition = TaskContext.get().partitionId()
        with tempfile.TemporaryFile(dir=SparkFiles.getRootDirectory()) as partial:
            with afterfin("reduce", "--inputs", SparkFiles.get("account.arrow"), *options, stdin=subprocess.PIPE, stdout=partial) as child:
                write(child.stdin, batches, schema, end)
            partial.seek(0)
            digest = hashlib.sha256()
            for octets in iter(lambda: partial.read(CHUNK), b""):
                digest.update(octets)
            name = f"{partition}-{digest.hexdigest()}.partial"  # chunks of two runs never make one report
            partial.seek(0)
            for number, octets in enumerate(iter(lambda: partial.read(CHUNK), b"")):
                yield pa.record_batch({"name": [name], "chunk": [number], "octets": [octets]})

    return run


def report(spark, captures, partitions, separate, thresholds, work):
    """Map, shuffle and reduce; the account and the partial reports become files in `work`, whose paths are given back."""
    context = spark.sparkContext
    spark.conf.set("spark.sql.adaptive.enabled", "false")  # as many partitions as asked for
    with afterfin("segments", "--one-of-many", "--", os.devnull, accepted=(0, 2), stdout=subprocess.PIPE) as child:
        nothing = pa.ipc.open_stream(child.stdout).read_all()  # the schema and an end row, as this version writes them
    schema, end = nothing.schema, nothing.slice(nothing.num_rows - 1).to_pylist()[0]

    context.setJobDescription(f"segments of {len(captures)} captures")
    numbers = spark.range(0, len(captures), 1, len(captures))
    rows = numbers.mapInArrow(segments(captures, separate), from_arrow_schema(schema)).persist(StorageLevel.DISK_ONLY)
    account = os.path.join(work, "account.arrow")
    with open(account, "wb") as sink:
        write(sink, rows.where("flow_hash = 0").toArrow().to_batches(), schema, end)
    context.addFile(account)

    context.setJobDescription(f"{partitions} partial reports")
    flows = rows.where("flow_hash <> 0").repartition(partitions, "flow_hash").sortWithinPartitions(*ORDER)
    partials = flows.mapInArrow(reduce(schema, end, thresholds), "name string, chunk long, octets binary").persist(StorageLevel.DISK_ONLY)
    chunks = partials.count()
    context.setJobDescription("fetching the partial reports")
    received = {}  # by path the chunks that came, in whatever order; a few at once, because the result of a task is held in memory
    for row in partials.repartition(-(-chunks // FETCHED), "name", "chunk").toLocalIterator():
        path = os.path.join(work, row.name)
        with open(path, "r+b" if path in received else "xb") as sink:
            sink.seek(row.chunk * CHUNK)
            sink.write(row.octets)
        received.setdefault(path, set()).add(row.chunk)
    if len(received) != partitions or any(len(seen) != max(seen) + 1 for seen in received.values()) or sum(map(len, received.values())) != chunks:
        raise RuntimeError(f"{sum(map(len, received.values()))} of {chunks} chunks of {len(received)} of {partitions} partial reports came")
    return account, list(received)


def thresholds(options):
    """Of the report's options those that the reduce needs too. No machine reads a configuration of its own: there is one if `--config` names it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in THRESHOLDS:
        parser.add_argument(name, dest=name)
    given = vars(parser.parse_known_args(options)[0])
    found = [word for name in THRESHOLDS if given[name] is not None for word in (name, given[name])]
    return found if "--config" in found else ["--no-config", *found]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", metavar="CAPTURE", help="absolute path, the same on every machine; their order is that of the report")
    parser.add_argument("--list", metavar="FILE", help="a file with a capture on each line, after those that are named")
    parser.add_argument(
        "--partitions", type=int, metavar="N", help="tasks of the reduce [default: as many as captures, or as slots if those are more]"
    )
    parser.add_argument("--separate", metavar="WHAT", action="append", default=[], help="as for afterfin report")
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="the report; its format follows from the extension, as for afterfin report"
    )
    arguments = sys.argv[1:]
    options = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    arguments = parser.parse_args(arguments[: len(arguments) - len(options)])
    captures = arguments.captures
    if arguments.list:
        with open(arguments.list, encoding="utf-8", errors="surrogateescape") as lines:
            captures += [line for line in lines.read().split("\n") if line]
    if not captures or not all(map(os.path.isabs, captures)):
        parser.error("name captures by absolute paths: a task runs in a directory of its own")
    separate = [word for what in arguments.separate for word in ("--separate", what)]

    spark = SparkSession.builder.appName("afterfin").getOrCreate()
    partitions = arguments.partitions or max(len(captures), spark.sparkContext.defaultParallelism)
    with tempfile.TemporaryDirectory(prefix="afterfin-") as work:
        shared = thresholds(options)
        account, partials = report(spark, captures, partitions, separate, shared, work)
        options += ["--no-config"] if "--no-config" in shared and "--no-config" not in options else []
        merge = [SparkFiles.get("afterfin"), "merge", "--inputs", account, *partials, "-o", arguments.output, *options]
        status = subprocess.run(merge, check=False).returncode
    spark.stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
