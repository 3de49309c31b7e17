/** `ip link add … type vxlan` (Linux `vxlan_newlink`), and its table of MACs (`bridge fdb … dev VXLAN dst ADDR`). */
import { EEXIST, EINVAL, ENOENT, EOPNOTSUPP, ERANGE } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { vxlanAdd, vxlanOf } from '../../tunnel/vxlan.ts';
import type { VxlanRemote } from '../../tunnel/vxlan-fdb.ts';
import type { Vxlan } from '../../tunnel/vxlan-state.ts';
import {
  formatIpv4,
  formatMac,
  isGroupMac,
  isMulticast,
  MAC_ZERO,
  parseIpv4,
  parseMac,
} from '../../util/address.ts';
import { VXLAN_DEFAULT_PORT, VXLAN_N_VID } from '../../wire/vxlan.ts';
import { findDevice } from '../find-device.ts';
import type { Namespace } from '../namespace.ts';
import { type KindAdd, kernelError } from './kind.ts';

export interface VxlanOptions {
  /** Network identifier, 24 bits. */
  readonly id: number;
  /** Where what is unknown is sent; an address, or a group, which needs `device`. */
  readonly remote?: string;
  readonly local?: string;
  /** The device by which outer packets leave. */
  readonly device?: string;
  readonly ttl?: number;
  /** 1: that of the inner packet. */
  readonly tos?: number;
  /** 8472 when absent, as in Linux; the RFC's is 4789. */
  readonly port?: number;
  readonly portRange?: readonly [low: number, high: number];
  readonly learning?: boolean;
  /** Seconds. */
  readonly ageing?: number;
  readonly udpCsum?: boolean;
  readonly df?: 'unset' | 'set' | 'inherit';
}

export interface VxlanInfo {
  readonly kind: 'vxlan';
  readonly id: number;
  readonly remote: string | null;
  readonly local: string | null;
  readonly device: string | null;
  readonly ttl: number;
  readonly tos: number;
  readonly port: number;
  readonly portRange: readonly [low: number, high: number];
  readonly learning: boolean;
  readonly ageing: number;
  readonly udpCsum: boolean;
  readonly df: 'unset' | 'set' | 'inherit';
}

/** LINUX: outer packets belong to the namespace of who makes it, wherever it is made. */
export function addVxlan({ ns, spec, common, lower }: KindAdd): NetDevice | number {
  const o = spec.vxlan;
  if (o === undefined)
    kernelError(EINVAL, 'Required attributes not provided to perform the operation');
  if (!(o.id >= 0 && o.id < VXLAN_N_VID))
    kernelError(ERANGE, 'VXLAN ID must be lower than 16777216');
  const [low, high] = o.portRange ?? [0, 0];
  if (high < low) kernelError(EINVAL, 'Invalid source port range');
  const link = o.device === undefined ? (lower ?? null) : findDevice(ns.net, o.device);
  const remote = addressOf(o.remote);
  const local = addressOf(o.local);
  if (isMulticast(local)) kernelError(EINVAL, 'Local address cannot be multicast');
  if (isMulticast(remote) && link === null)
    kernelError(EINVAL, 'Local interface required for multicast remote destination');
  const made = vxlanAdd(common, ns.net, {
    vni: o.id,
    remote,
    local,
    link,
    ttl: o.ttl ?? 0,
    tos: o.tos ?? 0,
    port: o.port ?? VXLAN_DEFAULT_PORT,
    portRange: [low, high],
    learning: o.learning ?? true,
    udpCsum: o.udpCsum ?? true,
    df: o.df ?? 'unset',
  });
  if (made === -EEXIST) kernelError(EEXIST, 'A VXLAN device with the specified VNI already exists');
  const vxlan = typeof made === 'number' ? null : vxlanOf(made);
  if (vxlan !== null && o.ageing !== undefined) vxlan.fdb.ageingUs = o.ageing * 1e6;
  return made;
}

function addressOf(text: string | undefined): number {
  const addr = text === undefined ? 0 : parseIpv4(text);
  if (addr === undefined) kernelError(EINVAL, `"${text}" is not an IPv4 address`);
  return addr;
}

