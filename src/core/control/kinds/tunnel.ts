/** `ip link … type ipip|sit|gre|gretap` (Linux `ipip_newlink`, `ipgre_newlink`, `ipip6_newlink`). */
import { EINVAL, EOPNOTSUPP } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { tunnelAdd, tunnelChange, tunnelOf } from '../../tunnel/ip-tunnel.ts';
import type { TunnelKind, TunnelParams } from '../../tunnel/table.ts';
import { formatIpv4, isMulticast, parseIpv4 } from '../../util/address.ts';
import { GRE_CSUM, GRE_KEY, GRE_SEQ } from '../../wire/gre.ts';
import { findDevice } from '../find-device.ts';
import { check, type KindAdd, kernelError } from './kind.ts';

export interface TunnelOptions {
  /** Addresses of the ends; `'any'` or absent: whichever. */
  readonly local?: string;
  readonly remote?: string;
  /** 0 or absent: that of the inner packet. */
  readonly ttl?: number;
  /** 1: that of the inner packet. */
  readonly tos?: number;
  /** Outer packets have DF; true when absent. */
  readonly pmtudisc?: boolean;
  /** gre: the DF of inner packets does not matter; needs `pmtudisc: false`. */
  readonly ignoreDf?: boolean;
  /** The device by which outer packets leave; null: by whatever the routes say. */
  readonly device?: string | null;
  /** gre: keys, checksums and sequence numbers of what comes and of what is sent. */
  readonly ikey?: number | null;
  readonly okey?: number | null;
  readonly icsum?: boolean;
  readonly ocsum?: boolean;
  readonly iseq?: boolean;
  readonly oseq?: boolean;
}

export interface TunnelInfo extends Required<TunnelOptions> {
  readonly kind: TunnelKind;
}

const DEFAULTS: TunnelParams = {
  local: 0,
  remote: 0,
  ttl: 0,
  tos: 0,
  pmtudisc: true,
  link: null,
  iflags: 0,
  oflags: 0,
  ikey: 0,
  okey: 0,
  ignoreDf: false,
};

export function addTunnel(
  { ns, spec, common, lower }: KindAdd,
  kind: TunnelKind,
): NetDevice | number {
  const base = lower === undefined ? DEFAULTS : { ...DEFAULTS, link: lower };
  const params = paramsOf(common.net, kind, base, spec.tunnel ?? {});
  if (params.link !== null && params.link.net !== common.net)
    kernelError(EINVAL, `${params.link.name} is in ${ns.name ?? 'another namespace'}`);
  return tunnelAdd(common, kind, params);
}

export function changeTunnel(dev: NetDevice, options: TunnelOptions): void {
  const t = tunnelOf(dev);
  if (t === null) kernelError(EOPNOTSUPP);
  check(tunnelChange(dev, paramsOf(t.net, t.kind, t.params, options)));
}

function paramsOf(net: NetNs, kind: TunnelKind, old: TunnelParams, o: TunnelOptions): TunnelParams {
  const remote = o.remote === undefined ? old.remote : addressOf(o.remote);
  if (isMulticast(remote))
    kernelError(EOPNOTSUPP, 'a tunnel to a group is not implemented: name one far end, or none');
  const hasKeys = o.ikey ?? o.okey ?? o.icsum ?? o.ocsum ?? o.iseq ?? o.oseq;
  if (hasKeys !== undefined && hasKeys !== null && (kind === 'ipip' || kind === 'sit'))
    kernelError(EINVAL);
  const pmtudisc = o.pmtudisc ?? old.pmtudisc;
  const ignoreDf = o.ignoreDf ?? old.ignoreDf;
  if (ignoreDf && pmtudisc) kernelError(EINVAL);
  const link =
    o.device === undefined ? old.link : o.device === null ? null : findDevice(net, o.device);
  return {
    local: o.local === undefined ? old.local : addressOf(o.local),
    remote,
    ttl: o.ttl ?? old.ttl,
    tos: o.tos ?? old.tos,
    pmtudisc,
    ignoreDf,
    link,
    iflags: flagsOf(old.iflags, o.ikey, o.icsum, o.iseq),
    oflags: flagsOf(old.oflags, o.okey, o.ocsum, o.oseq),
    ikey: o.ikey === undefined ? old.ikey : (o.ikey ?? 0),
    okey: o.okey === undefined ? old.okey : (o.okey ?? 0),
  };
}

function addressOf(text: string): number {
  const addr = text === 'any' ? 0 : parseIpv4(text);
  if (addr === undefined) kernelError(EINVAL, `"${text}" is not an IPv4 address`);
  return addr;
}

function flagsOf(old: number, key?: number | null, csum?: boolean, seq?: boolean): number {
  let flags = old;
  const set = (flag: number, on: boolean): void => {
    flags = on ? flags | flag : flags & ~flag;
  };
  if (key !== undefined) set(GRE_KEY, key !== null);
  if (csum !== undefined) set(GRE_CSUM, csum);
  if (seq !== undefined) set(GRE_SEQ, seq);
  return flags;
}

export function tunnelInfo(dev: NetDevice): TunnelInfo | null {
  const t = tunnelOf(dev);
  if (t === null) return null;
  const p = t.params;
  const any = (addr: number): string => (addr === 0 ? 'any' : formatIpv4(addr));
  return {
    kind: t.kind,
    local: any(p.local),
    remote: any(p.remote),
    ttl: p.ttl,
    tos: p.tos,
    pmtudisc: p.pmtudisc,
    ignoreDf: p.ignoreDf,
    device: p.link?.name ?? null,
    ikey: (p.iflags & GRE_KEY) === 0 ? null : p.ikey,
    okey: (p.oflags & GRE_KEY) === 0 ? null : p.okey,
    icsum: (p.iflags & GRE_CSUM) !== 0,
    ocsum: (p.oflags & GRE_CSUM) !== 0,
    iseq: (p.iflags & GRE_SEQ) !== 0,
    oseq: (p.oflags & GRE_SEQ) !== 0,
  };
}
