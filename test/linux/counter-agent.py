"""Makes socket calls in a namespace as told on stdin, one JSON list a line, and answers with the result."""
import errno
import json
import socket
import struct
import sys

socks = {}


def counters():
    out = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        with open(path) as f:
            lines = f.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group = names.split()[0][:-1]
            for name, value in zip(names.split()[1:], values.split()[1:]):
                out[group + name] = int(value)
    return out


def run(op, *a):
    if op == "counters":
        return counters()
    if op == "tcp" or op == "udp":
        kind = socket.SOCK_STREAM if op == "tcp" else socket.SOCK_DGRAM
        socks[a[0]] = socket.socket(socket.AF_INET, kind)
        socks[a[0]].setblocking(False)
        return 0
    s = socks[a[0]]
    if op == "bind":
        s.bind((a[1], a[2]))
    elif op == "listen":
        s.listen(a[1])
    elif op == "accept":
        socks[a[1]], _ = s.accept()
        socks[a[1]].setblocking(False)
    elif op == "connect":
        s.connect((a[1], a[2]))
    elif op == "send":
        return s.send(b"a" * a[1], a[2] if len(a) > 2 else 0)
    elif op == "sendto":
        return s.sendto(b"a" * a[1], a[2], (a[3], a[4]))
    elif op == "recv":
        return len(s.recv(a[1], a[2] if len(a) > 2 else 0))
    elif op == "set":
        s.setsockopt(a[1], a[2], a[3])
    elif op == "get":
        return s.getsockopt(a[1], a[2])
    elif op == "shutdown":
        s.shutdown(a[1])
    elif op == "close":
        s.close()
    elif op == "reset":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    return 0


print('"ready"', flush=True)
for line in sys.stdin:
    try:
        result = run(*json.loads(line))
    except OSError as e:
        result = errno.errorcode[e.errno]
    print(json.dumps(result), flush=True)
