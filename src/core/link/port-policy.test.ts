/** V5: a guest with full power over its namespace, and raw frames, against the policy of its port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { ipTool } from '../../tools/ip.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import type { PolicySet } from '../control/policy.ts';
import type { Random } from '../util/random.ts';
import { frameBytes, parseFrame } from '../wire/frame.ts';
import type { NetDevice } from './net-device.ts';
import { devQueueXmit } from './output.ts';

const GUEST = '02:00:00:00:00:aa';
const NEIGHBOUR = '02:00:00:00:00:bb';
const S = 1_000_000;

type Bytes = number[];

const hex = (text: string): Bytes =>
  (text.match(/[0-9a-f]{2}/gi) ?? []).map((h) => Number.parseInt(h, 16));
const mac = (text: string): Bytes => hex(text);
const v4 = (text: string): Bytes => text.split('.').map(Number);
/** An IPv6 address of which the last bytes are told. */
const v6 = (head: string, tail: string): Bytes => {
  const [a, b] = [hex(head), hex(tail)];
  return [...a, ...new Array<number>(16 - a.length - b.length).fill(0), ...b];
};

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 3 });
  readonly host: Namespace = this.kernel.netns.add('host');
  readonly guest: Namespace = this.kernel.netns.add('guest');
  readonly neighbour: Namespace = this.kernel.netns.add('neighbour');
  readonly gateway: Namespace = this.kernel.netns.add('gateway');
  readonly random: Random = this.kernel.core.random('test');
  /** Frames of the guest that somebody got, by packet id. */
  readonly leaked: Map<number, Uint8Array> = new Map();
  readonly sent: Map<number, string> = new Map();
  readonly dev: NetDevice;

  constructor(policy: PolicySet) {
    this.host.ip('link add br0 up type bridge');
    const wire = (ns: Namespace, port: string, address: string, ip: string): void => {
      this.kernel.veth(
        { netns: ns, name: 'eth0', mac: address, address: `${ip}/24`, up: true },
        { netns: this.host, name: port },
      );
      this.host.ip(`link set ${port} up master br0`);
    };
    wire(this.guest, 'guest', GUEST, '10.0.0.2');
    wire(this.neighbour, 'nb', NEIGHBOUR, '10.0.0.3');
    wire(this.gateway, 'gw', '02:00:00:00:00:01', '10.0.0.1');
    this.host.link.set('guest', { policy });
    this.run(5 * S);
    this.dev = this.guest.net.devs.find('eth0') as NetDevice;
    for (const ns of [this.neighbour, this.gateway])
      ns.net.taps = [
        {
          tap: (pkt, _dev, outgoing) => {
            if (!outgoing && this.sent.has(pkt.id)) this.leaked.set(pkt.id, frameBytes(pkt));
          },
        },
      ];
  }

  run(us: number): void {
    this.clock.runFor(this.kernel.core, us);
  }

  /** The guest sends bytes. True: somebody heard it. */
  send(bytes: Bytes, what = ''): boolean {
    const pkt = this.kernel.core.newPacket(0, this.dev);
    parseFrame(Uint8Array.from(bytes), pkt);
    this.sent.set(pkt.id, what);
    devQueueXmit(pkt);
    this.run(200);
    return this.leaked.has(pkt.id);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const FIXED: PolicySet = { mac: GUEST, ip: ['10.0.0.2', 'fd00::2'] };

function eth(type: number, payload: Bytes, src = GUEST, dst = BROADCAST): Bytes {
  return [...mac(dst), ...mac(src), type >> 8, type & 255, ...payload];
}

function arp(sha: string, spa: string, op = 2): Bytes {
  return [0, 1, 8, 0, 6, 4, 0, op, ...mac(sha), ...v4(spa), ...mac(BROADCAST), ...v4('10.0.0.3')];
}

function sum(bytes: Bytes, start = 0): number {
  let n = start;
  for (let i = 0; i < bytes.length; i += 2) n += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (n > 0xffff) n = (n & 0xffff) + (n >>> 16);
  return ~n & 0xffff;
}

function ip4(src: string, protocol: number, payload: Bytes, frag = 0): Bytes {
  const len = 20 + payload.length;
  const head = [
    0x45,
    0,
    len >> 8,
    len & 255,
    0,
    1,
    frag >> 8,
    frag & 255,
    64,
    protocol,
    0,
    0,
    ...v4(src),
    ...v4('10.0.0.3'),
  ];
  const c = sum(head);
  head[10] = c >> 8;
  head[11] = c & 255;
  return [...head, ...payload];
}

function udp(sport: number, dport: number, len = 16): Bytes {
  return [
    sport >> 8,
    sport & 255,
    dport >> 8,
    dport & 255,
    0,
    len,
    0,
    0,
    ...new Array<number>(len - 8).fill(7),
  ];
}

const OWN6 = v6('fd00', '02');
const OTHER6 = v6('fd00', '03');
const ALL_NODES = v6('ff02', '01');

function ip6(src: Bytes, next: number, payload: Bytes, dst: Bytes = ALL_NODES): Bytes {
  return [
    0x60,
    0,
    0,
    0,
    payload.length >> 8,
    payload.length & 255,
    next,
    255,
    ...src,
    ...dst,
    ...payload,
  ];
}

function icmp6(src: Bytes, type: number, body: Bytes): Bytes {
  const message = [type, 0, 0, 0, ...body];
  const c = sum([...src, ...ALL_NODES, 0, 0, 0, message.length, 0, 0, 0, 58, ...message]);
  message[2] = c >> 8;
  message[3] = c & 255;
  return message;
}

function na(src: Bytes, target: Bytes, named: string): Bytes {
  return ip6(src, 58, icmp6(src, 136, [0x60, 0, 0, 0, ...target, 2, 1, ...mac(named)]));
}

const RA = icmp6(OWN6, 134, [64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
/** Fragment header: offset 0, more to come. */
const frag6 = (next: number, payload: Bytes): Bytes => [next, 0, 0, 1, 0, 0, 0, 9, ...payload];
const destOpts = (next: number): Bytes => [next, 0, 1, 4, 0, 0, 0, 0];

/** What must not pass, by the counter that tells of it. */
const FORGERIES: readonly (readonly [string, string, Bytes])[] = [
  ['another MAC', 'mac', eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), NEIGHBOUR)],
  ['a group as source', 'broken', eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), '03:00:00:00:00:01')],
  ["a neighbour's IPv4 address", 'ip', eth(0x0800, ip4('10.0.0.3', 17, udp(1, 2)))],
  ['no IPv4 address', 'ip', eth(0x0800, ip4('0.0.0.0', 17, udp(1, 2)))],
  ["ARP: the gateway's address", 'arp', eth(0x0806, arp(GUEST, '10.0.0.1'))],
  ["ARP: a request in the gateway's name", 'arp', eth(0x0806, arp(GUEST, '10.0.0.1', 1))],
  ['ARP: another MAC inside', 'arp', eth(0x0806, arp(NEIGHBOUR, '10.0.0.2'))],
  ['ARP that cannot be read', 'broken', eth(0x0806, arp(GUEST, '10.0.0.1').slice(0, 20))],
  ['a DHCP server', 'dhcp', eth(0x0800, ip4('10.0.0.2', 17, udp(67, 68)))],
  [
    'a DHCP server in a first fragment',
    'dhcp',
    eth(0x0800, ip4('10.0.0.2', 17, udp(67, 68), 0x2000)),
  ],
  ['a DHCPv6 server', 'dhcp', eth(0x86dd, ip6(OWN6, 17, udp(547, 546)))],
  [
    'a DHCPv6 server behind a fragment header',
    'dhcp',
    eth(0x86dd, ip6(OWN6, 44, frag6(17, udp(547, 546)))),
  ],
  ["a neighbour's IPv6 address", 'ip', eth(0x86dd, ip6(OTHER6, 17, udp(1, 2)))],
  ['no IPv6 address', 'ip', eth(0x86dd, ip6(v6('', ''), 17, udp(1, 2)))],
  [
    'a link-local address of another MAC',
    'ip',
    eth(0x86dd, ip6(v6('fe80', '0000fffe0000bb'), 17, udp(1, 2))),
  ],
  ['a router advertisement', 'router', eth(0x86dd, ip6(OWN6, 58, RA))],
  [
    'one behind destination options',
    'router',
    eth(0x86dd, ip6(OWN6, 60, [...destOpts(58), ...RA])),
  ],
  ['one in fragments', 'router', eth(0x86dd, ip6(OWN6, 44, frag6(58, RA)))],
  [
    'one whose header is in the second fragment',
    'broken',
    eth(0x86dd, ip6(OWN6, 44, frag6(60, [...destOpts(58)]))),
  ],
  [
    'an ICMPv6 redirect',
    'router',
    eth(0x86dd, ip6(OWN6, 58, icmp6(OWN6, 137, [0, 0, 0, 0, ...OTHER6, ...OTHER6]))),
  ],
  ["an advertisement of a neighbour's address", 'nd', eth(0x86dd, na(OWN6, OTHER6, GUEST))],
  ["an advertisement of a neighbour's MAC", 'nd', eth(0x86dd, na(OWN6, OWN6, NEIGHBOUR))],
  [
    'an advertisement in fragments',
    'nd',
    eth(0x86dd, ip6(OWN6, 44, frag6(58, icmp6(OWN6, 136, [0x60, 0, 0, 0, ...OTHER6])))),
  ],
  [
    'an ICMP redirect',
    'router',
    eth(
      0x0800,
      ip4('10.0.0.2', 1, [5, 1, 0, 0, ...v4('10.0.0.2'), ...ip4('10.0.0.3', 17, udp(1, 2))]),
    ),
  ],
  ['an IGMP query', 'router', eth(0x0800, ip4('10.0.0.2', 2, [0x11, 100, 0xee, 0x9b, 0, 0, 0, 0]))],
  ['a VLAN tag', 'vlan', eth(0x8100, [0, 5, 8, 0, ...ip4('10.0.0.2', 17, udp(1, 2))])],
  [
    'two VLAN tags',
    'vlan',
    eth(0x88a8, [0, 1, 0x81, 0, 0, 5, 8, 0, ...ip4('10.0.0.2', 17, udp(1, 2))]),
  ],
  [
    'a BPDU',
    'proto',
    eth(38, [0x42, 0x42, 3, ...new Array<number>(35).fill(0)], GUEST, '01:80:c2:00:00:00'),
  ],
  ['LLDP', 'proto', eth(0x88cc, [2, 7, 4, 1, 2, 3], GUEST, '01:80:c2:00:00:0e')],
  ['IPv4 that cannot be read', 'broken', eth(0x0800, [0x45, 0, 0])],
];

