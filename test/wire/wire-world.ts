/**
 * The arrangement of test/data/linux_wire.py: one namespace with two tun devices, whose other ends the
 * test holds, in virtual time.
 */
import { TunPort, tunAdd, tunAttach } from '../../src/core/device/tun.ts';
import { errnoName } from '../../src/core/errno.ts';
import { Kernel } from '../../src/core/kernel.ts';
import { devOpen } from '../../src/core/link/device-state.ts';
import { NetDevice } from '../../src/core/link/net-device.ts';
import type { NetNs } from '../../src/core/net.ts';
import { inetAddrAdd } from '../../src/core/network/ipv4/device.ts';
import { inet6AddrAdd } from '../../src/core/network/ipv6/addrconf.ts';
import { IFA_F_NODAD } from '../../src/core/network/ipv6/address.ts';
import type { Socket } from '../../src/core/socket/socket.ts';
import {
  AF_INET,
  type OptionValue,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SockAddrIn,
} from '../../src/core/transport/sock.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { ip6 } from '../../src/core/util/ip6-addr.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { KERNEL6 } from './build6.ts';
import { type Base, describe, isNoise, ports } from './describe.ts';

/** One fact, of Linux or of this stack. */
export interface Fact {
  readonly group: string;
  readonly case: string;
  observed: unknown;
  socket?: unknown;
  so_error?: unknown;
  state?: unknown;
  readonly volatile?: boolean;
}

/** A packet that came out, and when, in seconds. */
export interface Seen {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Loaded only where a fact needs it: facts without sockets hold or fail by themselves. */
async function socketClass(): Promise<typeof Socket> {
  return (await import('../../src/core/socket/socket.ts')).Socket;
}

export class WireWorld {
  readonly clock: VirtualClock = new VirtualClock(1, 1_700_000_000_000_000);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 7 });
  readonly net: NetNs = this.kernel.addNetNs('wire');
  readonly tun: TunPort;
  readonly tun2: TunPort;
  readonly facts: Fact[] = [];

  constructor() {
    const { net } = this;
    devOpen(net.loopback);
    this.tun = tun(net, 'tunw0', 1500, KERNEL_ADDR, ipv4('10.7.0.255'));
    this.tun2 = tun(net, 'tunw1', 1000, ipv4('10.6.0.1'), 0);
    const tunw0 = net.devs.find('tunw0') as NetDevice;
    inet6AddrAdd(tunw0, { addr: ip6(KERNEL6), prefixLen: 64, flags: IFA_F_NODAD });
    net.ipv6.sysctl = net.ipv6.sysctl.with('icmpRatelimit', 0);
    net.sysctl = net.sysctl
      .with('icmpRatelimit', 0)
      .with('icmpMsgsPerSec', 100_000)
      .with('tcpCongestionControl', 'reno')
      .with('tcpInvalidRatelimit', 0)
      .with('tcpChallengeAckLimit', 1_000_000);
    this.rx(0.1);
  }

  write(bytes: Uint8Array): number {
    return this.tun.receive(bytes);
  }

  /** What comes out in the next `seconds`; no neighbour or router discovery, no group reports. */
  rx(seconds: number, port: TunPort = this.tun): Seen[] {
    const out: Seen[] = [];
    port.onTransmit = (bytes) => {
      if (isNoise(bytes)) return;
      out.push({ at: this.clock.nowUs() / 1e6, bytes });
    };
    this.clock.runFor(this.kernel, Math.round(seconds * 1e6));
    port.onTransmit = null;
    return out;
  }

  fact(group: string, title: string, observed: unknown, more: Partial<Fact> = {}): Fact {
    const fact: Fact = { group, case: title, observed, ...more };
    this.facts.push(fact);
    return fact;
  }

  /** Sends packets, records what comes back. `both`: also at the second device. */
  probe(
    group: string,
    title: string,
    packets: Uint8Array | readonly Uint8Array[],
    base?: Base,
    both = false,
  ): Fact {
    this.rx(0);
    this.rx(0, this.tun2);
    const list = packets instanceof Uint8Array ? [packets] : packets;
    for (const bytes of list) {
      const errno = this.write(bytes);
      if (errno < 0) return this.fact(group, title, `tun write ${errnoName(errno)}`);
    }
    const seen = this.rx(0.05);
    if (both) seen.push(...this.rx(0.02, this.tun2));
    const lines = related(seen, list.at(-1)).map((s) => describe(s.bytes, base));
    return this.fact(group, title, lines.length > 0 ? lines : 'nothing');
  }

  tcpSocket(): Promise<Socket> {
    return this.socket(SOCK_STREAM);
  }

  udpSocket(): Promise<Socket> {
    return this.socket(SOCK_DGRAM);
  }

  private async socket(type: number): Promise<Socket> {
    const made = (await socketClass()).create(this.net, AF_INET, type);
    if (typeof made === 'number') throw new Error(errnoName(made));
    return made;
  }
}

const KERNEL_ADDR: number = ipv4('10.7.0.1');

function tun(net: NetNs, name: string, mtu: number, addr: number, broadcast: number): TunPort {
  const dev = tunAdd(net, name, { mode: 'tun', mtu });
  if (!(dev instanceof NetDevice)) throw new Error(errnoName(dev));
  const port = tunAttach(dev);
  if (!(port instanceof TunPort)) throw new Error(errnoName(port));
  inetAddrAdd(dev, { local: addr, prefixLen: 24, broadcast });
  devOpen(dev);
  return port;
}

/** Without TCP segments that belong to another connection than the packet that was sent. */
function related(seen: readonly Seen[], sent: Uint8Array | undefined): Seen[] {
  if (sent === undefined) return [...seen];
  const [protocol, sport, dport] = ports(sent);
  return seen.filter((s) => {
    const [p, from, to] = ports(s.bytes);
    return p !== 6 || (protocol === 6 && from === dport && to === sport);
  });
}

/** `struct sockaddr_in` */
export function sockaddr(text: string, port: number): SockAddrIn {
  return { family: AF_INET, addr: ipv4(text), port };
}

/** SO_ERROR by name; 0 for none. */
export function socketError(socket: Socket): string | 0 {
  const err = socket.getsockopt(1, 4);
  return err === 0 ? 0 : errnoName(Number(err));
}

/** tcpi_state */
export function tcpState(socket: Socket): number {
  const info: OptionValue = socket.getsockopt(6, 11);
  return typeof info === 'object' && 'state' in info ? Number(info.state) : -1;
}

/** SO_LINGER {1, 0}: close() resets. */
export function lingerZero(socket: Socket): void {
  socket.setsockopt(1, 13, { onoff: 1, linger: 0 });
}
