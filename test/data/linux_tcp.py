#!/usr/bin/env python3
"""What the running Linux kernel's TCP does as a sender, scenario by scenario: the program plays the peer
behind a tun device, records every segment, TCP_INFO and the counters.
Run:  unshare -n python3 linux_tcp.py SCENARIOS.json OUT.json     (root, /dev/net/tun)
A scenario is {"name", "steps", "window"}; a step is one of
  ["sysctl", name, value]                                   before "accept"
  ["accept", {"mss", "sackOk", "wscale", "ts", "win", "ecn", "cc"}]
  ["send", flags, seq, ack, len, win, {"sack", "ts", "ecn"}]  relative sequence numbers, as in packetdrill
  ["write", bytes, msg_flags]   ["opt", level, name, value]   ["run", ms]   ["info"]   ["shutdown"]
  ["mtu", bytes]                ICMP "fragmentation needed" about the segment at "seq"
Each step that may send records the segments that came within 30 ms ("window")."""
import ctypes, fcntl, json, os, platform, select, socket, struct, subprocess, sys, time

K, P = '192.168.0.1', '192.0.2.1'
BITS = (('S', 2), ('F', 1), ('R', 4), ('P', 8), ('U', 32), ('E', 64), ('W', 128), ('.', 16))
INFO = {'state': (0, 'B'), 'ca': (1, 'B'), 'retransmits': (2, 'B'), 'probes': (3, 'B'), 'backoff': (4, 'B'),
        'mss': (16, 'I'), 'unacked': (24, 'I'), 'sacked': (28, 'I'), 'lost': (32, 'I'), 'retrans': (36, 'I'),
        'pmtu': (60, 'I'), 'ssthresh': (76, 'I'), 'cwnd': (80, 'I'), 'reordering': (88, 'I'),
        'totalRetrans': (100, 'I'), 'bytesAcked': (120, 'Q'), 'segsOut': (136, 'I'), 'notsent': (144, 'I'),
        'dataSegsOut': (156, 'I'), 'delivered': (192, 'I'), 'deliveredCe': (196, 'I'),
        'bytesSent': (200, 'Q'), 'bytesRetrans': (208, 'Q'), 'dsackDups': (216, 'I'), 'reordSeen': (220, 'I'),
        'rehash': (236, 'I'), 'totalRto': (240, 'H'), 'totalRtoRecoveries': (242, 'H')}


def sh(c):
    subprocess.run(c, shell=True, check=True, stderr=subprocess.DEVNULL)


def csum(b):
    b += b'\0' * (len(b) % 2)
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def counters():
    out = {}
    for f in ('/proc/net/netstat', '/proc/net/snmp'):
        lines = open(f).read().split('\n')
        for names, values in zip(lines[::2], lines[1::2]):
            prefix, names = names.split(':')
            if prefix in ('Tcp', 'TcpExt'):
                for n, v in zip(names.split(), values.split(':')[1].split()):
                    out[prefix + n] = int(v)
    return out


