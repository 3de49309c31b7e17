/**
 * The files of /proc/net and /sys/class/net of a namespace of the kernel's and of one of Warren's in the same state,
 * field by field (S13). Masked: addresses of kernel memory, inodes, hash buckets, times that are left.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linuxMissing } from './linux-world.ts';
import { type Call, LinuxStage, type Stage, WarrenStage } from './story.ts';
import { skipReason } from './tools.ts';

const SCENE: readonly Call[] = [
  ['A', 'write', '/proc/sys/net/ipv4/ping_group_range', '0 2147483647'],
  [
    'A',
    'ip',
    'link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns B',
  ],
  [
    'A',
    'ip',
    'link add w0 address 02:00:00:00:00:03 type veth peer name w1 address 02:00:00:00:00:04',
  ],
  ['A', 'ip', 'link add br0 address 02:00:00:00:00:0b type bridge'],
  ['A', 'write', '/sys/class/net/br0/bridge/multicast_snooping', '0'],
  ['A', 'ip', 'link add link w0 name mv0 address 02:00:00:00:00:05 type macvlan mode bridge'],
  [
    'A',
    'ip',
    'link add down0 address 02:00:00:00:00:06 type veth peer name down1 address 02:00:00:00:00:07',
  ],
  ['A', 'write', '/proc/sys/net/ipv6/conf/v0/addr_gen_mode', '1'],
  ['B', 'write', '/proc/sys/net/ipv6/conf/v1/addr_gen_mode', '1'],
  ['A', 'ip', 'link set w1 master br0'],
  ['A', 'ip', 'link set br0 up'],
  ['A', 'ip', 'link set v0 up'],
  ['B', 'ip', 'link set v1 up'],
  ['A', 'ip', 'link set w0 up'],
  ['A', 'ip', 'link set w1 up'],
  ['A', 'ip', 'link set mv0 up'],
  ['A', 'ip', 'link set v0 alias wire'],
  ['A', 'ip', 'addr add 10.0.0.1/24 dev v0'],
  ['A', 'ip', 'addr add 10.0.0.7/24 dev v0'],
  ['B', 'ip', 'addr add 10.0.0.2/24 dev v1'],
  ['A', 'ip', '-6 addr add fd00::1/64 dev v0 nodad'],
  ['B', 'ip', '-6 addr add fd00::2/64 dev v1 nodad'],
  ['A', 'ip', 'route add 192.0.2.0/24 via 10.0.0.2'],
  ['A', 'ip', 'route add 192.0.2.77 via 10.0.0.2 metric 5'],
  ['A', 'ip', 'route add default via 10.0.0.2 metric 100'],
  ['A', 'ip', 'route add unreachable 198.51.100.0/24'],
  ['A', 'ip', 'route add prohibit 198.51.101.0/24'],
  ['A', 'ip', 'route add blackhole 203.0.113.0/24'],
  ['A', 'ip', 'route add 172.16.0.0/12 nexthop via 10.0.0.3 weight 2 nexthop via 10.0.0.4'],
  ['A', 'ip', 'route add 172.20.0.0/16 via 10.0.0.9 table 77'],
  ['A', 'ip', 'route add 10.9.0.0/16 dev v0 advmss 1000'],
  ['A', 'ip', '-6 route add 2001:db8::/32 via fd00::2'],
  ['A', 'ip', '-6 route add default via fd00::2 metric 7'],
  ['A', 'ip', '-6 route add unreachable 2001:db9::/32'],
  ['A', 'ip', 'neigh add 10.0.0.3 lladdr 02:00:00:00:00:33 dev v0'],
  ['A', 'ip', 'neigh add 10.0.0.4 lladdr 02:00:00:00:00:44 dev v0 nud reachable'],
  ['B', 'tcp', 'l'],
  ['B', 'bind', 'l', '10.0.0.2', 80],
  ['B', 'listen', 'l', 5],
  ['A', 'tcp', 'own'],
  ['A', 'bind', 'own', '10.0.0.1', 81],
  ['A', 'listen', 'own', 7],
  ['A', 'tcp', 'bound'],
  ['A', 'bind', 'bound', '10.0.0.1', 1234],
  ['A', 'tcp', 'c'],
  ['A', 'bind', 'c', '10.0.0.1', 40000],
  ['A', 'connect', 'c', '10.0.0.2', 80],
  ['B', 'accept', 'l', 's'],
  ['B', 'send', 's', 100],
  ['A', 'tcp', 'd'],
  ['A', 'bind', 'd', '10.0.0.1', 40001],
  ['A', 'connect', 'd', '10.0.0.2', 80],
  ['B', 'accept', 'l', 't'],
  ['A', 'close', 'd'],
  ['B', 'close', 't'],
  ['A', 'tcp', 'nobody'],
  ['A', 'bind', 'nobody', '10.0.0.1', 40002],
  ['A', 'connect', 'nobody', '10.0.0.4', 80],
  ['B', 'tcp', 'in'],
  ['B', 'bind', 'in', '10.0.0.2', 40003],
  ['B', 'connect', 'in', '10.0.0.1', 81],
  ['A', 'udp', 'u'],
  ['A', 'bind', 'u', '0.0.0.0', 5353],
  ['A', 'join', 'u', '239.1.2.3', '10.0.0.1'],
  ['A', 'udp', 'v'],
  ['A', 'bind', 'v', '10.0.0.1', 5000],
  ['A', 'connect', 'v', '10.0.0.1', 5353],
  ['A', 'send', 'v', 5],
  ['A', 'udp', 'full'],
  ['A', 'set', 'full', 1, 8, 1],
  ['A', 'bind', 'full', '10.0.0.1', 5001],
  ['A', 'sendto', 'u', 1000, 0, '10.0.0.1', 5001],
  ['A', 'sendto', 'u', 1000, 0, '10.0.0.1', 5001],
  ['A', 'sendto', 'u', 1000, 0, '10.0.0.1', 5001],
  ['A', 'udp6', 'u6'],
  ['A', 'bind', 'u6', '::', 5354],
  ['A', 'udp6', 'v6'],
  ['A', 'bind', 'v6', 'fd00::1', 5355],
  ['A', 'connect', 'v6', 'fd00::1', 5354],
  ['A', 'raw', 'r'],
  ['A', 'raw6', 'r6'],
  ['A', 'ping', 'p'],
  ['A', 'bind', 'p', '10.0.0.1', 777],
  ['A', 'ping6', 'p6'],
  ['A', 'bind', 'p6', 'fd00::1', 778],
  ['wait', 0.5],
];

type Normal = (text: string) => unknown;

const lines = (text: string): string[] => text.split('\n');
const sorted: Normal = (text) => lines(text).sort();
const exactly: Normal = (text) => text;

/** Sockets: without slot, inode and pointer; times that are left are there, or not. Widths count. */
const sockets: Normal = (text) =>
  lines(text)
    .map((line, i) => {
      if (i === 0 || line === '') return line;
      const fields = line.trim().split(/\s+/);
      fields[0] = 'sl';
      fields[5] = (fields[5] as string).replace(/^(0[1-4]):[0-9A-F]{8}$/, '$1:T');
      // Time passes otherwise for who sends SYNs.
      if (fields[3] === '02') fields[6] = 'N';
      fields[9] = fields[9] === '0' ? '0' : 'inode';
      fields[11] = 'pointer';
      const width = line.endsWith(' ') ? line.length : 'as long as it is';
      return `${fields.join(' ')} (${width})`;
    })
    .sort();

