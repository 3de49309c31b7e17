/**
 * What every kind of device has to do alike: up and down, MTU, carrier, counters, deletion with traffic in
 * flight, moves, what packets may not carry from one namespace to another.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import { NetError } from '../errno.ts';
import { maxMtu, minMtu } from '../link/device-state.ts';
import { devMove } from '../link/move.ts';
import { IFF_LOWER_UP, IFF_RUNNING, type NetDevice, UNLIMITED_MTU } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { Ip6Addr } from '../util/ip6-addr.ts';
import { ETH_P_IP, ETH_P_IPV6, EthHeader } from '../wire/ethernet.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { Ipv6Header } from '../wire/ipv6.ts';
import { UdpHeader } from '../wire/udp.ts';
import { tunAdd, tunAttach } from './tun.ts';

/** A device in a world of its own, and how to see what it sends. */
interface Case {
  readonly kernel: Kernel;
  readonly clock: VirtualClock;
  readonly ns: Namespace;
  readonly dev: NetDevice;
  /** Takes the way out of the device away, or gives it back; absent: it has none that can go. */
  readonly cut?: (on: boolean) => void;
  /** The device receives what it is sent by this one. */
  readonly remote?: NetDevice;
  /** The IP destination of what it sends, and of what it is sent; 0.0.0.2 when absent. */
  readonly dst?: number;
  /** Makes it hear what is sent to `dst`. */
  readonly listen?: () => void;
  /** IP gives it what it receives: no rx handler sees that. */
  readonly byIp?: boolean;
  readonly movable: boolean;
  readonly deletable: boolean;
}

const KINDS: Readonly<Record<string, () => Case>> = {
  lo: () => {
    const w = world();
    return { ...w, dev: w.ns.net.loopback, movable: false, deletable: false };
  },
  veth: () => {
    const w = world();
    wire(w.kernel, w.ns, 'd', w.far);
    return { ...w, ...ends(w), cut: cutter(w.far), movable: true, deletable: true };
  },
  bridge: () => {
    const w = world();
    wire(w.kernel, w.ns, 'port', w.far);
    w.ns.link.add({ kind: 'bridge', name: 'd' });
    w.ns.link.set('port', { master: 'd', up: true });
    return { ...w, ...ends(w), cut: cutter(w.far), movable: false, deletable: true };
  },
  tun: () => portCase('tun'),
  tap: () => portCase('tap'),
  dummy: () => {
    const w = world();
    w.ns.link.add({ kind: 'dummy', name: 'd' });
    return { ...w, dev: device(w.ns, 'd'), movable: true, deletable: true };
  },
  vlan: () => {
    const w = world();
    wire(w.kernel, w.ns, 'lower', w.far);
    w.ns.link.set('lower', { up: true });
    w.ns.link.add({ kind: 'vlan', name: 'd', link: 'lower', vlan: { id: 5 } });
    w.far.link.add({ kind: 'vlan', name: 'f5', link: 'far', vlan: { id: 5 }, up: true });
    const remote = device(w.far, 'f5');
    return { ...w, ...ends(w), remote, cut: cutter(w.far), movable: true, deletable: true };
  },
  ifb: () => {
    const w = world();
    w.ns.link.add({ kind: 'ifb', name: 'd' });
    return { ...w, dev: device(w.ns, 'd'), movable: true, deletable: true };
  },
  netkit: () => netkitCase('l3'),
  'netkit l2': () => netkitCase('l2'),
  'ipvlan l2': () => ipvlanCase('l2'),
  'ipvlan l3': () => ipvlanCase('l3'),
  'ipvlan l3s': () => ipvlanCase('l3s'),
  venet: () => {
    const w = world();
    w.far.link.add({ kind: 'venet', name: 'far', up: true });
    const { far, ns } = w;
    far.link.add({ kind: 'venet', name: 'd', link: 'far', netns: ns });
    const listen = (): void => ns.addr.add({ local: '10.2.0.2/32', dev: 'd' });
    const more = { dst: 0x0a020002, listen, cut: cutter(far), movable: true, deletable: true };
    return { ...w, ...ends(w), ...more };
  },
  ipip: () => tunnelCase('ipip'),
  sit: () => tunnelCase('sit'),
  gre: () => tunnelCase('gre'),
  gretap: () => tunnelCase('gretap'),
  vxlan: () => tunnelCase('vxlan'),
  bond: () => bondCase('active-backup'),
  'bond xor': () => bondCase('balance-xor'),
  macvtap: () => {
    const w = world();
    wire(w.kernel, w.ns, 'lower', w.far);
    w.ns.link.set('lower', { up: true });
    w.ns.link.add({ kind: 'macvtap', name: 'd', link: 'lower' });
    return { ...w, ...ends(w), cut: cutter(w.far), movable: true, deletable: true };
  },
  vrf: () => {
    const w = world();
    w.ns.link.add({ kind: 'vrf', name: 'd', vrf: { table: 10 } });
    return { ...w, dev: device(w.ns, 'd'), movable: false, deletable: true };
  },
  macvlan: () => {
    const w = world();
    wire(w.kernel, w.ns, 'lower', w.far);
    w.ns.link.set('lower', { up: true });
    w.ns.link.add({ kind: 'macvlan', name: 'd', link: 'lower' });
    return { ...w, ...ends(w), cut: cutter(w.far), movable: true, deletable: true };
  },
};

