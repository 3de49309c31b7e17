/**
 * The sysctls of one namespace by their Linux names: values as text, refusals as `/proc/sys` gives
 * them. What a write changes elsewhere (`ip_forward`, `conf.all`, `conf.default`) follows
 * `net/ipv4/devinet.c` and `net/core/neighbour.c`.
 */

import { EACCES, EINVAL, EIO, ENOENT, EPERM, NetError } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import type { Ipv4Device } from '../network/ipv4/device.ts';
import { inet6Device } from '../network/ipv6/address.ts';
import {
  makeAll,
  readConf6,
  setStableSecret,
  stableSecret,
  writeConf6,
} from '../network/ipv6/conf.ts';
import {
  IPV4_CONF_NAMES,
  type Ipv4Conf,
  NEIGH_CONF_NAMES,
  type NeighConf,
  type NeighSysctl,
  NUMBER_SYSCTLS,
  type NumberSysctl,
} from '../sysctl.ts';
import { IPV6_CONF_NAMES, IPV6_CONF_RANGES, IPV6_SYSCTLS } from '../sysctl6.ts';
import {
  CONGESTION_CONTROLS,
  findCongestionControl,
  isNonRestricted,
} from '../transport/tcp/congestion-table.ts';
import { fullIp6, parseIpv6 } from '../util/ip6-addr.ts';
import { SmallMap } from '../util/small-map.ts';
import { INERT_SYSCTLS, type InertSysctl } from './sysctl-inert.ts';
import {
  byName,
  dotted,
  fastOpenKeys,
  fastOpenKeysText,
  invalid,
  oneNumber,
  pair,
  portRanges,
  slashed,
  split,
  triple,
} from './sysctl-text.ts';

/** One sysctl: how it reads and how it is written. */
interface Variable {
  /** Absent: write only. */
  readonly get?: () => string;
  /** Absent: read only. Throws EINVAL. */
  readonly set?: (text: string) => void;
  /** False: it cannot be read now, and is not among all values. */
  readonly listed?: boolean;
}

const INT_MIN = -2147483648;
const INT_MAX = 2147483647;
/** The group id -1 means none. */
const MAX_GID = 4294967294;

const CONF = 'net.ipv4.conf.';
const NEIGH = 'net.ipv4.neigh.';
const CONF6 = 'net.ipv6.conf.';
const STABLE_SECRET = 'stable_secret';
const NEIGH6 = 'net.ipv6.neigh.';
/** The lower of these two is never above the higher. */
const FRAG_LOW = 'net.ipv4.ipfrag_low_thresh';
const FRAG_HIGH = 'net.ipv4.ipfrag_high_thresh';
const FRAG6_LOW = 'net.ipv6.ip6frag_low_thresh';
const FRAG6_HIGH = 'net.ipv6.ip6frag_high_thresh';

export class SysctlControl {
  private readonly net: NetNs;
  /** Device settings that were written for the device itself: `default` does not reach them. */
  private own: WeakMap<Ipv4Device, Set<string>> | null = null;
  /**
   * For each setting of `default` that was ever written, the devices that were there before: later ones
   * have it as their own.
   */
  private readonly followers: SmallMap<string, readonly NetDevice[]> = new SmallMap();

  /** Values of settings that rule nothing here. */
  private readonly told: SmallMap<string, number> = new SmallMap();

  constructor(net: NetNs) {
    this.net = net;
  }

  /** The value as `sysctl -n` prints it. Slashes may stand for dots. ENOENT: there is no such name. */
  get(name: string): string {
    const { get } = this.find(name);
    if (get === undefined)
      throw new NetError(EACCES, 'sysctl', `permission denied on key "${name}"`);
    return get();
  }

  /** Writes; a number is as good as its text. EINVAL: out of range; EPERM: read only. */
  set(name: string, value: string | number): void {
    const variable = this.find(name);
    if (variable.set === undefined)
      throw new NetError(EPERM, 'sysctl', `setting key "${name}": Operation not permitted`);
    // Nothing was written: nothing happens.
    if (value !== '') variable.set(String(value));
  }

