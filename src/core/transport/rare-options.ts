/**
 * Socket options that few sockets set, kept apart so that the others do not pay for them (parts of
 * Linux `struct sock`, `struct inet_sock`, `struct ip_mc_socklist`).
 */

import type { SourceFilter } from '../network/source-filter.ts';
import type { BpfProgram } from './filter/bpf.ts';
import type { SendNotes } from './tcp/send-notes.ts';

/** A group that a socket joined (Linux `struct ip_mc_socklist`). */
export interface Membership {
  /** Signed 32-bit integer. */
  readonly group: number;
  readonly ifindex: number;
  /** The address by which the interface was chosen; 0: none. */
  readonly address: number;
  /** Senders that are wanted, or are not. */
  readonly filter: SourceFilter<number>;
}

export class RareOptions {
  /** SO_ATTACH_FILTER: what says of each packet whether it is taken; null: all are. */
  filter: BpfProgram | null = null;
  /** SO_LOCK_FILTER */
  filterLocked = false;
  /** SO_ZEROCOPY */
  zeroCopy = false;
  /** Where the pieces of the next write with MSG_ZEROCOPY end (`struct iovec`); null: it is of one piece. */
  pieceEnds: readonly number[] | null = null;
  /** The number of the next send without copying (`sk_zckey`). */
  zeroCopyKey = 0;
  /** SO_TIMESTAMPING: `SOF_*` of `tx-stamp.ts`; what OPT_ID counts from (`sk_tskey`). */
  tsFlags = 0;
  tsKey = 0;
  /** What a stream has to tell when bytes are acknowledged; null: nothing ever. */
  sendNotes: SendNotes | null = null;
  /** Benign options, told back only, by number; null: none was set. */
  toldBack: Map<number, number> | null = null;
  /** SO_NO_CHECK: UDP is sent without checksum. */
  noCheck = false;
  /** SO_PEEK_OFF: where the next MSG_PEEK begins; negative: off. */
  peekOff = -1;
  /** SO_DONTROUTE */
  dontRoute = false;
  /** SO_DEBUG */
  debug = false;
  /** SO_BUSY_POLL, µs; told back only. */
  busyPollUs = 0;
  /** SO_MAX_PACING_RATE, bytes per second; -1: unlimited. Told back only. */
  maxPacingRate = -1;
  /** SO_INCOMING_CPU; told back only. */
  incomingCpu = -1;
  /** SO_TXREHASH */
  txRehash = true;
  /** IP_MINTTL; 0: any. */
  minTtl = 0;
  /** IPV6_MINHOPCOUNT; 0: any. */
  minHopCount = 0;
  /** IP_UNICAST_IF: ifindex for unicast destinations; 0: the route's. */
  unicastIf = 0;
  /** IP_HDRINCL, raw sockets: the application writes the IP header. */
  hdrIncl = false;
  /** IP_NODEFRAG, raw sockets. */
  noDefrag = false;
  /** IP_RECVERR_RFC4884 */
  recverrRfc4884 = false;
  /** IP_OPTIONS: padded to a multiple of 4 bytes; null: none. */
  ipOptions: Uint8Array | null = null;
  /** IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_MULTICAST_ALL */
  mcTtl = 1;
  mcLoop = true;
  mcAll = true;
  /** IP_MULTICAST_IF: ifindex and source address; 0: the route's. */
  mcIndex = 0;
  mcAddr = 0;
  memberships: readonly Membership[] = [];
}

export const DEFAULT_RARE_OPTIONS: Readonly<RareOptions> = Object.freeze(new RareOptions());