test('V5: each forgery is refused, by name, and counted', () => {
  const w = new World(FIXED);
  for (const [what, counter, bytes] of FORGERIES) {
    const before = w.host.link.show('guest').policy?.refused as Record<string, number>;
    assert.equal(w.send(bytes, what), false, what);
    const after = w.host.link.show('guest').policy?.refused as Record<string, number>;
    assert.equal(
      (after[counter] ?? 0) - (before[counter] ?? 0),
      1,
      `${what}: ${JSON.stringify(after)}`,
    );
  }
});

test('V5: what is honest passes', () => {
  const w = new World(FIXED);
  const eui = v6('fe80', '0000fffe0000aa');
  for (const [what, bytes] of [
    ['UDP', eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)))],
    ['a later fragment', eth(0x0800, ip4('10.0.0.2', 17, udp(67, 68), 8))],
    ['ARP', eth(0x0806, arp(GUEST, '10.0.0.2'))],
    ['an ARP probe', eth(0x0806, arp(GUEST, '0.0.0.0', 1))],
    ['asking for a lease', eth(0x0800, ip4('0.0.0.0', 17, udp(68, 67)))],
    ['UDP over IPv6', eth(0x86dd, ip6(OWN6, 17, udp(1, 2)))],
    [
      'its own link-local address',
      eth(0x86dd, ip6([...hex('fe80000000000000'), ...hex('000000fffe0000aa')], 17, udp(1, 2))),
    ],
    ['an advertisement of itself', eth(0x86dd, na(OWN6, OWN6, GUEST))],
  ] as const)
    assert.equal(
      w.send([...bytes], what),
      true,
      `${what} ${JSON.stringify(w.host.link.show('guest').policy?.refused)}`,
    );
  assert.equal(eui.length, 16);
});

