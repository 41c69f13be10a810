"""A Spark standalone cluster on the loopback: a master and two workers, each a process of its own with directories of its own, as on machines of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def until(what, condition, seconds=60):
    """Waits for a condition, and gives its value; an error after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise SystemExit(f"after {seconds} s still not: {what}")


def processes():
    """Every process that is alive: its parent, name, and seconds of processor time."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = path.read_text().rpartition(")")
        except (OSError, UnicodeDecodeError):
            continue
        fields = tail.split()
        if fields[0] != "Z":
            ticks = int(fields[11]) + int(fields[12])
            found[int(path.parent.name)] = (int(fields[1]), head.partition("(")[2], ticks / os.sysconf("SC_CLK_TCK"))
    return found


def descendants(of):
    """The processes below these, and they themselves."""
    alive, wanted = processes(), set(of)
    while True:
        more = {pid for pid, (parent, _, _) in alive.items() if parent in wanted} - wanted
        if not more:
            return {pid: alive[pid] for pid in wanted if pid in alive}
        wanted |= more


class Cluster:
    """Runs from `with` on; whatever it started is ended at its end, by process id."""

    def __init__(self, spark, python, directory, cores=1, heap="1g"):
        self.spark, self.directory, self.cores, self.heap = Path(spark), Path(directory), cores, heap
        self.environment = {
            **os.environ,
            "SPARK_LOCAL_IP": HOST,
            "PYSPARK_PYTHON": str(python),
            "PYSPARK_DRIVER_PYTHON": str(python),
            "SPARK_NO_DAEMONIZE": "1",
            "AFTERFIN_CONFIG": "",
        }
        self.workers, self.jobs, self.number = [], [], 0

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        port, self.page = free_port(), free_port()
        self.url = f"spark://{HOST}:{port}"
        self.master = self.start("master", "master.Master", "--host", HOST, "--port", str(port), "--webui-port", str(self.page))
        try:
            until("a master", lambda: self.state() is not None)
            self.fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in [*self.jobs, *(worker for _, worker in self.workers), self.master]:
            self.end(process)

    def start(self, name, kind, *arguments, **more):
        with open(self.directory / f"{name}.log", "wb") as log:
            command = [self.spark / "bin/spark-class", f"org.apache.spark.deploy.{kind}", *arguments]
            return subprocess.Popen(command, env={**self.environment, **more}, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)

    @staticmethod
    def end(process):
        for pid in descendants([process.pid]):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()

    def state(self):
        try:
            return fetch(f"http://{HOST}:{self.page}/json/")
        except OSError:
            return None

    def fill(self):
        """Starts workers until there are two."""
        while len(self.workers) < 2:
            self.number += 1
            home = self.directory / f"worker-{self.number}"
            (home / "local").mkdir(parents=True)
            host = f"127.0.0.{1 + self.number}"  # Spark does not speculate on the host where the task already runs
            arguments = [
                "--host",
                host,
                "--cores",
                str(self.cores),
                "--memory",
                "4g",
                "--webui-port",
                "0",
                "--work-dir",
                str(home / "work"),
                self.url,
            ]
            self.workers.append((home, self.start(home.name, "worker.Worker", *arguments, SPARK_LOCAL_DIRS=str(home / "local"), SPARK_LOCAL_IP=host)))
        until("two workers", lambda: sum(worker["state"] == "ALIVE" for worker in (self.state() or {"workers": []})["workers"]) == 2)

    def kill(self):
        """Ends a worker and its executor at once as a machine that fails does, with everything on its disks; its other processes have to end by themselves."""
        home, worker = self.workers.pop()
        below = descendants([worker.pid])
        java = [pid for pid, (_, name, _) in below.items() if name == "java"]
        for pid in java:
            os.kill(pid, signal.SIGKILL)
        worker.wait()
        shutil.rmtree(home / "local")
        return [pid for pid in below if pid not in java]


class Job:
    """A run of the script on the cluster."""

    def __init__(self, cluster, binary, script, arguments, settings=()):
        self.cluster = cluster
        self.port = free_port()
        self.events = cluster.directory / "events"
        self.events.mkdir(exist_ok=True)
        self.before = set(self.events.iterdir())
        conf = {
            "spark.executor.memory": cluster.heap,
            "spark.executor.cores": cluster.cores,
            "spark.ui.port": self.port,
            "spark.ui.enabled": "true",
            "spark.ui.showConsoleProgress": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": self.events.as_uri(),
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
            "spark.driver.memory": "1g",
            "spark.shuffle.io.retryWait": "1s",
            "spark.shuffle.readHostLocalDisk": "false",
            **dict(settings),
        }
        command = [cluster.spark / "bin/spark-submit", "--master", cluster.url, "--files", binary]
        for key, value in conf.items():
            command += ["--conf", f"{key}={value}"]
        self.log = cluster.directory / f"job-{time.monotonic_ns()}.log"
        with open(self.log, "wb") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                [*command, script, *map(str, arguments)],
                env=cluster.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=cluster.directory,
            )
        cluster.jobs.append(self.process)

    def stages(self):
        """The stages that run or have run, oldest first; none while the driver does not answer."""
        try:
            api = f"http://{HOST}:{self.port}/api/v1/applications"
            return sorted(fetch(f"{api}/{fetch(api)[0]['id']}/stages"), key=lambda stage: stage["stageId"])
        except (OSError, ValueError, IndexError):
            return []

    def when(self, what, tasks, finished):
        """Waits until so many tasks of an active stage are done; the stage is known by the job's description and the number of its tasks."""

        def reached():
            if self.process.poll() is not None:
                raise SystemExit(f"the job ended before {what}: {self.log}")
            return any(
                stage["status"] == "ACTIVE"
                and what in stage.get("description", "")
                and stage["numTasks"] == tasks
                and stage["numCompleteTasks"] >= finished
                for stage in self.stages()
            )

        until(f"{finished} tasks of {what}", reached, 1200)

    def wait(self, seconds=3600):
        self.status = self.process.wait(seconds)
        self.seconds = time.monotonic() - self.began
        return self.status

    def history(self):
        """The job's event log; empty if Spark did not begin."""
        paths = set(self.events.iterdir()) - self.before
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def totals(self):
        """Sums over the tasks of the event log: rows and octets of the shuffle of segments, octets of that of partial reports, spilled octets, failures."""
        sums = dict.fromkeys(["records", "shuffle", "partials", "spilled", "failed", "fetch failures", "stage attempts"], 0)
        description = {}
        for event in self.history():
            if event["Event"] == "SparkListenerStageSubmitted":
                description[event["Stage Info"]["Stage ID"]] = event.get("Properties", {}).get("spark.job.description", "")
            if event["Event"] == "SparkListenerStageCompleted" and event["Stage Info"]["Stage Attempt ID"] > 0:
                sums["stage attempts"] += 1
            if event["Event"] != "SparkListenerTaskEnd":
                continue
            reason = event["Task End Reason"]["Reason"]
            sums["failed"] += reason != "Success"
            sums["fetch failures"] += reason == "FetchFailed"
            metrics = event.get("Task Metrics")
            if not metrics:
                continue
            sums["spilled"] += metrics["Disk Bytes Spilled"]
            written = metrics["Shuffle Write Metrics"]
            if "fetching" in description.get(event["Stage ID"], ""):
                sums["partials"] += written["Shuffle Bytes Written"]
            else:
                sums["shuffle"] += written["Shuffle Bytes Written"]
                sums["records"] += written["Shuffle Records Written"]
        return sums


class Sampler(threading.Thread):
    """Adds up processor time of everything below some processes, by what runs it and by the phase that is named meanwhile."""

    def __init__(self, roots, phase):
        super().__init__(daemon=True)
        self.roots, self.phase, self.seconds, self.last, self.over = roots, phase, {}, {}, threading.Event()

    def run(self):
        while not self.over.wait(0.25):
            phase = self.phase()
            for pid, (_, name, spent) in descendants(self.roots).items():
                key = (phase, name)
                self.seconds[key] = self.seconds.get(key, 0) + max(0, spent - self.last.get(pid, 0))
                self.last[pid] = spent

    def end(self):
        self.over.set()
        self.join()
        return self.seconds
