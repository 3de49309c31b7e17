/** IGMP: what a host tells routers, the kernel's and ours; options about groups and their senders (E1, RFC 3376). */
import { test } from 'node:test';
import { foldChecksum, sumPayload } from '../../src/core/wire/checksum.ts';
import { compareScripts, type Script, type Step } from './script-world.ts';
import { PYTHON, skipReason, toolsMissing } from './tools.ts';

const skip = skipReason(
  process.getuid?.() === 0 ? toolsMissing(['ip', PYTHON]) : 'root is needed to make namespaces',
);

const DGRAM = 2;
const PACKET = 17;
const IP = 0x800;
const A = '0a000001';
const G = 'ef010101';
const H = 'ef020202';
const ALL = 'e0000001';

function sum(hex: string): string {
  return foldChecksum(sumPayload([new Uint8Array(Buffer.from(hex, 'hex'))], 0))
    .toString(16)
    .padStart(4, '0');
}

/** An IPv4 packet of IGMP from 10.0.0.2 with a router alert. */
function igmp(dst: string, type: string, code: string, rest: string): string {
  const body = `${type}${code}${sum(`${type}${code}0000${rest}`)}${rest}`;
  const total = (24 + body.length / 2).toString(16).padStart(4, '0');
  const head = (check: string): string => `46c0${total}000040000102${check}0a000002${dst}94040000`;
  return head(sum(head('0000'))) + body;
}

const mac = (dst: string): string =>
  `01005e${(Number.parseInt(dst.slice(2), 16) & 0x7fffff).toString(16).padStart(6, '0')}`;

/** B asks, or reports. */
function ask(dst: string, type: string, code: string, rest: string): Step {
  return ['sendll', 'q', 'b0', IP, mac(dst), igmp(dst, type, code, rest)];
}

const v3Query = (group: string, code: string, sources: readonly string[] = []): Step =>
  ask(
    group === '00000000' ? ALL : group,
    '11',
    code,
    `${group}027d${sources.length.toString(16).padStart(4, '0')}${sources.join('')}`,
  );

/** Everything that A said. */
const hear = (n: number): Step[] => Array.from({ length: n }, (): Step => ['recv', 'w', 2000]);

/** Changes are told again within a tenth of a second, not within a second. */
const setUp: Script = [
  ['write', 'A', '/proc/sys/net/ipv4/conf/a0/igmpv3_unsolicited_report_interval', '100'],
  ['sock', 'w', 'B', PACKET, DGRAM, IP],
  ['bindll', 'w', 'b0', IP],
  ['sock', 'q', 'B', PACKET, DGRAM, 0],
  ['sock', 'u', 'A', 2, DGRAM, 0],
  ['sock', 'v', 'A', 2, DGRAM, 0],
];

const [ADD, DROP, ADD_SOURCE, DROP_SOURCE, BLOCK, UNBLOCK, FILTER] = [35, 36, 39, 40, 38, 37, 41];
const join = (id: string, group: string): Step => ['sethex', id, 0, ADD, group + A];
const leave = (id: string, group: string): Step => ['sethex', id, 0, DROP, group + A];
/** `struct ip_mreq_source` has the group, the interface and the sender. */
const source = (id: string, option: number, group: string, from: string): Step => [
  'sethex',
  id,
  0,
  option,
  group + A + from,
];

const v3: Script = [
  ...setUp,
  join('u', G),
  ['wait', 0.3],
  ...hear(3),
  // The second socket is no news; nor is one that wants less.
  join('v', G),
  ['wait', 0.1],
  ...hear(1),
  v3Query('00000000', '01'),
  ['wait', 0.2],
  ...hear(3),
  v3Query(G, '01'),
  ['wait', 0.2],
  ...hear(3),
  v3Query(H, '01'),
  ['wait', 0.2],
  ...hear(2),
  v3Query(G, '01', ['0a000009', '0a00000a']),
  ['wait', 0.2],
  ...hear(2),
  leave('u', G),
  ['wait', 0.1],
  ...hear(1),
  leave('v', G),
  ['wait', 0.3],
  ...hear(3),
];