/** What a frame claims, read byte by byte, by other code than that of the policy. */
function isEvil(f: Uint8Array): string {
  const is = (at: number, want: Bytes): boolean => want.every((b, i) => f[at + i] === b);
  if (!is(6, mac(GUEST))) return 'mac';
  const type = ((f[12] ?? 0) << 8) | (f[13] ?? 0);
  if (type === 0x0806)
    return is(22, mac(GUEST)) && (is(28, v4('10.0.0.2')) || is(28, [0, 0, 0, 0])) ? '' : 'arp';
  if (type === 0x0800) {
    const l4 = 14 + ((f[14] ?? 0) & 15) * 4;
    const sport = ((f[l4] ?? 0) << 8) | (f[l4 + 1] ?? 0);
    const later = (((f[20] ?? 0) & 0x1f) | (f[21] ?? 0)) !== 0;
    if (f[23] === 17 && !later && sport === 67) return 'dhcp';
    if (f[23] === 2 && f[l4] === 0x11) return 'igmp';
    if (is(26, [0, 0, 0, 0])) return (f[23] === 17 && sport === 68) || f[23] === 2 ? '' : 'ip';
    return is(26, v4('10.0.0.2')) ? '' : 'ip';
  }
  if (type !== 0x86dd) return `type ${type.toString(16)}`;
  let next = f[20] ?? 0;
  let at = 54;
  while ([0, 43, 44, 60].includes(next) && at + 8 <= f.length) {
    const len = next === 44 ? 8 : ((f[at + 1] ?? 0) + 1) * 8;
    if (next === 44 && ((f[at + 2] ?? 0) | ((f[at + 3] ?? 0) & 0xf8)) !== 0)
      return is(22, OWN6) ? '' : 'ip6';
    next = f[at] ?? 0;
    at += len;
  }
  if (at > f.length || [0, 43, 44, 60].includes(next)) return 'hidden';
  const icmp = next === 58 ? f[at] : -1;
  if (icmp === 134 || icmp === 137 || icmp === 130) return 'router';
  if (next === 17 && f[at] === 2 && f[at + 1] === 35) return 'dhcp6';
  if (icmp === 136 && !is(at + 8, OWN6) && !is(at + 8, hex('fe80'))) return 'na';
  const nameless = f.slice(22, 38).every((b) => b === 0);
  if (nameless) return [131, 132, 133, 135, 143].includes(icmp ?? -1) ? '' : 'ip6';
  return is(22, OWN6) || is(22, [...hex('fe80000000000000'), ...hex('000000fffe0000aa')])
    ? ''
    : 'ip6';
}