  /** All names and values, sorted; `prefix` narrows to a directory or a name. */
  list(prefix = ''): ReadonlyMap<string, string> {
    const wanted = dotted(prefix);
    const all = this.names().filter(
      (n) => wanted === '' || n === wanted || n.startsWith(`${wanted}.`),
    );
    const values = new Map<string, string>();
    for (const name of all.sort(byName)) {
      const variable = this.find(name);
      const value = variable.listed === false ? undefined : variable.get?.();
      if (value !== undefined) values.set(name, value);
    }
    return values;
  }

  /** Names of all that is there, in no particular order. */
  names(): string[] {
    const names = [...NUMBER_SYSCTLS, ...INERT_SYSCTLS, ...IPV6_SYSCTLS]
      .map((s) => s.name)
      .concat(SPECIAL);
    if (this.isInitial) names.push(DEVCONF_INHERIT);
    const devices = [...this.net.devs].map((d) => slashed(d.name));
    for (const dir of ['all', 'default', ...devices])
      names.push(
        ...Object.keys(IPV4_CONF_NAMES).map((n) => `${CONF}${dir}.${n}`),
        ...Object.keys(IPV6_CONF_NAMES).map((n) => `${CONF6}${dir}.${n}`),
        `${CONF6}${dir}.${STABLE_SECRET}`,
      );
    for (const dir of ['default', ...devices])
      for (const prefix of [NEIGH, NEIGH6])
        names.push(...Object.keys(NEIGH_CONF_NAMES).map((n) => `${prefix}${dir}.${n}`));
    for (const prefix of [NEIGH, NEIGH6])
      names.push(...Object.keys(GC_THRESHOLDS).map((n) => `${prefix}default.${n}`));
    // What does not exist for a device (an MTU too small for IPv6) is not listed.
    return names.filter((n) => this.lookUp(n) !== undefined);
  }

  /** Permissions of a sysctl's file; undefined: there is no such name. */
  mode(name: string): number | undefined {
    const variable = this.lookUp(dotted(name));
    if (variable === undefined) return undefined;
    if (variable.get === undefined) return 0o200;
    if (name.endsWith('tcp_fastopen_key')) return 0o600;
    return variable.set === undefined ? 0o444 : 0o644;
  }

  private find(given: string): Variable {
    const name = dotted(given);
    const found = this.lookUp(name);
    if (found === undefined)
      throw new NetError(
        ENOENT,
        'sysctl',
        `cannot stat /proc/sys/${name.replaceAll('.', '/')}: No such file or directory`,
      );
    return found;
  }

  private lookUp(name: string): Variable | undefined {
    if (name.startsWith('net.ipv6.'))
      return (
        this.number6(name) ??
        this.special(name) ??
        this.conf6(name) ??
        this.neigh6(name) ??
        this.inert(name)
      );
    return (
      this.number(name) ??
      this.special(name) ??
      this.conf(name) ??
      this.neigh(name) ??
      this.inert(name)
    );
  }

  private number6(name: string): Variable | undefined {
    const row = IPV6_SYSCTLS.find((s) => s.name === name);
    if (row === undefined) return undefined;
    return {
      get: () => String(this.net.ipv6.sysctl[row.field]),
      set: (text) => {
        const min = name === FRAG6_HIGH ? Number(this.get(FRAG6_LOW)) : row.min;
        const value = oneNumber(name, text, min, row.max);
        this.net.ipv6.sysctl = this.net.ipv6.sysctl.with(row.field, value);
      },
    };
  }

