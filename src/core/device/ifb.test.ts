/** ifb: what is redirected to it waits in its queue and goes on; what is not dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { Kernel } from '../control/kernel.ts';
import type { NetDevice, PacketTap } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { UdpHeader } from '../wire/udp.ts';
import { ifbRedirect } from './ifb.ts';

function world() {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const a = kernel.netns.add('a');
  const b = kernel.netns.add('b');
  a.sysctl.set('net.ipv6.conf.default.router_solicitations', 0);
  kernel.veth({ netns: a, name: 'v0', up: true }, { netns: b, name: 'v1', up: true });
  a.link.add({ kind: 'ifb', up: true });
  const find = (name: string): NetDevice => a.net.devs.find(name) as NetDevice;
  const packet = (dev: NetDevice): Packet => {
    const pkt = kernel.core.newPacket(ETH_P_IP, dev);
    pkt.eth = new EthHeader(dev.mac, dev.mac, ETH_P_IP);
    pkt.ip = new Ipv4Header(1, 2, 17, 64, 0);
    pkt.udp = new UdpHeader(1, 2);
    return pkt;
  };
  return { clock, kernel, a, b, ifb: find('ifb0'), v0: find('v0'), packet };
}

test('ifb: is listed as Linux lists it', () => {
  const { a } = world();
  const [link] = JSON.parse(a.ip('-d -j link show ifb0'));
  assert.deepEqual(link.flags, ['BROADCAST', 'NOARP', 'UP', 'LOWER_UP']);
  assert.deepEqual([link.txqlen, link.min_mtu, link.max_mtu], [32, 0, 0]);
  assert.deepEqual(link.linkinfo, { info_kind: 'ifb' });
  assert.throws(() => a.ip('link add type ifb frob'), /Garbage instead of arguments "frob/);
});

test('ifb: a packet that was not redirected is received and dropped', () => {
  const { a, ifb, kernel, packet } = world();
  devQueueXmit(packet(ifb));
  kernel.core.run();
  const { rxPackets, rxBytes, rxDropped, txPackets } = ifb.stats;
  assert.deepEqual([rxPackets, rxBytes, rxDropped, txPackets], [1, 42, 1, 0]);
  assert.equal(a.net.drops.get('NOT_SPECIFIED'), 1);
});

test('ifb: what was about to leave waits in its queue, is captured, and leaves', () => {
  const { clock, kernel, a, b, ifb, v0, packet } = world();
  a.ip('link set lo up');
  a.qdisc.add('ifb0', 'delay 10ms');
  let seen = 0;
  const tap: PacketTap = { tap: () => seen++ };
  ifb.taps = [tap];
  const pkt = packet(v0);
  pkt.mark = 7;
  ifbRedirect(pkt, ifb, false);
  clock.runFor(kernel.core, 9_000);
  assert.deepEqual([v0.stats.txPackets, seen], [0, 0]);
  clock.runFor(kernel.core, 2_000);
  assert.deepEqual([v0.stats.txPackets, seen], [1, 1]);
  assert.deepEqual([ifb.stats.txPackets, ifb.stats.rxPackets], [1, 1]);
  assert.equal(b.net.devs.find('v1')?.stats.rxPackets, 1);
});

test('ifb: what had come in goes on where it came in', () => {
  const { kernel, ifb, v0, packet } = world();
  let got: Packet | null = null;
  v0.rxHandler = (pkt) => {
    got = pkt;
    return true;
  };
  const pkt = packet(v0);
  ifbRedirect(pkt, ifb, true);
  kernel.core.run();
  assert.equal(got, pkt);
  assert.equal(pkt.dev, v0);
  assert.equal(v0.stats.rxPackets, 0, 'it was counted when it came in');
});

test('ifb, S2: what comes back after its device moved is dropped, not carried along', () => {
  const { clock, kernel, a, b, ifb, v0, packet } = world();
  a.qdisc.add('ifb0', 'delay 10ms');
  ifbRedirect(packet(v0), ifb, true);
  a.link.set('v0', { netns: b, up: true });
  clock.runFor(kernel.core, 20_000);
  assert.equal(ifb.stats.txDropped, 1);
  assert.equal(b.stats().mib['Ip.InReceives'], 0);
});