test('V5: without a policy the same frames do arrive', () => {
  const w = new World({ vlan: true, router: true, dhcpServer: true });
  const through = FORGERIES.filter(([what, , bytes]) => w.send(bytes, what));
  assert.ok(through.length > 20, String(through.length));
  assert.ok([...w.leaked.values()].filter((f) => isEvil(f) !== '').length > 15);
});

test('V5: no mutation of any frame passes that is a forgery, and neighbours are not disturbed', () => {
  const w = new World(FIXED);
  w.neighbour.ip('neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud reachable');
  const seeds = [
    ...FORGERIES.map(([, , bytes]) => bytes),
    eth(0x0800, ip4('10.0.0.2', 17, udp(9, 9))),
    eth(0x0806, arp(GUEST, '10.0.0.2')),
    eth(0x86dd, na(OWN6, OWN6, GUEST)),
    eth(0x86dd, ip6(OWN6, 60, [...destOpts(44), ...frag6(58, RA)])),
  ];
  let passed = 0;
  for (let n = 0; n < 6000; n++) {
    const bytes = [...w.pick(seeds)];
    // Half of them with the right source MAC, or nothing else would ever be looked at.
    if (w.random.below(2) === 0) bytes.splice(6, 6, ...mac(GUEST));
    for (let k = w.random.below(4); k > 0; k--) {
      const at = w.random.below(bytes.length);
      const other = w.pick(seeds);
      bytes[at] = w.random.below(2) === 0 ? w.random.below(256) : (other[at] ?? 0);
    }
    if (w.random.below(8) === 0) bytes.length = 14 + w.random.below(bytes.length - 13);
    if (w.send(bytes)) passed++;
  }
  for (const frame of w.leaked.values())
    assert.equal(isEvil(frame), '', Buffer.from(frame).toString('hex'));
  assert.ok(passed > 300, `${passed} of 6000 passed`);
  const neigh = w.neighbour.neigh.list().filter((e) => e.dst === '10.0.0.1');
  assert.deepEqual(
    neigh.map((e) => e.lladdr),
    ['02:00:00:00:00:01'],
  );
  const wrong = w.neighbour.neigh
    .list()
    .filter((e) => e.lladdr === GUEST && e.dst !== '10.0.0.2' && !/^fe80|^fd00/.test(e.dst));
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    w.host.bridge
      .fdb()
      .filter((e) => e.dev === 'guest' && e.state === '')
      .map((e) => e.mac),
    [GUEST],
  );
});

