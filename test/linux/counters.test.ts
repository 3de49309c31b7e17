/**
 * The same socket calls in namespaces of the kernel's and in Warren's leave the same counters behind
 * (/proc/net/snmp, netstat and snmp6, statistics of devices; RFC 2011 §3, RFC 4022, RFC 4293; S12).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { ATTEMPTS } from './compare.ts';
import { linuxMissing } from './linux-world.ts';
import { type Call, type Counters, LinuxStage, type Stage, WarrenStage } from './story.ts';
import { skipReason } from './tools.ts';

interface Story {
  readonly title: string;
  readonly calls: readonly Call[];
  /** The wire has IPv6 addresses, too. */
  readonly ipv6?: true;
  /** What the devices count is compared, too. */
  readonly devices?: true;
  /** sysctls of both namespaces. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** Counters that depend on buffers' memory layout, on speed, or on which function ran first. */
const UNCOMPARABLE =
  /^(IcmpMsg|TcpExtTCPRcvCoalesce|TcpExtTCPToZeroWindowAdv|TcpExtTCPAutoCorking|TcpExtTCPBacklogCoalesce|TcpExtDelayedACKLocked|TcpExtTCPHPHits|TcpExtTCPHPAcks|TcpExtTCPPureAcks|TcpExtTCPHystart|UdpMemErrors|TcpMaxConn|TcpRto)/;

const PORT = 8000;
const B = '10.0.0.2';
const B6 = 'fd00::2';

function listener(id = 'l', port = PORT): Call[] {
  return [
    ['B', 'tcp', id],
    ['B', 'bind', id, B, port],
    ['B', 'listen', id, 8],
  ];
}

function connected(): Call[] {
  return [
    ...listener(),
    ['A', 'tcp', 'c'],
    ['A', 'connect', 'c', B, PORT],
    ['B', 'accept', 'l', 's'],
  ];
}

