/**
 * A device moves to another namespace (Linux `__dev_change_net_namespace`; S6). It keeps what it is: name,
 * index if free, addresses of the link layer, MTU, queue length, settings, counters, peer and Port. It loses
 * what the old namespace gave it: the up flag, IP addresses, routes, neighbours, queue, captures, master and
 * everything that waits.
 */
import { EBUSY, EEXIST, EINVAL } from '../errno.ts';
import type { NetNs } from '../net.ts';
import {
  allocDeviceName,
  devClose,
  dropBacklog,
  holdLinkWatch,
  notifyDevice,
  runLinkWatch,
} from './device-state.ts';
import type { NetDevice } from './net-device.ts';

/** Where a device goes. */
export interface MoveSpec {
  readonly net: NetNs;
  /** Name or pattern to take there if its own is taken. */
  readonly name?: string;
  /** Index to take there (`IFLA_NEW_IFINDEX`); its own, or the next free one, when absent. */
  readonly ifindex?: number;
}

/** Why a device cannot move, with the kernel's sentence. */
export interface MoveRefusal {
  readonly errno: number;
  readonly detail: string;
}

/** The checks of `__dev_change_net_namespace`, in its order; null: it can move. */
export function moveRefusal(dev: NetDevice, to: MoveSpec): MoveRefusal | null {
  if (!dev.ops.movable) return { errno: EINVAL, detail: 'The interface netns is immutable.' };
  if (dev.dead || to.net.dead) return { errno: EINVAL, detail: '' };
  if (to.net === dev.net) return null;
  if (to.net.devs.find(dev.name) !== undefined) {
    if (to.name === undefined)
      return {
        errno: EEXIST,
        detail: 'An interface with the same name exists in the target netns.',
      };
    const free = allocDeviceName(to.net, to.name);
    if (typeof free === 'number')
      return {
        errno: -free,
        detail: `Unable to use '${to.name}' for the new interface name in the target netns.`,
      };
  }
  if (to.ifindex !== undefined && to.net.devs.findIndex(to.ifindex) !== undefined)
    return {
      errno: EBUSY,
      detail: `The ifindex ${to.ifindex} is not available in the target netns.`,
    };
  return null;
}

/** Moves a device. `-EINVAL`, `-EEXIST`, `-EBUSY`: it stays as it was; `moveRefusal` has the sentence. */
export function devMove(dev: NetDevice, to: MoveSpec): number {
  const refusal = moveRefusal(dev, to);
  if (refusal !== null) return -refusal.errno;
  const from = dev.net;
  const { net } = to;
  if (net === from) return 0;
  const taken = net.devs.find(dev.name) !== undefined;
  const name = taken ? allocDeviceName(net, to.name ?? '') : dev.name;
  if (typeof name === 'number') return name;
  const ifindex = to.ifindex ?? freeIndex(net, dev.ifindex);
  const watch = holdLinkWatch(net.kernel);
  leave(dev, { net, ifindex });
  dev.net = net;
  dev.name = name;
  dev.ifindex = ifindex;
  net.devs.add(dev);
  notifyDevice('register', dev);
  net.events.emit('newlink', dev);
  if (watch) runLinkWatch(net.kernel);
  return 0;
}

function freeIndex(net: NetNs, wanted: number): number {
  return net.devs.findIndex(wanted) === undefined ? wanted : net.devs.nextIndex();
}

/** The old namespace is done with it: the half of `__dev_change_net_namespace` before `dev_net_set`. */
function leave(dev: NetDevice, move: { readonly net: NetNs; readonly ifindex: number }): void {
  const from = dev.net;
  devClose(dev);
  // `dev_shutdown`: back to the noop queue of a device that was never up.
  dev.qdisc?.reset();
  dev.qdisc = null;
  dev.tc = null;
  dev.everUp = false;
  notifyDevice('unregister', dev);
  dropBacklog(dev);
  dev.taps = null;
  dev.multicastMacs = null;
  dev.listening = null;
  // A namespace that ends gives no ids any more.
  from.nsids.alloc(move.net);
  from.events.emit('dellink', dev, move);
  from.devs.remove(dev);
}