/** Counters: which there are, and in which order. */
const names: Normal = (text) =>
  lines(text)
    .filter((line) => !/^(?:MPTcpExt|IcmpMsg)/.test(line) && !/Type\d/.test(line))
    .map((line) => line.replace(/ -?\d+/g, ' N').replace(/\t\d+$/, '\tN'));

/** Routes of IPv6 without their reference counts, those of one prefix in any order. */
const routes6: Normal = (text) =>
  lines(text)
    .map((line) => line.replace(/^((?:\S+ ){6})\S+ \S+/, '$1refs use'))
    .sort();

const maskSockstat: Normal = (text) =>
  text
    .replace(/orphan \d+/, 'orphan N')
    .replace(/(alloc|mem) \d+/g, '$1 N')
    .replace(/memory \d+/g, 'memory N');

/** The protocols that Warren has, without the memory that is charged to them. */
const protocols: Normal = (text) =>
  lines(text)
    .filter((line) => /^(?:protocol|(?:PING|RAW|UDP|TCP)(?:v6)?) /.test(line))
    .map((line) => line.replace(/^(\S+ +\d+ +\d+ ) *-?\d+/, '$1 M'));

/** Multicast MACs of devices: protocols of the kernel's that are not here have theirs, too. */
const groups: Normal = (text) => lines(text).sort();

