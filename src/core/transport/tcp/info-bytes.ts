/** TCP_INFO as a program in C sees it: `struct tcp_info` of Linux 6.18, little endian, 280 bytes. */
import type { TcpInfo } from './info.ts';

/** Bytes of `struct tcp_info`. */
export const TCP_INFO_LENGTH = 280;

/** Fields of 4 bytes from offset 8 on; `''`: no longer used by Linux, always 0. */
const FIRST_WORDS: readonly (keyof TcpInfo | '')[] = [
  'rto',
  'ato',
  'sndMss',
  'rcvMss',
  'unacked',
  'sacked',
  'lost',
  'retrans',
  'fackets',
  'lastDataSent',
  '',
  'lastDataRecv',
  'lastAckRecv',
  'pmtu',
  'rcvSsthresh',
  'rtt',
  'rttvar',
  'sndSsthresh',
  'sndCwnd',
  'advmss',
  'reordering',
  'rcvRtt',
  'rcvSpace',
  'totalRetrans',
];

/** What follows at offset 104, with the bytes of each. */
const LATER_FIELDS: readonly (readonly [keyof TcpInfo, number])[] = [
  ['pacingRate', 8],
  ['maxPacingRate', 8],
  ['bytesAcked', 8],
  ['bytesReceived', 8],
  ['segsOut', 4],
  ['segsIn', 4],
  ['notsentBytes', 4],
  ['minRtt', 4],
  ['dataSegsIn', 4],
  ['dataSegsOut', 4],
  ['deliveryRate', 8],
  ['busyTime', 8],
  ['rwndLimited', 8],
  ['sndbufLimited', 8],
  ['delivered', 4],
  ['deliveredCe', 4],
  ['bytesSent', 8],
  ['bytesRetrans', 8],
  ['dsackDups', 4],
  ['reordSeen', 4],
  ['rcvOoopack', 4],
  ['sndWnd', 4],
  ['rcvWnd', 4],
  ['rehash', 4],
  ['totalRto', 2],
  ['totalRtoRecoveries', 2],
  ['totalRtoTime', 4],
  ['receivedCe', 4],
  ['deliveredE1Bytes', 4],
  ['deliveredE0Bytes', 4],
  ['deliveredCeBytes', 4],
  ['receivedE1Bytes', 4],
  ['receivedE0Bytes', 4],
  ['receivedCeBytes', 4],
  ['accecnFailMode', 2],
  ['accecnOptSeen', 2],
];

function put(view: DataView, at: number, size: number, value: number): void {
  if (size === 2) view.setUint16(at, Math.min(value, 0xffff), true);
  else if (size === 4) view.setUint32(at, value >>> 0, true);
  else if (value === Number.POSITIVE_INFINITY) {
    // "Unlimited" is all ones.
    view.setInt32(at, -1, true);
    view.setInt32(at + 4, -1, true);
  } else {
    view.setUint32(at, value % 2 ** 32, true);
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
}

export function tcpInfoBytes(info: TcpInfo): Uint8Array {
  const bytes = new Uint8Array(TCP_INFO_LENGTH);
  const view = new DataView(bytes.buffer);
  bytes.set([
    info.state,
    info.caState,
    info.retransmits,
    info.probes,
    info.backoff,
    info.options,
    info.sndWscale | (info.rcvWscale << 4),
    (info.deliveryRateAppLimited ? 1 : 0) | (info.fastopenClientFail << 1),
  ]);
  let at = 8;
  for (const name of FIRST_WORDS) {
    if (name !== '') put(view, at, 4, Number(info[name]));
    at += 4;
  }
  for (const [name, size] of LATER_FIELDS) {
    put(view, at, size, Number(info[name]));
    at += size;
  }
  return bytes;
}
