/**
 * A small world in virtual time for tests: a kernel, namespaces with lo up, and wires between them. Uses
 * the stack's own calls, not the control layer.
 */
import assert from 'node:assert/strict';
import { vethAdd } from '../src/core/device/veth.ts';
import { errnoName } from '../src/core/errno.ts';
import { Kernel } from '../src/core/kernel.ts';
import { devOpen } from '../src/core/link/device-state.ts';
import type { NetDevice } from '../src/core/link/net-device.ts';
import type { NetNs } from '../src/core/net.ts';
import { inetAddrAdd } from '../src/core/network/ipv4/device.ts';
import { inet6AddrAdd } from '../src/core/network/ipv6/addrconf.ts';
import { IFA_F_NODAD } from '../src/core/network/ipv6/address.ts';
import { fibAdd, fibDel, type RouteSpec } from '../src/core/network/route/change.ts';
import {
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTPROT_BOOT,
} from '../src/core/network/route/fib.ts';
import { NO_METRICS } from '../src/core/network/route/fib-info.ts';
import { RTN_UNICAST } from '../src/core/network/route/route.ts';
import type { Credentials } from '../src/core/socket/credentials.ts';
import { Socket } from '../src/core/socket/socket.ts';
import {
  AF_INET,
  type Received,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SockAddrIn,
} from '../src/core/transport/sock.ts';
import { ipv4, maskOf } from '../src/core/util/address.ts';
import { ip6 } from '../src/core/util/ip6-addr.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';

export interface WorldOptions {
  readonly seed?: number;
  /** Namespaces have IPv6, and its packets on every wire; off unless asked for. */
  readonly ipv6?: boolean;
}

/** One end of a wire: `'10.0.0.1/24'`, or no address. */
export interface End {
  readonly net: NetNs;
  readonly name?: string;
  readonly cidr?: string;
  /** Left down when false. */
  readonly up?: boolean;
  readonly mtu?: number;
}

export class World {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
  private readonly ipv6: boolean;

  constructor(options: WorldOptions = {}) {
    const seed = options.seed ?? 1;
    this.clock = new VirtualClock(seed);
    this.kernel = new Kernel({ env: this.clock, seed });
    this.ipv6 = options.ipv6 ?? false;
  }

  /** A namespace whose lo is up. */
  addNet(name: string): NetNs {
    const net = this.kernel.addNetNs(name);
    if (!this.ipv6) withoutIpv6(net);
    assert.equal(devOpen(net.loopback), 0);
    return net;
  }

  /** A pair of veth devices, with addresses, up. */
  wire(a: End, b: End): readonly [NetDevice, NetDevice] {
    const made = vethAdd(
      { net: a.net, name: a.name ?? 'eth%d', ...(a.mtu === undefined ? {} : { mtu: a.mtu }) },
      { net: b.net, name: b.name ?? 'eth%d', ...(b.mtu === undefined ? {} : { mtu: b.mtu }) },
    );
    assert.ok(typeof made !== 'number', `veth: ${String(made)}`);
    made.forEach((dev, i) => {
      const end = i === 0 ? a : b;
      if (end.cidr !== undefined) addAddress(dev, end.cidr);
      if (end.up !== false) assert.equal(devOpen(dev), 0);
    });
    return made;
  }

  run(us: number): void {
    this.clock.runFor(this.kernel, us);
  }

  /** False when it does not come true within `limitUs`. */
  until(condition: () => boolean, limitUs = 600_000_000): boolean {
    return this.clock.runUntil(this.kernel, condition, limitUs);
  }
}

/** Turns IPv6 off for devices that are still to be made or to go up: nothing but IPv4 is on the wires then. */
export function withoutIpv6(net: NetNs): NetNs {
  net.ipv6.confDefault = net.ipv6.confDefault.with('disableIpv6', 1);
  return net;
}

export function createWorld(options: WorldOptions = {}): World {
  return new World(options);
}

/** `'10.0.0.1/24'`, with the subnet's broadcast address. */
export function addAddress(dev: NetDevice, cidr: string): void {
  const [text = '', length = '32'] = cidr.split('/');
  const local = ipv4(text);
  const prefixLen = Number(length);
  const broadcast = prefixLen < 31 ? local | ~maskOf(prefixLen) : 0;
  assert.equal(inetAddrAdd(dev, { local, prefixLen, broadcast }), 0);
}

/** `'fd00::1/64'`, usable at once. */
export function addAddress6(dev: NetDevice, cidr: string): void {
  const [text = '', length = '128'] = cidr.split('/');
  const init = { addr: ip6(text), prefixLen: Number(length), flags: IFA_F_NODAD };
  assert.equal(inet6AddrAdd(dev, init), 0);
}

/** How a route leads on; `type` is a refusing one when there is no way. */
interface Way {
  readonly via?: string;
  readonly dev?: NetDevice;
  readonly type?: number;
}

/** A route in the main table. */
export function addRoute(net: NetNs, cidr: string, way: Way): void {
  const err = fibAdd(net, routeSpec(cidr, way), {
    create: true,
    exclusive: true,
    replace: false,
    append: false,
  });
  assert.equal(err, 0, errnoName(err));
}

/** Takes away what `addRoute` made of a device. */
export function deleteRoute(net: NetNs, cidr: string, dev: NetDevice): void {
  assert.equal(fibDel(net, routeSpec(cidr, { dev })), 0);
}

function routeSpec(cidr: string, way: Way): RouteSpec {
  const [text = '', length = '32'] = cidr.split('/');
  const type = way.type ?? RTN_UNICAST;
  const gateway = way.via === undefined ? 0 : ipv4(way.via);
  return {
    table: RT_TABLE_MAIN,
    dst: ipv4(text),
    prefixLen: Number(length),
    tos: 0,
    priority: 0,
    type,
    scope: type === RTN_UNICAST && gateway === 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    protocol: RTPROT_BOOT,
    prefsrc: 0,
    nexthops:
      type === RTN_UNICAST ? [{ gateway, dev: way.dev ?? null, weight: 1, onlink: false }] : [],
    metrics: NO_METRICS,
  };
}

export function at(addr: string, port: number): SockAddrIn {
  return { family: AF_INET, addr: ipv4(addr), port };
}

export function openSocket(net: NetNs, type: number, protocol = 0, cred?: Credentials): Socket {
  const socket = Socket.create(net, AF_INET, type, protocol, cred);
  assert.ok(typeof socket !== 'number', `socket: ${errnoName(Number(socket))}`);
  return socket;
}

export function udp(net: NetNs): Socket {
  return openSocket(net, SOCK_DGRAM);
}

export function tcp(net: NetNs): Socket {
  return openSocket(net, SOCK_STREAM);
}

/** All bytes of what was received. */
export function bytesOf(got: Received): Buffer {
  return Buffer.concat(got.data);
}

/** Text that a call received, or the name of its error. */
export function textOf(got: Received | number): string {
  return typeof got === 'number' ? errnoName(got) : bytesOf(got).toString('latin1');
}