interface TestWorld {
  readonly kernel: Kernel;
  readonly clock: VirtualClock;
  readonly ns: Namespace;
  readonly far: Namespace;
}

/** A namespace that does not ask for routers: it sends what it is told to. */
function quiet(kernel: Kernel, name: string): Namespace {
  const ns = kernel.netns.add(name);
  ns.sysctl.set('net.ipv6.conf.default.router_solicitations', 0);
  return ns;
}

function world(): TestWorld {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  return { clock, kernel, ns: quiet(kernel, 'near'), far: quiet(kernel, 'far') };
}

function wire(kernel: Kernel, ns: Namespace, name: string, far: Namespace): void {
  kernel.veth({ netns: ns, name }, { netns: far, name: 'far', up: true });
}

function device(ns: Namespace, name: string): NetDevice {
  const dev = ns.net.devs.find(name);
  assert.ok(dev !== undefined);
  return dev;
}

function ends(w: TestWorld): { dev: NetDevice; remote: NetDevice } {
  return { dev: device(w.ns, 'd'), remote: device(w.far, 'far') };
}

function cutter(far: Namespace): (on: boolean) => void {
  return (on) => far.link.set('far', { up: on });
}

function portCase(mode: 'tun' | 'tap'): Case {
  const w = world();
  const dev = tunAdd(w.ns.net, 'd', { mode });
  assert.ok(typeof dev !== 'number');
  let port = tunAttach(dev);
  const cut = (on: boolean): void => {
    if (typeof port !== 'number' && !on) port.close();
    if (on) port = tunAttach(dev);
  };
  return { ...w, dev, cut, movable: true, deletable: true };
}

function netkitCase(mode: 'l2' | 'l3'): Case {
  const w = world();
  w.ns.link.add({
    kind: 'netkit',
    name: 'd',
    netkit: { mode },
    peer: { netns: w.far, name: 'far', up: true },
  });
  return { ...w, ...ends(w), cut: cutter(w.far), movable: true, deletable: true };
}

function ipvlanCase(mode: 'l2' | 'l3' | 'l3s'): Case {
  const w = world();
  wire(w.kernel, w.ns, 'lower', w.far);
  w.ns.link.set('lower', { up: true });
  w.ns.addr.add({ local: '10.2.0.1/24', dev: 'lower' });
  w.ns.link.add({ kind: 'ipvlan', name: 'd', link: 'lower', ipvlan: { mode } });
  const listen = (): void => w.ns.addr.add({ local: '10.2.0.2/32', dev: 'd' });
  const dst = 0x0a020002;
  const life = { cut: cutter(w.far), movable: true, deletable: true };
  return { ...w, ...ends(w), dst, listen, byIp: mode === 'l3s', ...life };
}

function bondCase(mode: 'active-backup' | 'balance-xor'): Case {
  const w = world();
  wire(w.kernel, w.ns, 'port', w.far);
  w.ns.link.add({ kind: 'bond', name: 'd', bond: { mode, miimon: 100 } });
  w.ns.link.set('port', { master: 'd' });
  const cut = (on: boolean): void => {
    w.far.link.set('far', { up: on });
    w.clock.runFor(w.kernel.core, 200_000);
  };
  return { ...w, ...ends(w), cut, movable: false, deletable: true };
}

/** Over a wire between underlays of their own, which the devices leave behind when they move. */
function tunnelCase(kind: 'ipip' | 'sit' | 'gre' | 'gretap' | 'vxlan'): Case {
  const w = world();
  const [near, away] = [quiet(w.kernel, 'under1'), quiet(w.kernel, 'under2')];
  const [a, b] = ['192.0.2.1', '192.0.2.2'];
  w.kernel.veth(
    { netns: near, name: 'u', address: `${a}/24`, up: true },
    { netns: away, name: 'u', address: `${b}/24`, up: true },
  );
  const options = (local: string, remote: string): object =>
    kind === 'vxlan' ? { vxlan: { id: 5, local, remote } } : { tunnel: { local, remote } };
  near.link.add({ kind, name: 'd', ...options(a, b) });
  away.link.add({ kind, name: 'far', ...options(b, a) });
  near.link.set('d', { netns: w.ns });
  away.link.set('far', { netns: w.far, up: true });
  w.ns.net.kernel.run();
  return { ...w, ...ends(w), movable: true, deletable: true };
}