  private conf6(name: string): Variable | undefined {
    const path = split(name, CONF6);
    if (path?.key === STABLE_SECRET) return this.secret6(name, path.dir);
    const field = path === undefined ? undefined : IPV6_CONF_NAMES[path.key];
    if (path === undefined || field === undefined) return undefined;
    const dev = this.net.devs.find(path.dir);
    const own = dev === undefined ? null : inet6Device(dev);
    const target = path.dir === 'all' || path.dir === 'default' ? path.dir : own;
    if (target === null) return undefined;
    return {
      get: () => String(readConf6(this.net, target, field)),
      set: (text) => {
        const [min, max] = IPV6_CONF_RANGES[field] ?? [INT_MIN, INT_MAX];
        const value = oneNumber(name, text, min, max);
        if (!writeConf6(this.net, target, field, value)) throw invalid(name);
      },
    };
  }

  /** RFC 7217: an address as text; what was not written gives EIO, and `all` has none. */
  private secret6(name: string, dir: string): Variable | undefined {
    const { net } = this;
    const dev = net.devs.find(dir);
    const target = dir === 'default' ? dir : dev === undefined ? null : inet6Device(dev);
    const refused = new NetError(EIO, 'sysctl', `reading key "${name}": Input/output error`);
    if (dir === 'all') {
      const get = (): never => {
        throw refused;
      };
      return { get, set: get, listed: false };
    }
    if (target === null) return undefined;
    const get = (): string => {
      const secret = stableSecret(net, target);
      if (secret === null) throw refused;
      return fullIp6(secret);
    };
    const set = (text: string): void => {
      const secret = parseIpv6(text.trim());
      if (secret === undefined)
        throw new NetError(EIO, 'sysctl', `setting key "${name}": Input/output error`);
      setStableSecret(net, target, secret);
    };
    return { get, set, listed: stableSecret(net, target) !== null };
  }

  private neigh6(name: string): Variable | undefined {
    const path = split(name, NEIGH6);
    // LINUX: this one is in ticks, whatever their length, and was superseded by retrans_time_ms.
    if (path === undefined || path.key === 'retrans_time') return undefined;
    const row = NEIGH_CONF_NAMES[path.key];
    if (row === undefined)
      return path.dir === 'default'
        ? this.threshold(path.key, () => this.net.ipv6.ndisc)
        : undefined;
    const dev = this.net.devs.find(path.dir);
    const own = dev === undefined ? null : inet6Device(dev);
    const { ipv6 } = this.net;
    if (path.dir !== 'default' && own === null) return undefined;
    return {
      get: () => told(row, own?.neighConf ?? ipv6.neighConfDefault),
      set: (text) => {
        const value = oneNumber(name, text, 0, row.max) * row.unit;
        // Devices that have nothing of their own yet have what `default` says now.
        if (own === null) makeAll(this.net);
        if (own === null) ipv6.neighConfDefault = ipv6.neighConfDefault.with(row.field, value);
        else own.neighConf = own.neighConf.with(row.field, value);
      },
    };
  }

  /** How many neighbours there may be: of all devices, so that `default` alone has it. */
  private threshold(
    key: string,
    table: () => { gcThresh1: number; gcThresh2: number; gcThresh3: number },
  ): Variable | undefined {
    const field = GC_THRESHOLDS[key];
    if (field === undefined) return undefined;
    return {
      get: () => String(table()[field]),
      set: (text) => {
        table()[field] = oneNumber(`default.${key}`, text, 0, INT_MAX);
      },
    };
  }

  private number(name: string): Variable | undefined {
    const row = NUMBER_SYSCTLS.find((s) => s.name === name);
    if (row === undefined) return undefined;
    return {
      get: () => String(this.net.sysctl[row.field]),
      set: (text) => {
        const min = name === FRAG_HIGH ? Number(this.get(FRAG_LOW)) : row.min;
        this.setNumber(row, oneNumber(name, text, min, this.maxOf(row)));
      },
    };
  }

