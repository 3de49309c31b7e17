/** A host and its routers in virtual time: asking, lifetimes that end, temporary addresses, duplicates, options for programs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, type World } from '../../../../test/world.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { Ip6Addr, ip6, putIp6 } from '../../util/ip6-addr.ts';
import { NDISC_ROUTER_ADVERTISEMENT } from '../../wire/icmpv6.ts';
import { inet6AddrAdd } from './addrconf.ts';
import {
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_NODAD,
  IFA_F_STABLE_PRIVACY,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
} from './address.ts';
import { setStableSecret, writeConf6 } from './conf.ts';
import { selectAddr6 } from './select-addr.ts';
import { sendOnLink } from './send.ts';

const ALL_NODES = ip6('ff02::1');

interface Link {
  readonly world: World;
  readonly host: NetNs;
  readonly router: NetNs;
  readonly dev: NetDevice;
  readonly routerDev: NetDevice;
}

function link(): Link {
  const world = createWorld({ ipv6: true });
  const host = world.addNet('host');
  const router = world.addNet('router');
  const [dev, routerDev] = world.wire({ net: host }, { net: router });
  return { world, host, router, dev, routerDev };
}

/** Sends an advertisement of one prefix, and options. */
function advertise(
  l: Link,
  ra: {
    readonly lifetime?: number;
    readonly prefix?: string;
    readonly valid?: number;
    readonly preferred?: number;
    readonly options?: Uint8Array;
  },
): void {
  const { prefix, options = new Uint8Array(0) } = ra;
  const at = prefix === undefined ? 8 : 40;
  const body = new Uint8Array(at + options.length);
  const view = new DataView(body.buffer);
  if (prefix !== undefined) {
    body.set([3, 4, 64, 0xc0], 8);
    view.setUint32(12, ra.valid ?? 3600);
    view.setUint32(16, ra.preferred ?? 1800);
    putIp6(view, 24, ip6(prefix));
  }
  body.set(options, at);
  const [src] = l.routerDev.ipv6?.addresses ?? [];
  assert.ok(src !== undefined);
  sendOnLink(l.routerDev, {
    src: src.addr,
    dst: ALL_NODES,
    type: NDISC_ROUTER_ADVERTISEMENT,
    rest: (64 << 24) | (ra.lifetime ?? 1800),
    body,
    hopLimit: 255,
    routerAlert: false,
    tclass: 0,
  });
  l.world.run(1000);
}

function flagsOf(dev: NetDevice): [string, number][] {
  return (dev.ipv6?.addresses ?? []).map((a) => [String(a.addr), a.flags]);
}

function temporary(dev: NetDevice): string[] {
  return flagsOf(dev).flatMap(([addr, flags]) => ((flags & IFA_F_TEMPORARY) !== 0 ? [addr] : []));
}

function solicitations(net: NetNs): number {
  return net.ipv6.icmpTypes.get(133, true);
}

test('S15: a host asks for routers, ever more seldom, until one answers (RFC 7559)', () => {
  const l = link();
  l.world.run(2_000_000);
  assert.equal(solicitations(l.host), 1);
  l.world.run(4_500_000);
  assert.equal(solicitations(l.host), 2);
  l.world.run(60_000_000);
  assert.equal(solicitations(l.host), 5);
  advertise(l, {});
  l.world.run(600_000_000);
  assert.equal(solicitations(l.host), 5);
});

test('S15: a router does not ask, and router_solicitations bounds a host', () => {
  const world = createWorld({ ipv6: true });
  const nets = ['a', 'b'].map((n) => world.addNet(n)) as [NetNs, NetNs];
  nets[0].ipv6.confDefault = nets[0].ipv6.confDefault.with('forwarding', 1);
  nets[1].ipv6.confDefault = nets[1].ipv6.confDefault.with('routerSolicitations', 3);
  world.wire({ net: nets[0] }, { net: nets[1] });
  world.run(600_000_000);
  assert.deepEqual(nets.map(solicitations), [0, 3]);
});

test('S15: what is not announced again ends: the default route, the prefix, the address', () => {
  const l = link();
  l.world.run(3_000_000);
  advertise(l, { lifetime: 60, prefix: 'fd01::', valid: 100, preferred: 50 });
  const routes = (): string[] =>
    (l.host.ipv6.findTable(254)?.list() ?? []).map((r) => `${r.dst}/${r.prefixLen}`);
  assert.deepEqual(routes().sort(), ['::/0', 'fd01::/64', 'fe80::/64']);
  l.world.run(51_000_000);
  assert.equal((flagsOf(l.dev)[0]?.[1] ?? 0) & IFA_F_DEPRECATED, IFA_F_DEPRECATED);
  advertise(l, { lifetime: 60, prefix: 'fd01::', valid: 100, preferred: 50 });
  assert.equal((flagsOf(l.dev)[0]?.[1] ?? 0) & IFA_F_DEPRECATED, 0);
  l.world.run(95_000_000);
  assert.deepEqual(routes().sort(), ['fd01::/64', 'fe80::/64']);
  l.world.run(60_000_000);
  assert.deepEqual(routes(), ['fe80::/64']);
  assert.equal(flagsOf(l.dev).length, 1);
});