test('V5: storms, rates, MTUs and floods of addresses end at the port', () => {
  const w = new World({ macs: 4, storm: 100, mtu: 500 });
  const heard = (count: number, make: (i: number) => Bytes): number => {
    let n = 0;
    for (let i = 0; i < count; i++) if (w.send(make(i))) n++;
    return n;
  };
  // 200 µs each: 500 frames are 0.1 s, which are 10 of 100 a second, and a burst of 10.
  const storm = heard(500, () => eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2))));
  assert.ok(storm >= 19 && storm <= 21, String(storm));
  w.run(S);
  const unicast = heard(100, () => eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), GUEST, NEIGHBOUR));
  assert.equal(unicast, 100, 'what is for one is no storm');
  const macs = heard(300, (i) =>
    eth(
      0x0800,
      ip4('10.0.0.2', 17, udp(1, 2)),
      `02:00:00:01:00:${(i % 256).toString(16).padStart(2, '0')}`,
      NEIGHBOUR,
    ),
  );
  assert.ok(macs <= 6 && macs >= 3, String(macs));
  assert.equal(
    w.send(eth(0x0800, ip4('10.0.0.2', 17, new Array<number>(600).fill(0)), GUEST, NEIGHBOUR)),
    false,
  );
  w.host.link.set('guest', { policy: { rate: 8_000_000 } });
  const big = heard(2000, () =>
    eth(0x0800, ip4('10.0.0.2', 17, new Array<number>(980).fill(0)), GUEST, NEIGHBOUR),
  );
  // A megabyte a second for 0.4 s, and a burst of 0.1 s.
  assert.ok(big > 480 && big < 510, String(big));
  const first = new World({ mac: 'first' });
  first.send(eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2))));
  assert.equal(first.send(eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), NEIGHBOUR)), false);
});

test('V5: the words of ip, and that nobody inside can take a policy away', () => {
  const w = new World({});
  const ip = (ns: Namespace, words: string): string => {
    const r = ipTool(
      { ns, findNetns: (n) => w.kernel.netns.find(n), listNetns: () => [] },
      words.split(' '),
    );
    return r.stdout + r.stderr;
  };
  assert.equal(
    ip(
      w.host,
      `link set guest policy mac ${GUEST} ip 10.0.0.2 ip fd00::/64 rate 10mbit storm 50 mtu 1500 router`,
    ),
    '',
  );
  assert.match(
    ip(w.host, '-d link show guest'),
    /\n {4}policy mac 02:00:00:00:00:aa ip 10.0.0.2 ip fd00::\/64 router mtu 1500 rate 10000000 storm 50 passed 0 refused 0 /,
  );
  assert.match(ip(w.host, 'link set guest policy mac x'), /"x" is no MAC address/);
  assert.match(ip(w.host, 'link set guest policy frob'), /unknown word "frob"/);
  w.guest.link.set('eth0', { address: NEIGHBOUR });
  assert.equal(w.send(eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), NEIGHBOUR)), false);
  ip(w.guest, 'link set eth0 policy none');
  assert.equal(w.send(eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), NEIGHBOUR)), false);
  ip(w.host, 'link set guest policy none');
  assert.equal(w.send(eth(0x0800, ip4('10.0.0.2', 17, udp(1, 2)), NEIGHBOUR)), true);
});
