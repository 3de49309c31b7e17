/** The egress queue of a device: `tc qdisc … root netem`, `… root fq`. */
import { EEXIST, EINVAL, ENOENT, NetError } from '../errno.ts';
import { Fq } from '../link/fq.ts';
import type { NetDevice } from '../link/net-device.ts';
import { Netem } from '../link/netem.ts';
import type { NetemOptions } from '../link/netem-options.ts';
import type { Qdisc } from '../link/qdisc.ts';
import type { QdiscStats } from '../link/qdisc-stats.ts';
import type { NetNs } from '../net.ts';
import { findDevice } from './find-device.ts';
import { formatFq, parseFq } from './fq-words.ts';
import { formatNetem, parseNetem } from './netem-words.ts';

/** One queue, as `tc qdisc show` tells it. */
export interface QdiscInfo {
  readonly dev: string;
  /** `'noqueue'`, `'noop'`, `'netem'`, `'fq'` */
  readonly kind: string;
  /** Words of tc-netem(8), tc-fq(8); `''` for other kinds. */
  readonly words: string;
  readonly options: NetemOptions | null;
  readonly stats: QdiscStats | null;
  /** Null where there are none: flows of fq, how many are idle, how many wait, and how often one had to. */
  readonly flows: FqFlows | null;
}

export interface FqFlows {
  readonly count: number;
  readonly inactive: number;
  readonly throttled: number;
  readonly throttledTimes: number;
  readonly overLimit: number;
  readonly horizonDrops: number;
}

export class QdiscControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Puts a queue on a device that has none of its own. EEXIST: it has one. */
  add(dev: string, words: string | NetemOptions, kind: QdiscKind = 'netem'): void {
    const device = findDevice(this.net, dev);
    const made = queueOf(device, kind, words);
    if (device.qdisc !== null)
      throw new NetError(EEXIST, 'rtnetlink', 'Exclusivity flag on, cannot modify');
    device.qdisc = made;
  }

  /** Puts a queue on a device, instead of what is there; packets that wait there are dropped. */
  replace(dev: string, words: string | NetemOptions, kind: QdiscKind = 'netem'): void {
    const device = findDevice(this.net, dev);
    const made = queueOf(device, kind, words);
    device.qdisc?.reset();
    device.qdisc = made;
  }

  /** Like `replace`, where such a queue is already. ENOENT: there is none. EINVAL: it is of another kind. */
  change(dev: string, words: string | NetemOptions, kind: QdiscKind = 'netem'): void {
    const device = findDevice(this.net, dev);
    if (device.qdisc === null)
      throw new NetError(
        ENOENT,
        'rtnetlink',
        'Qdisc not found. To create specify NLM_F_CREATE flag.',
      );
    if (device.qdisc.kind !== kind)
      throw new NetError(EINVAL, 'rtnetlink', 'Invalid qdisc name: must match existing qdisc.');
    this.replace(dev, words, kind);
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
      const { qdisc } = dev;
      const netem = qdisc instanceof Netem ? qdisc : null;
      const fq = qdisc instanceof Fq ? qdisc : null;
      return {
        dev: dev.name,
        kind: qdisc?.kind ?? (dev.everUp ? 'noqueue' : 'noop'),
        words: wordsOf(netem, fq),
        options: netem?.options ?? null,
        stats: netem?.stats ?? fq?.stats ?? null,
        flows: fq === null ? null : flowsOf(fq),
      };
    });
  }
}

/** Kinds of queues that a device can be given. */
export type QdiscKind = 'netem' | 'fq';

function queueOf(dev: NetDevice, kind: QdiscKind, words: string | NetemOptions): Qdisc {
  if (kind === 'fq') return new Fq(dev, parseFq(typeof words === 'string' ? words : ''));
  return new Netem(dev, typeof words === 'string' ? parseNetem(words) : words);
}

function wordsOf(netem: Netem | null, fq: Fq | null): string {
  if (netem !== null) return formatNetem(netem.options);
  return fq === null ? '' : formatFq(fq.options);
}

function flowsOf(fq: Fq): FqFlows {
  return {
    count: fq.flowCount,
    inactive: fq.inactiveCount,
    throttled: fq.throttledCount,
    throttledTimes: fq.throttledTimes,
    overLimit: fq.flowsOverLimit,
    horizonDrops: fq.horizonDrops,
  };
}
