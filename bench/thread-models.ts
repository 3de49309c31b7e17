/**
 * The ways to connect a guest that the thread of June 2006 argued about, each as a world: somebody outside, a host with a
 * card, and guests. What is measured is the same for all: from a socket outside to a socket of the guest, and back.
 */
import { Kernel } from '../src/core/control/kernel.ts';
import type { Namespace } from '../src/core/control/namespace.ts';
import type { Env } from '../src/core/env.ts';
import { contextCredentials } from '../src/core/socket/context.ts';
import { type Credentials, ROOT } from '../src/core/socket/credentials.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET } from '../src/core/transport/sock.ts';
import { ipv4 } from '../src/core/util/address.ts';

/** Where a guest's sockets are, and how the outside reaches them. */
export interface Guest {
  readonly address: string;
  readonly socket: (type: number) => Socket;
  /** The address outside whose packets are the guest's, where guests share theirs. */
  readonly from: string | null;
}

export class World {
  private now = 0;
  private readonly env: Env = {
    // Real time, and never the same twice: TCP's timers run, and nothing waits for them.
    nowUs: () => {
      this.now = Math.max(this.now + 1, Math.floor(performance.now() * 1000));
      return this.now;
    },
    wakeAt: () => {},
    random: () => 1,
    epochUs: 0,
  };
  readonly kernel: Kernel = new Kernel({ env: this.env, seed: 1 });
  readonly outside: Namespace = this.kernel.netns.add('outside');
  readonly host: Namespace = this.kernel.netns.add('host');

  constructor() {
    this.outside.link.set('lo', { up: true });
    this.host.link.set('lo', { up: true });
    // As most hosts of guests are set up; IPv6 says things by itself, which are not what is measured.
    for (const ns of [this.outside, this.host])
      ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', '1');
  }

  /** A card of the host, and the outside at the other end of its wire. */
  card(address: string | null): void {
    this.kernel.veth(
      { netns: this.outside, name: 'o0', address: '10.1.0.1/16', up: true },
      { netns: this.host, name: 'eth0', up: true, ...(address === null ? {} : { address }) },
    );
  }

  guest(i: number): Namespace {
    const ns = this.kernel.netns.add(`g${i}`);
    withoutIpv6(ns);
    ns.link.set('lo', { up: true });
    return ns;
  }

  /** What waits, until nothing does. */
  run(): void {
    while (!this.kernel.core.idle) this.kernel.core.run();
  }
}

export interface Model {
  readonly name: string;
  /** What the thread said of it. */
  readonly who: string;
  /** Once, before guests. */
  readonly prepare: (w: World) => void;
  readonly add: (w: World, i: number) => Guest;
}

const CARD = '10.1.0.2/16';
/** IPv6 speaks by itself, to all guests of a switch: that is not what is measured. */
function withoutIpv6(ns: Namespace): void {
  ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', '1');
  ns.sysctl.set('net.ipv6.conf.default.disable_ipv6', '1');
}

/** Guests on the card's own network, and those behind a router. */
const near = (i: number): string => `10.1.${1 + (i >> 8)}.${i & 255}`;
const far = (i: number): string => `10.2.${i >> 8}.${i & 255}`;

function open(ns: Namespace, cred: Credentials = ROOT): (type: number) => Socket {
  return (type) => {
    const socket = Socket.create(ns.net, AF_INET, type, 0, cred);
    if (typeof socket === 'number') throw new Error(`socket: ${socket}`);
    return socket;
  };
}

const inside = (ns: Namespace, address: string): Guest => ({
  address,
  socket: open(ns),
  from: null,
});

/** The host routes to its guests: 10.2.0.0/16 is behind it. */
function router(w: World): void {
  w.card(CARD);
  w.host.sysctl.set('net.ipv4.ip_forward', '1');
  w.outside.route.add({ dst: '10.2.0.0/16', via: '10.1.0.2' });
}

/** A veth, whose end at the host is v<i>. */
function veth(w: World, i: number, address: string): Namespace {
  const ns = w.guest(i);
  w.kernel.veth(
    { netns: ns, name: 'eth0', address, up: true },
    { netns: w.host, name: `v${i}`, up: true },
  );
  return ns;
}

/** Upper devices of the card, made where their guest is. */
function upper(kind: string): (w: World, i: number) => Guest {
  return (w, i) => {
    const ns = w.guest(i);
    w.host.ip(`link add u${i} link eth0 netns g${i} type ${kind}`);
    ns.ip(`link set u${i} up`);
    ns.ip(`addr add ${near(i)}/16 dev u${i}`);
    return inside(ns, near(i));
  };
}

/** Of the verdict's worlds: whose an address is. */
const guests = new WeakMap<World, Map<number, Namespace>>();

