"""A plain HTTP/1.1 client that does what it is told: it keeps its socket as long as it likes and never looks for the end of file in between."""
import socket
import time


class Client:
    """One connection. `request` returns a status line, or the name of what went wrong; everything is noted as an event."""

    def __init__(self, lab, space, address, port, who, timeout=20.0, options=(), source=None, tls=None):
        self.lab, self.who, self.address, self.port = lab, who, address, port
        with lab.net.inside(space):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for level, name, value in options:
            self.socket.setsockopt(level, name, value)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(source)
        self.error, self.refused_locally = None, False
        try:
            self.socket.connect((address, port))
        except OSError as error:
            self.error = type(error).__name__
        self.local = "{}:{}".format(*self.socket.getsockname()) if self.error is None else None
        if tls and self.error is None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address)
        self.buffer = b""
        self.last = time.monotonic()
        self.event("connected" if self.error is None else "connect-failed", local=self.local, dst=f"{address}:{port}", error=self.error)

    def event(self, event, /, **more):
        self.lab.event(self.who, event, **more)

    def send(self, octets, what=None):
        """Sends octets; False if the kernel refused: then nothing went out, `refused_locally`."""
        try:
            self.socket.sendall(octets)
        except OSError as error:
            self.error, self.refused_locally = type(error).__name__, True
            self.event("send-failed", local=self.local, error=self.error)
            return False
        self.event("sent", local=self.local, what=what or octets[:40].decode("latin-1"))
        return True

    def receive(self, enough):
        """Reads until `enough(buffer)` is true; None and `error` set when that does not happen."""
        try:
            while not enough(self.buffer):
                more = self.socket.recv(65536)
                if not more:
                    raise EOFError("end of file")
                self.buffer += more
        except (OSError, EOFError) as error:
            self.error = type(error).__name__
            self.event("receive-failed", local=self.local, error=self.error)
            return None
        out, self.buffer = self.buffer, b""
        self.last = time.monotonic()
        return out

    def request(self, method="GET", path="/", body=b"", extra="", host=None):
        if method in ("POST", "PUT"):
            extra += f"Content-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: {host or self.address}\r\n{extra}\r\n"
        if not self.send(head.encode() + body, f"{method} {path}"):
            return self.error
        got = self.receive(whole_response)
        if got is None:
            return self.error
        status = got.split(b"\r\n", 1)[0].decode("latin-1")
        self.event("response", local=self.local, status=status)
        return status

    def idle_until(self, seconds):
        """Sleeps until so long after the last response."""
        time.sleep(max(0.0, self.last + seconds - time.monotonic()))

    def close(self):
        self.event("close", local=self.local)
        self.socket.close()

    def attend(self, seconds):
        """Idles as a watchful client does: reads what comes, and closes at once when the peer does. True if it had to."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(65536):
                    self.event("noticed-close", local=self.local)
                    self.close()
                    return True
        except TimeoutError:
            pass
        except OSError as error:
            self.event("noticed-reset", local=self.local, error=type(error).__name__)
            self.close()
            return True
        self.socket.settimeout(20)
        return False

    def reset(self):
        """Closes with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close()


def whole_response(octets):
    """An HTTP/1 response is complete: by length, or by the last chunk."""
    head, blank, body = octets.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return not head.lower().count(b"transfer-encoding: chunked") or body.endswith(b"0\r\n\r\n")
