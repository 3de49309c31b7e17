/**
 * vxlan: an Ethernet over UDP, with a table of who is where (RFC 7348; Linux `drivers/net/vxlan`). Life and settings;
 * frames are in `vxlan-forward.ts`. Outer packets belong to the namespace of who made it.
 */
import { type EtherSpec, linkUpper, makeEther, unlinkUpper } from '../device/ether.ts';
import { EADDRINUSE, EEXIST, EINVAL } from '../errno.ts';
import { registerDevice, unregisterDevices } from '../link/device-state.ts';
import type { DeviceOps, NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { joinGroup } from '../transport/membership.ts';
import { isMulticast, MAC_ZERO } from '../util/address.ts';
import { VxlanFdb } from './vxlan-fdb.ts';
import { VXLAN_HEADROOM, vxlanReceive, vxlanXmit } from './vxlan-forward.ts';
import { Vxlan, type VxlanParams, VxlanSock, VxlanTable } from './vxlan-state.ts';

/** Linux ETH_DATA_LEN: without a device below. */
const DEFAULT_MTU = 1500;
const MIN_MTU = 68;
/** Linux `FDB_AGE_INTERVAL` */
const AGE_INTERVAL_US = 10_000_000;

const VXLAN_OPS: DeviceOps = {
  kind: 'vxlan',
  movable: true,
  xmit: vxlanXmit,
  mayOpen: vxlanMayOpen,
  open: vxlanOpen,
  stop: vxlanStop,
  uninit: vxlanUninit,
  linkNet: (dev) => (dev.priv as Vxlan).net,
  mtuErrno: (dev, mtu) => {
    const { link } = (dev.priv as Vxlan).params;
    return link !== null && mtu > link.mtu - VXLAN_HEADROOM ? -EINVAL : 0;
  },
};

/** Makes one, down. `-EEXIST`: this identifier is taken on this port; and the errors of `makeEther`. */
export function vxlanAdd(spec: EtherSpec, net: NetNs, params: VxlanParams): NetDevice | number {
  net.vxlans ??= new VxlanTable();
  const table = net.vxlans;
  for (const other of table.all)
    if (other.params.vni === params.vni && other.params.port === params.port) return -EEXIST;
  const { link } = params;
  const mtu = link === null ? DEFAULT_MTU : Math.max(link.mtu - VXLAN_HEADROOM, MIN_MTU);
  const dev = makeEther(spec, VXLAN_OPS, mtu);
  if (typeof dev === 'number') return dev;
  if (link !== null && dev.mtu > mtu) dev.mtu = mtu;
  if (spec.mac === undefined) dev.mac = spec.net.kernel.nextMac();
  const vxlan = new Vxlan(dev, net, params, new VxlanFdb(net.kernel));
  dev.priv = vxlan;
  table.all.add(vxlan);
  if (params.remote !== 0)
    vxlan.fdb.set(MAC_ZERO, [{ addr: params.remote, port: 0, vni: -1, link }], true);
  // The device below takes it with it, wherever it is by then (`vxlan_netdevice_event`).
  if (link !== null) linkUpper(link, dev);
  registerDevice(dev);
  return dev;
}

/** The driver's state; null when the device is no VXLAN. */
export function vxlanOf(dev: NetDevice): Vxlan | null {
  return dev.priv instanceof Vxlan ? dev.priv : null;
}

/** The namespace of its outer packets ends: so do VXLANs that are elsewhere by now. */
export function vxlanDestroy(net: NetNs): void {
  const { vxlans } = net;
  if (vxlans !== null) unregisterDevices([...vxlans.all].map((v) => v.dev));
}

/** A socket for its port: its own, or that of another VXLAN (`vxlan_sock_add`). */
function vxlanMayOpen(dev: NetDevice): number {
  const vxlan = dev.priv as Vxlan;
  const { net, params } = vxlan;
  const socks = (net.vxlans as VxlanTable).socks;
  let sock = socks.get(params.port);
  if (sock === undefined) {
    sock = new VxlanSock(net, vxlanReceive);
    if (sock.bind(0, params.port) < 0) return -EADDRINUSE;
    socks.set(params.port, sock);
  }
  vxlan.sock = sock;
  sock.byVni.set(params.vni, vxlan);
  const group = params.remote;
  if (isMulticast(group) && params.link !== null)
    joinGroup(sock, { multiaddr: group, address: 0, ifindex: params.link.ifindex });
  return 0;
}

function vxlanOpen(dev: NetDevice): void {
  const vxlan = dev.priv as Vxlan;
  const { kernel } = vxlan.net;
  vxlan.ageTimer ??= kernel.timer(() => {
    vxlan.fdb.age();
    vxlan.ageTimer?.set(kernel.nowUs + AGE_INTERVAL_US);
  });
  if (vxlan.fdb.ageingUs > 0) vxlan.ageTimer.set(kernel.nowUs + AGE_INTERVAL_US);
}

function vxlanStop(dev: NetDevice): void {
  const vxlan = dev.priv as Vxlan;
  vxlan.ageTimer?.clear();
  vxlan.fdb.flush();
  const { sock, net, params } = vxlan;
  vxlan.sock = null;
  if (sock === null) return;
  sock.byVni.delete(params.vni);
  if (sock.byVni.size > 0) return;
  sock.close();
  net.vxlans?.socks.delete(params.port);
}

function vxlanUninit(dev: NetDevice): void {
  const vxlan = dev.priv as Vxlan;
  const { link } = vxlan.params;
  vxlan.net.vxlans?.all.delete(vxlan);
  if (link !== null) unlinkUpper(link, dev);
}