const sources: Script = [
  ...setUp,
  source('u', ADD_SOURCE, G, '0a000009'),
  ['wait', 0.3],
  ...hear(3),
  source('u', ADD_SOURCE, G, '0a00000a'),
  ['wait', 0.3],
  ...hear(3),
  ['read', 'A', '/proc/net/mcfilter'],
  v3Query(G, '01', ['0a00000a', '0a00000b']),
  ['wait', 0.2],
  ...hear(2),
  source('u', DROP_SOURCE, G, '0a000009'),
  ['wait', 0.3],
  ...hear(3),
  // Another socket excludes: the interface does too.
  join('v', G),
  ['wait', 0.3],
  ...hear(3),
  source('v', BLOCK, G, '0a00000a'),
  source('v', BLOCK, G, '0a00000c'),
  ['wait', 0.3],
  ...hear(3),
  ['read', 'A', '/proc/net/mcfilter'],
  v3Query('00000000', '01'),
  ['wait', 0.2],
  ...hear(2),
  source('v', UNBLOCK, G, '0a00000c'),
  ['wait', 0.3],
  ...hear(3),
  leave('v', G),
  ['wait', 0.3],
  ...hear(3),
  source('u', DROP_SOURCE, G, '0a00000a'),
  ['wait', 0.3],
  ...hear(3),
];

const v2: Script = [
  ...setUp,
  join('u', G),
  ['wait', 0.3],
  ...hear(3),
  ask(ALL, '11', '01', '00000000'),
  ['wait', 0.2],
  ...hear(3),
  ['read', 'A', '/proc/net/igmp'],
  // Somebody else's report is enough.
  ask(G, '11', '14', G),
  ask(G, '16', '00', G),
  ['wait', 2.2],
  ...hear(4),
  leave('u', G),
  ['wait', 0.05],
  ...hear(1),
  // We reported last: we say goodbye.
  join('u', H),
  ['wait', 0.05],
  ...hear(1),
  leave('u', H),
  ['wait', 0.05],
  ...hear(2),
];

const v1: Script = [
  ...setUp,
  ['write', 'A', '/proc/sys/net/ipv4/conf/a0/force_igmp_version', '1'],
  join('u', G),
  ['wait', 0.05],
  ...hear(1),
  leave('u', G),
  ['wait', 0.05],
  ...hear(1),
  ['read', 'A', '/proc/net/igmp'],
  ['write', 'A', '/proc/sys/net/ipv4/conf/a0/force_igmp_version', '0'],
  ['write', 'A', '/proc/sys/net/ipv4/igmp_link_local_mcast_reports', '0'],
  ['write', 'A', '/proc/sys/net/ipv4/igmp_qrv', '1'],
  join('u', 'e00000fb'),
  join('u', H),
  ['wait', 0.3],
  ...hear(2),
  // Down and up: everything is told again.
  ['ip', 'A', 'link set a0 down'],
  ['wait', 0.05],
  ...hear(1),
  ['ip', 'A', 'link set a0 up'],
  ['wait', 0.3],
  ...hear(1),
];

/** Who hears a datagram that B sends to a group: by membership, sender, and IP_MULTICAST_ALL. */
const deliver = (from: string): Step[] => [
  ['bind', from, '10.0.0.2', 0],
  ['sethex', from, 0, 32, '0a000002'],
];
const delivery: Script = [
  ['sock', 's', 'B', 2, DGRAM, 0],
  ...deliver('s'),
  ...['a', 'b', 'c', 'd', 'e'].flatMap((id): Step[] => [
    ['sock', id, 'A', 2, DGRAM, 0],
    ['set', id, 1, 2, 1],
    ['bind', id, '0.0.0.0', 5000],
  ]),
  join('a', G),
  source('b', ADD_SOURCE, G, '0a000002'),
  source('c', ADD_SOURCE, G, '0a000003'),
  join('d', G),
  source('d', BLOCK, G, '0a000002'),
  ['sendto', 's', '01', '239.1.1.1', 5000],
  ...['a', 'b', 'c', 'd', 'e'].map((id): Step => ['drain', id]),
  ['set', 'e', 0, 49, 0],
  ['sendto', 's', '01', '239.1.1.1', 5000],
  ...['a', 'b', 'c', 'd', 'e'].map((id): Step => ['drain', id]),
  leave('a', G),
  ['close', 'e'],
  ['close', 'b'],
  ['sendto', 's', '01', '239.1.1.1', 5000],
  ...['a', 'c', 'd'].map((id): Step => ['drain', id]),
];

/** `struct group_req`, `struct group_source_req`. */
const sockaddr = (addr: string, family = '0200'): string => `${family}0000${addr}`.padEnd(256, '0');
const groupReq = (index: string, group: string): string =>
  `${index}00000000000000`.slice(0, 16) + sockaddr(group);
const groupSourceReq = (index: string, group: string, from: string): string =>
  groupReq(index, group) + sockaddr(from);
const A0 = '0a';