export const MODELS: readonly Model[] = [
  {
    name: 'the host itself, no guest',
    who: 'the existing stack',
    prepare: (w) => w.card(CARD),
    add: (w) => inside(w.host, '10.1.0.2'),
  },
  {
    name: 'direct assignment',
    who: 'Savochkin 1, Biederman',
    prepare: () => {},
    add: (w, i) => {
      const ns = w.guest(i);
      w.kernel.veth(
        {
          netns: w.outside,
          name: `o${i}`,
          address: i === 0 ? '10.1.0.1/16' : '10.1.0.1/32',
          up: true,
        },
        { netns: ns, name: 'eth0', address: `${near(i)}/16`, up: true },
      );
      if (i > 0) w.outside.ip(`route add ${near(i)}/32 dev o${i}`);
      return inside(ns, near(i));
    },
  },
  {
    name: 'macvlan',
    who: 'Biederman: the driver picks by MAC',
    prepare: (w) => w.card(null),
    add: upper('macvlan mode bridge'),
  },
  {
    name: 'ipvlan l2',
    who: 'Lezcano: a view of one device',
    prepare: (w) => w.card(null),
    add: upper('ipvlan mode l2'),
  },
  {
    name: 'ipvlan l3',
    who: 'Lezcano: found from the routes',
    prepare: (w) => {
      w.card(CARD);
      w.outside.route.add({ dst: '10.2.0.0/16', via: '10.1.0.2' });
    },
    add: (w, i) => {
      const ns = w.guest(i);
      w.host.ip(`link add u${i} link eth0 netns g${i} type ipvlan mode l3`);
      ns.ip(`link set u${i} up`);
      ns.ip(`addr add ${far(i)}/32 dev u${i}`);
      ns.ip(`route add default dev u${i}`);
      return inside(ns, far(i));
    },
  },
  {
    name: 'a verdict per packet',
    who: 'Savochkin: a filter picks',
    prepare: (w) => {
      w.card(null);
      const byAddress = new Map<number, Namespace>();
      w.host.filter.add('eth0', {
        program: (pkt) => {
          const netns = byAddress.get(pkt.ip?.dst ?? pkt.arp?.tpa ?? 0);
          return netns === undefined ? 'continue' : { netns };
        },
      });
      guests.set(w, byAddress);
    },
    add: (w, i) => {
      const ns = veth(w, i, `${near(i)}/16`);
      guests.get(w)?.set(ipv4(near(i)), ns);
      w.host.filter.add(`v${i}`, { actions: [{ kind: 'mirred', mode: 'redirect', dev: 'eth0' }] });
      return inside(ns, near(i));
    },
  },
  {
    name: 'veth and bridge',
    who: 'Biederman: the software switch',
    prepare: (w) => {
      w.card(null);
      w.host.link.add({ name: 'br0', kind: 'bridge' });
      w.host.link.set('br0', { up: true });
      w.host.link.set('eth0', { master: 'br0' });
    },
    add: (w, i) => {
      const ns = veth(w, i, `${near(i)}/16`);
      w.host.link.set(`v${i}`, { master: 'br0' });
      return inside(ns, near(i));
    },
  },
  {
    name: 'veth and routing parent',
    who: 'Savochkin 2: the parent routes',
    prepare: (w) => {
      router(w);
      w.host.ip('addr add 10.3.0.1/32 dev lo');
    },
    add: (w, i) => {
      const ns = veth(w, i, `${far(i)}/32`);
      w.host.ip(`route add ${far(i)}/32 dev v${i}`);
      ns.ip('route add 10.3.0.1/32 dev eth0');
      ns.ip('route add default via 10.3.0.1');
      return inside(ns, far(i));
    },
  },
  {
    name: 'venet',
    who: 'Savochkin 2, as OpenVZ has it',
    prepare: (w) => {
      router(w);
      w.host.ip('link add venet0 type venet');
      w.host.ip('link set venet0 up');
    },
    add: (w, i) => {
      const ns = w.guest(i);
      w.host.ip(`link add venet0 link venet0 netns g${i} type venet addr ${far(i)}`);
      w.host.ip(`route add ${far(i)}/32 dev venet0`);
      ns.ip('link set venet0 up');
      ns.ip(`addr add ${far(i)}/32 dev venet0`);
      ns.ip(`route add default dev venet0 src ${far(i)}`);
      return inside(ns, far(i));
    },
  },
  {
    name: 'netkit l3 and routing parent',
    who: 'the same today',
    prepare: router,
    add: (w, i) => {
      const ns = w.guest(i);
      w.host.ip(`link add nk${i} type netkit peer name eth0 netns g${i}`);
      w.host.ip(`link set nk${i} up`);
      ns.ip('link set eth0 up');
      ns.ip(`addr add ${far(i)}/32 dev eth0`);
      ns.ip('route add default dev eth0');
      w.host.ip(`route add ${far(i)}/32 dev nk${i}`);
      return inside(ns, far(i));
    },
  },
  {
    name: 'flat, filter at bind',
    who: 'Poetzl: Linux-VServer',
    prepare: (w) => w.card(CARD),
    add: (w, i) => {
      w.host.ip(`addr add ${near(i)}/16 dev eth0`);
      const cred = contextCredentials({ addrs4: [ipv4(near(i))] });
      return { address: near(i), socket: open(w.host, cred), from: null };
    },
  },
  {
    name: 'flat, tags',
    who: 'Poetzl: ngnet',
    prepare: (w) => w.card(CARD),
    add: (w, i) => {
      const from = i === 0 ? '10.1.0.1' : near(i);
      if (i > 0) w.outside.ip(`addr add ${from}/16 dev o0`);
      w.host.filter.add('eth0', {
        protocol: 0x0800,
        match: { srcIp: from },
        actions: [{ kind: 'skbedit', mark: i + 1 }],
      });
      const cred = contextCredentials({ mark: i + 1 });
      return { address: '10.1.0.2', socket: open(w.host, cred), from };
    },
  },
];