  private inert(name: string): Variable | undefined {
    const row = INERT_SYSCTLS.find((s) => s.name === name);
    if (row === undefined) return undefined;
    const get = (): string => String(this.told.get(name) ?? row.value);
    return row.readOnly === true ? { get } : { get, set: (text) => this.setInert(row, text) };
  }

  private setInert(row: InertSysctl, text: string): void {
    const high = row.name === FRAG_LOW ? FRAG_HIGH : row.name === FRAG6_LOW ? FRAG6_HIGH : '';
    const max = high === '' ? row.max : Number(this.get(high));
    const value = oneNumber(row.name, text, row.min, max);
    if (row.only !== undefined && value !== row.value)
      throw new NetError(
        EINVAL,
        'sysctl',
        `setting key "${row.name}": Warren takes ${row.value} only: ${row.only}`,
      );
    this.told.set(row.name, value);
  }

  /** Some limits are other sysctls. */
  private maxOf(row: NumberSysctl): number {
    const { tcpMaxReordering, ipLocalPortRange } = this.net.sysctl;
    if (row.field === 'tcpReordering') return tcpMaxReordering;
    return row.field === 'ipUnprivilegedPortStart' ? ipLocalPortRange[0] : row.max;
  }

  private setNumber(row: NumberSysctl, value: number): void {
    if (row.field === 'tcpFastopenBlackholeTimeoutSec') this.net.tcp.fastOpenDisabledTimes = 0;
    this.net.sysctl = this.net.sysctl.with(row.field, value);
  }

  /** Linux `inet_forward_change`. */
  private forwardAll(value: number): void {
    const net = this.net;
    const on = value === 0 ? 0 : 1;
    net.ipv4ConfAll = net.ipv4ConfAll.with('forwarding', value).with('acceptRedirects', 1 - on);
    net.ipv4ConfDefault = net.ipv4ConfDefault.with('forwarding', value);
    for (const dev of net.devs)
      if (dev.ipv4 !== null) dev.ipv4.conf = dev.ipv4.conf.with('forwarding', value);
    net.ipv4.changed();
  }

  private conf(name: string): Variable | undefined {
    const path = split(name, CONF);
    if (path === undefined) return undefined;
    const field = IPV4_CONF_NAMES[path.key];
    const target = this.confOf(path.dir);
    if (field === undefined || target === undefined) return undefined;
    return {
      get: () => String(this.readConf(target)[field]),
      set: (text) => {
        const value = oneNumber(name, text, INT_MIN, INT_MAX);
        if (path.dir === 'all' && field === 'forwarding') this.forwardAll(value);
        else this.writeConf(target, field, value);
      },
    };
  }

  private confOf(dir: string): 'all' | 'default' | Ipv4Device | undefined {
    if (dir === 'all' || dir === 'default') return dir;
    return this.net.devs.find(dir)?.ipv4 ?? undefined;
  }

  private readConf(target: 'all' | 'default' | Ipv4Device): Readonly<Ipv4Conf> {
    if (target === 'all') return this.net.ipv4ConfAll;
    return target === 'default' ? this.net.ipv4ConfDefault : target.conf;
  }

  private writeConf(
    target: 'all' | 'default' | Ipv4Device,
    field: Exclude<keyof Ipv4Conf, 'with'>,
    value: number,
  ): void {
    const { net } = this;
    if (target === 'all') net.ipv4ConfAll = net.ipv4ConfAll.with(field, value);
    else if (target === 'default') {
      net.ipv4ConfDefault = net.ipv4ConfDefault.with(field, value);
      this.copyConfDefault(field, value);
    } else {
      target.conf = target.conf.with(field, value);
      this.markOwn(target, field);
    }
    net.ipv4.changed();
  }

  /** Devices without an address follow `default` still (`devinet_copy_dflt_conf`). */
  private copyConfDefault(field: Exclude<keyof Ipv4Conf, 'with'>, value: number): void {
    for (const ipv4 of this.followersOf(field))
      if (ipv4.addresses.length === 0) ipv4.conf = ipv4.conf.with(field, value);
  }