function frame(c: Case, dev: NetDevice, dst: number): Packet {
  const pkt = c.kernel.core.newPacket(ETH_P_IP, dev);
  if (dev.ops.kind === 'sit') {
    const one = new Ip6Addr(0xfd000000 | 0, 0, 0, 1);
    pkt.ip6 = new Ipv6Header(one, one, 17, 64, 0);
    pkt.proto = ETH_P_IPV6;
  } else pkt.ip = new Ipv4Header(1, c.dst ?? 2, 17, 64, 0);
  pkt.udp = new UdpHeader(1, 2);
  // Above layer 2 an ipvlan sends nothing to groups.
  const to = dev.ops.kind === 'ipvlan' ? dev.mac : dst;
  if (dev.hardHeaderLen > 0) pkt.eth = new EthHeader(to, dev.mac, ETH_P_IP);
  pkt.mark = 7;
  // Only what was redirected to an ifb passes it.
  if (dev.ops.kind === 'ifb') pkt.redirect = { dev: c.ns.net.loopback, ingress: true };
  return pkt;
}

/** Runs `check` for each kind. */
function each(title: string, check: (c: Case) => void): void {
  for (const [kind, make] of Object.entries(KINDS)) test(`${kind}: ${title}`, () => check(make()));
}

each('is made down, goes up and down, and its flags say so', (c) => {
  const { ns, dev } = c;
  assert.equal(dev.up, false);
  assert.equal(dev.flags & (IFF_RUNNING | IFF_LOWER_UP), 0);
  assert.equal(ns.link.show(dev.name).qdisc, 'noop');
  ns.link.set(dev.name, { up: true });
  assert.equal(dev.flags & IFF_LOWER_UP, dev.carrier ? IFF_LOWER_UP : 0);
  assert.equal(dev.carrier, true);
  assert.equal(ns.link.show(dev.name).qdisc, 'noqueue');
  assert.match(ns.link.show(dev.name).operState, /^(UP|UNKNOWN)$/);
  ns.link.set(dev.name, { up: false });
  assert.equal(dev.flags & (IFF_RUNNING | IFF_LOWER_UP), 0);
  assert.equal(ns.link.show(dev.name).operState, 'DOWN');
});

each('has an MTU within its limits, and no other', ({ ns, dev }) => {
  const { name, mtu } = dev;
  const low = minMtu(dev);
  const high = maxMtu(dev);
  ns.link.set(name, { mtu: Math.max(low, 68) });
  assert.equal(dev.mtu, Math.max(low, 68));
  ns.link.set(name, { mtu });
  if (low > 0) assert.throws(() => ns.link.set(name, { mtu: low - 1 }), NetError);
  if (high !== UNLIMITED_MTU) assert.throws(() => ns.link.set(name, { mtu: high + 1 }), NetError);
  assert.equal(dev.mtu, mtu);
});

each('loses its carrier with its way out, and gets it back', ({ ns, dev, cut }) => {
  ns.link.set(dev.name, { up: true });
  if (cut === undefined) return;
  const { carrierChanges } = dev;
  cut(false);
  assert.equal(dev.carrier, false);
  assert.equal(dev.flags & (IFF_RUNNING | IFF_LOWER_UP), 0);
  assert.match(ns.link.show(dev.name).operState, /DOWN$/);
  cut(true);
  assert.equal(dev.carrier, true);
  assert.ok(dev.carrierChanges >= carrierChanges + 2);
});

each('counts what it sends; down, it sends nothing and says so', (c) => {
  const { ns, dev } = c;
  ns.link.set(dev.name, { up: true });
  devQueueXmit(frame(c, dev, MAC_BROADCAST));
  c.kernel.core.run();
  let len = 28 + dev.hardHeaderLen - (dev === ns.net.loopback ? 14 : 0);
  if (dev.ops.kind === 'sit') len += 20;
  // LINUX: what it sends it counts without the Ethernet header (`iptunnel_xmit`).
  if (dev.ops.kind === 'gretap' || dev.ops.kind === 'vxlan') len -= 14;
  const read = dev.stats.txPackets;
  // A tun device counts when the host reads.
  if (dev.ops.kind !== 'tun') assert.deepEqual([read, dev.stats.txBytes], [1, len]);
  ns.link.set(dev.name, { up: false });
  const drops = ns.net.drops.get('QDISC_DROP') ?? 0;
  devQueueXmit(frame(c, dev, MAC_BROADCAST));
  assert.equal(ns.net.drops.get('QDISC_DROP'), drops + 1);
  assert.equal(dev.stats.txPackets, read);
});

