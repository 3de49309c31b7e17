/**
 * Sends a packet, or a copy of it, to another device of the namespace, as if that one had received it or were to send
 * it (Linux `net/sched/act_mirred.c`). With an ifb device it is a detour through a queue.
 *
 * From: `link/tc.ts`. To: `link/output.ts`, `link/input.ts`
 */
import type { NetNs } from '../net.ts';
import { type Packet, TC_HOP, TC_HOPS } from '../packet.ts';
import { IFF_UP, type NetDevice } from './net-device.ts';
import { devQueueXmit } from './output.ts';
import { TC_ACT_PIPE, TC_ACT_SHOT, TC_ACT_STOLEN, type TcAction } from './tc.ts';

/** Linux MIRRED_NEST_LIMIT: a packet that is redirected more often goes in circles. */
const NEST_LIMIT = 4;

export class Mirred implements TcAction {
  readonly kind = 'mirred';
  readonly mirror: boolean;
  /** As if the target had received it. */
  readonly toIngress: boolean;
  readonly target: NetDevice;
  private readonly net: NetNs;
  /** How often the packet could not go there (`overlimits`). */
  failed = 0;

  constructor(target: NetDevice, mirror: boolean, toIngress: boolean) {
    this.target = target;
    this.net = target.net;
    this.mirror = mirror;
    this.toIngress = toIngress;
  }

  /** The target was deleted, or moved to another namespace. */
  get gone(): boolean {
    return this.target.dead || this.target.net !== this.net;
  }

  act(pkt: Packet, dev: NetDevice, ingress: boolean): number {
    const { target, mirror } = this;
    const hops = (pkt.flags & TC_HOPS) / TC_HOP;
    const unfit = target.hardHeaderLen > 0 && pkt.eth === null;
    if (this.gone || (target.flags & IFF_UP) === 0 || hops >= NEST_LIMIT || unfit) {
      this.failed++;
      return mirror ? TC_ACT_PIPE : TC_ACT_SHOT;
    }
    const out = mirror ? pkt.clone() : pkt;
    out.flags += TC_HOP;
    if (target.hardHeaderLen === 0) out.eth = null;
    // A copy does not come back from an ifb.
    out.redirect = mirror ? null : { dev, ingress };
    if (this.toIngress) target.net.kernel.enqueue(out, target);
    else {
      out.dev = target;
      devQueueXmit(out);
    }
    return mirror ? TC_ACT_PIPE : TC_ACT_STOLEN;
  }
}