class World:
    def __init__(self):
        self.fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, 0x400454ca, struct.pack('16sH22x', b'tun0', 0x1001))
        sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set lo up')
        sh(f'ip addr add {K} peer {P} dev tun0; ip link set tun0 mtu 1500 up')
        self.iss, self.isn, self.sk, self.base = 0, 1000, None, counters()

    def inject(self, flags, seq, ack, length, win, o):
        f = sum(b for c, b in BITS if c in flags)
        opts = b''
        if 'mss' in o: opts += struct.pack('!BBH', 2, 4, o['mss'])
        if o.get('sackOk'): opts += b'\4\2\1\1'
        if 'wscale' in o: opts += struct.pack('!BBBB', 1, 3, 3, o['wscale'])
        if 'ts' in o: opts += struct.pack('!BBBBII', 1, 1, 8, 10, o['ts'][0], self.tsecr if o['ts'][1] else 0)
        if 'sack' in o:
            n = len(o['sack'])
            opts += struct.pack('!BBBB%dI' % n, 1, 1, 5, 2 + 4 * n, *((s + self.iss) & 0xffffffff for s in o['sack']))
        a = (ack + self.iss) & 0xffffffff if f & 16 else 0
        h = struct.pack('!HHIIBBHHH', 40000, 8080, (seq + self.isn) & 0xffffffff, a, (5 + len(opts) // 4) << 4, f, win, 0, 0) + opts
        data = bytes(length)
        c = csum(socket.inet_aton(P) + socket.inet_aton(K) + struct.pack('!BBH', 0, 6, len(h) + length) + h + data)
        self.ip(h[:16] + struct.pack('!H', c) + h[18:] + data, 6, o.get('ecn', 0))

    def ip(self, payload, proto, tos=0):
        h = struct.pack('!BBHHHBBH4s4s', 0x45, tos, 20 + len(payload), 1, 0, 64, proto, 0, socket.inet_aton(P), socket.inet_aton(K))
        os.write(self.fd, h[:10] + struct.pack('!H', csum(h)) + h[12:] + payload)

    def icmp(self, mtu, seq):
        quoted = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 1500, 1, 0x4000, 64, 6, 0, socket.inet_aton(K), socket.inet_aton(P))
        quoted += struct.pack('!HHI', 8080, 40000, (self.iss + seq) & 0xffffffff)
        b = struct.pack('!BBHHH', 3, 4, 0, 0, mtu) + quoted
        self.ip(b[:2] + struct.pack('!H', csum(b)) + b[4:], 1)

    def sent(self, ms):
        out, end = [], time.monotonic() + ms / 1000
        while True:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                return out
            p = os.read(self.fd, 70000)
            if p[0] >> 4 == 4 and p[9] == 6:
                out.append(self.text(p))

    def text(self, p):
        t = p[20:]
        _, _, seq, ack, off, f, _, _, _ = struct.unpack('!HHIIBBHHH', t[:20])
        if f & 2: self.iss = seq
        n = struct.unpack('!H', p[2:4])[0] - 20 - (off >> 4) * 4
        rel = (seq - self.iss + 2**31) % 2**32 - 2**31
        s = f"{''.join(c for c, b in BITS if f & b)} {rel}:{rel + n}"
        if f & 16: s += f' ack {(ack - self.isn) % 2**32}'
        if p[1] & 3: s += f' ect {p[1] & 3}'
        o = t[20:(off >> 4) * 4]
        i = 0
        while i < len(o):
            if o[i] <= 1: i += 1; continue
            if o[i] == 8: self.tsecr = struct.unpack('!I', o[i + 2:i + 6])[0]
            i += o[i + 1]
        return s

    def step(self, what, *a):
        if what == 'sysctl':
            open('/proc/sys/' + a[0].replace('.', '/'), 'w').write(str(a[1]))
            return None
        if what == 'accept':
            o = dict(a[0])
            l = self.listener = socket.socket()
            l.setsockopt(6, 13, o.pop('cc', 'cubic').encode())
            l.bind(('0.0.0.0', 8080)); l.listen(8)
            self.inject('SEW' if o.get('ecn') else 'S', 0, 0, 0, o.get('win', 65535), {k: v for k, v in o.items() if k != 'ecn'})
            out = self.sent(50)
            self.inject('.', 1, 1, 0, o.get('win', 65535), {'ts': [o['ts'][0] + 1, 1]} if 'ts' in o else {})
            self.sk, _ = l.accept(); self.sk.setblocking(False)
            return out
        if what == 'send':
            flags, seq, ack, length, win, o = (list(a) + [0, 65535, {}][len(a) - 3:])[:6]
            self.inject(flags, seq, ack, length, win, o)
        elif what == 'write': self.sk.send(bytes(a[0]), a[1] if len(a) > 1 else 0)
        elif what == 'opt':
            try: self.sk.setsockopt(*a) if not isinstance(a[2], str) else self.sk.setsockopt(a[0], a[1], a[2].encode())
            except OSError as e: return [f'errno {e.errno}']
        elif what == 'shutdown': self.sk.shutdown(1)
        elif what == 'mtu': self.icmp(*a)
        elif what == 'run': return self.sent(a[0])
        elif what == 'info':
            b = self.sk.getsockopt(6, 11, 256)
            return {k: struct.unpack_from('<' + f, b, at)[0] for k, (at, f) in INFO.items()}
        return self.sent(self.window)


def run(scenario):
    if ctypes.CDLL(None).unshare(0x40000000): sys.exit('unshare: run me as root')
    w = World()
    w.window = scenario.get('window', 30)
    results = [w.step(*s) for s in scenario['steps']]
    now = counters()
    return {**scenario, 'results': results, 'counters': {k: v - w.base.get(k, 0) for k, v in now.items() if v != w.base.get(k, 0)}}


def main():
    scenarios, out = json.load(open(sys.argv[1])), []
    if isinstance(scenarios, dict): scenarios = scenarios['scenarios']  # an older recording
    for s in scenarios:
        r, wfd = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(r)
            data = json.dumps(run(s)).encode()
            with os.fdopen(wfd, 'wb') as f: f.write(data)
            os._exit(0)
        os.close(wfd)
        text = os.fdopen(r).read()
        os.waitpid(pid, 0)
        if not text: sys.exit(f"{s['name']}: failed")
        out.append(json.loads(text))
    with open(sys.argv[2], 'w') as f:
        f.write('{"kernel": %s, "scenarios": [\n' % json.dumps(platform.release()))
        f.write(',\n'.join(json.dumps(s) for s in out))
        f.write('\n]}\n')


main()
