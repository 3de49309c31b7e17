/**
 * TCP's state of one namespace (Linux `netns_ipv4`, `inet_hashinfo`, `inet_timewait_death_row`):
 * connections, listeners, ports, secrets. Made at the first use, so that an idle namespace pays little.
 */
import type { NetNs } from '../../net.ts';
import type { SipKey } from '../../util/siphash.ts';
import { SmallMap, SmallSet } from '../../util/small-map.ts';
import { AckState } from './ack-state.ts';
import { BindTable } from './bind-table.ts';
import { ConnectionTable } from './connection-table.ts';
import { TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from './constants.ts';
import { CUBIC_DEFAULTS, type CubicParameters } from './cubic-parameters.ts';
import { MetricsTable } from './metrics.ts';
import { PageFrag } from './page-frag.ts';
import { Push } from './push.ts';
import type { RequestSock } from './request.ts';
import { Secrets } from './secrets.ts';
import type { TcpSock } from './sock.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

export class TcpState {
  readonly net: NetNs;
  /** Every TcpSock that was created and not destroyed: for teardown and listings. */
  readonly socks: SmallSet<TcpSock> = new SmallSet();
  /** Listeners by port (`lhash2`), the latest first. */
  readonly listeners: SmallMap<number, TcpSock[]> = new SmallMap();
  readonly binds: BindTable = new BindTable();
  /** TIME-WAIT sockets (`tw_refcount`). */
  twCount = 0;
  orphanCount = 0;
  /** Per-namespace limit of challenge ACKs in the present second (RFC 5961 §7). */
  challengeTimestamp = -1;
  challengeCount = 0;
  /** net.ipv4.tcp_fastopen_key; null: no listener needed one yet. */
  fastOpenKeys: readonly SipKey[] | null = null;
  /** When fast open failed suspiciously last, TCP clock, and how often (`tfo_active_disable_*`). */
  fastOpenDisabledUs = 0;
  fastOpenDisabledTimes = 0;
  /** Some socket has, or had, a key for signatures (`tcp_md5_needed`). */
  md5Needed = false;
  /** Parameters of CUBIC; replaced as a whole when one changes. */
  cubic: CubicParameters = CUBIC_DEFAULTS;
  metricsMaybe: MetricsTable | null = null;
  private tableMade: ConnectionTable | null = null;
  private secretsMade: Secrets | null = null;
  private fragMade: PageFrag | null = null;
  private ackMade: AckState | null = null;
  private pushMade: Push | null = null;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** All four-tuples in use (`ehash`). */
  get connections(): ConnectionTable {
    this.tableMade ??= new ConnectionTable(this.net.kernel.random('tcp-hash').i32());
    return this.tableMade;
  }

  /** What is remembered of destinations. */
  get metrics(): MetricsTable {
    this.metricsMaybe ??= new MetricsTable();
    return this.metricsMaybe;
  }

  get secrets(): Secrets {
    this.secretsMade ??= new Secrets(this.net.kernel.random('tcp-secret'));
    return this.secretsMade;
  }

  /** Where small writes of all sockets are gathered (`sk_page_frag`). */
  get frag(): PageFrag {
    this.fragMade ??= new PageFrag();
    return this.fragMade;
  }

  /** Scratch of the acknowledgment in hand. */
  get ackState(): AckState {
    this.ackMade ??= new AckState();
    return this.ackMade;
  }

  /** Scratch of the transmission in hand. */
  get push(): Push {
    this.pushMade ??= new Push();
    return this.pushMade;
  }

  /** Somebody listens on `port`. */
  hasListener(port: number): boolean {
    return this.listeners.has(port);
  }

  /** Ends everything without a packet: the namespace is gone. */
  destroy(): void {
    for (const c of this.tableMade?.values() ?? []) {
      if (c.state === TCP_TIME_WAIT) (c as TimeWaitSock).timer?.clear();
      else if (c.state === TCP_NEW_SYN_RECV) (c as RequestSock).timer?.clear();
    }
    this.tableMade?.clear();
    for (const sk of [...this.socks]) sk.kill();
    this.socks.clear();
    this.listeners.clear();
    this.binds.clear();
    this.twCount = 0;
    this.orphanCount = 0;
  }
}
