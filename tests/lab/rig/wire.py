"""A wire with a length: carries frames between two interfaces, each after the same delay. usage: wire.py LEFT RIGHT SECONDS"""
import collections
import select
import socket
import sys
import time

ETH_P_ALL = 3
PACKET_OUTGOING = 4


def main():
    left, right, delay = sys.argv[1], sys.argv[2], float(sys.argv[3])
    ends = []
    for name in (left, right):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        s.bind((name, 0))
        s.setblocking(False)
        ends.append(s)
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    under_way = collections.deque()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select(ends, [], [], wait)
        for s in ready:
            frame, origin = s.recvfrom(65536)
            if origin[2] != PACKET_OUTGOING:
                under_way.append((time.monotonic() + delay, other[s], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, to, frame = under_way.popleft()
            try:
                to.send(frame)
            except OSError:
                pass  # an interface that is down loses frames, as a wire does


main()
