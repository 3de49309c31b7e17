/** What ping needs of a family of addresses: `echo4.ts`, `echo6.ts`. */
import type { Socket } from '../core/index.ts';

/** What came back about one of our requests. */
export interface EchoEvent {
  readonly kind: 'reply' | 'error' | 'redirect';
  readonly seq: number;
  /** Who says so, as text. */
  readonly from: string;
  readonly ttl: number;
  /** Bytes of the ICMP message. */
  readonly length: number;
  /** What an error says. */
  readonly text: string;
}

/** What a connected datagram socket told: source address and path MTU. */
export interface EchoProbe {
  readonly address: string;
  readonly device: string;
  readonly isBroadcast: boolean;
  readonly mtu: number;
}

/** Echo requests to one destination. */
export interface Echo {
  readonly probe: EchoProbe;
  /** What follows `PING NAME` in the heading, and how many bytes are meant there. */
  readonly heading: string;
  /** What stands behind a local error about length. */
  readonly mtuSign: string;
  readonly socket: Socket;
  /** Sends request `seq`; `-errno` when it cannot. */
  send(seq: number): number;
  close(): void;
}
