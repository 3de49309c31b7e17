/**
 * Bridges of a namespace: settings, ports, forwarding table, groups and VLANs (`ip link … type bridge`,
 * `bridge link|fdb|mdb|vlan`; Linux `net/bridge`).
 */
import {
  bridgeFdbAdd,
  bridgeFdbDel,
  type FdbAddOptions,
  type FdbFilter,
  flushFdb,
  selfAdd,
  selfDel,
} from '../device/bridge-admin.ts';
import { isRouterPort } from '../device/bridge-mcast.ts';
import { type MdbSpec, mdbChange } from '../device/bridge-mdb-admin.ts';
import {
  type BridgeSettings,
  bridgePortSet,
  bridgeSet,
  type PortSettings,
} from '../device/bridge-options.ts';
import {
  type Bridge,
  type BridgePort,
  bridgeOf,
  bridgePortOf,
  MDB_RTR_PERM,
} from '../device/bridge-port.ts';
import { type VlanRange, vlanAdd, vlanDel, vlanSetState } from '../device/bridge-vlan-admin.ts';
import { EINVAL, ENOENT, EOPNOTSUPP, NetError } from '../errno.ts';
import type { NetNs } from '../net.ts';
import { parseMac } from '../util/address.ts';
import {
  type BridgeInfo,
  type BridgePortInfo,
  type BridgePortState,
  type BridgeVlanInfo,
  bridgeInfo,
  bridgeVlanInfo,
  type FdbInfo,
  fdbInfo,
  type MdbInfo,
  type MdbRouterInfo,
  mdbInfo,
  PORT_STATES,
  portInfo,
  selfInfo,
} from './bridge-info.ts';
import { findDevice } from './find-device.ts';

export type {
  BridgeInfo,
  BridgePortInfo,
  BridgePortState,
  BridgeVlanEntry,
  BridgeVlanInfo,
  FdbInfo,
  MdbInfo,
  MdbRouterInfo,
} from './bridge-info.ts';

/** What `ip link … type bridge` may set; times in 1/100 s. */
export interface BridgeSet extends Omit<BridgeSettings, 'groupAddress'> {
  readonly groupAddress?: string;
}

/** What `bridge link set` may change. */
export interface BridgePortSet extends Omit<PortSettings, 'state' | 'backup'> {
  readonly state?: BridgePortState | number;
  /** Name of the port that stands in; null: none. */
  readonly backup?: string | null;
}

/** How an entry is to be: 0 for no VLAN. */
export interface FdbOptions {
  readonly vlan?: number;
  /** `permanent` when absent; `''`: as if it had been learnt. */
  readonly state?: FdbInfo['state'];
  readonly sticky?: boolean;
  readonly externLearn?: boolean;
  /** What the device itself takes, of whatever kind it is; not its bridge's. */
  readonly self?: boolean;
}

export interface FdbFlushOptions {
  readonly vlan?: number;
  readonly state?: FdbInfo['state'];
  readonly port?: string;
}

/** The settings with a MAC as a number. */
export function bridgeSettings(set: BridgeSet): BridgeSettings {
  const { groupAddress, ...rest } = set;
  return groupAddress === undefined ? rest : { ...rest, groupAddress: macOf(groupAddress) };
}

