/** Actions of filters that keep the packet where it is (Linux `net/sched/act_gact.c`, `act_skbedit.c`). */
import type { Packet } from '../packet.ts';
import type { NetDevice } from './net-device.ts';
import {
  TC_ACT_OK,
  TC_ACT_PIPE,
  TC_ACT_SHOT,
  TC_ACT_STOLEN,
  TC_ACT_UNSPEC,
  type TcAction,
} from './tc.ts';

export type GactVerdict = 'pass' | 'drop' | 'pipe' | 'continue';

const GACT: Readonly<Record<GactVerdict, number>> = {
  pass: TC_ACT_OK,
  drop: TC_ACT_SHOT,
  pipe: TC_ACT_PIPE,
  continue: TC_ACT_UNSPEC,
};

export class Gact implements TcAction {
  readonly kind = 'gact';
  readonly verdict: GactVerdict;

  constructor(verdict: GactVerdict) {
    this.verdict = verdict;
  }

  act(): number {
    return GACT[this.verdict];
  }
}

/** Gives packets a mark or a priority: the host's policy, which selects routes and sockets (V2). */
export class Skbedit implements TcAction {
  readonly kind = 'skbedit';
  readonly mark: number | null;
  readonly priority: number | null;

  constructor(mark: number | null, priority: number | null) {
    this.mark = mark;
    this.priority = priority;
  }

  act(pkt: Packet): number {
    if (this.mark !== null) pkt.mark = this.mark;
    if (this.priority !== null) pkt.priority = this.priority;
    return TC_ACT_PIPE;
  }
}

/** What a function says of a packet: `TC_ACT_OK` …, or an action that it wants done. */
export type TcProgram = (pkt: Packet, dev: NetDevice) => number | TcAction;

/** A function in the place of a BPF program (`cls_bpf` with direct-action). What it throws drops the packet. */
export class ProgramAction implements TcAction {
  readonly kind = 'bpf';
  readonly program: TcProgram;

  constructor(program: TcProgram) {
    this.program = program;
  }

  act(pkt: Packet, dev: NetDevice, ingress: boolean): number {
    let said: number | TcAction;
    try {
      said = this.program(pkt, dev);
    } catch {
      return TC_ACT_SHOT;
    }
    if (typeof said !== 'number') return said.act(pkt, dev, ingress);
    // Only an action can take a packet.
    return said === TC_ACT_STOLEN ? TC_ACT_SHOT : said;
  }
}
