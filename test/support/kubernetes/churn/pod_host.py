"""Stands for what runs in pods: for each line of JSON on stdin {name, cgroup, netns, peers}, a server and a client.

Both join the cgroup and the network namespace before they make a socket. The server answers HTTP on port 80 with the
pod's name. The client asks one peer after the other, each on a connection of its own, for /<own name>/<number>; some
connections it keeps for a while after the answer. Both end when their cgroup is killed. {name, netns, peers} without a
cgroup is a client that is no pod's, and ends with this process.
"""
import ctypes
import json
import os
import random
import signal
import socket
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
PORT = 80
PAUSE_S = 0.15
PATIENCE_S = 0.5
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(place):
    if "cgroup" in place:
        with open(place["cgroup"] + "/cgroup.procs", "w") as procs:
            procs.write("0")
    with open(place["netns"]) as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def answer(connection, body):
    try:
        with connection:
            connection.settimeout(5)
            while connection.recv(4096):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    except OSError:
        pass  # the other end is gone


def serve(place):
    listener = socket.create_server(("", PORT), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, place["name"].encode()), daemon=True).start()


def ask(place):
    kept = []
    number = 0
    while True:
        time.sleep(random.uniform(0, 2 * PAUSE_S if "cgroup" in place else PAUSE_S / 2))
        kept = [(at, one) for at, one in kept if at > time.monotonic() or one.close()]
        number += 1
        try:
            connection = socket.create_connection((random.choice(place["peers"]), PORT), PATIENCE_S)
            connection.sendall(b"GET /%s/%d HTTP/1.1\r\nHost: pod\r\n\r\n" % (place["name"].encode(), number))
            connection.recv(4096)
            if random.random() < 0.2:
                kept.append((time.monotonic() + random.uniform(0, 2), connection))
            else:
                connection.close()
        except OSError:
            pass  # nobody is there, or is not any more


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        place = json.loads(line)
        for role in (serve, ask) if "cgroup" in place else (ask,):
            if os.fork() != 0:
                continue
            LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            random.seed()
            try:
                enter(place)
            except FileNotFoundError:
                os._exit(0)  # the pod is over
            role(place)


main()