test('S15: a temporary address has its successor before it is deprecated (RFC 8981)', () => {
  const l = link();
  l.world.run(3_000_000);
  const ipv6 = l.dev.ipv6;
  assert.ok(ipv6 !== null);
  writeConf6(l.host, ipv6, 'useTempaddr', 2);
  writeConf6(l.host, ipv6, 'tempPreferedLft', 100);
  writeConf6(l.host, ipv6, 'tempValidLft', 200);
  writeConf6(l.host, ipv6, 'maxDesyncFactor', 0);
  advertise(l, { prefix: 'fd01::', valid: 100_000, preferred: 100_000 });
  l.world.run(3_000_000);
  const [first] = temporary(l.dev);
  // RFC 6724 §5, rule 7.
  assert.equal(String(selectAddr6(l.host, l.dev, ip6('fd01::99'))), first);
  writeConf6(l.host, ipv6, 'useTempaddr', 1);
  assert.notEqual(String(selectAddr6(l.host, l.dev, ip6('fd01::99'))), first);
  writeConf6(l.host, ipv6, 'useTempaddr', 2);
  assert.ok(first !== undefined);
  assert.equal(temporary(l.dev).length, 1);
  l.world.run(93_000_000);
  const [second, old] = temporary(l.dev);
  assert.equal(old, first);
  assert.notEqual(second, first);
  l.world.run(110_000_000);
  assert.equal(temporary(l.dev).includes(first), false);
  assert.ok(temporary(l.dev).length >= 1);
});

test('S15: an identifier that is taken has a successor (RFC 7217), idgen_retries times', () => {
  const l = link();
  l.world.run(3_000_000);
  const ipv6 = l.dev.ipv6;
  assert.ok(ipv6 !== null);
  setStableSecret(l.host, ipv6, new Ip6Addr(1, 2, 3, 4));
  advertise(l, { prefix: 'fd01::' });
  const made = flagsOf(l.dev).find(([a]) => a.startsWith('fd01'));
  assert.ok(made !== undefined && (made[1] & IFA_F_STABLE_PRIVACY) !== 0);
  const taken = { addr: ip6(made[0]), prefixLen: 64, flags: IFA_F_NODAD };
  assert.equal(inet6AddrAdd(l.routerDev, taken), 0);
  l.world.run(5_000_000);
  const [next, ...others] = flagsOf(l.dev).filter(([a]) => a.startsWith('fd01'));
  assert.deepEqual(others, []);
  assert.notEqual(next?.[0], made[0]);
  assert.equal((next?.[1] ?? -1) & (IFA_F_TENTATIVE | IFA_F_DADFAILED), 0);
});

test('S15: name servers and search domains are told to who watches', () => {
  const l = link();
  l.world.run(3_000_000);
  const seen: [string, number][] = [];
  l.host.events.subscribe((e) => {
    if (e.kind !== 'nduseropt') return;
    const { from, data } = e.subject as { from: Ip6Addr; data: Uint8Array };
    seen.push([String(from), data[0] ?? -1]);
  });
  const rdnss = new Uint8Array(24);
  rdnss.set([25, 3, 0, 0, 0, 0, 0, 60]);
  putIp6(new DataView(rdnss.buffer), 8, ip6('fd01::53'));
  advertise(l, { options: rdnss });
  assert.deepEqual(seen, [[String(l.routerDev.ipv6?.addresses[0]?.addr), 25]]);
});

test('hostile: a thousand prefixes make 16 addresses, and routes that end', () => {
  const l = link();
  l.world.run(3_000_000);
  for (let i = 0; i < 1000; i++)
    advertise(l, { prefix: `fd01:0:0:${i.toString(16)}::`, valid: 99, preferred: 30 });
  assert.equal(l.dev.ipv6?.addresses.length, 16);
  assert.equal(l.host.ipv6.extra.endingCount, 1001);
  l.world.run(240_000_000);
  assert.equal(l.dev.ipv6?.addresses.length, 1);
  assert.equal(l.host.ipv6.findTable(254)?.list().length, 2);
});
