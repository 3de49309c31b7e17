/** What the tests of the Linux target do in a namespace of their own: each job by its name. */
import assert from 'node:assert/strict';
import { linuxTarget } from '../../src/linux/index.ts';
import type {
  Address,
  Call,
  CallResult,
  LeftPacket,
  Target,
  TargetConfig,
} from '../../src/sim/packetdrill/target.ts';
import {
  ACK,
  address,
  type Ends,
  FIN,
  ipPacket,
  PSH,
  type ReadSegment,
  readTcp,
  type Segment,
  SYN,
  tcpPacket,
  udpPacket,
  v4,
  v6,
} from './drill-segment.ts';

const IPV4: TargetConfig = {
  ipVersion: 'ipv4',
  localIp: '192.168.0.1',
  prefixLength: 16,
  gatewayIp: '192.168.0.2',
  remoteIp: '192.0.2.1',
  mtu: 1500,
  seed: 1,
};
const IPV6: TargetConfig = {
  ipVersion: 'ipv6',
  localIp: 'fd3d:a0b:17d6:0:0:0:0:1',
  prefixLength: 48,
  gatewayIp: 'fd3d:a0b:17d6:8888:0:0:0:1',
  remoteIp: '2001:db8:0:0:0:0:0:1',
  mtu: 1520,
  seed: 1,
};
const PORT = 8080;
const PEER = 40000;
const NONBLOCK = 0x800;
/** mss 1460 */
const MSS = [2, 4, 5, 0xb4];