export class BridgeControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Changes a bridge; all or nothing. ERANGE, EINVAL, EPERM (default PVID while it filters). */
  set(name: string, set: BridgeSet): void {
    refuse(bridgeSet(this.bridge(name), bridgeSettings(set)));
  }

  /** Settings and state, by the names of `ip -d -j link`. */
  show(name: string): BridgeInfo {
    return bridgeInfo(this.bridge(name));
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

  /** EOPNOTSUPP: no port. EBUSY: spanning tree decides of the state. ENETDOWN, ERANGE, EINVAL. */
  setPort(name: string, set: BridgePortSet): void {
    const port = this.port(name);
    const { state, backup, ...rest } = set;
    const n = typeof state === 'string' ? PORT_STATES.indexOf(state) : state;
    let other: BridgePort | null | undefined;
    if (backup === null) other = null;
    else if (backup !== undefined) {
      other = bridgePortOf(findDevice(this.net, backup)) ?? undefined;
      if (other === undefined) throw new NetError(ENOENT, 'rtnetlink');
    }
    const full: PortSettings = {
      ...rest,
      ...(n === undefined ? {} : { state: n }),
      ...(other === undefined ? {} : { backup: other }),
    };
    refuse(bridgePortSet(port, full));
  }

  /** Forwarding tables of all bridges, bridge by bridge. */
  fdb(): FdbInfo[] {
    const list: FdbInfo[] = [];
    for (const dev of this.net.devs)
      for (const entry of bridgeOf(dev)?.fdb.list() ?? []) list.push(fdbInfo(entry));
    return list;
  }

  /** Addresses that devices take beside their own: `self` in `bridge fdb`. */
  fdbSelf(): FdbInfo[] {
    const list: FdbInfo[] = [];
    for (const dev of this.net.devs)
      for (const mac of dev.multicastMacs?.keys() ?? []) list.push(selfInfo(dev, mac));
    return list;
  }

  /** EEXIST: it is there. EOPNOTSUPP: the device is no port. */
  fdbAdd(mac: string, dev: string, how: FdbInfo['state'] | FdbOptions = 'permanent'): void {
    this.fdbWrite(mac, dev, how, true);
  }

  fdbReplace(mac: string, dev: string, how: FdbInfo['state'] | FdbOptions = 'permanent'): void {
    this.fdbWrite(mac, dev, how, false);
  }

  private fdbWrite(
    mac: string,
    name: string,
    how: FdbInfo['state'] | FdbOptions,
    exclusive: boolean,
  ): void {
    const dev = findDevice(this.net, name);
    const o: FdbOptions = typeof how === 'string' ? { state: how } : how;
    const { state = 'permanent', self = false } = o;
    if (self && bridgeOf(dev) === null) {
      refuse(selfAdd(dev, macOf(mac), state === 'permanent', exclusive));
      return;
    }
    const options: FdbAddOptions = {
      kind: state === '' ? 'dynamic' : state,
      exclusive,
      vid: o.vlan ?? 0,
      sticky: o.sticky ?? false,
      externLearn: o.externLearn ?? false,
    };
    refuse(bridgeFdbAdd(dev, macOf(mac), options));
  }

  /** ENOENT: it is not there. */
  fdbDel(mac: string, dev: string, options: FdbOptions = {}): void {
    const device = findDevice(this.net, dev);
    if (options.self === true && bridgeOf(device) === null) refuse(selfDel(device, macOf(mac)));
    else refuse(bridgeFdbDel(device, macOf(mac), options.vlan ?? 0));
  }

  /** `bridge fdb flush`: what a bridge, or one of its ports, has in its table. */
  fdbFlush(dev: string, options: FdbFlushOptions = {}): void {
    const device = findDevice(this.net, dev);
    const port = options.port === undefined ? undefined : findDevice(this.net, options.port);
    const { vlan, state } = options;
    const filter: FdbFilter = {
      ...(port === undefined ? {} : { dev: port }),
      ...(vlan === undefined ? {} : { vid: vlan }),
      ...(state === undefined ? {} : { kind: state === '' ? 'dynamic' : state }),
    };
    refuse(flushFdb(device, filter));
  }

  /** VLANs of all ports and bridges, in the order of their index. */
  vlans(): BridgeVlanInfo[] {
    return [...this.net.devs]
      .sort((a, b) => a.ifindex - b.ifindex)
      .map(bridgeVlanInfo)
      .filter((v) => v !== null);
  }

  /** `bridge vlan add`; `self`: of the bridge itself. EOPNOTSUPP, EINVAL. */
  vlanAdd(dev: string, range: VlanRange, self = false): void {
    refuse(vlanAdd(findDevice(this.net, dev), range, self));
  }

  /** ENOENT: none of them is there. */
  vlanDel(dev: string, range: VlanRange, self = false): void {
    refuse(vlanDel(findDevice(this.net, dev), range, self));
  }

  /** `bridge vlan set … state`. */
  vlanSet(dev: string, range: VlanRange, state: BridgePortState): void {
    refuse(vlanSetState(findDevice(this.net, dev), range, PORT_STATES.indexOf(state)));
  }

  /** Who wants which group. */
  mdb(): MdbInfo[] {
    const list: MdbInfo[] = [];
    for (const bridge of this.bridges())
      for (const group of bridge.mcast?.list() ?? [])
        for (const m of group.members) list.push(mdbInfo(bridge, group, m));
    return list;
  }

  /** Ports behind which routers are. */
  mdbRouters(): MdbRouterInfo[] {
    const list: MdbRouterInfo[] = [];
    for (const bridge of this.bridges())
      for (const port of bridge.ports) {
        if (!isRouterPort(port, false) && !isRouterPort(port, true)) continue;
        const until = Math.max(port.routerUntilUs, port.router6UntilUs);
        const us = until === 0 ? 0 : until - this.net.kernel.nowUs;
        list.push({
          bridge: bridge.dev.name,
          port: port.dev.name,
          type: port.mcastRouter === MDB_RTR_PERM ? 'permanent' : 'temp',
          timer: Math.floor(us / 10_000) / 100,
        });
      }
    return list;
  }

  /** `bridge mdb add|del`; EINVAL with the kernel's sentence. */
  mdbAdd(spec: MdbSpec): void {
    this.mdbWrite(spec, true);
  }

  mdbDel(spec: MdbSpec): void {
    this.mdbWrite(spec, false);
  }

  private mdbWrite(spec: MdbSpec, add: boolean): void {
    const refusal = mdbChange(this.net, spec, add);
    if (refusal !== null) throw new NetError(refusal.errno, 'rtnetlink', refusal.detail);
  }

  private bridges(): Bridge[] {
    return [...this.net.devs].map((dev) => bridgeOf(dev)).filter((b) => b !== null);
  }

  private bridge(name: string): Bridge {
    const bridge = bridgeOf(findDevice(this.net, name));
    if (bridge === null) throw new NetError(EOPNOTSUPP, 'rtnetlink');
    return bridge;
  }

  private port(name: string): BridgePort {
    const port = bridgePortOf(findDevice(this.net, name));
    if (port === null) throw new NetError(EOPNOTSUPP, 'rtnetlink');
    return port;
  }
}

function refuse(errno: number): void {
  if (errno < 0) throw new NetError(errno, 'rtnetlink');
}

function macOf(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is invalid lladdr`);
  return mac;
}