  private followersOf(field: string): readonly Ipv4Device[] {
    let devices = this.followers.get(field);
    if (devices === undefined) {
      devices = [...this.net.devs];
      this.followers.set(field, devices);
    }
    return devices.flatMap((dev) => {
      const { ipv4 } = dev;
      const follows = dev.net === this.net && ipv4 !== null && !this.isOwn(ipv4, field);
      return follows ? [ipv4] : [];
    });
  }

  private isOwn(ipv4: Ipv4Device, field: string): boolean {
    return this.own?.get(ipv4)?.has(field) === true;
  }

  private markOwn(ipv4: Ipv4Device, field: string): void {
    this.own ??= new WeakMap();
    let fields = this.own.get(ipv4);
    if (fields === undefined) {
      fields = new Set();
      this.own.set(ipv4, fields);
    }
    fields.add(field);
  }

  private neigh(name: string): Variable | undefined {
    const path = split(name, NEIGH);
    if (path === undefined) return undefined;
    const row = NEIGH_CONF_NAMES[path.key];
    const { net } = this;
    if (row === undefined)
      return path.dir === 'default' ? this.threshold(path.key, () => net.arp) : undefined;
    const ipv4 = path.dir === 'default' ? null : (net.devs.find(path.dir)?.ipv4 ?? undefined);
    if (ipv4 === undefined) return undefined;
    const { field } = row;
    return {
      get: () => told(row, ipv4?.neighConf ?? net.neighConfDefault),
      set: (text) => {
        const value = oneNumber(name, text, 0, row.max) * row.unit;
        const targets = ipv4 === null ? this.followersOf(`neigh ${field}`) : [ipv4];
        // Devices that were not written themselves follow `default` (`neigh_copy_dflt_parms`).
        for (const target of targets) target.neighConf = target.neighConf.with(field, value);
        if (ipv4 === null) net.neighConfDefault = net.neighConfDefault.with(field, value);
        else this.markOwn(ipv4, `neigh ${field}`);
      },
    };
  }