function u32(...words: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** A target with words for what tests do. */
class Host {
  readonly target: Target;
  readonly ends: Ends;
  readonly family: number;
  private readonly mapped: boolean;
  /** The kernel's first sequence number. */
  iss = 0;

  constructor(target: Target, config: TargetConfig) {
    this.target = target;
    const parse = config.ipVersion === 'ipv6' ? v6 : v4;
    this.ends = { src: parse(config.remoteIp), dst: parse(config.localIp) };
    this.mapped = config.ipVersion === 'ipv4-mapped-ipv6';
    this.family = config.ipVersion === 'ipv4' ? 2 : 10;
  }

  now(call: Call): CallResult {
    const { result } = this.target.call(call);
    assert.ok(result !== null, `${call.name} blocks`);
    return result;
  }

  ok(call: Call): CallResult {
    const result = this.now(call);
    assert.equal(result.errno, 0, `${call.name}: errno ${result.errno}`);
    return result;
  }

  address(addr: Uint8Array, port: number): Address {
    if (!this.mapped) return address(addr, port);
    return address(Uint8Array.from([...new Uint8Array(10), 255, 255, ...addr]), port);
  }

  any(port: number): Address {
    return address(new Uint8Array(this.family === 2 ? 4 : 16), port);
  }

  remote(): Address {
    return this.address(this.ends.src, PEER);
  }

  socket(type = 1): number {
    return this.ok({ name: 'socket', domain: this.family, type, protocol: 0 }).value;
  }

  send(s: Partial<Segment>): void {
    const segment = { sport: PEER, dport: PORT, seq: 0, ack: 0, flags: 0, ...s };
    this.target.inject(tcpPacket(this.ends, segment));
  }

  async next(withinUs = 2e6): Promise<LeftPacket> {
    const until = this.target.nowUs() + withinUs;
    while (this.target.nowUs() < until) {
      const packet = this.target.take();
      if (packet !== null) return packet;
      await this.target.wait(until);
    }
    assert.fail('no packet left');
  }

  async nextTcp(withinUs?: number): Promise<ReadSegment & { atUs: number }> {
    const packet = await this.next(withinUs);
    return { ...readTcp(packet.bytes), atUs: packet.atUs };
  }

  listen(): number {
    const fd = this.socket();
    this.ok({ name: 'setsockopt', fd, level: 1, option: 2, value: u32(1) });
    this.ok({ name: 'bind', fd, addr: this.any(PORT) });
    this.ok({ name: 'listen', fd, backlog: 1 });
    return fd;
  }

  /** A connection that the peer opened. */
  async accepted(): Promise<number> {
    const listener = this.listen();
    this.send({ flags: SYN, options: MSS });
    const synAck = await this.nextTcp();
    assert.equal(synAck.flags, SYN | ACK);
    this.iss = synAck.seq;
    this.send({ flags: ACK, seq: 1, ack: this.iss + 1 });
    return this.ok({ name: 'accept', fd: listener, flags: 0 }).value;
  }
}

type Job = (host: Host, emit: (value: unknown) => void) => Promise<unknown>;

async function handshake(host: Host): Promise<unknown> {
  const { target } = host;
  const fd = host.listen();
  const accept = target.call({ name: 'accept', fd, flags: 0 });
  assert.equal(accept.result, null, 'accept blocks');
  const sentUs = target.nowUs();
  host.send({ flags: SYN, options: MSS });
  const synAck = await host.nextTcp();
  assert.equal(synAck.flags, SYN | ACK);
  assert.equal(synAck.ack, 1);
  assert.ok(synAck.checksumsRight);
  assert.ok(synAck.atUs >= sentUs && synAck.atUs - sentUs < 20_000, `${synAck.atUs - sentUs} µs`);
  await target.wait(target.nowUs() + 30_000);
  assert.equal(accept.result, null, 'still blocks');
  const ackedUs = target.nowUs();
  host.send({ flags: ACK, seq: 1, ack: synAck.seq + 1 });
  await target.wait(target.nowUs() + 1e6);
  const result = accept.result as CallResult | null;
  assert.ok(result !== null && result.value >= 0, 'accept returned');
  assert.deepEqual(result.addr, host.remote());
  assert.ok(result.endUs >= ackedUs && result.endUs - ackedUs < 100_000);
  const name = host.ok({ name: 'getsockname', fd: result.value }).addr;
  assert.deepEqual(name, host.address(host.ends.dst, PORT));
  assert.deepEqual(host.ok({ name: 'getpeername', fd: result.value }).addr, host.remote());
  return 'well';
}

async function activeOpen(host: Host): Promise<unknown> {
  const fd = host.socket();
  host.ok({ name: 'fcntl', fd, command: 4, arg: NONBLOCK });
  const connect = { name: 'connect', fd, addr: host.remote() } as const;
  assert.equal(host.now(connect).errno, 115, 'EINPROGRESS');
  const syn = await host.nextTcp();
  assert.equal(syn.flags, SYN);
  assert.ok(syn.checksumsRight);
  host.send({ flags: SYN | ACK, ack: syn.seq + 1, dport: syn.sport, options: MSS });
  assert.equal((await host.nextTcp()).flags, ACK);
  assert.equal(host.now(connect).value, 0);
  assert.equal(host.now(connect).errno, 106, 'EISCONN');
  return 'well';
}

async function data(host: Host): Promise<unknown> {
  const fd = await host.accepted();
  const iss = host.iss;
  host.ok({ name: 'setsockopt', fd, level: 6, option: 1, value: u32(1) });
  assert.equal(host.ok({ name: 'write', fd, data: new Uint8Array(14_600) }).value, 14_600);
  let sent = 0;
  const lengths: number[] = [];
  while (sent < 14_600) {
    const segment = await host.nextTcp();
    assert.ok(segment.checksumsRight, `checksum of ${segment.length} bytes`);
    assert.equal(segment.seq, (iss + 1 + sent) >>> 0);
    sent += segment.length;
    lengths.push(segment.length);
  }
  assert.ok(lengths[0]! > 1460, `segments leave whole: ${lengths}`);
  host.send({ flags: ACK, seq: 1, ack: iss + 1 + sent });
  const six = Uint8Array.of(1, 2, 3, 4, 5, 6);
  host.send({ flags: PSH | ACK, seq: 1, ack: iss + 1 + sent, data: six });
  assert.equal((await host.nextTcp()).ack, 7);
  assert.equal(host.ok({ name: 'ioctl', fd, request: 0x541b, arg: 0 }).arg, 6);
  const readable = [{ fd, events: 1 }];
  assert.deepEqual(host.ok({ name: 'poll', fds: readable, timeoutMs: 0 }).revents, [1]);
  const peek = host.ok({ name: 'recvfrom', fd, len: 100, flags: 2 });
  assert.deepEqual([peek.data, peek.addr], [six, null]);
  const vec = host.ok({ name: 'readv', fd, lens: [1, 2] });
  assert.deepEqual(vec.data, six.slice(0, 3));
  assert.deepEqual(host.ok({ name: 'read', fd, len: 100 }).data, six.slice(3));
  assert.equal(host.now({ name: 'recvfrom', fd, len: 1, flags: 0x40 }).errno, 11, 'EAGAIN');
  const one = Uint8Array.of(7);
  assert.equal(host.ok({ name: 'writev', fd, data: [one, Uint8Array.of(8, 9)] }).value, 3);
  assert.deepEqual((await host.next()).bytes.slice(-3), Uint8Array.of(7, 8, 9));
  assert.equal(host.now({ name: 'write', fd, data: { bad: 4 } }).errno, 14, 'EFAULT');
  const { value: zero } = host.ok({ name: 'open', path: '/dev/zero', flags: 0, mode: 0 });
  assert.equal(host.ok({ name: 'sendfile', fd, from: zero, offset: null, len: 6 }).value, 6);
  assert.deepEqual((await host.next()).bytes.slice(-6), new Uint8Array(6));
  assert.equal(host.ok({ name: 'sendto', fd, data: one, flags: 0, to: null }).value, 1);
  assert.deepEqual((await host.next()).bytes.slice(-1), one);
  host.ok({ name: 'shutdown', fd, how: 1 });
  assert.equal((await host.nextTcp()).flags, FIN | ACK);
  assert.equal(host.now({ name: 'write', fd, data: one }).errno, 32, 'EPIPE');
  host.ok({ name: 'close', fd });
  assert.equal(host.now({ name: 'close', fd }).errno, 9, 'EBADF');
  return 'well';
}

async function blocking(host: Host): Promise<unknown> {
  const { target } = host;
  const fd = await host.accepted();
  const read = target.call({ name: 'read', fd, len: 10 });
  const fds = [{ fd, events: 1 }];
  const startUs = target.nowUs();
  const poll = target.call({ name: 'poll', fds, timeoutMs: 50 });
  // A second thread may have had to be started first.
  const startedUs = target.nowUs();
  assert.deepEqual([read.result, poll.result], [null, null]);
  await target.wait(target.nowUs() + 1e6);
  assert.deepEqual((poll.result as CallResult | null)?.revents, [0]);
  const endUs = (poll.result as CallResult | null)?.endUs ?? 0;
  assert.ok(endUs - startUs >= 49_900, `poll ended after ${endUs - startUs} µs`);
  assert.ok(endUs - startedUs < 100_000, `poll ended ${endUs - startedUs} µs after its start`);
  host.send({ flags: PSH | ACK, seq: 1, ack: host.iss + 1, data: Uint8Array.of(5) });
  for (let i = 0; i < 3 && read.result === null; i++) {
    while (target.take() !== null);
    await target.wait(target.nowUs() + 1e6);
  }
  assert.deepEqual((read.result as CallResult | null)?.data, Uint8Array.of(5));
  // A write that does not fit waits for the peer, until the target is closed.
  const write = target.call({ name: 'write', fd, data: new Uint8Array(10_000_000) });
  assert.equal(write.result, null);
  const forever = target.call({ name: 'poll', fds, timeoutMs: -1 });
  assert.equal(forever.result, null);
  const beforeUs = target.nowUs();
  await target.close();
  assert.ok(target.nowUs() - beforeUs < 1_500_000, 'close does not wait for blocked calls');
  return 'well';
}

async function epoll(host: Host): Promise<unknown> {
  const fd = await host.accepted();
  const epfd = host.ok({ name: 'epoll_create', flags: 0 }).value;
  const event = { events: 1 | 4, data: 0x1234 };
  host.ok({ name: 'epoll_ctl', epfd, op: 1, fd, event });
  assert.equal(host.now({ name: 'epoll_ctl', epfd, op: 1, fd, event }).errno, 17, 'EEXIST');
  const wait = { name: 'epoll_wait', epfd, maxEvents: 4, timeoutMs: 0 } as const;
  assert.deepEqual(host.ok(wait).events, [{ events: 4, data: 0x1234 }]);
  host.ok({ name: 'epoll_ctl', epfd, op: 2, fd, event: null });
  assert.deepEqual(host.ok(wait).events, []);
  return 'well';
}

async function options(host: Host): Promise<unknown> {
  const fd = await host.accepted();
  const get = (level: number, option: number, len: number): Uint8Array | undefined =>
    host.ok({ name: 'getsockopt', fd, level, option, len }).option;
  assert.match(Buffer.from(get(6, 13, 16) ?? []).toString(), /^cubic\0/, 'TCP_CONGESTION');
  const info = get(6, 11, 500) ?? new Uint8Array(0);
  assert.ok(info.length > 200 && info[0] === 1, 'TCP_INFO: established');
  assert.equal(get(6, 11, 8)?.length, 8, 'as long as asked for');
  const bad = { name: 'setsockopt', fd, level: 6, option: 2, value: u32(1) } as const;
  assert.equal(host.now(bad).errno, 22, 'TCP_MAXSEG: EINVAL');
  return 'well';
}

async function datagrams(host: Host): Promise<unknown> {
  const fd = host.socket(2);
  host.ok({ name: 'bind', fd, addr: host.any(PORT) });
  host.ok({ name: 'setsockopt', fd, level: 0, option: 12, value: u32(1) });
  host.ok({ name: 'setsockopt', fd, level: 0, option: 11, value: u32(1) });
  const receive = { name: 'recvmsg', fd, lens: [2, 100], flags: 0, controlLen: 200 } as const;
  const waiting = host.target.call(receive);
  assert.equal(waiting.result, null);
  host.target.inject(udpPacket(host.ends, PEER, PORT, Uint8Array.of(1, 2, 3)));
  await host.target.wait(host.target.nowUs() + 1e6);
  const { data, addr, control, msgFlags } = waiting.result as unknown as CallResult;
  assert.deepEqual([data, addr, msgFlags], [Uint8Array.of(1, 2, 3), host.remote(), 0]);
  assert.deepEqual(control, [{ level: 0, type: 2, data: u32(64) }], 'IP_TTL');
  host.target.inject(udpPacket(host.ends, PEER, PORT, Uint8Array.of(1, 2, 3)));
  const cut = host.ok({ ...receive, lens: [2], controlLen: 0 });
  // MSG_TRUNC, and MSG_CTRUNC for the TTL.
  assert.deepEqual([cut.data, cut.control, cut.msgFlags], [Uint8Array.of(1, 2), [], 0x28]);
  const ttl = { level: 0, type: 2, data: u32(9) };
  const hello = [Uint8Array.of(1), Uint8Array.of(2, 3)];
  const message = { name: 'sendmsg', fd, data: hello, flags: 0, to: host.remote() } as const;
  assert.equal(host.ok({ ...message, control: [ttl] }).value, 3);
  const left = (await host.next()).bytes;
  assert.deepEqual([left[8], left.slice(-3)], [9, Uint8Array.of(1, 2, 3)]);
  // Port unreachable: the quote is what we sent.
  const icmp = Uint8Array.from([3, 3, 0, 0, 0, 0, 0, 0, ...left]);
  host.target.inject(ipPacket(host.ends, 1, icmp, 2));
  const error = host.ok({ ...receive, flags: 0x2000 });
  assert.equal(error.msgFlags! & 0x2000, 0x2000);
  const extended = error.control?.find((m) => m.type === 11)?.data;
  assert.deepEqual([extended?.[0], extended?.[5]], [111, 3], 'ECONNREFUSED, port unreachable');
  return 'well';
}

async function retransmission(host: Host): Promise<unknown> {
  const { target } = host;
  host.listen();
  host.send({ flags: SYN, options: MSS });
  const first = await host.nextTcp();
  const second = await host.nextTcp();
  assert.equal(second.seq, first.seq);
  const late = second.atUs - first.atUs - 1e6;
  assert.ok(late > -5000 && late < 60_000, `the SYN-ACK was sent again ${late} µs late`);
  // Time that passes elsewhere does not change when a packet left.
  host.send({ flags: SYN, options: MSS, sport: PEER + 1 });
  const afterUs = target.nowUs();
  await target.shell('sleep 0.2');
  const { atUs } = await host.nextTcp();
  assert.ok(atUs <= afterUs, `left ${atUs - afterUs} µs after it was sent`);
  return 'well';
}

async function shell(host: Host): Promise<unknown> {
  const { target } = host;
  const out = async (line: string): Promise<string> => (await target.shell(line)).output.trim();
  assert.deepEqual(await target.shell('echo a; echo b >&2; exit 3'), {
    status: 3,
    output: 'a\nb\n',
  });
  assert.deepEqual(await target.shell('../common/defaults.sh'), { status: 0, output: '' });
  assert.match(await out('cat /proc/sys/net/ipv4/tcp_rmem'), /^4096\s540000\s15728640$/);
  assert.match(await out('tc qdisc show dev tun0'), /^qdisc pfifo /);
  await target.shell('./set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0 /proc/sys/net/ipv4/tcp_ecn=2');
  assert.equal(await out('cat /proc/sys/net/ipv4/tcp_sack /proc/sys/net/ipv4/tcp_ecn'), '0\n2');
  assert.equal((await target.shell('/tmp/sysctl_restore_$PPID.sh')).status, 0);
  assert.equal((await target.shell('sysctl -q net.ipv4.tcp_sack=1 net.ipv4.tcp_ecn=0')).status, 0);
  assert.equal(await out('sysctl -n net.ipv4.tcp_sack'), '1');
  assert.equal((await target.shell('sysctl -q net.ipv4.no_such=1')).status, 255);
  assert.equal((await target.shell('sysctl -q net.ipv4.tcp_congestion_control=cubic')).status, 0);
  assert.equal((await target.shell('ethtool -K tun0 tso off gso off')).status, 0);
  assert.equal((await target.shell('nstat -n')).status, 0);
  host.listen();
  host.send({ flags: SYN });
  assert.match(await out('nstat'), /TcpInSegs +1 /);
  assert.match(await out('ip route get 192.0.2.1'), /via 192\.168\.0\.2 dev tun0/);
  return 'well';
}

async function reno(host: Host): Promise<unknown> {
  await host.target.shell('sysctl -q net.ipv4.tcp_congestion_control=reno');
  const fd = host.socket();
  const got = host.ok({ name: 'getsockopt', fd, level: 6, option: 13, len: 16 }).option;
  assert.match(Buffer.from(got ?? []).toString(), /^reno\0/);
  return 'well';
}

async function punctual(host: Host): Promise<unknown> {
  const { target } = host;
  const late: number[] = [];
  for (let i = 0; i < 300; i++) {
    const atUs = target.nowUs() + 3000;
    await target.wait(atUs);
    late.push(target.nowUs() - atUs);
  }
  assert.ok(
    late.every((us) => us >= 0),
    'never too early',
  );
  return late.sort((a, b) => a - b);
}

async function stuck(host: Host, emit: (value: unknown) => void): Promise<unknown> {
  host.target.shell('sleep 100').catch(() => {});
  host.target.call({ name: 'accept', fd: host.listen(), flags: 0 });
  emit(process.pid);
  await new Promise((resolve) => setTimeout(resolve, 60_000));
  return 'never';
}

const JOBS: Readonly<Record<string, Job>> = {
  handshake,
  activeOpen,
  data,
  blocking,
  epoll,
  options,
  datagrams,
  retransmission,
  shell,
  reno,
  punctual,
  stuck,
};

const CONFIGS: Readonly<Record<string, TargetConfig>> = {
  ipv4: IPV4,
  ipv6: IPV6,
  'ipv4-mapped-ipv6': { ...IPV4, ipVersion: 'ipv4-mapped-ipv6' },
};

export async function run(
  [name, version]: readonly [string, string],
  emit: (value: unknown) => void,
): Promise<unknown> {
  const config = CONFIGS[version] as TargetConfig;
  const target = await linuxTarget(config, { realtime: true });
  try {
    return await (JOBS[name] as Job)(new Host(target, config), emit);
  } finally {
    await target.close();
  }
}
