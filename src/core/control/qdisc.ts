/** The egress queue of a device: `tc qdisc … root netem`. */
import { EEXIST, EINVAL, ENOENT, NetError } from '../errno.ts';
import { Netem, type QdiscStats } from '../link/netem.ts';
import type { NetemOptions } from '../link/netem-options.ts';
import type { NetNs } from '../net.ts';
import { findDevice } from './find-device.ts';
import { formatNetem, parseNetem } from './netem-words.ts';

/** One queue, as `tc qdisc show` tells it. */
export interface QdiscInfo {
  readonly dev: string;
  /** `'noqueue'`, `'noop'`, `'netem'` */
  readonly kind: string;
  /** Words of tc-netem(8); `''` for other kinds. */
  readonly words: string;
  readonly options: NetemOptions | null;
  readonly stats: QdiscStats | null;
}

export class QdiscControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Puts netem on a device that has no queue of its own. EEXIST: it has one. */
  add(dev: string, netem: string | NetemOptions): void {
    const device = findDevice(this.net, dev);
    const options = optionsOf(netem);
    if (device.qdisc !== null)
      throw new NetError(EEXIST, 'rtnetlink', 'Exclusivity flag on, cannot modify');
    device.qdisc = new Netem(device, options);
  }

  /** Puts netem on a device, instead of what is there; packets that wait there are dropped. */
  replace(dev: string, netem: string | NetemOptions): void {
    const device = findDevice(this.net, dev);
    const options = optionsOf(netem);
    device.qdisc?.reset();
    device.qdisc = new Netem(device, options);
  }

  /** Like `replace`, where netem is already. ENOENT: it is not. */
  change(dev: string, netem: string | NetemOptions): void {
    const device = findDevice(this.net, dev);
    if (device.qdisc === null)
      throw new NetError(
        ENOENT,
        'rtnetlink',
        'Qdisc not found. To create specify NLM_F_CREATE flag.',
      );
    this.replace(dev, netem);
  }

  /** Takes the queue away. EINVAL: there is none. */
  del(dev: string): void {
    const device = findDevice(this.net, dev);
    if (device.qdisc === null)
      throw new NetError(EINVAL, 'rtnetlink', 'Cannot delete qdisc with handle of zero.');
    device.qdisc.reset();
    device.qdisc = null;
  }

  list(): QdiscInfo[] {
    return [...this.net.devs].map((dev) => {
      const netem = dev.qdisc instanceof Netem ? dev.qdisc : null;
      return {
        dev: dev.name,
        kind: dev.qdisc?.kind ?? (dev.everUp ? 'noqueue' : 'noop'),
        words: netem === null ? '' : formatNetem(netem.options),
        options: netem?.options ?? null,
        stats: netem?.stats ?? null,
      };
    });
  }
}

function optionsOf(netem: string | NetemOptions): NetemOptions {
  return typeof netem === 'string' ? parseNetem(netem) : netem;
}