each('receives what comes, without what must not cross', (c) => {
  const { ns, dev, remote } = c;
  ns.link.set(dev.name, { up: true });
  if (remote === undefined || c.byIp === true) return;
  c.listen?.();
  let got: Packet | null = null;
  dev.rxHandler = (pkt) => {
    got = pkt.clone();
    return true;
  };
  devQueueXmit(frame(c, remote, dev.mac));
  c.clock.runFor(c.kernel.core, 1000);
  assert.notEqual(got, null);
  assert.equal((got as unknown as Packet).mark, 0);
  assert.equal(dev.stats.rxPackets, 1);
});

each('S6: moves or refuses, and works where it arrived', (c) => {
  const { ns, dev, movable, kernel } = c;
  const to = quiet(kernel, 'to');
  ns.link.set(dev.name, { up: true });
  if (dev.hardHeaderLen > 0 || dev.ops.kind === 'tun')
    ns.addr.add({ local: '10.1.0.1/24', dev: dev.name });
  if (!movable) {
    assert.throws(() => ns.link.set(dev.name, { netns: to }), {
      message: /The interface netns is immutable/,
    });
    assert.ok(ns.link.show(dev.name).up);
    return;
  }
  devQueueXmit(frame(c, dev, MAC_BROADCAST));
  const { mac, mtu, stats } = dev;
  const sent = stats.txPackets;
  ns.link.set(dev.name, { netns: to, newIfindex: 42 });
  assert.equal(ns.link.has('d'), false);
  assert.equal(kernel.core.backlogLength, c.remote === undefined ? 0 : 1);
  const { name, ifindex, net, up } = dev;
  assert.deepEqual([name, ifindex, net, up], ['d', 42, to.net, false]);
  assert.deepEqual([dev.mac, dev.mtu, dev.stats.txPackets], [mac, mtu, sent]);
  const left = ns.addr.list().filter((a) => a.dev === 'd');
  assert.deepEqual([to.addr.list(), to.route.list(), left], [[], [], []]);
  to.link.set('d', { up: true });
  assert.equal(dev.carrier, true);
  devQueueXmit(frame(c, dev, MAC_BROADCAST));
  c.clock.runFor(kernel.core, 1000);
  if (dev.ops.kind !== 'tun') assert.equal(dev.stats.txPackets, sent + 1);
  assert.equal(devMove(dev, { net: ns.net }), 0);
  assert.deepEqual([dev.net, dev.ifindex], [ns.net, 42]);
});

each('dies with packets in flight, and leaves nothing behind', (c) => {
  const { ns, dev, deletable, kernel, clock } = c;
  ns.link.set(dev.name, { up: true });
  ns.addr.add({ local: '10.1.0.1/24', dev: dev.name });
  for (let i = 0; i < 10; i++) {
    devQueueXmit(frame(c, dev, MAC_BROADCAST));
    if (c.remote !== undefined) devQueueXmit(frame(c, c.remote, dev.mac));
  }
  if (!deletable) {
    assert.throws(() => ns.link.del(dev.name), { code: 'EOPNOTSUPP' });
    return;
  }
  ns.link.del(dev.name);
  assert.equal(dev.dead, true);
  assert.equal(ns.link.has('d'), false);
  clock.runFor(kernel.core, 1000);
  assert.equal(kernel.core.backlogLength, 0);
  const left = [...ns.addr.list(), ...ns.route.list().flatMap((r) => r.nexthops)];
  assert.ok(left.every((x) => x.dev !== 'd'));
  for (const net of kernel.core.namespaces.values())
    for (const other of net.devs) {
      assert.ok(other.uppers?.includes(dev) !== true);
      assert.notEqual(other.master, dev);
    }
  for (const each of [...kernel.netns.list()]) each.destroy();
  assert.equal(kernel.core.timers.count, 0);
});

each('dies with its namespace, and with the devices below', (c) => {
  const { ns, dev, kernel, movable } = c;
  ns.link.set(dev.name, { up: true });
  const to = quiet(kernel, 'to');
  if (movable) ns.link.set(dev.name, { netns: to });
  for (const gone of [ns, to]) gone.destroy();
  assert.equal(dev.dead, true);
  for (const other of kernel.netns.list()) other.destroy();
  assert.equal(kernel.core.timers.count, 0);
  assert.equal(kernel.core.namespaces.size, 0);
});
