"""An HTTP server that does what the path says. usage: origin.py PORT [--idle S] [--age S] [--limit N] [--announce]

/            answers at once                 /slow/S      answers after S seconds
/drip/N      N octets, 1000 every 20 ms      /never       keeps the request
--idle closes after S idle seconds; --age closes S seconds after the accept, once nothing is under way; --limit closes after N requests, without a word unless --announce. Its doings go to standard output as JSON lines.
"""
import argparse
import json
import select
import socket
import threading
import time


def say(event, peer, **more):
    print(json.dumps({"t": time.time(), "who": "origin", "ev": event, "peer": peer, **more}), flush=True)


def serve(connection, address, options):
    peer = "{}:{}".format(*address)
    buffer, served, began = b"", 0, time.monotonic()
    while True:
        while b"\r\n\r\n" not in buffer:
            waits = [options.idle] * bool(options.idle) + [max(0.0, began + options.age - time.monotonic())] * bool(options.age)
            if waits and not select.select([connection], [], [], min(waits))[0]:
                say("age-close" if options.age else "idle-close", peer)
                connection.close()
                return
            try:
                more = connection.recv(65536)
            except OSError:
                more = b""
            if not more:
                if served and not buffer:
                    say("peer-closed", peer)
                connection.close()
                return
            buffer += more
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(buffer) < length:
            buffer += connection.recv(65536)
        buffer = buffer[length:]
        path = head.split(b" ")[1].decode()
        served += 1
        last = bool(options.limit and served >= options.limit)
        say("request", peer, path=path, number=served)
        body = b"hello\n"
        _, what, *rest = path.split("/")
        if what == "slow":
            time.sleep(float(rest[0]))
        elif what == "never":
            time.sleep(600)
        close = b"Connection: close\r\n" if last and options.announce else b""
        try:
            if what == "drip":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: " + rest[0].encode() + b"\r\n\r\n")
                for _ in range(int(rest[0]) // 1000):
                    connection.sendall(b"x" * 1000)
                    time.sleep(0.02)
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + close + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
        except OSError as error:
            say("send-failed", peer, error=type(error).__name__)
            connection.close()
            return
        say("response", peer, number=served)
        if last:
            say("limit-close", peer, number=served)
            connection.close()
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--idle", type=float, default=0)
    parser.add_argument("--age", type=float, default=0)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--announce", action="store_true")
    options = parser.parse_args()
    with socket.create_server(("0.0.0.0", options.port), backlog=128) as listener:
        while True:
            connection, address = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, address, options), daemon=True).start()


main()
