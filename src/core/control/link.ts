/** The devices of a namespace: `ip link` (Linux `net/core/rtnetlink.c`, `do_setlink`). */
import { EINVAL, EOPNOTSUPP, NetError } from '../errno.ts';
import { unregisterDevice } from '../link/device-state.ts';
import type { NetDevice } from '../link/net-device.ts';
import { findDevice } from './find-device.ts';
import type { LinkInfo } from './info.ts';
import { addLink, type LinkAdd } from './link-add.ts';
import { linkInfo } from './link-info.ts';
import { applySet, type LinkSet, moveDevice } from './link-set.ts';
import type { Namespace } from './namespace.ts';

const NEEDS_NETNS = 'newIfindex can be used only when moving a device to another namespace';

export class LinkControl {
  private readonly ns: Namespace;

  constructor(ns: Namespace) {
    this.ns = ns;
  }

  has(name: string): boolean {
    return this.ns.net.devs.find(name) !== undefined;
  }

  /**
   * Makes a device, for veth a pair; returns it. EEXIST, EINVAL (name), ERANGE (MTU), EBUSY (index). A
   * device made in another namespace has its peer here, unless told otherwise.
   */
  add(spec: LinkAdd): LinkInfo {
    return linkInfo(addLink(this.ns, spec));
  }

  /** Changes a device; all or nothing. EINVAL: it cannot move; EEXIST, EBUSY: its name or index is taken there. */
  set(name: string, set: LinkSet): void {
    const dev = this.find(name);
    const { netns } = set;
    if (netns === undefined) {
      if (set.newIfindex !== undefined) throw new NetError(EINVAL, 'rtnetlink', NEEDS_NETNS);
      applySet(this.ns, dev, set);
      return;
    }
    moveDevice(dev, netns, set);
    applySet(netns, dev, set);
  }

  /** Deletes a device, for veth both ends. EOPNOTSUPP: lo. */
  del(name: string): void {
    const dev = this.find(name);
    if (dev === this.ns.net.loopback) throw new NetError(EOPNOTSUPP, 'rtnetlink');
    unregisterDevice(dev);
  }

  /** All devices, in the order of their index. */
  list(): LinkInfo[] {
    return [...this.ns.net.devs].sort((a, b) => a.ifindex - b.ifindex).map((dev) => linkInfo(dev));
  }

  show(name: string): LinkInfo {
    return linkInfo(this.find(name));
  }

  private find(name: string): NetDevice {
    return findDevice(this.ns.net, name);
  }
}
