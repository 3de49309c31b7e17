"""Makes socket calls in a namespace as told on stdin, one JSON list a line, and answers with the result."""
import errno
import json
import os
import socket
import struct
import sys

socks = {}
KINDS = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM, 0),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM, 0),
    "raw": (socket.AF_INET, socket.SOCK_RAW, 1),
    "ping": (socket.AF_INET, socket.SOCK_DGRAM, 1),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM, 0),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM, 0),
    "raw6": (socket.AF_INET6, socket.SOCK_RAW, 58),
    "ping6": (socket.AF_INET6, socket.SOCK_DGRAM, 58),
}


def name(e):
    return errno.errorcode[e.errno].replace("ENOTSUP", "EOPNOTSUPP")


def entry(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError as e:
        return name(e)


def counters():
    out = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        with open(path) as f:
            lines = f.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group = names.split()[0][:-1]
            for name, value in zip(names.split()[1:], values.split()[1:]):
                out[group + name] = int(value)
    with open("/proc/net/snmp6") as f:
        for line in f:
            name, value = line.split()
            out[name] = int(value)
    return out


def run(op, *a):
    if op == "counters":
        return counters()
    if op == "read":
        return entry(a[0])
    if op == "write":
        fd = os.open(a[0], os.O_WRONLY)
        try:
            os.write(fd, a[1].encode())
        finally:
            os.close(fd)
        return 0
    if op == "list":
        return sorted(os.listdir(a[0]))
    if op in KINDS:
        socks[a[0]] = socket.socket(*KINDS[op])
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
    elif op == "sendhex":
        return s.sendto(bytes.fromhex(a[1]), 0, (a[2], a[3]))
    elif op == "join":
        s.setsockopt(socket.IPPROTO_IP, 35, socket.inet_aton(a[1]) + socket.inet_aton(a[2]))
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
        result = name(e)
    print(json.dumps(result), flush=True)
