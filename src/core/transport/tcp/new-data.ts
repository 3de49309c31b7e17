/** New data left for the first time (Linux `tcp_event_new_data_sent`). */
import { MIB } from '../../mib.ts';
import { ICSK_TIME_LOSS_PROBE } from './constants.ts';
import { countBy } from './count.ts';
import type { TxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { tcpRearmRto } from './timer-arm.ts';

/** Moves the first unsent segment to those in flight. */
export function newDataSent(sk: TcpSock, seg: TxSegment): void {
  const prior = sk.packetsOut;
  sk.sndNxt = seg.endSeq;
  sk.writeQueue.shift();
  sk.rtxQueue.push(seg);
  if (sk.highestSack === null) sk.highestSack = seg;
  sk.packetsOut += seg.pcount;
  if (prior === 0 || sk.pending === ICSK_TIME_LOSS_PROBE) tcpRearmRto(sk);
  countBy(sk.net, MIB.TcpExtTCPOrigDataSent, seg.pcount);
}
