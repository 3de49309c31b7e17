/**
 * Faults between hosts, at the ports of the switches that join them: who does not hear whom, what is
 * held back, what a pair of hosts suffers. A port's queue (`FaultPort`) asks the one table of the network.
 */
import { drop } from '../core/drop.ts';
import type { NetDevice } from '../core/link/net-device.ts';
import { Netem } from '../core/link/netem.ts';
import type { NetemOptions } from '../core/link/netem-options.ts';
import { devHardStartXmit } from '../core/link/output.ts';
import type { Qdisc } from '../core/link/qdisc.ts';
import type { Packet } from '../core/packet.ts';

interface Held {
  readonly pkt: Packet;
  readonly dev: NetDevice;
}

/** What is broken in a network. Directions are pairs of names, from whom to whom. */
export class Faults {
  /** Whose a MAC address or an IPv4 address is. */
  readonly macs: Map<number, string> = new Map();
  readonly addresses: Map<number, string> = new Map();
  private readonly blocked: Set<string> = new Set();
  private readonly holding: Set<string> = new Set();
  private held: Held[] = [];
  readonly netem: Map<string, NetemOptions> = new Map();

  block(from: string, to: string): void {
    this.blocked.add(`${from}>${to}`);
  }

  unblock(from: string, to: string): void {
    this.blocked.delete(`${from}>${to}`);
  }

  unblockAll(): void {
    this.blocked.clear();
  }

  get blockedPairs(): readonly string[] {
    return [...this.blocked];
  }

  /** Keeps what `from` sends to `to` until `release`. */
  hold(from: string, to: string): void {
    this.holding.add(`${from}>${to}`);
  }

  /** Lets go what was held, in order. */
  release(): number {
    this.holding.clear();
    const held = this.held;
    this.held = [];
    for (const { pkt, dev } of held) if (dev.up) devHardStartXmit(pkt, dev);
    return held.length;
  }

  /** Nothing to do for any packet? */
  get quiet(): boolean {
    return this.blocked.size === 0 && this.holding.size === 0 && this.netem.size === 0;
  }

  /** False: the packet is gone or held. */
  passes(pkt: Packet, dev: NetDevice, port: string): boolean {
    const mac = pkt.eth === null ? undefined : this.macs.get(pkt.eth.src);
    const from = pkt.ip === null ? mac : (this.addresses.get(pkt.ip.src) ?? mac);
    const to = pkt.ip === null ? port : (this.addresses.get(pkt.ip.dst) ?? port);
    if (
      this.blocked.size > 0 &&
      (this.blocked.has(`${mac}>${port}`) || this.blocked.has(`${from}>${to}`))
    ) {
      drop(dev.net, pkt, 'QDISC_DROP', 'partition');
      return false;
    }
    if (this.holding.size > 0 && this.holding.has(`${from}>${to}`)) {
      this.held.push({ pkt, dev });
      return false;
    }
    return true;
  }
}

/** The queue of a switch's port towards one host. */
export class FaultPort implements Qdisc {
  readonly kind = 'fault';
  readonly paces = false;
  private readonly faults: Faults;
  private readonly dev: NetDevice;
  private readonly host: string;
  private readonly queues: Map<string, { options: NetemOptions; netem: Netem }> = new Map();

  constructor(faults: Faults, dev: NetDevice, host: string) {
    this.faults = faults;
    this.dev = dev;
    this.host = host;
  }

  enqueue(pkt: Packet): void {
    const { faults, dev } = this;
    if (faults.quiet) {
      devHardStartXmit(pkt, dev);
      return;
    }
    if (!faults.passes(pkt, dev, this.host)) return;
    const mac = pkt.eth === null ? undefined : faults.macs.get(pkt.eth.src);
    const pair = `${mac}>${this.host}`;
    const options = faults.netem.get(pair);
    if (options === undefined) devHardStartXmit(pkt, dev);
    else this.netem(pair, options).enqueue(pkt);
  }

  reset(): void {
    for (const { netem } of this.queues.values()) netem.reset();
  }

  private netem(pair: string, options: NetemOptions): Netem {
    const known = this.queues.get(pair);
    if (known !== undefined && known.options === options) return known.netem;
    const netem = new Netem(this.dev, options);
    this.queues.set(pair, { options, netem });
    return netem;
  }
}
