"""
A TCP client that says what it likes: raw_client.py DEVICE NEIGHBOUR SOURCE DESTINATION PORT ORDERS, in a network
namespace where nobody has the source address, and whose neighbour, of that hardware address, sends there what is for it.

ORDERS is a JSON list; each is done when it is its turn:
  {"send": text, "at": first byte's place in the stream}   one segment; besides:
      "bad": true (a wrong checksum), "ago": n (a timestamp n older than the last), "shift": n (added to the sequence number),
      "ack": n (added to the acknowledgement), "options": true (with an IP option), "pieces": true (as two IP fragments)
  {"wait": milliseconds}                                    takes what comes, and acknowledges it
Prints JSON: received (text), end (open, fin, rst), taken (bytes of the stream that the server has acknowledged).
"""
import json
import socket
import struct
import sys
import time

device, peer, source, destination, port, orders = sys.argv[1:]
port = int(port)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
OWN_PORT = 20000 + time.time_ns() // 1000 % 40000

raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
raw.bind((device, 0x0800))
addresses = socket.inet_aton(source), socket.inet_aton(destination)
begin = time.time_ns() & 0xFFFFFFFF
state = {"next": 0, "taken": 0, "received": b"", "end": "open", "stamp": 1000}


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(payload, options=b"", fragment=0):
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), 7, fragment, 64, 6, 0)
    head += addresses[0] + addresses[1] + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def put(packet):
    raw.sendto(packet, (device, 0x0800, 0, 0, bytes.fromhex(peer.replace(":", ""))))


def send(flags, at, data=b"", order={}):
    stamp = state["stamp"] - order.get("ago", 0)
    state["stamp"] += 1
    number = begin + at + order.get("shift", 0) & 0xFFFFFFFF
    acknowledged = state["next"] + order.get("ack", 0) & 0xFFFFFFFF
    head = struct.pack(">HHIIBBHHH", OWN_PORT, port, number, acknowledged, 8 << 4, flags, 60000, 0, 0)
    head += struct.pack(">BBBBII", 1, 1, 8, 10, stamp & 0xFFFFFFFF, 0)
    pseudo = addresses[0] + addresses[1] + struct.pack(">BBH", 0, 6, len(head) + len(data))
    total = checksum(pseudo + head + data) ^ (0x5555 if order.get("bad") else 0)
    segment = head[:16] + struct.pack(">H", total) + head[18:] + data
    if order.get("pieces"):
        middle = (len(segment) // 2) & ~7
        put(ip(segment[:middle], fragment=0x2000))
        put(ip(segment[middle:], fragment=middle // 8))
    else:
        put(ip(segment, b"\1\1\1\0" if order.get("options") else b""))


def take(until):
    while time.monotonic() < until:
        raw.settimeout(max(until - time.monotonic(), 0.001))
        try:
            packet = raw.recv(65536)
        except socket.timeout:
            return
        words = (packet[0] & 15) * 4
        if packet[9] != 6 or packet[12:16] != addresses[1] or packet[16:20] != addresses[0]:
            continue
        length = struct.unpack(">H", packet[2:4])[0]
        tcp = packet[words:length]
        theirs, ours, number, acknowledged, offset, flags = struct.unpack(">HHIIBB", tcp[:14])
        if (theirs, ours) != (port, OWN_PORT):
            continue
        data = tcp[(offset >> 4) * 4 :]
        if flags & RST:
            state["end"] = "rst"
            return
        if flags & ACK:
            state["taken"] = max(state["taken"], acknowledged - begin - 1 & 0xFFFFFFFF)
        if flags & SYN:
            state["next"] = number + 1 & 0xFFFFFFFF
            return
        if number == state["next"]:
            state["received"] += data
            state["next"] = state["next"] + len(data) + (flags & FIN) & 0xFFFFFFFF
            if flags & FIN:
                state["end"] = "fin"
        if data or flags & FIN:
            send(ACK, 1 + state["taken"])


send(SYN, 0)
take(time.monotonic() + 1)
if not state["next"]:
    sys.exit("no answer to the SYN")
send(ACK, 1)
for order in json.loads(orders):
    if "wait" in order:
        take(time.monotonic() + order["wait"] / 1000)
    else:
        send(ACK | PSH, 1 + order["at"], order["send"].encode("latin-1"), order)
state["received"] = state["received"].decode("latin-1")
print(json.dumps({key: state[key] for key in ("received", "end", "taken")}))
send(RST | ACK, 1 + state["taken"])
