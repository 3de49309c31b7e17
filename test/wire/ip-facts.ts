/** The facts about UDP, ICMP, IP, forwarding and fragments, case by case as linux_wire.py makes them. */
import { errnoName } from '../../src/core/errno.ts';
import { fibAdd } from '../../src/core/network/route/change.ts';
import { RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTPROT_BOOT } from '../../src/core/network/route/fib.ts';
import { NO_METRICS } from '../../src/core/network/route/fib-info.ts';
import {
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from '../../src/core/network/route/route.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { type IpOptions, icmp, ip, KERNEL, latin, quad, type UdpOptions, udp } from './build.ts';
import { describe } from './describe.ts';
import { setForwarding } from './forwarding.ts';
import { sockaddr, type WireWorld } from './wire-world.ts';

/** Makes some facts in a world of its own. */
export type Section = (w: WireWorld) => void | Promise<void>;

const BROADCAST = '10.7.0.255';

function udpClosed(w: WireWorld): void {
  const probe = (title: string, bytes: Uint8Array): void => void w.probe('udp', title, bytes);
  probe('closed port, 100 bytes', udp('a'.repeat(100)));
  probe('closed port, 1000 bytes (quote length)', udp('a'.repeat(1000)));
  probe('closed port, tos 0x10 ttl 5', udp('a', { tos: 0x10, ttl: 5 }));
  probe('closed port bad checksum', udp('x', { bad: true }));
  probe('closed port, to broadcast', udp('x', { dst: BROADCAST }));
  probe('closed port, to 224.0.0.1', udp('x', { dst: '224.0.0.1' }));
}

async function udpOpen(w: WireWorld): Promise<void> {
  const socket = await w.udpSocket();
  socket.bind(sockaddr('0.0.0.0', 3100));
  const probe = (title: string, options: UdpOptions, data = 'x'): void => {
    const fact = w.probe('udp', title, udp(data, { dport: 3100, ...options }));
    const got = socket.recv(70_000);
    fact.socket = typeof got === 'number' ? errnoName(got) : `recv ${got.len} bytes`;
  };
  probe('open port ok', {});
  probe('open port zero checksum', { zero: true });
  probe('open port bad checksum', { bad: true });
  probe(
    'UDP length shorter than IP payload (trailing bytes)',
    { length: 12, zero: true },
    'abcdefgh',
  );
  probe('UDP length longer than IP payload', { length: 40, zero: true }, 'abcd');
  probe('UDP length 4 (<8)', { length: 4, zero: true }, 'abcd');
  probe('source port 0', { sport: 0 });
  probe('to subnet broadcast (wildcard bound)', { dst: BROADCAST });
  probe('to 255.255.255.255', { dst: '255.255.255.255' });
  probe('to 224.0.0.1', { dst: '224.0.0.1' });
  probe('to 224.9.9.9 not joined', { dst: '224.9.9.9' });
  probe('source = own address', { src: KERNEL });
  for (const src of ['127.0.0.1', '0.0.0.0', '255.255.255.255', '224.0.0.5', '240.0.0.1'])
    probe(`source ${src}`, { src });
  probe('source no route 10.99.0.1', { src: '10.99.0.1' });
  probe('destination 127.0.0.1 from tun', { dst: '127.0.0.1' });
  probe('destination 0.0.0.0', { dst: '0.0.0.0' });
  probe('destination 10.6.0.1 (address of another interface; weak host)', { dst: '10.6.0.1' });
}

function icmpMessages(w: WireWorld): void {
  const probe = (title: string, bytes: Uint8Array): void => void w.probe('icmp', title, bytes);
  probe(
    'echo request 56 bytes tos 0x20 ttl 9',
    icmp(8, 0, { data: latin('p'.repeat(56)), tos: 0x20, ttl: 9 }),
  );
  probe('echo bad checksum', icmp(8, 0, { bad: true }));
  probe('echo code 7', icmp(8, 7));
  probe('echo to subnet broadcast', icmp(8, 0, { dst: BROADCAST }));
  probe('echo to 224.0.0.1', icmp(8, 0, { dst: '224.0.0.1' }));
  probe('timestamp request', icmp(13, 0, { data: new Uint8Array(12) }));
  probe('timestamp request short', icmp(13, 0));
  probe('information request 15', icmp(15, 0));
  probe('address mask request 17', icmp(17, 0, { data: new Uint8Array(4) }));
  probe('unknown type 77', icmp(77, 0));
  probe('router solicitation 10', icmp(10, 0, { rest: [0, 0, 0, 0] }));
  probe('extended echo 42 (PROBE)', icmp(42, 0));
  probe('echo reply unsolicited', icmp(0, 0));
  probe('4-byte truncated', ip([8, 0, 0xf7, 0xff], 1));
  const option = (opts: readonly number[]): Uint8Array => icmp(8, 0, { opts });
  probe('echo, record route option', option([7, 7, 4, 0, 0, 0, 0, 0]));
  probe('echo, LSRR option', option([0x83, 7, 4, ...quad(KERNEL), 0]));
  probe('echo, timestamp option', option([0x44, 8, 5, 0, 0, 0, 0, 0]));
  probe('echo, bad option length 0', option([7, 0, 0, 0]));
  probe('echo, router alert', option([0x94, 4, 0, 0]));
  probe('echo source = own address', icmp(8, 0, { src: KERNEL }));
  probe('echo to 127.0.0.1', icmp(8, 0, { dst: '127.0.0.1' }));
}

function icmpRates(w: WireWorld): void {
  w.net.sysctl = w.net.sysctl.with('icmpRatelimit', 1000);
  w.net.sysctl = w.net.sysctl.with('icmpMsgsPerSec', 1000);
  for (let n = 0; n < 50; n++) w.write(udp('x', { dport: 2000 + n, src: '10.7.0.60' }));
  const limited =
    'default rate limit (icmp_ratelimit 1000, mask 6168): 50 UDP to closed ports in a burst -> ICMP 3/3 count';
  w.fact('icmp', limited, w.rx(0.3).length);
  for (let n = 0; n < 50; n++) w.write(icmp(8, 0));
  w.fact('icmp', '50 echo requests in a burst -> replies', w.rx(0.3).length);
}

/** An echo request with 16 bytes. */
function echo(options: IpOptions = {}): Uint8Array {
  return icmp(8, 0, { ...options, data: latin('0123456789abcdef') });
}

/** The same with some bytes replaced. */
function patched(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

function ipHeaders(w: WireWorld): void {
  const probe = (title: string, bytes: Uint8Array): void => void w.probe('ip', title, bytes);
  probe('bad header checksum', patched(echo(), 10, 0, 1));
  probe('ihl 4', patched(echo(), 0, 0x44));
  probe('ihl 15 beyond packet', ip([8, 0], 1, { ihl: 15 }));
  probe('total length > packet', ip(echo().subarray(20), 1, { total: 200 }));
  probe(
    'total length < packet (trailing pad)',
    Uint8Array.from([...echo(), ...new Uint8Array(10)]),
  );
  probe('total length 19', ip(echo().subarray(20), 1, { total: 19 }));
  probe('version 5', patched(echo(), 0, 0x55));
  probe('ttl 0 to us', echo({ ttl: 0 }));
  probe('ttl 1 to us', echo({ ttl: 1 }));
  probe('protocol 253 unknown', ip(latin('abcdefgh'), 253));
  probe('protocol 253 unknown to broadcast', ip(latin('abcdefgh'), 253, { dst: BROADCAST }));
  probe('reserved (evil) flag bit set', echo({ frag: 0x8000 }));
  probe('empty packet 20 bytes proto 1', ip([], 1));
  w.probe('ip', 'dst not ours, forwarding off', echo({ dst: '10.6.0.9' }), undefined, true);
}

function forward(w: WireWorld): void {
  setForwarding(w.net, true);
  const probe = (title: string, bytes: Uint8Array): void =>
    void w.probe('forward', title, bytes, undefined, true);
  const far = '10.6.0.9';
  const big = latin('z'.repeat(1172));
  probe('ttl 64', echo({ dst: far }));
  probe('ttl 1', echo({ dst: far, ttl: 1 }));
  probe('no route', echo({ src: '10.7.0.61', dst: '10.99.0.9' }));
  probe('DF 1200 > mtu 1000', icmp(8, 0, { data: big, dst: far, frag: 0x4000 }));
  probe('no DF 1200 > mtu 1000 (fragments)', icmp(8, 0, { data: big, dst: far, id: 77 }));
  probe('same interface back out (redirect?)', echo({ dst: '10.7.0.9' }));
  probe('to limited broadcast', echo({ dst: '255.255.255.255' }));
  probe('to subnet broadcast of other net', echo({ dst: '10.6.0.255' }));
  probe('source 127.0.0.1', echo({ src: '127.0.0.1', dst: far }));
  probe('source is a multicast address', echo({ src: '224.0.0.9', dst: far }));
  probe('source 0.0.0.0', echo({ src: '0.0.0.0', dst: far }));
  probe(
    'source = address of out interface network (rp_filter=0)',
    echo({ src: '10.6.0.7', dst: far }),
  );
  probe('LSRR', echo({ opts: [0x83, 7, 4, ...quad(far), 0] }));
  probe('ttl 1 UDP with DF (quote)', udp('q'.repeat(900), { dst: far, ttl: 1 }));
  refuse(w, '10.30.0.0', RTN_UNREACHABLE);
  refuse(w, '10.31.0.0', RTN_PROHIBIT);
  refuse(w, '10.32.0.0', RTN_BLACKHOLE);
  probe('unreachable route', echo({ src: '10.7.0.62', dst: '10.30.0.1' }));
  probe('prohibit route', echo({ src: '10.7.0.63', dst: '10.31.0.1' }));
  probe('blackhole route', echo({ src: '10.7.0.64', dst: '10.32.0.1' }));
  const error = icmp(3, 3, { rest: [0, 0, 0, 0], data: echo().subarray(0, 28), dst: far, ttl: 1 });
  probe('ICMP error about an ICMP error (3/3, ttl 1)', error);
  probe('non-first fragment with ttl 1', echo({ dst: far, ttl: 1, frag: 4 }));
}

/** `ip route add unreachable PREFIX/16` and the like. */
function refuse(w: WireWorld, prefix: string, type: number): void {
  const route = {
    table: RT_TABLE_MAIN,
    dst: ipv4(prefix),
    prefixLen: 16,
    tos: 0,
    priority: 0,
    type,
    scope: RT_SCOPE_UNIVERSE,
    protocol: RTPROT_BOOT,
    prefsrc: 0,
    nexthops: [],
    metrics: NO_METRICS,
  };
  fibAdd(w.net, route, { create: true, exclusive: true, replace: false, append: false });
}

/** Offset, length, more fragments, and other bytes in its place. */
type Part = readonly [offset: number, len: number, more: boolean, data?: Uint8Array];

const BODY: Uint8Array = icmp(8, 0, {
  data: Uint8Array.from({ length: 64 }, (_, i) => i),
}).subarray(20);

function parts(id: number, ...list: readonly Part[]): Uint8Array[] {
  return list.map(([offset, len, more, data]) =>
    ip(data ?? BODY.subarray(offset, offset + len), 1, {
      id,
      frag: (offset >> 3) | (more ? 0x2000 : 0),
    }),
  );
}

function fragments(w: WireWorld): void {
  const n = BODY.length;
  let id = 100;
  const probe = (title: string, ...list: readonly Part[]): void =>
    void w.probe('fragments', title, parts(++id, ...list));
  probe('2 in order', [0, 32, true], [32, n - 32, false]);
  probe('2 reversed', [32, n - 32, false], [0, 32, true]);
  probe('exact duplicate of first', [0, 32, true], [0, 32, true], [32, n - 32, false]);
  probe('overlap by 8 (identical bytes)', [0, 32, true], [24, n - 24, false]);
  const other = latin('X'.repeat(n - 24));
  probe('overlap by 8 (different bytes)', [0, 32, true], [24, n - 24, false, other]);
  probe('second inside first (subset)', [0, 40, true], [8, 16, true], [40, n - 40, false]);
  const death = ip(latin('A'.repeat(64)), 1, { id: 900, frag: 8189 });
  w.probe('fragments', 'fragment past 65535 (ping of death)', [death]);
  probe('middle fragment length not multiple of 8', [0, 30, true], [32, n - 32, false]);
  probe(
    'two last fragments with different ends',
    [0, 32, true],
    [32, 16, false],
    [32, n - 32, false],
  );
  const end = n & ~7;
  probe('zero-length last fragment', [0, end, true], [end, 0, false, new Uint8Array(0)]);
  probe('single packet MF=0 off=0 ok', [0, n, false]);
}

function fragmentTimeouts(w: WireWorld): void {
  w.net.sysctl = w.net.sysctl.with('ipfragTime', 1);
  const wait = (title: string, id: number, part: Part): void => {
    for (const bytes of parts(id, part)) w.write(bytes);
    const lines = w.rx(2.2).map((s) => describe(s.bytes));
    w.fact('fragments', title, lines.length > 0 ? lines : 'nothing');
  };
  wait('only first fragment, ipfrag_time=1: after timeout', 200, [0, 32, true]);
  wait('only last fragment, ipfrag_time=1: after timeout', 201, [32, BODY.length - 32, false]);
}

export const IP_SECTIONS: readonly Section[] = [
  udpClosed,
  udpOpen,
  icmpMessages,
  icmpRates,
  ipHeaders,
  forward,
  fragments,
  fragmentTimeouts,
];
