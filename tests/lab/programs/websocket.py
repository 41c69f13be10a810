"""A WebSocket server that echoes text and answers pings. usage: websocket.py PORT"""
import base64
import hashlib
import socket
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


def exactly(connection, count):
    out = b""
    while len(out) < count:
        more = connection.recv(count - len(out))
        if not more:
            raise EOFError
        out += more
    return out


def serve(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        head += exactly(connection, 1)
    key = next(line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    answer = {1: 1, 9: 10, 8: 8}  # text, ping → pong, close
    try:
        while True:
            first, length = exactly(connection, 2)
            mask = exactly(connection, 4)
            body = bytes(b ^ mask[i % 4] for i, b in enumerate(exactly(connection, length & 127)))
            if first & 15 in answer:
                connection.sendall(bytes([0x80 | answer[first & 15], len(body)]) + body)
            if first & 15 == 8:
                break
    except (EOFError, OSError):
        pass
    connection.close()


with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
