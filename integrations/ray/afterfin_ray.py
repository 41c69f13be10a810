"""The report of afterfin on many captures, made by the machines of a Ray cluster; the octets are those that `afterfin report` writes.

    python afterfin_ray.py --afterfin PATH [--partitions N] -o OUT CAPTURE… [-- OPTION OF THE REPORT…]

The shape is that of ../spark/afterfin_spark.py, and docs/cluster.md is the contract. Here a partition is sorted in memory: README.md says what that means.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.compute as pc
import ray

END = 8  # the kind of the last row of a stream
ORDER = [(name, "ascending") for name in ("flow_hash", "order_ns", "file", "frame", "part")]


def run(command, octets=b"", accepted=(0,)):
    """What a program writes, once it has ended with an accepted status."""
    child = subprocess.run(command, input=octets, capture_output=True, check=False)
    if child.returncode not in accepted:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {child.stderr.decode(errors='replace')[-4000:]}")
    return child.stdout


def whole(octets):
    """The rows of a stream and its end row, which has to be the last and to tell how many came before it."""
    rows = pa.ipc.open_stream(octets).read_all()
    last = rows.num_rows - 1
    if pc.index(rows["kind"], END).as_py() != last or rows["number"][last].as_py() != last:
        raise ValueError("the end row is missing, or tells another number of rows")
    return rows.slice(0, last), rows.slice(last)


def stream(rows, end):
    """A stream with an end row of its own."""
    at = rows.schema.get_field_index("number")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=8192)
        writer.write_table(end.set_column(at, rows.schema.field(at), pa.array([rows.num_rows], pa.int64())))
    return sink.getvalue().to_pybytes()


@ray.remote
def segments(afterfin, number, capture, partitions):
    """The map: the account of a capture, then its rows by partition."""
    rows, end = whole(run([afterfin, "segments", "--one-of-many", "--first-file", str(number), "--", capture], accepted=(0, 2)))
    hashes = rows["flow_hash"].to_numpy()
    of_flow = hashes != 0
    return (rows.filter(pa.array(~of_flow)), end), *(rows.filter(pa.array(of_flow & (hashes % partitions == part))) for part in range(partitions))


@ray.remote
def reduce(afterfin, account, end, *pieces):
    """The reduce: the rows of a partition → its partial report."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(account)
        file.flush()
        return run([afterfin, "reduce", "--no-config", "--inputs", file.name], stream(pa.concat_tables(pieces).sort_by(ORDER), end))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help="absolute path, the same on every machine; their order is that of the report")
    parser.add_argument("--afterfin", required=True, metavar="PATH", help="the program, under the same absolute path on every machine")
    parser.add_argument("--partitions", type=int, default=8, metavar="N", help="tasks of the reduce [default: 8]")
    parser.add_argument("-o", "--output", metavar="OUT", required=True)
    arguments = sys.argv[1:]
    options = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    arguments = parser.parse_args(arguments[: len(arguments) - len(options)])

    ray.init()
    count, afterfin = arguments.partitions, arguments.afterfin
    mapped = [segments.options(num_returns=count + 1).remote(afterfin, number, path, count) for number, path in enumerate(arguments.captures)]
    accounts = ray.get([pieces[0] for pieces in mapped])
    end = accounts[0][1]
    account = stream(pa.concat_tables([rows for rows, _ in accounts]), end)
    shared = ray.put(account)
    partials = [reduce.remote(afterfin, shared, end, *(pieces[1 + part] for pieces in mapped)) for part in range(count)]
    with tempfile.TemporaryDirectory(prefix="afterfin-") as work:
        paths = [os.path.join(work, name) for name in ["account.arrow", *(f"{part}.partial" for part in range(count))]]
        for number, path in enumerate(paths):
            with open(path, "wb") as sink:
                sink.write(account if number == 0 else ray.get(partials[number - 1]))
        sys.exit(subprocess.run([afterfin, "merge", "--inputs", *paths, "-o", arguments.output, *options], check=False).returncode)


if __name__ == "__main__":
    main()