/** What came in by lo and the wire: the kernel says more of its own (IGMP), and SYNs go out as time passes. */
const devices: Normal = (text) =>
  lines(text)
    .filter((line) => !/^ *(?:w|br|mv)/.test(line))
    .map((line) => (/^ *v0/.test(line) ? line.slice(0, 64) : line));

const FILES: Readonly<Record<string, Normal>> = {
  arp: sorted,
  dev: devices,
  dev_mcast: groups,
  fib_trie: exactly,
  fib_triestat: exactly,
  icmp: sockets,
  icmp6: sockets,
  if_inet6: sorted,
  igmp: exactly,
  igmp6: exactly,
  ipv6_route: routes6,
  mcfilter: exactly,
  netstat: names,
  packet: exactly,
  protocols,
  psched: exactly,
  ptype: (text) => lines(text).filter((line) => !/llc_rcv|mpls|^ALL /.test(line)),
  raw: sockets,
  raw6: sockets,
  route: exactly,
  rt_cache: exactly,
  snmp: names,
  snmp6: names,
  sockstat: maskSockstat,
  sockstat6: maskSockstat,
  tcp: sockets,
  tcp6: sockets,
  udp: sockets,
  udp6: sockets,
  udplite: sockets,
  udplite6: sockets,
};

const DEVICES = ['lo', 'v0', 'w0', 'w1', 'br0', 'mv0', 'down0'];

/** Attempts to write, and what is read afterwards. */
const WRITES: readonly (readonly [path: string, text: string])[] = [
  ['/sys/class/net/v0/mtu', '1400\n'],
  ['/sys/class/net/v0/mtu', '10\n'],
  ['/sys/class/net/v0/mtu', 'abc\n'],
  ['/sys/class/net/v0/mtu', '0x600\n'],
  ['/sys/class/net/v0/mtu', '99999\n'],
  ['/sys/class/net/v0/mtu', '\n'],
  ['/sys/class/net/v0/mtu', '1500x\n'],
  ['/sys/class/net/v0/mtu', '-1\n'],
  ['/sys/class/net/v0/mtu', '1500'],
  ['/sys/class/net/v0/ifalias', 'hello\n'],
  ['/sys/class/net/v0/ifalias', '\n'],
  ['/sys/class/net/v0/tx_queue_len', '77\n'],
  ['/sys/class/net/v0/tx_queue_len', '-1\n'],
  ['/sys/class/net/v0/tx_queue_len', '4294967296\n'],
  ['/sys/class/net/v0/carrier', '0\n'],
  ['/sys/class/net/v0/proto_down', '1\n'],
  ['/sys/class/net/v0/netdev_group', '5\n'],
  ['/sys/class/net/v0/netdev_group', 'x\n'],
  ['/sys/class/net/v0/ifindex', '3\n'],
  ['/sys/class/net/v0/address', '1\n'],
  ['/sys/class/net/v0/statistics', '1\n'],
  ['/sys/class/net/down0/flags', '0x1003\n'],
  ['/sys/class/net/down0/flags', '0x1002\n'],
  ['/sys/class/net/down0/flags', 'x\n'],
  ['/sys/class/net/br0/bridge/ageing_time', '1000\n'],
  ['/sys/class/net/w1/brport/hairpin_mode', '1\n'],
  ['/sys/class/net/w1/brport/learning', '0\n'],
  ['/sys/class/net/w1/brport/isolated', '1\n'],
  ['/sys/class/net/w1/brport/unicast_flood', '0\n'],
  ['/sys/class/net/w1/brport/path_cost', '10\n'],
  ['/sys/class/net/w1/brport/priority', '5\n'],
  ['/proc/net/nope', '1'],
  ['/proc/sys/net/ipv4/tcp_available_congestion_control', 'x'],
  ['/proc/sys/net/ipv4/nope', '1'],
  ['/proc/sys/net/ipv4', '1'],
  ['/proc/sys/net/ipv4/route/flush', '1'],
  ['/proc/sys/net/ipv4/conf/v0/rp_filter', '1\n'],
];

