/**
 * What is done when a path may swallow large segments (RFC 4821 §7.7; net.ipv4.tcp_mtu_probing; Linux
 * `tcp_mtu_probing`): after retries1 retransmissions the segment size falls step by step.
 */
import { tcpSyncMss } from './mss.ts';
import type { TcpSock } from './sock.ts';

/** Halves the segment size, not below net.ipv4.tcp_mtu_probe_floor and tcp_min_snd_mss. */
export function mtuProbing(sk: TcpSock): void {
  const s = sk.net.sysctl;
  if (s.tcpMtuProbing === 0) return;
  let mss: number;
  if (sk.mtuProbeLow === 0) mss = Math.min(s.tcpBaseMss, sk.mssCache);
  else mss = Math.min(s.tcpBaseMss, sk.mtuProbeLow >> 1);
  mss = Math.max(mss, s.tcpMtuProbeFloor, s.tcpMinSndMss);
  sk.mtuProbeLow = mss;
  tcpSyncMss(sk, sk.pmtuCookie);
}
