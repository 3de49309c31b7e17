/** IPv6 on one link: addresses by themselves, duplicates, neighbours, echo, groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, type World } from '../../../../test/world.ts';
import { devClose, devOpen } from '../../link/device-state.ts';
import { NEIGH_UPDATE_OVERRIDE, NUD_STALE } from '../../link/neighbour-state.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, ip6 } from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { IcmpHeader } from '../../wire/icmp.ts';
import { IPPROTO_ICMPV6, Ipv6Header } from '../../wire/ipv6.ts';
import { NA_OVERRIDE } from '../../wire/ndisc.ts';
import { routeWithSource6 } from '../route6/output.ts';
import { inet6AddrAdd } from './addrconf.ts';
import { IFA_F_DADFAILED, IFA_F_NODAD, IFA_F_TENTATIVE } from './address.ts';
import { sendAdvertisement } from './ndisc-send.ts';
import { ip6LocalOut } from './output.ts';

function twoHosts(): { world: World; a: NetNs; b: NetNs; da: NetDevice; db: NetDevice } {
  const world = createWorld({ ipv6: true });
  const a = world.addNet('a');
  const b = world.addNet('b');
  const [da, db] = world.wire({ net: a }, { net: b });
  return { world, a, b, da, db };
}

/** Sends an echo request with `len` bytes; 0 or `-errno`. */
function ping(net: NetNs, dst: string, len = 8, oif = 0): number {
  const found = routeWithSource6(net, ip6(dst), ip6('::'), oif);
  if (typeof found === 'number') return found;
  const pkt = net.kernel.newPacket(ETH_P_IPV6);
  pkt.ip6 = new Ipv6Header(found.src, ip6(dst), IPPROTO_ICMPV6, 64, 0);
  pkt.icmp = new IcmpHeader(128, 0, 0x10001);
  pkt.data = [new Uint8Array(len)];
  pkt.len = len;
  pkt.route6 = found.route;
  pkt.ignoreDf = true;
  return ip6LocalOut(net, pkt);
}

function replies(net: NetNs): number {
  return net.ipv6.icmpTypes.get(129, false);
}

function addresses(dev: NetDevice): [string, boolean][] {
  return (dev.ipv6?.addresses ?? []).map((a) => [
    String(a.addr),
    (a.flags & IFA_F_TENTATIVE) !== 0,
  ]);
}

function add(dev: NetDevice, addr: string, flags = IFA_F_NODAD): Ip6Addr {
  assert.equal(inet6AddrAdd(dev, { addr: ip6(addr), prefixLen: 64, flags }), 0);
  return ip6(addr);
}

test('lo has ::1 once it is up; a link has fe80::/64 with the EUI-64 of its MAC after DAD', () => {
  const { world, a, da } = twoHosts();
  assert.deepEqual(addresses(a.loopback), [['::1', false]]);
  const [own] = addresses(da);
  assert.match(own?.[0] ?? '', /^fe80::[0-9a-f:]+ff:fe[0-9a-f:]+$/);
  assert.equal(own?.[1], true);
  world.run(900_000);
  assert.equal(addresses(da)[0]?.[1], true);
  world.run(1_200_000);
  assert.equal(addresses(da)[0]?.[1], false);
});

test('echo over a link, to oneself and through lo; large ones in fragments', () => {
  const { world, a, b, da, db } = twoHosts();
  add(da, 'fd00::1');
  add(db, 'fd00::2');
  world.run(10_000);
  assert.equal(ping(a, 'fd00::2'), 0);
  assert.equal(ping(a, 'fd00::1'), 0);
  assert.equal(ping(a, '::1'), 0);
  assert.equal(ping(a, 'fd00::2', 5000), 0);
  world.run(100_000);
  assert.equal(replies(a), 4);
  assert.equal(a.ipv6.mib[MIB6.Ip6FragCreates], 4);
  assert.equal(b.ipv6.mib[MIB6.Ip6ReasmOKs], 1);
  assert.equal(a.ipv6.ndisc.find(da, ip6('fd00::2'))?.mac, db.mac);
});