export function vxlanInfo(dev: NetDevice): VxlanInfo | null {
  const vxlan = vxlanOf(dev);
  if (vxlan === null) return null;
  const { vni, remote, local, link, ...rest } = vxlan.params;
  return {
    ...rest,
    kind: 'vxlan',
    id: vni,
    remote: remote === 0 ? null : formatIpv4(remote),
    local: local === 0 ? null : formatIpv4(local),
    device: link?.name ?? null,
    ageing: vxlan.fdb.ageingUs / 1e6,
  };
}

/** An entry, as `bridge fdb` tells it. */
export interface VxlanFdbInfo {
  readonly mac: string;
  readonly dev: string;
  readonly dst: string;
  readonly port: number | null;
  readonly vni: number | null;
  readonly via: string | null;
  readonly permanent: boolean;
}

/** What `bridge fdb add|append|replace … dst` says. */
export interface VxlanFdbSpec {
  readonly mac: string;
  readonly dev: string;
  readonly dst?: string;
  readonly port?: number;
  readonly vni?: number;
  readonly via?: string;
  /** False: it ages. */
  readonly permanent?: boolean;
}

/** Is the device a VXLAN? */
export function isVxlan(ns: Namespace, dev: string): boolean {
  const found = ns.net.devs.find(dev);
  return found !== undefined && vxlanOf(found) !== null;
}

/** The entries of all VXLANs of a namespace. */
export function vxlanFdb(ns: Namespace): VxlanFdbInfo[] {
  return [...ns.net.devs].flatMap((dev) => {
    const vxlan = vxlanOf(dev);
    if (vxlan === null) return [];
    return vxlan.fdb.list().flatMap((e) =>
      e.remotes.map((r) => ({
        mac: formatMac(e.mac),
        dev: dev.name,
        dst: formatIpv4(r.addr),
        port: r.port === 0 ? null : r.port,
        vni: r.vni < 0 ? null : r.vni,
        via: r.link?.name ?? null,
        permanent: e.permanent,
      })),
    );
  });
}

/** Linux `vxlan_fdb_add`. EEXIST: it is there; EOPNOTSUPP: a single MAC has one place. */
export function vxlanFdbWrite(
  ns: Namespace,
  spec: VxlanFdbSpec,
  verb: 'add' | 'append' | 'replace',
): void {
  ns.checkChange([]);
  const vxlan = stateOf(ns, spec.dev);
  const mac = macOf(spec.mac);
  const remote: VxlanRemote = {
    addr: addressOf(spec.dst),
    port: spec.port ?? 0,
    vni: spec.vni ?? -1,
    link: spec.via === undefined ? null : findDevice(vxlan.net, spec.via),
  };
  const old = vxlan.fdb.list().find((e) => e.mac === mac);
  const many = mac === MAC_ZERO || isGroupMac(mac);
  if (old !== undefined && verb === 'add') kernelError(EEXIST);
  if (old !== undefined && verb === (many ? 'replace' : 'append')) kernelError(EOPNOTSUPP);
  const remotes = old !== undefined && verb === 'append' ? [...old.remotes, remote] : [remote];
  vxlan.fdb.set(mac, remotes, spec.permanent ?? true);
}

/** Linux `vxlan_fdb_delete`. ENOENT: it is not there. */
export function vxlanFdbDel(ns: Namespace, spec: VxlanFdbSpec): void {
  ns.checkChange([]);
  const { fdb } = stateOf(ns, spec.dev);
  const mac = macOf(spec.mac);
  const old = fdb.list().find((e) => e.mac === mac);
  if (old === undefined) kernelError(ENOENT);
  const dst = spec.dst === undefined ? undefined : addressOf(spec.dst);
  const rest = dst === undefined ? [] : old.remotes.filter((r) => r.addr !== dst);
  if (rest.length === old.remotes.length) kernelError(ENOENT);
  if (rest.length === 0) fdb.remove(mac);
  else fdb.set(mac, rest, old.permanent);
}

function stateOf(ns: Namespace, name: string): Vxlan {
  const vxlan = vxlanOf(findDevice(ns.net, name));
  if (vxlan === null) kernelError(EOPNOTSUPP);
  return vxlan;
}

function macOf(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) kernelError(EINVAL, `"${text}" is invalid lladdr`);
  return mac;
}
