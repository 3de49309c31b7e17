/**
 * The machine as its users see it: makes namespaces and the wires between them. The state itself is
 * `core`, the kernel of `src/core/kernel.ts`.
 */
import type { Env } from '../env.ts';
import { EBUSY, EEXIST, EINVAL, ENOENT, NetError } from '../errno.ts';
import type { NetWatcher } from '../event.ts';
import { Kernel as Machine } from '../kernel.ts';
import type { NetNs } from '../net.ts';
import type { LinkInfo } from './info.ts';
import type { PeerSpec } from './link-add.ts';
import { Namespace } from './namespace.ts';
import { type WatchListener, watchEvent } from './watch.ts';

export interface KernelOptions {
  /** Clock, wake-up and entropy of the host. */
  readonly env: Env;
  /** Same seed, same packets; chosen by `env.random()` when absent. */
  readonly seed?: number;
}

/** Runs a function inside a namespace; installed by the layer that knows the host. */
export type Runner = <T>(ns: Namespace, fn: () => T) => T;

/** One end of `kernel.veth`. */
export interface VethEnd extends Omit<PeerSpec, 'address' | 'netns'> {
  readonly netns: Namespace;
  /** `'10.0.0.1/24'`, or several. */
  readonly address?: string | readonly string[];
  /** MAC address. */
  readonly mac?: string;
}

/** A device, and where it is. */
export interface NetnsLink {
  readonly netns: Namespace;
  readonly link: LinkInfo;
}

/** What `kernel.bridge` makes: a bridge in `netns` and its ports. */
export interface BridgeOptions {
  readonly netns: Namespace;
  readonly name: string;
  /** Names of devices of `netns` that become ports. */
  readonly ports?: readonly string[];
  readonly address?: string | readonly string[];
  readonly mac?: string;
  readonly mtu?: number;
  readonly up?: boolean;
  /** Seconds × 100 until an unused entry of the forwarding table goes. */
  readonly ageingTime?: number;
}

/** The namespaces of a kernel, as `ip netns` has them. */
export class NetnsControl {
  private readonly kernel: Kernel;
  private readonly faces: WeakMap<NetNs, Namespace> = new WeakMap();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** A new namespace: lo, down, and nothing else. Without a name it is anonymous. */
  add(name: string | null = null): Namespace {
    if (name !== null) {
      if (name === '' || name === '.' || name === '..' || name.includes('/'))
        throw new NetError(EINVAL, 'netns', `"${name}" is no name for a namespace`);
      if (this.kernel.core.findNetNs(name) !== undefined)
        throw new NetError(EEXIST, 'netns', `Cannot create namespace "${name}": File exists`);
    }
    return this.faceOf(this.kernel.core.addNetNs(name));
  }

  /** ENOENT: there is none of that name. */
  get(name: string): Namespace {
    const ns = this.find(name);
    if (ns === undefined) throw new NetError(ENOENT, 'netns', `there is no namespace "${name}"`);
    return ns;
  }

  find(name: string): Namespace | undefined {
    const net = this.kernel.core.findNetNs(name);
    return net === undefined ? undefined : this.faceOf(net);
  }

  /** All that live, in the order in which they were made. */
  list(): readonly Namespace[] {
    return [...this.kernel.core.namespaces.values()].map((net) => this.faceOf(net));
  }

  /**
   * Removes a name (`ip netns del`). The namespace ends when nothing refers to it any more: no running
   * task, no socket, no handle. ENOENT: there is none of that name.
   */
  del(name: string): void {
    const { core } = this.kernel;
    core.unnameNetNs(this.get(name).net);
    core.cleanupNow();
  }

  /** Ends a namespace whoever uses it: its sockets close, its devices go, and with them their peers. */
  remove(ns: Namespace): void {
    if (ns.net === this.kernel.core.initial)
      throw new NetError(EBUSY, 'netns', 'the initial namespace does not end');
    ns.net.destroy();
  }

  /**
   * The initial namespace: anonymous, made when it is first asked for, and never gone. Real devices go
   * there when their namespace ends; later namespaces inherit its settings.
   */
  get init(): Namespace {
    return this.faceOf(this.kernel.core.initNet());
  }