test('a duplicate is found by its probe and by its owner', () => {
  const { world, da, db } = twoHosts();
  add(db, 'fd00::7');
  add(da, 'fd00::7', 0);
  world.run(3_000_000);
  const failed = da.ipv6?.addresses.find((x) => String(x.addr) === 'fd00::7');
  assert.equal((failed?.flags ?? 0) & IFA_F_DADFAILED, IFA_F_DADFAILED);
  // Both ask at once: the one whose probe comes second may not have it.
  add(da, 'fd00::8', 0);
  add(db, 'fd00::8', 0);
  world.run(3_000_000);
  const failures = [da, db].filter((dev) => {
    const x = dev.ipv6?.addresses.find((y) => String(y.addr) === 'fd00::8');
    return ((x?.flags ?? 0) & IFA_F_DADFAILED) !== 0;
  });
  assert.equal(failures.length, 1);
});

test('who does not answer is unreachable, after three solicitations', () => {
  const { world, a, da } = twoHosts();
  add(da, 'fd00::1');
  world.run(10_000);
  assert.equal(ping(a, 'fd00::99'), 0);
  world.run(4_000_000);
  assert.equal(a.ipv6.ndisc.find(da, ip6('fd00::99'))?.state, 0x20);
  assert.equal(a.ipv6.icmpTypes.get(1, false), 1);
});

test('all nodes answer ff02::1; link-local destinations need a device', () => {
  const { world, a, da, db } = twoHosts();
  world.run(3_000_000);
  assert.equal(ping(a, 'ff02::1', 8, da.ifindex), 0);
  world.run(10_000);
  assert.equal(replies(a), 2);
  const far = String(db.ipv6?.addresses[0]?.addr);
  assert.equal(ping(a, far, 8, da.ifindex), 0);
  world.run(10_000);
  assert.equal(replies(a), 3);
});

test('down takes addresses and routes away, up brings the link-local one back', () => {
  const { world, a, da } = twoHosts();
  add(da, 'fd00::1');
  world.run(3_000_000);
  devClose(da);
  assert.deepEqual(addresses(da), []);
  assert.deepEqual(
    [...a.ipv6.allTables()].flatMap((t) => t.list().map((r) => `${r.dst}/${r.prefixLen}`)),
    ['::1/128'],
  );
  assert.equal(ping(a, 'fd00::2'), -101);
  devOpen(da);
  world.run(3_000_000);
  assert.equal(addresses(da).length, 1);
});

test('a router learns from advertisements that it did not ask for (RFC 9131, accept_untracked_na)', () => {
  const { world, a, da, db } = twoHosts();
  add(da, 'fd00::1');
  add(db, 'fd00::2');
  add(db, 'fd99::2');
  world.run(3_000_000);
  const conf = da.ipv6?.conf;
  assert.ok(da.ipv6 && conf);
  const heard = (target: string): number | undefined => {
    sendAdvertisement(db, ip6('ff02::1'), ip6(target), NA_OVERRIDE, true);
    world.run(1000);
    return a.ipv6.ndisc.find(da, ip6(target))?.state;
  };
  assert.equal(heard('fd00::2'), undefined);
  da.ipv6.conf = conf.with('acceptUntrackedNa', 2);
  assert.equal(heard('fd00::2'), undefined);
  da.ipv6.conf = da.ipv6.conf.with('forwarding', 1);
  assert.equal(heard('fd99::2'), undefined);
  assert.equal(heard('fd00::2'), NUD_STALE);
  da.ipv6.conf = da.ipv6.conf.with('acceptUntrackedNa', 1);
  assert.equal(heard('fd99::2'), NUD_STALE);
});

test('force_tllao: an advertisement names the MAC, whoever it is for', () => {
  const { world, a, da, db } = twoHosts();
  add(da, 'fd00::1');
  add(db, 'fd00::2');
  world.run(3_000_000);
  assert.equal(ping(a, 'fd00::2'), 0);
  world.run(1000);
  const neigh = a.ipv6.ndisc.find(da, ip6('fd00::2'));
  assert.ok(neigh && db.ipv6);
  const told = (): number => {
    neigh.update(0x020000000099, NUD_STALE, NEIGH_UPDATE_OVERRIDE);
    sendAdvertisement(db, ip6('fd00::1'), ip6('fd00::2'), NA_OVERRIDE, false);
    world.run(1000);
    return neigh.mac;
  };
  assert.equal(told(), 0x020000000099);
  db.ipv6.conf = db.ipv6.conf.with('forceTllao', 1);
  assert.equal(told(), db.mac);
});