  /** Sysctls that are no single number. */
  private special(name: string): Variable | undefined {
    const { net } = this;
    switch (name) {
      // The same variable as conf.all.forwarding.
      case 'net.ipv4.ip_forward':
        return {
          get: () => String(net.ipv4ConfAll.forwarding),
          set: (text) => this.forwardAll(oneNumber(name, text, INT_MIN, INT_MAX)),
        };
      case 'net.ipv4.ip_local_port_range':
        return {
          get: () => net.sysctl.ipLocalPortRange.join('\t'),
          set: (text) => {
            const [low, high] = pair(name, text, net.sysctl.ipLocalPortRange);
            // Ports that need a capability are not given out unasked.
            const { ipUnprivilegedPortStart } = net.sysctl;
            if (low < Math.max(1, ipUnprivilegedPortStart) || high > 65535 || low > high)
              throw invalid(name);
            net.sysctl = net.sysctl.with('ipLocalPortRange', [low, high]);
          },
        };
      case 'net.ipv4.ping_group_range':
        return {
          get: () => net.sysctl.pingGroupRange.join('\t'),
          set: (text) => {
            const [low, high] = pair(name, text, net.sysctl.pingGroupRange);
            if (low < 0 || high < 0 || low > MAX_GID || high > MAX_GID) throw invalid(name);
            // LINUX: a range that is upside down turns ping sockets off.
            net.sysctl = net.sysctl.with('pingGroupRange', low > high ? [1, 0] : [low, high]);
          },
        };
      case 'net.ipv4.ip_local_reserved_ports':
        return {
          get: () =>
            net.sysctl.ipLocalReservedPorts
              .map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`))
              .join(','),
          set: (text) => {
            net.sysctl = net.sysctl.with('ipLocalReservedPorts', portRanges(name, text));
          },
        };
      case 'net.ipv4.tcp_rmem':
        return {
          get: () => net.sysctl.tcpRmem.join('\t'),
          set: (text) => {
            net.sysctl = net.sysctl.with('tcpRmem', triple(name, text, net.sysctl.tcpRmem));
          },
        };
      case 'net.ipv4.tcp_wmem':
        return {
          get: () => net.sysctl.tcpWmem.join('\t'),
          set: (text) => {
            net.sysctl = net.sysctl.with('tcpWmem', triple(name, text, net.sysctl.tcpWmem));
          },
        };
      case 'net.ipv4.tcp_fastopen_key':
        return {
          get: () => fastOpenKeysText(this.net.tcp.fastOpenKeys),
          set: (text) => {
            this.net.tcp.fastOpenKeys = fastOpenKeys(name, text);
          },
        };
      // What was learnt of single destinations is forgotten.
      case 'net.ipv4.route.flush':
        return {
          set: () => {
            net.ipv4.exceptions.clear();
            net.ipv4.changed();
          },
        };
      case 'net.ipv6.route.flush':
        return {
          set: () => {
            net.ipv6.exceptions.clear();
            net.ipv6.changed();
          },
        };
      case DEVCONF_INHERIT:
        return this.isInitial ? this.devconfInherit() : undefined;
      default:
        return this.congestionControl(name);
    }
  }

  private allowedCongestionControls(): string {
    const chosen = this.net.sysctl.tcpCongestionControl;
    return CONGESTION_CONTROLS.map((c) => c.name)
      .filter((n) => isNonRestricted(n, chosen))
      .join(' ');
  }

  private get isInitial(): boolean {
    return this.net.kernel.initial === this.net;
  }

  /** What namespaces that are made from now on inherit: a setting of the initial one alone. */
  private devconfInherit(): Variable {
    const { kernel } = this.net;
    return {
      get: () => String(kernel.devconfInherit),
      set: (text) => {
        kernel.devconfInherit = oneNumber(DEVCONF_INHERIT, text, 0, 3);
      },
    };
  }

  private congestionControl(name: string): Variable | undefined {
    if (name === 'net.ipv4.tcp_available_congestion_control')
      return { get: () => CONGESTION_CONTROLS.map((c) => c.name).join(' ') };
    if (name === 'net.ipv4.tcp_allowed_congestion_control')
      return { get: () => this.allowedCongestionControls() };
    if (name !== 'net.ipv4.tcp_congestion_control') return undefined;
    return {
      get: () => this.net.sysctl.tcpCongestionControl,
      set: (text) => {
        const chosen = text.trim();
        if (findCongestionControl(chosen) === undefined)
          throw new NetError(ENOENT, 'sysctl', `setting key "${name}": No such file or directory`);
        this.net.sysctl = this.net.sysctl.with('tcpCongestionControl', chosen);
      },
    };
  }
}

/** Fields of a table of neighbours by their sysctls. */
const GC_THRESHOLDS: Readonly<Record<string, 'gcThresh1' | 'gcThresh2' | 'gcThresh3'>> = {
  gc_thresh1: 'gcThresh1',
  gc_thresh2: 'gcThresh2',
  gc_thresh3: 'gcThresh3',
};

/** A setting of neighbours in the unit of its file. */
function told(row: NeighSysctl, conf: Readonly<NeighConf>): string {
  return String(Math.floor(conf[row.field] / row.unit));
}

const DEVCONF_INHERIT = 'net.core.devconf_inherit_init_net';

const SPECIAL: readonly string[] = [
  'net.ipv4.ip_forward',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
  'net.ipv4.tcp_fastopen_key',
  'net.ipv4.tcp_allowed_congestion_control',
  'net.ipv4.tcp_available_congestion_control',
  'net.ipv4.tcp_congestion_control',
  'net.ipv4.route.flush',
  'net.ipv6.route.flush',
];
