/** Bridges of a namespace: ports and forwarding table (`bridge link`, `bridge fdb`; Linux `net/bridge`). */
import { bridgeFdbAdd, bridgeFdbDel } from '../device/bridge-admin.ts';
import type { FdbEntry } from '../device/bridge-fdb.ts';
import { type Bridge, type BridgePort, bridgeOf, bridgePortOf } from '../device/bridge-port.ts';
import { EINVAL, ENETDOWN, EOPNOTSUPP, NetError } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { formatMac, parseMac } from '../util/address.ts';
import { findDevice } from './find-device.ts';
import { flagNames } from './link-info.ts';

/** `BR_STATE_*` by number. */
const STATES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const;

export type BridgePortState = (typeof STATES)[number];

/** What `bridge link set` may change. */
export interface BridgePortSet {
  readonly state?: BridgePortState;
  readonly cost?: number;
  readonly priority?: number;
  readonly hairpin?: boolean;
  readonly learning?: boolean;
  readonly flood?: boolean;
  readonly mcastFlood?: boolean;
  readonly bcastFlood?: boolean;
  readonly isolated?: boolean;
}

/** One port, as `bridge -d link` tells it. */
export interface BridgePortInfo extends Required<BridgePortSet> {
  readonly ifindex: number;
  readonly dev: string;
  /** What stands behind the `@`; null: nothing. */
  readonly link: string | null;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master: string;
}

/** One entry of a forwarding table, as `bridge fdb` tells it. */
export interface FdbInfo {
  readonly mac: string;
  readonly dev: string;
  /** Null for an entry of the bridge device itself. */
  readonly master: string | null;
  /** `''`: learnt. */
  readonly state: 'permanent' | 'static' | '';
  /** Seconds since it was used and updated last. */
  readonly used: number;
  readonly updated: number;
}

export class BridgeControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Ageing time in 1/100 s. */
  set(name: string, options: { readonly ageingTime?: number }): void {
    const { ageingTime } = options;
    if (ageingTime !== undefined) this.bridge(name).fdb.ageingUs = ageingTime * 10_000;
  }

  /** The ports of all bridges, or of one. */
  ports(bridge?: string): BridgePortInfo[] {
    const master = bridge === undefined ? undefined : this.bridge(bridge).dev;
    return [...this.net.devs]
      .map((dev) => bridgePortOf(dev))
      .filter((port) => port !== null)
      .filter((port) => master === undefined || port.bridge.dev === master)
      .map(portInfo);
  }

  /** EOPNOTSUPP: the device is no port. */
  setPort(name: string, set: BridgePortSet): void {
    const port = this.port(name);
    const { state, ...rest } = set;
    if (state !== undefined) {
      const n = STATES.indexOf(state);
      // LINUX: a port whose device is down stays disabled (`br_set_port_state`).
      if (n !== 0 && !port.dev.operational) throw new NetError(ENETDOWN, 'rtnetlink');
      port.state = n;
    }
    Object.assign(port, rest);
  }

  /** Forwarding tables of all bridges, ports in the order of their index. */
  fdb(): FdbInfo[] {
    const list: FdbInfo[] = [];
    for (const dev of this.net.devs) {
      const bridge = bridgeOf(dev);
      if (bridge === null) continue;
      for (const entry of bridge.fdb.list()) list.push(fdbInfo(bridge, entry));
    }
    return list;
  }

  /** EEXIST: it is there. EOPNOTSUPP: the device is no port. */
  fdbAdd(mac: string, dev: string, state: FdbInfo['state'] = 'permanent'): void {
    this.fdbWrite(mac, dev, state, true);
  }

  fdbReplace(mac: string, dev: string, state: FdbInfo['state'] = 'permanent'): void {
    this.fdbWrite(mac, dev, state, false);
  }

  private fdbWrite(mac: string, name: string, state: FdbInfo['state'], exclusive: boolean): void {
    const dev = findDevice(this.net, name);
    const kind = state === '' ? 'dynamic' : state;
    const errno = bridgeFdbAdd(dev, macOf(mac), kind, exclusive);
    if (errno < 0) throw new NetError(errno, 'rtnetlink');
  }

  /** ENOENT: it is not there. */
  fdbDel(mac: string, dev: string): void {
    const errno = bridgeFdbDel(findDevice(this.net, dev), macOf(mac));
    if (errno < 0) throw new NetError(errno, 'rtnetlink');
  }

  private bridge(name: string): Bridge {
    const bridge = bridgeOf(findDevice(this.net, name));
    if (bridge === null) throw new NetError(EOPNOTSUPP, 'rtnetlink', `"${name}" is no bridge`);
    return bridge;
  }

  private port(name: string): BridgePort {
    const port = bridgePortOf(findDevice(this.net, name));
    if (port === null) throw new NetError(EOPNOTSUPP, 'rtnetlink');
    return port;
  }
}

function macOf(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is invalid lladdr`);
  return mac;
}

function portInfo(port: BridgePort): BridgePortInfo {
  const { dev } = port;
  return {
    ifindex: dev.ifindex,
    dev: dev.name,
    link: linkName(dev),
    flags: flagNames(dev, null),
    mtu: dev.mtu,
    master: port.bridge.dev.name,
    state: STATES[port.state] ?? 'disabled',
    priority: port.priority,
    cost: port.cost,
    hairpin: port.hairpin,
    learning: port.learning,
    flood: port.flood,
    mcastFlood: port.mcastFlood,
    bcastFlood: port.bcastFlood,
    isolated: port.isolated,
  };
}

/**
 * LINUX: bridge(8) looks the index of the other end up here, even when it counts in another namespace;
 * an equal index is not told at all.
 */
function linkName(dev: NetDevice): string | null {
  const other = dev.ops.iflink?.(dev) ?? null;
  if (other === null || other.ifindex === dev.ifindex) return null;
  return dev.net.devs.findIndex(other.ifindex)?.name ?? `if${other.ifindex}`;
}

function fdbInfo(bridge: Bridge, entry: FdbEntry): FdbInfo {
  const now = bridge.dev.net.kernel.nowUs;
  return {
    mac: formatMac(entry.mac),
    dev: entry.dev.name,
    master: bridge.dev.name,
    state: entry.local ? 'permanent' : entry.isStatic ? 'static' : '',
    used: (now - entry.usedUs) / 1e6,
    updated: (now - entry.updatedUs) / 1e6,
  };
}
