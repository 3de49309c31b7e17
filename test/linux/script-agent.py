"""Runs scripts of socket calls in two namespaces of the kernel's, A and B, joined by a veth pair, a0 and b0.

Reads a JSON list of scripts on stdin, each a list of steps; writes, for each script, the list of results. See
`script-world.ts`, which does the same in Warren.
"""
import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
MAC = {"A": "02:00:00:00:00:0a", "B": "02:00:00:00:00:0b"}


def enter(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def keeper():
    """A process in a namespace of its own, which ends when this one does."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)
        if libc.unshare(CLONE_NEWNET) != 0:
            os._exit(1)
        os.write(w, b"x")
        while True:
            signal.pause()
    os.read(r, 1)
    os.close(r)
    os.close(w)
    return pid


def sh(words):
    done = subprocess.run(words, shell=True, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class World:
    def __init__(self):
        self.pids = {n: keeper() for n in "AB"}
        self.fds = {n: os.open(f"/proc/{p}/ns/net", os.O_RDONLY) for n, p in self.pids.items()}
        self.socks = {}
        for n in "AB":
            enter(self.fds[n])
            sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
        enter(self.fds["A"])
        sh(f"ip link add a0 index 10 address {MAC['A']} type veth peer name b0 index 20 address {MAC['B']}")
        sh(f"ip link set b0 netns {self.pids['B']}")
        for n, dev in (("A", "a0"), ("B", "b0")):
            enter(self.fds[n])
            sh(f"ip link set lo up; ip link set {dev} up; ip addr add 10.0.0.{1 if n == 'A' else 2}/24 dev {dev}")

    def end(self):
        for s in self.socks.values():
            s.close()
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for fd in self.fds.values():
            os.close(fd)

    def run(self, op, *a):
        if op == "wait":
            time.sleep(a[0])
            return 0
        if op in ("ip", "sh"):
            enter(self.fds[a[0]])
            return sh(f"ip {a[1]}" if op == "ip" else a[1])[0]
        if op == "read":
            enter(self.fds[a[0]])
            with open(a[1]) as f:
                return f.read()
        if op == "write":
            enter(self.fds[a[0]])
            with open(a[1], "w") as f:
                f.write(a[2])
            return 0
        if op == "sock":
            enter(self.fds[a[1]])
            proto = socket.htons(a[4]) if a[2] == 17 else a[4]
            s = socket.socket(a[2], a[3], proto)
            s.setblocking(False)
            self.socks[a[0]] = s
            return 0
        if op == "accept":
            self.socks[a[1]], _ = self.socks[a[0]].accept()
            self.socks[a[1]].setblocking(False)
            return 0
        return self.call(self.socks[a[0]], op, *a[1:])

    def call(self, s, op, *a):
        if op == "set":
            s.setsockopt(a[0], a[1], a[2])
        elif op == "sethex":
            s.setsockopt(a[0], a[1], bytes.fromhex(a[2]))
        elif op == "gethex":
            return s.getsockopt(a[0], a[1], a[2]).hex()
        elif op == "program":
            code = b"".join(struct.pack("HBBI", *i) for i in a[0])
            buf = ctypes.create_string_buffer(code, max(1, len(code)))
            s.setsockopt(1, a[1] if len(a) > 1 else 26, struct.pack("HxxxxxxQ", len(a[0]) & 0xffff, ctypes.addressof(buf)))
        elif op == "bindll":
            s.bind((a[0], a[1]))
        elif op == "namell":
            n = s.getsockname()
            return [n[0], n[1], n[3], n[4].hex()]
        elif op == "sendll":
            return s.sendto(bytes.fromhex(a[3]), (a[0], a[1], 0, 0, bytes.fromhex(a[2])) if a[2] else (a[0], a[1]))
        elif op == "bind":
            s.bind((a[0], a[1]))
        elif op == "listen":
            s.listen(a[0])
        elif op == "connect":
            s.connect((a[0], a[1]))
        elif op == "send":
            return s.send(bytes.fromhex(a[0]))
        elif op == "sendto":
            return s.sendto(bytes.fromhex(a[0]), (a[1], a[2]))
        elif op == "sendmsg":
            control = [(level, kind, bytes.fromhex(data)) for level, kind, data in a[3]]
            return s.sendmsg([bytes.fromhex(a[0])], control, 0, (a[1], a[2]))
        elif op == "recv":
            # On a busy machine a packet may still be on its way.
            if len(a) < 2 or not a[1] & 0x2000:
                select.select([s], [], [], 0.03)
            data, control, flags, peer = s.recvmsg(a[0], 1024, a[1] if len(a) > 1 else 0)
            if s.family == socket.AF_PACKET:
                peer = [peer[0], peer[1], peer[2], peer[3], peer[4].hex()]
            elif peer is not None:
                peer = list(peer)
            cmsgs = [[level, kind, value.hex()] for level, kind, value in control]
            return {"data": data.hex(), "from": peer, "flags": flags & 0x20, "control": cmsgs}
        elif op == "drain":
            time.sleep(0.03)
            n = 0
            while True:
                try:
                    s.recv(70000)
                    n += 1
                except BlockingIOError:
                    return n
        elif op == "close":
            s.close()
        else:
            raise AssertionError(op)
        return 0


def step(world, words):
    try:
        return world.run(*words)
    except OSError as e:
        return errno.errorcode[e.errno].replace("ENOTSUP", "EOPNOTSUPP")


for script in json.load(sys.stdin):
    world = World()
    try:
        print(json.dumps([step(world, words) for words in script]), flush=True)
    finally:
        world.end()
