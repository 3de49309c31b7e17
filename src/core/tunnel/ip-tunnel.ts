/**
 * Tunnels over IPv4 (Linux `net/ipv4/ip_tunnel.c`, `ipip.c`, `ip_gre.c`, `net/ipv6/sit.c`): ipip (RFC 2003), sit
 * (RFC 4213), gre and gretap (RFC 2784, RFC 2890). Life and settings. Outer packets belong to the namespace in which
 * the tunnel was made, wherever its device goes.
 */
import { type EtherSpec, makeDevice, makeEther } from '../device/ether.ts';
import { EEXIST, EINVAL } from '../errno.ts';
import { registerDevice } from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_NOARP,
  IFF_POINTOPOINT,
  type NetDevice,
  UNLIMITED_MTU,
} from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { routeOutput } from '../network/route/output.ts';
import type { Protocols } from '../protocols.ts';
import { ARPHRD_ETHER, ARPHRD_IPGRE, ARPHRD_SIT, ARPHRD_TUNNEL } from '../wire/arp.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { IPPROTO_GRE } from '../wire/gre.ts';
import { IP_MAX_MTU, IPV4_HLEN } from '../wire/ipv4.ts';
import { greInput, ipipInput, sitInput, tunnelError } from './decapsulate.ts';
import { IPPROTO_IPIP, IPPROTO_IPV6, tunnelHlen, tunnelXmit } from './encapsulate.ts';
import { Tunnel, type TunnelKind, type TunnelParams, TunnelTable } from './table.ts';

/** Linux ETH_DATA_LEN: of a tunnel that does not know its way. */
const DEFAULT_MTU = 1500;
const MIN_MTU = 68;
/** Linux IPV6_MIN_MTU */
const SIT_MIN_MTU = 1280;
/** Linux IP6_MAX_MTU less the outer header. */
const SIT_MAX_MTU = 65_555;

function opsOf(kind: TunnelKind): DeviceOps {
  const limits =
    kind === 'sit'
      ? { minMtu: SIT_MIN_MTU, maxMtu: SIT_MAX_MTU }
      : { minMtu: kind === 'gretap' ? MIN_MTU : 0, maxMtu: UNLIMITED_MTU };
  return {
    kind,
    movable: true,
    xmit: tunnelXmit,
    uninit: tunnelUninit,
    iflink: (dev) => (dev.priv as Tunnel).params.link,
    linkNet: (dev) => (dev.priv as Tunnel).net,
    tunnelEnds: (dev) => (dev.priv as Tunnel).params,
    mtuErrno: tunnelMtuErrno,
    ...limits,
  };
}

const OPS: Readonly<Record<TunnelKind, DeviceOps>> = {
  ipip: opsOf('ipip'),
  sit: opsOf('sit'),
  gre: opsOf('gre'),
  gretap: opsOf('gretap'),
};

const TYPES: Readonly<Record<TunnelKind, number>> = {
  ipip: ARPHRD_TUNNEL,
  sit: ARPHRD_SIT,
  gre: ARPHRD_IPGRE,
  gretap: ARPHRD_ETHER,
};

/** Makes one, down (`ip_tunnel_newlink`). `-EEXIST`: there is one with these ends and keys; and those of `makeEther`. */
export function tunnelAdd(
  spec: EtherSpec,
  kind: TunnelKind,
  params: TunnelParams,
): NetDevice | number {
  const { net } = spec;
  const table = tablesOf(net);
  if (table.find(kind, params) !== undefined) return -EEXIST;
  const mtu = bindMtu(net, kind, params);
  const dev =
    kind === 'gretap'
      ? makeEther(spec, OPS[kind], mtu)
      : makeDevice(spec, OPS[kind], mtu, TYPES[kind]);
  if (typeof dev === 'number') return dev;
  if (kind === 'gretap') {
    if (spec.mac === undefined) dev.mac = net.kernel.nextMac();
  } else dev.flags = IFF_NOARP | (params.remote === 0 ? 0 : IFF_POINTOPOINT);
  const tunnel = new Tunnel(dev, kind, net, params);
  dev.priv = tunnel;
  table.add(tunnel);
  load(net.kernel.protocols);
  registerDevice(dev);
  return dev;
}

/** The driver's state; null when the device is no tunnel of these kinds. */
export function tunnelOf(dev: NetDevice): Tunnel | null {
  return dev.priv instanceof Tunnel ? dev.priv : null;
}

/**
 * `ip link set DEV type KIND …` (`ip_tunnel_changelink`). `-EEXIST`: another tunnel has these ends; `-EINVAL`: it would
 * become, or cease to be, one with a single far end.
 */
export function tunnelChange(dev: NetDevice, params: TunnelParams): number {
  const t = dev.priv as Tunnel;
  const table = tablesOf(t.net);
  const other = table.find(t.kind, params);
  if (other !== undefined && other !== t) return -EEXIST;
  const pointToPoint = (dev.flags & IFF_POINTOPOINT) !== 0;
  if (dev.type !== ARPHRD_ETHER && pointToPoint !== (params.remote !== 0)) return -EINVAL;
  table.remove(t);
  t.params = params;
  table.add(t);
  dev.net.ipv4.changed();
  dev.net.events.emit('newlink', dev);
  return 0;
}

function tablesOf(net: NetNs): TunnelTable {
  net.tunnels ??= new TunnelTable();
  return net.tunnels;
}

/** From the first tunnel on the kernel knows their protocols, as when Linux loads its modules. */
function load(protocols: Protocols): void {
  const { inet, inetError } = protocols;
  inet[IPPROTO_IPIP] ??= ipipInput;
  inet[IPPROTO_IPV6] ??= sitInput;
  inet[IPPROTO_GRE] ??= greInput;
  inetError[IPPROTO_IPIP] ??= (pkt, error) => tunnelError('ipip', pkt, error);
  inetError[IPPROTO_IPV6] ??= (pkt, error) => tunnelError('sit', pkt, error);
  inetError[IPPROTO_GRE] ??= (pkt, error) => tunnelError('gre', pkt, error);
}

/** What the way leaves for inner packets (`ip_tunnel_bind_dev`). */
function bindMtu(net: NetNs, kind: TunnelKind, params: TunnelParams): number {
  const { remote, local, link, tos, oflags } = params;
  let out = link;
  if (remote !== 0) {
    const route = routeOutput(net, remote, local, link?.ifindex ?? 0, tos & 0x1c);
    if (typeof route !== 'number') out = route.dev;
  }
  const overhead = IPV4_HLEN + tunnelHlen(kind, oflags) + (kind === 'gretap' ? ETH_HLEN : 0);
  const mtu = Math.min(out?.mtu ?? DEFAULT_MTU, IP_MAX_MTU) - overhead;
  return Math.max(mtu, kind === 'sit' ? SIT_MIN_MTU : MIN_MTU);
}

/** Linux `ip_tunnel_change_mtu` */
function tunnelMtuErrno(dev: NetDevice, mtu: number): number {
  const { kind, params } = dev.priv as Tunnel;
  const overhead = IPV4_HLEN + tunnelHlen(kind, params.oflags) + (kind === 'gretap' ? ETH_HLEN : 0);
  return kind !== 'sit' && (mtu < MIN_MTU || mtu > IP_MAX_MTU - overhead) ? -EINVAL : 0;
}

function tunnelUninit(dev: NetDevice): void {
  const t = dev.priv as Tunnel;
  t.net.tunnels?.remove(t);
}
