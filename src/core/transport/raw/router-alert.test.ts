/** IP_ROUTER_ALERT: a raw socket on a router has the packets with that option which are for others (E1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { Kernel } from '../../control/kernel.ts';
import type { Namespace } from '../../control/namespace.ts';
import { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { AF_INET, SOCK_RAW } from '../sock.ts';
import { IP_OPTIONS, IP_ROUTER_ALERT, SOL_IP } from '../sockopt-names.ts';

const PROTOCOL = 46;

test('E1: what has a router alert stops at the router that asked for it, and goes on when it does not ask', () => {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, r, b] = ['a', 'r', 'b'].map((name) => kernel.netns.add(name)) as [
    Namespace,
    Namespace,
    Namespace,
  ];
  kernel.veth(
    { netns: a, name: 'eth0', address: '10.1.0.2/24', up: true },
    { netns: r, name: 'eth0', address: '10.1.0.1/24', up: true },
  );
  kernel.veth(
    { netns: b, name: 'eth0', address: '10.2.0.2/24', up: true },
    { netns: r, name: 'eth1', address: '10.2.0.1/24', up: true },
  );
  r.sysctl.set('net.ipv4.ip_forward', '1');
  a.ip('route add default via 10.1.0.1');
  b.ip('route add default via 10.2.0.1');
  const open = (ns: Namespace): Socket => {
    const made = Socket.create(ns.net, AF_INET, SOCK_RAW, PROTOCOL);
    assert.ok(typeof made !== 'number');
    return made;
  };
  const [sender, router, target] = [open(a), open(r), open(b)];
  const arrived = (alert: boolean): string => {
    const options = alert ? Uint8Array.of(148, 4, 0, 0) : new Uint8Array(0);
    assert.equal(sender.setsockopt(SOL_IP, IP_OPTIONS, options), 0);
    sender.sendto(Uint8Array.of(1), 0, { family: AF_INET, addr: ipv4('10.2.0.2'), port: 0 });
    clock.runFor(kernel.core, 10_000);
    const heard = [router, target].map((s) => typeof s.recv(100) !== 'number');
    return `${heard[0] ? 'router' : ''}${heard[1] ? 'target' : ''}`;
  };
  assert.equal(arrived(true), 'target');
  assert.equal(router.setsockopt(SOL_IP, IP_ROUTER_ALERT, 1), 0);
  assert.equal(arrived(true), 'router');
  assert.equal(arrived(false), 'target');
  router.close();
  assert.equal(arrived(true), 'target');
});