const options: Script = [
  ['sock', 'u', 'A', 2, DGRAM, 0],
  ['sock', 't', 'A', 2, 1, 0],
  join('t', G),
  join('u', '0a000003'),
  ['sethex', 'u', 0, ADD, `${G}0a0000ff`],
  ['sethex', 'u', 0, ADD, `${G}0000000063000000`],
  ['sethex', 'u', 0, ADD, G],
  leave('u', G),
  source('u', BLOCK, G, '0a000009'),
  source('u', UNBLOCK, G, '0a000009'),
  source('u', DROP_SOURCE, G, '0a000009'),
  join('u', G),
  join('u', G),
  source('u', ADD_SOURCE, G, '0a000009'),
  source('u', BLOCK, G, '0a000009'),
  source('u', BLOCK, G, '0a000009'),
  source('u', UNBLOCK, G, '0a000008'),
  source('u', ADD_SOURCE, G, '0a000007'),
  source('u', UNBLOCK, G, '0a000009'),
  source('u', UNBLOCK, G, '0a000009'),
  ...Array.from({ length: 11 }, (_, n) => source('u', BLOCK, G, `0a0000${(n + 16).toString(16)}`)),
  leave('u', G),
  // The whole filter: of senders, too many, none, of a mode that is none, without a join.
  ['sethex', 'u', 0, FILTER, `${G}${A}0100000001000000`],
  ['sethex', 'u', 0, FILTER, `${G}${A}01000000010000000a000009`],
  join('u', G),
  ['sethex', 'u', 0, FILTER, `${G}${A}01000000020000000a0000090a00000a`],
  ['sethex', 'u', 0, FILTER, `${G}${A}02000000010000000a000009`],
  ['sethex', 'u', 0, FILTER, `${G}${A}000000000b000000${'0a000009'.repeat(11)}`],
  ['sethex', 'u', 0, FILTER, `${G}${A}0000000000000000`],
  ['read', 'A', '/proc/net/mcfilter'],
  ['sethex', 'u', 0, FILTER, `${G}${A}0100000000000000`],
  leave('u', G),
  // The same by index of the interface.
  ['sethex', 'u', 0, 42, groupReq(A0, G)],
  ['sethex', 'u', 0, 42, groupReq(A0, G)],
  ['sethex', 'u', 0, 42, groupReq('63', G)],
  ['sethex', 'u', 0, 42, groupReq(A0, G).slice(0, 40)],
  ['sethex', 'u', 0, 43, groupSourceReq(A0, G, '0a000009')],
  ['sethex', 'u', 0, 43, groupSourceReq(A0, G, '0a000009')],
  ['sethex', 'u', 0, 44, groupSourceReq(A0, G, '0a000009')],
  ['sethex', 'u', 0, 45, groupReq(A0, G)],
  ['sethex', 'u', 0, 45, groupReq(A0, G)],
  ['sethex', 'u', 0, 46, groupSourceReq(A0, G, '0a000009')],
  ['sethex', 'u', 0, 46, groupSourceReq(A0, G, '0a000009')],
  ['sethex', 'u', 0, 47, groupSourceReq(A0, G, '0a000008')],
  ['sethex', 'u', 0, 47, groupSourceReq(A0, G, '0a000009')],
  ['sethex', 'u', 0, 45, groupReq(A0, G)],
  // No more than igmp_max_memberships.
  ...Array.from({ length: 21 }, (_, n) => join('u', `ef0909${(n + 16).toString(16)}`)),
  ['sethex', 'u', 0, 32, '0a000001'],
  ['gethex', 'u', 0, 32, 4],
  ['sethex', 'u', 0, 32, '0a0000ff'],
  ['sethex', 'u', 0, 32, '00000000000000000a000000'],
  ['sethex', 'u', 0, 32, '000000000000000063000000'],
];

/** Identifiers are chosen at random; when exactly a timer is due is not compared. */
function plain(result: unknown, [op, , path]: Step): unknown {
  if (op === 'read' && path === '/proc/net/igmp')
    return String(result)
      .replace(/[01]:[0-9A-F]{8}/g, 'T')
      .replace(/^1\tlo.*\n.*\n/m, '');
  if (op !== 'recv' || typeof result !== 'object' || result === null) return result;
  const { data, from } = result as { data: string; from: unknown };
  return [data.slice(0, 8), data.slice(12, 20), data.slice(24), from];
}

for (const [name, script] of Object.entries({ v3, sources, v2, v1, delivery, options }))
  test(`E1: IGMP as the kernel's: ${name}`, { skip, timeout: 60_000 }, () =>
    compareScripts([script], plain),
  );
