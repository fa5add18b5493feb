"""Times TCP connects. Standard input: a line `COUNT PORT ADDRESS…` per round; it answers with the median nanoseconds of a
connect, over COUNT connects spread over the addresses. Connections are reset at once, so that none stays in TIME_WAIT."""
import socket
import struct
import sys
import time

RESET = struct.pack("ii", 1, 0)

for line in sys.stdin:
    count, port, *addresses = line.split()
    times = []
    for at in range(int(count)):
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            peer = (addresses[at % len(addresses)], int(port))
            began = time.perf_counter_ns()
            connection.connect(peer)
            times.append(time.perf_counter_ns() - began)
    times.sort()
    print(times[len(times) // 2], flush=True)
