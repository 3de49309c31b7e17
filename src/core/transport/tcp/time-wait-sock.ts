/**
 * What is left of a connection in TIME-WAIT, or of an orphan in FIN_WAIT2 (Linux `struct
 * tcp_timewait_sock`): enough to answer late segments and to keep the port.
 */

import type { Timer } from '../../timer.ts';
import type { BoundAddr6 } from '../inet6-state.ts';
import type { SockDomain } from '../sock-domain.ts';
import type { BindBucket } from './bind-table.ts';
import { TCP_TIME_WAIT } from './constants.ts';
import type { Ends6, Tuple } from './family.ts';

export class TimeWaitSock {
  readonly state: number = TCP_TIME_WAIT;
  hash = 0;
  readonly saddr: number;
  readonly sport: number;
  readonly daddr: number;
  readonly dport: number;
  readonly ends: Ends6 | null;
  readonly boundDevIf: number;
  rcvSaddr = 0;
  /** What an AF_INET6 socket was bound to; null: AF_INET. */
  inet6: BoundAddr6 | null = null;
  reuseAddr = false;
  reusePort = false;
  domain: SockDomain | null = null;
  /** `TCP_TIME_WAIT` or `TCP_FIN_WAIT2` */
  substate: number = TCP_TIME_WAIT;
  rcvNxt = 0;
  sndNxt = 0;
  rcvWnd = 0;
  rcvWscale = 0;
  tsRecent = 0;
  /** Whole seconds; 0: no timestamps. */
  tsRecentStamp = 0;
  tsOffset = 0;
  lastOowAckUs = 0;
  /** When it entered the present substate, TCP clock. */
  entryUs = 0;
  tos = 0;
  mark = 0;
  ttl = -1;
  /** Its peer's key for signatures. */
  md5Key: Uint8Array | null = null;
  bindBucket: BindBucket | null = null;
  timer: Timer | null = null;
  readonly cookie: number;

  constructor(addr: Tuple & { readonly boundDevIf: number }, cookie: number) {
    this.saddr = addr.saddr;
    this.sport = addr.sport;
    this.daddr = addr.daddr;
    this.dport = addr.dport;
    this.ends = addr.ends;
    this.boundDevIf = addr.boundDevIf;
    this.cookie = cookie;
  }
}
