"""Network namespaces joined by veth pairs, each scenario with its own, so that several run side by side.

A thread enters a namespace with `inside`; sockets made there stay there. A delayed link goes through `wire.py`, because not every kernel has netem.
"""
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
WIRE = Path(__file__).with_name("wire.py")
# Linux ethtool ioctl (include/uapi/linux/ethtool.h): checksums and segmentation are to be done in software, as on a wire.
SIOCETHTOOL, ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO = 0x8946, 0x17, 0x1F, 0x24, 0x2C


def command(*words, check=True):
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Net:
    """The namespaces, links and processes of one scenario."""

    def __init__(self, tag):
        self.tag = tag
        self.spaces = []
        self.processes = []

    def real(self, space):
        return f"{self.tag}-{space}"

    def add(self, *spaces):
        """Makes namespaces, with loopback up and IPv6 off (no neighbour discovery in the captures)."""
        for space in spaces:
            command("ip", "netns", "add", self.real(space))
            self.spaces.append(space)
            self.run(space, "ip", "link", "set", "lo", "up")
            self.sysctl(space, "net.ipv6.conf.all.disable_ipv6", 1)
            self.sysctl(space, "net.ipv6.conf.default.disable_ipv6", 1)

    def run(self, space, *words, check=True):
        return command("ip", "netns", "exec", self.real(space), *words, check=check)

    def sysctl(self, space, name, value):
        with self.inside(space):
            Path("/proc/sys", *name.split(".")).write_text(str(value))

    def pair(self, a, a_interface, b, b_interface):
        """A veth pair between two namespaces, up, without addresses."""
        command("ip", "link", "add", a_interface, "netns", self.real(a), "type", "veth", "peer", "name", b_interface, "netns", self.real(b))
        for space, interface in ((a, a_interface), (b, b_interface)):
            self.run(space, "ip", "link", "set", interface, "up")
            with self.inside(space):
                for what in (ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO):
                    switch_off(interface, what)

    def link(self, a, a_interface, a_address, b, b_interface, b_address, delay=0.0):
        """Joins two namespaces; `delay` in seconds, one way."""
        if delay:
            middle = f"w{len(self.spaces)}"
            self.add(middle)
            self.pair(a, a_interface, middle, "left")
            self.pair(middle, "right", b, b_interface)
            self.start(middle, sys.executable, WIRE, "left", "right", delay)
        else:
            self.pair(a, a_interface, b, b_interface)
        for space, interface, address in ((a, a_interface, a_address), (b, b_interface, b_address)):
            if address:
                self.run(space, "ip", "address", "add", address, "dev", interface)

    def start(self, space, *words, **options):
        """Starts a process in a namespace; it ends with the scenario."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(["ip", "netns", "exec", self.real(space), *map(str, words)], start_new_session=True, **options)
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def inside(self, space):
        """This thread works in a namespace for a while."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.real(space)}", os.O_RDONLY)
        try:
            enter(there)
            yield
        finally:
            enter(home)
            os.close(there)
            os.close(home)

    def wait_for_port(self, space, address, port, timeout=30.0):
        """Waits until somebody listens, by the kernel's table: no connection of ours gets into a capture."""
        wanted = f":{port:04X}"
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self.inside(space):
                rows = [r.split() for f in ("tcp", "tcp6") for r in Path(f"/proc/thread-self/net/{f}").read_text().splitlines()[1:]]
            if any(r[1].endswith(wanted) and r[3] == "0A" for r in rows):
                return
            time.sleep(0.05)
        raise RuntimeError(f"nobody listens on {address}:{port} after {timeout} s")

    def end(self):
        """Ends every process of the scenario, by its id, and removes the namespaces."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            living = [p for p in self.processes if p.poll() is None]
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, sign)
            wait_all(living, 2.0)
        for space in self.spaces:
            for pid in command("ip", "netns", "pids", self.real(space), check=False).split():
                if int(pid) != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            command("ip", "netns", "del", self.real(space), check=False)


def wait_all(processes, seconds):
    end = time.monotonic() + seconds
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.01, end - time.monotonic()))


def enter(descriptor):
    if LIBC.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def switch_off(interface, what):
    value = ctypes.create_string_buffer(struct.pack("II", what, 0))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, contextlib.suppress(OSError):
        fcntl.ioctl(s, SIOCETHTOOL, request)