  /** The face of a namespace that lives; undefined: there is none of that number. */
  of(id: number): Namespace | undefined {
    const net = this.kernel.core.namespaces.get(id);
    return net === undefined ? undefined : this.faceOf(net);
  }

  /** The face of a namespace of the stack: always the same object. */
  faceOf(net: NetNs): Namespace {
    let face = this.faces.get(net);
    if (face === undefined) {
      face = new Namespace(this.kernel, net);
      this.faces.set(net, face);
    }
    return face;
  }
}

export class Kernel {
  /** The stack's own machine: clock, timers, queues. */
  readonly core: Machine;
  readonly netns: NetnsControl;
  /** Set by the layer that can run a function inside a namespace. */
  runner: Runner | null = null;

  constructor(options: KernelOptions) {
    this.core = new Machine(options);
    this.netns = new NetnsControl(this);
  }

  get seed(): number {
    return this.core.seed;
  }

  /** Every device of every namespace: two of the same name are told apart by where they are (S19). */
  links(): readonly NetnsLink[] {
    return this.netns.list().flatMap((netns) => netns.link.list().map((link) => ({ netns, link })));
  }

  /**
   * Calls `listener` with everything that happens to devices, addresses, routes, neighbours and namespaces,
   * in any namespace, in order. It is called while it happens and must not change anything. Returns
   * the function that ends it.
   */
  watch(listener: WatchListener): () => void {
    const { core } = this;
    const watcher: NetWatcher = (net, event) => listener(watchEvent(this, net, event));
    core.watchers = [...core.watchers, watcher];
    return () => {
      core.watchers = core.watchers.filter((w) => w !== watcher);
    };
  }

  /** Installs what `namespace.run` uses. */
  setRunner(runner: Runner): void {
    this.runner = runner;
  }

  /**
   * A wire between two namespaces, or within one: a pair of veth devices with their addresses. When
   * something is refused, neither is there.
   */
  veth(a: VethEnd, b: VethEnd): readonly [LinkInfo, LinkInfo] {
    a.netns.link.add({ kind: 'veth', ...endSpec(a), peer: { netns: b.netns, ...endSpec(b) } });
    const nameA = a.name ?? lastName(a.netns);
    const nameB = b.name ?? peerName(a.netns, nameA, b.netns);
    try {
      for (const [end, name] of [
        [a, nameA],
        [b, nameB],
      ] as const)
        finishEnd(end.netns, name, addressList(end.address), end.up === true);
    } catch (e) {
      a.netns.link.del(nameA);
      throw e;
    }
    return [a.netns.link.show(nameA), b.netns.link.show(nameB)];
  }

  /** A bridge and its ports. When something is refused, it is not there. */
  bridge(options: BridgeOptions): LinkInfo {
    const { netns, name } = options;
    netns.link.add({
      kind: 'bridge',
      name,
      ...(options.mac === undefined ? {} : { address: options.mac }),
      ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
      ...(options.ageingTime === undefined ? {} : { bridge: { ageingTime: options.ageingTime } }),
    });
    try {
      for (const port of options.ports ?? []) netns.link.set(port, { master: name });
      finishEnd(netns, name, addressList(options.address), options.up === true);
    } catch (e) {
      netns.link.del(name);
      throw e;
    }
    return netns.link.show(name);
  }
}

/** What `link.add` makes of an end; addresses and the up flag come when both ends are there. */
function endSpec(end: VethEnd): PeerSpec {
  const { netns: _netns, address: _address, mac, up: _up, ...rest } = end;
  return mac === undefined ? rest : { ...rest, address: mac };
}

function addressList(address: string | readonly string[] | undefined): readonly string[] {
  if (address === undefined) return [];
  return typeof address === 'string' ? [address] : address;
}

function finishEnd(ns: Namespace, dev: string, addresses: readonly string[], up: boolean): void {
  for (const local of addresses) ns.addr.add({ local, dev, broadcast: '+' });
  if (up) ns.link.set(dev, { up: true });
}

/** The device that was made last. */
function lastName(ns: Namespace): string {
  const links = ns.link.list();
  return (links[links.length - 1] as LinkInfo).name;
}

function peerName(a: Namespace, name: string, b: Namespace): string {
  const peer = a.link.show(name).link;
  const found = b.link.list().find((l) => l.ifindex === peer?.ifindex);
  return found?.name ?? '';
}