const STORIES: readonly Story[] = [
  {
    title: 'connect, echo, close by the client',
    calls: [
      ...connected(),
      ['A', 'send', 'c', 100],
      ['B', 'recv', 's', 1000],
      ['B', 'send', 's', 100],
      ['A', 'recv', 'c', 1000],
      ['wait', 0.1],
      ['A', 'close', 'c'],
      ['B', 'recv', 's', 1000],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'close by the server; half-close',
    calls: [
      ...connected(),
      ['B', 'shutdown', 's', 1],
      ['A', 'recv', 'c', 10],
      ['A', 'send', 'c', 10],
      ['B', 'recv', 's', 10],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'nobody listens',
    calls: [
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, 9],
      ['A', 'get', 'c', 1, 4],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'SO_LINGER 0: RST; writing after it',
    calls: [
      ...connected(),
      ['B', 'reset', 's'],
      ['A', 'send', 'c', 10],
      ['A', 'send', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'close with unread data: RST (RFC 2525 §2.17)',
    calls: [
      ...connected(),
      ['A', 'send', 'c', 10],
      ['B', 'close', 's'],
      ['A', 'recv', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'data for a peer that closed: RST',
    calls: [
      ...connected(),
      ['B', 'close', 's'],
      ['A', 'send', 'c', 10],
      ['wait', 0.05],
      ['A', 'send', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'a listener closes with a connection that nobody accepted',
    calls: [
      ...listener(),
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, PORT],
      ['B', 'close', 'l'],
      ['A', 'recv', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'accept queue overflows',
    calls: [
      ['B', 'tcp', 'l'],
      ['B', 'bind', 'l', B, PORT],
      ['B', 'listen', 'l', 0],
      ['A', 'tcp', 'c1'],
      ['A', 'connect', 'c1', B, PORT],
      ['A', 'tcp', 'c2'],
      ['A', 'connect', 'c2', B, PORT],
      ['wait', 1.2],
      ['A', 'reset', 'c2'],
      ['A', 'reset', 'c1'],
    ],
  },
  {
    title: 'SYN cookies always (net.ipv4.tcp_syncookies = 2)',
    sysctls: { 'net.ipv4.tcp_syncookies': '2' },
    calls: [
      ...connected(),
      ['A', 'send', 'c', 10],
      ['B', 'recv', 's', 10],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'fast open: asking for a cookie, then data in the SYN, then a wrong key',
    sysctls: { 'net.ipv4.tcp_fastopen': '3' },
    calls: [
      ['B', 'tcp', 'l'],
      ['B', 'set', 'l', 6, 23, 5],
      ['B', 'bind', 'l', B, PORT],
      ['B', 'listen', 'l', 5],
      ['A', 'tcp', 'c1'],
      ['A', 'sendto', 'c1', 5, 0x20000000, B, PORT],
      ['B', 'accept', 'l', 's1'],
      ['A', 'tcp', 'c2'],
      ['A', 'sendto', 'c2', 5, 0x20000000, B, PORT],
      ['B', 'accept', 'l', 's2'],
      ['B', 'recv', 's2', 10],
      ['B', 'send', 's2', 10],
      ['A', 'recv', 'c2', 10],
      ['B', 'tcp', 'l2'],
      ['B', 'set', 'l2', 6, 23, 0],
      ['B', 'bind', 'l2', B, PORT + 1],
      ['B', 'listen', 'l2', 5],
      ['A', 'tcp', 'c3'],
      ['A', 'sendto', 'c3', 5, 0x20000000, B, PORT + 1],
      ['B', 'accept', 'l2', 's3'],
      ['B', 'recv', 's3', 10],
      ['wait', 0.3],
    ],
  },
  {
    title: 'UDP: delivered, refused, truncated',
    calls: [
      ['B', 'udp', 'u'],
      ['B', 'bind', 'u', B, 5000],
      ['A', 'udp', 'v'],
      ['A', 'connect', 'v', B, 5000],
      ['A', 'send', 'v', 100],
      ['B', 'recv', 'u', 10],
      ['A', 'udp', 'w'],
      ['A', 'connect', 'w', B, 9],
      ['A', 'send', 'w', 10],
      ['A', 'recv', 'w', 10],
    ],
  },
  {
    title: 'no route',
    calls: [
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', '192.0.2.1', 80],
      ['A', 'udp', 'u'],
      ['A', 'sendto', 'u', 10, 0, '192.0.2.1', 80],
    ],
  },
  {
    title: 'TCP_DEFER_ACCEPT',
    calls: [
      ...listener(),
      ['B', 'set', 'l', 6, 9, 5],
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, PORT],
      ['B', 'accept', 'l', 's'],
      ['A', 'send', 'c', 10],
      ['B', 'accept', 'l', 's'],
      ['B', 'recv', 's', 10],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'urgent data; reading past them',
    calls: [
      ...connected(),
      ['A', 'send', 'c', 5],
      ['A', 'send', 'c', 1, 1],
      ['A', 'send', 'c', 5],
      ['B', 'recv', 's', 100],
      ['B', 'recv', 's', 1, 1],
      ['B', 'recv', 's', 100],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'a zero window and its end',
    calls: [
      ['B', 'tcp', 'l'],
      ['B', 'set', 'l', 1, 8, 4096],
      ['B', 'bind', 'l', B, PORT],
      ['B', 'listen', 'l', 8],
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, PORT],
      ['B', 'accept', 'l', 's'],
      ['A', 'send', 'c', 1000],
      ['A', 'send', 'c', 1000],
      ['A', 'send', 'c', 1000],
      ['B', 'recv', 's', 500],
      ['A', 'reset', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'the port of a TIME-WAIT is taken again (net.ipv4.tcp_tw_reuse = 1)',
    sysctls: { 'net.ipv4.tcp_tw_reuse': '1', 'net.ipv4.ip_local_port_range': '40000 40001' },
    calls: [
      ...connected(),
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
      ['A', 'tcp', 'd'],
      ['A', 'connect', 'd', B, PORT],
      ['A', 'close', 'd'],
      ['wait', 1.2],
      ['A', 'tcp', 'e'],
      ['A', 'connect', 'e', B, PORT],
      ['A', 'close', 'e'],
    ],
  },
  {
    title: 'ICMP: echo and its answer, from a ping socket; a raw socket hears both',
    devices: true,
    sysctls: { 'net.ipv4.ping_group_range': '0 2147483647' },
    calls: [
      ['A', 'raw', 'r'],
      ['B', 'raw', 'r'],
      ['A', 'ping', 'p'],
      ['A', 'sendhex', 'p', '0800000000010001616263', B, 0],
      ['A', 'recv', 'p', 100],
      ['A', 'recv', 'r', 100],
      ['B', 'recv', 'r', 100],
    ],
  },
  {
    title: 'ICMP: timestamps, address masks and types that nobody knows, from a raw socket',
    devices: true,
    calls: [
      ['A', 'raw', 'r'],
      ['A', 'sendhex', 'r', '0d00f2fe0000000000000000000000000000ffff', B, 0],
      ['A', 'sendhex', 'r', '1100eeff00000000', B, 0],
      ['A', 'sendhex', 'r', '0300fcff00000000', B, 0],
      ['A', 'sendhex', 'r', '0800000000000000', B, 0],
    ],
  },
  {
    title: 'UDP: fragments and their whole',
    devices: true,
    calls: [
      ['B', 'udp', 'u'],
      ['B', 'bind', 'u', B, 5000],
      ['A', 'udp', 'v'],
      ['A', 'sendto', 'v', 4000, 0, B, 5000],
      ['B', 'recv', 'u', 5000],
      ['A', 'sendto', 'v', 2000, 0, B, 5001],
    ],
  },
  {
    title: 'UDP: a buffer that is full',
    devices: true,
    calls: [
      ['B', 'udp', 'u'],
      ['B', 'set', 'u', 1, 8, 1],
      ['B', 'bind', 'u', B, 5000],
      ['A', 'udp', 'v'],
      ['A', 'sendto', 'v', 1000, 0, B, 5000],
      ['A', 'sendto', 'v', 1000, 0, B, 5000],
      ['A', 'sendto', 'v', 1000, 0, B, 5000],
      ['A', 'sendto', 'v', 1000, 0, B, 5000],
    ],
  },
  {
    title: 'UDP over lo: to the wildcard, to nobody, a broadcast that is not allowed',
    devices: true,
    calls: [
      ['A', 'udp', 'u'],
      ['A', 'bind', 'u', '0.0.0.0', 5000],
      ['A', 'udp', 'v'],
      ['A', 'sendto', 'v', 10, 0, '127.0.0.1', 5000],
      ['A', 'sendto', 'v', 10, 0, '10.0.0.1', 5000],
      ['A', 'sendto', 'v', 10, 0, '127.0.0.1', 5001],
      ['A', 'sendto', 'v', 10, 0, '10.0.0.255', 5000],
      ['A', 'set', 'v', 1, 6, 1],
      ['A', 'sendto', 'v', 10, 0, '10.0.0.255', 5000],
    ],
  },
  {
    title: 'multicast: who joined hears it',
    devices: true,
    calls: [
      ['B', 'udp', 'u'],
      ['B', 'bind', 'u', '0.0.0.0', 5000],
      ['A', 'udp', 'v'],
      ['A', 'set', 'v', 0, 33, 4],
      ['A', 'connect', 'v', '224.0.0.1', 5000],
      ['A', 'send', 'v', 10],
      ['B', 'recv', 'u', 100],
      ['A', 'udp', 'w'],
      ['A', 'connect', 'w', '239.1.2.3', 5000],
    ],
  },
  {
    title: 'IPv6: UDP delivered, refused, truncated',
    ipv6: true,
    devices: true,
    calls: [
      ['B', 'udp6', 'u'],
      ['B', 'bind', 'u', B6, 5000],
      ['A', 'udp6', 'v'],
      ['A', 'connect', 'v', B6, 5000],
      ['A', 'send', 'v', 100],
      ['B', 'recv', 'u', 10],
      ['A', 'udp6', 'w'],
      ['A', 'connect', 'w', B6, 9],
      ['A', 'send', 'w', 10],
      ['A', 'recv', 'w', 10],
    ],
  },
  {
    title: 'IPv6: echo and its answer; a raw socket hears both',
    ipv6: true,
    devices: true,
    sysctls: { 'net.ipv4.ping_group_range': '0 2147483647' },
    calls: [
      ['A', 'raw6', 'r'],
      ['A', 'ping6', 'p'],
      ['A', 'sendhex', 'p', '8000000000010001616263', B6, 0],
      ['A', 'recv', 'p', 100],
      ['A', 'sendhex', 'r', '8000000000010001616263', B6, 0],
      ['A', 'sendhex', 'r', 'c900000000010001616263', B6, 0],
    ],
  },
  {
    title: 'IPv6: fragments and their whole',
    ipv6: true,
    devices: true,
    calls: [
      ['B', 'udp6', 'u'],
      ['B', 'bind', 'u', B6, 5000],
      ['A', 'udp6', 'v'],
      ['A', 'sendto', 'v', 4000, 0, B6, 5000],
      ['B', 'recv', 'u', 5000],
    ],
  },
  {
    title: 'IPv6: no route, over lo, a buffer that is full',
    ipv6: true,
    devices: true,
    calls: [
      ['A', 'udp6', 'u'],
      ['A', 'sendto', 'u', 10, 0, '2001:db8::1', 80],
      ['A', 'udp6', 'l'],
      ['A', 'set', 'l', 1, 8, 1],
      ['A', 'bind', 'l', '::1', 5000],
      ['A', 'sendto', 'u', 1000, 0, '::1', 5000],
      ['A', 'sendto', 'u', 1000, 0, '::1', 5000],
      ['A', 'sendto', 'u', 1000, 0, '::1', 5000],
      ['A', 'sendto', 'u', 1000, 0, '::1', 5000],
      ['A', 'sendto', 'u', 10, 0, '::1', 5001],
      ['A', 'sendto', 'u', 10, 0, 'fd00::1', 5001],
    ],
  },
];

interface Outcome {
  readonly results: readonly unknown[];
  readonly counters: Readonly<Record<string, Counters>>;
}

/** A wire between A and B. */
const WIRE: readonly Call[] = [
  [
    'A',
    'ip',
    'link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns B',
  ],
  ['A', 'ip', 'addr add 10.0.0.1/24 dev v0'],
  ['B', 'ip', `addr add ${B}/24 dev v1`],
];
const UP: readonly Call[] = [
  ['A', 'ip', 'link set v0 up'],
  ['B', 'ip', 'link set v1 up'],
];
const WITHOUT_IPV6: readonly Call[] = ['A', 'B'].flatMap((n) =>
  ['all', 'default'].map(
    (dir): Call => [n, 'write', `/proc/sys/net/ipv6/conf/${dir}/disable_ipv6`, '1'],
  ),
);
/** Nothing that either side would say of its own accord: no link-local addresses, nobody asks for routers. */
const WITH_IPV6: readonly Call[] = [
  ['A', 'write', '/proc/sys/net/ipv6/conf/v0/addr_gen_mode', '1'],
  ['B', 'write', '/proc/sys/net/ipv6/conf/v1/addr_gen_mode', '1'],
  ['A', 'ip', '-6 addr add fd00::1/64 dev v0 nodad'],
  ['B', 'ip', `-6 addr add ${B6}/64 dev v1 nodad`],
];

/** What is done before anything is counted; reports about groups are said twice, within three seconds. */
function prologue(story: Story): Call[] {
  if (story.ipv6 !== true) return [...WITHOUT_IPV6, ...WIRE, ...UP, ['wait', 0.1]];
  return [...WIRE, ...WITH_IPV6, ...UP, ['wait', 3.5]];
}

/** Tells a story; what its calls gave, and by how much they made counters grow. */
async function tell(stage: Stage, story: Story): Promise<Outcome> {
  try {
    for (const [name, value] of Object.entries(story.sysctls ?? {}))
      for (const ns of ['A', 'B'])
        await stage.call([ns, 'write', `/proc/sys/${name.replaceAll('.', '/')}`, value]);
    for (const call of prologue(story)) await stage.call(call);
    const before = await bothCounters(stage, story);
    const results: unknown[] = [];
    for (const call of story.calls) {
      const result = await stage.call(call);
      if (call[0] !== 'wait') results.push(result);
    }
    await stage.call(['wait', 0.1]);
    const after = await bothCounters(stage, story);
    return {
      results,
      counters: {
        A: difference(before[0], after[0]),
        B: difference(before[1], after[1]),
      },
    };
  } finally {
    await stage.close();
  }
}

async function bothCounters(stage: Stage, story: Story): Promise<[Counters, Counters]> {
  return [
    await countersOf(stage, story, 'A', ['lo', 'v0']),
    await countersOf(stage, story, 'B', ['lo', 'v1']),
  ];
}

/** All counters of a namespace, and those of its devices: `v0 rx_packets`. */
async function countersOf(
  stage: Stage,
  story: Story,
  ns: string,
  devices: readonly string[],
): Promise<Counters> {
  const out = { ...((await stage.call([ns, 'counters'])) as Counters) };
  if (story.devices !== true) return out;
  for (const dev of devices) {
    const path = `/sys/class/net/${dev}/statistics`;
    for (const name of (await stage.call([ns, 'list', path])) as string[])
      out[`${dev} ${name}`] = Number(await stage.call([ns, 'read', `${path}/${name}`]));
  }
  return out;
}

function difference(before: Counters, after: Counters): Counters {
  const out: Record<string, number> = {};
  for (const [name, value] of Object.entries(after)) {
    const n = value - (before[name] ?? 0);
    if (n !== 0 && !UNCOMPARABLE.test(name)) out[name] = n;
  }
  return out;
}

test('S12: Linux and Warren count the same', {
  skip: skipReason(linuxMissing()),
  concurrency: 5,
  timeout: 240_000,
}, async (t) => {
  await Promise.all(
    STORIES.map((story) =>
      t.test(story.title, { timeout: 200_000 }, async () => {
        const warren = await tell(new WarrenStage(), story);
        let linux = await tell(await LinuxStage.open(), story);
        for (let i = 1; i < ATTEMPTS && !isDeepStrictEqual(warren, linux); i++)
          linux = await tell(await LinuxStage.open(), story);
        assert.deepEqual(warren.results, linux.results);
        assert.deepEqual(warren.counters, linux.counters);
      }),
    ),
  );
});