async function readAll(stage: Stage, own: WarrenStage): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [file, normal] of Object.entries(FILES)) {
    const text = await stage.call(['A', 'read', `/proc/net/${file}`]);
    seen[file] = normal(String(text));
  }
  const { fs } = own.namespace('A');
  for (const dev of DEVICES)
    for (const dir of ['', '/brport', '/bridge', '/statistics']) {
      const path = `/sys/class/net/${dev}${dir}`;
      if (dir !== '' && !fs.list(`/sys/class/net/${dev}`).includes(dir.slice(1))) continue;
      for (const name of fs.list(path)) {
        const file = `${path}/${name}`;
        if (fs.stat(file, false).kind !== 'file' || (dir === '/statistics' && dev !== 'lo'))
          continue;
        seen[file] = await stage.call(['A', 'read', file]);
      }
    }
  for (const path of [
    '/proc/net/tcp/x',
    '/proc/net/nope',
    '/proc/sys/net',
    '/sys/class/net/nope/mtu',
  ])
    seen[path] = await stage.call(['A', 'read', path]);
  seen['/sys/class/net'] = await stage.call(['A', 'list', '/sys/class/net']);
  return seen;
}

async function writeAll(stage: Stage): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [path, text] of WRITES) {
    const result = await stage.call(['A', 'write', path, text]);
    const after = path.endsWith('congestion_control') ? 0 : await stage.call(['A', 'read', path]);
    seen[`${path} ${JSON.stringify(text)}`] = [result, after];
  }
  return seen;
}

test('S13: files of /proc/net and /sys/class/net are those of the kernel', {
  skip: skipReason(linuxMissing()),
  timeout: 120_000,
}, async (t) => {
  const linux = await LinuxStage.open();
  const warren = new WarrenStage();
  try {
    const results: unknown[] = [];
    for (const call of SCENE) {
      results.push([call, await linux.call(call)]);
    }
    for (const [i, call] of SCENE.entries())
      assert.deepEqual([call, warren.callNow(call)], results[i]);
    const [theirs, ours] = [await readAll(linux, warren), await readAll(warren, warren)];
    for (const [name, expected] of Object.entries(theirs))
      await t.test(name, () => assert.deepEqual(ours[name], expected));
    const listed = (await linux.call(['A', 'list', '/proc/net'])) as string[];
    await t.test('no file that Linux does not have', () => {
      const made = warren.namespace('A').fs.list('/proc/net');
      assert.deepEqual(
        made.filter((name) => !listed.includes(name)),
        [],
      );
    });
    const written = await writeAll(linux);
    const here = await writeAll(warren);
    for (const [name, expected] of Object.entries(written))
      await t.test(`write ${name}`, () => assert.deepEqual(here[name], expected));
  } finally {
    await linux.close();
  }
});
