/**
 * Some middleboxes swallow SYNs with data or what follows them: after signs of that a namespace opens
 * connections the ordinary way for a while (RFC 7413 §7.1; Linux `tcp_fastopen_active_disable` and
 * the functions around it; net.ipv4.tcp_fastopen_blackhole_timeout_sec).
 */
import { IFF_LOOPBACK } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import { TCP_FIN } from '../../wire/tcp.ts';
import { tcpClockUs } from './clock.ts';
import { count } from './count.ts';
import type { TcpSock } from './sock.ts';

/** Fast open failed in a way that points at a middlebox: none for a while (`tcp_fastopen_active_disable`). */
function disable(sk: TcpSock): void {
  const { net } = sk;
  if (net.sysctl.tcpFastopenBlackholeTimeoutSec === 0) return;
  net.tcp.fastOpenDisabledUs = tcpClockUs(net);
  net.tcp.fastOpenDisabledTimes++;
  count(net, MIB.TcpExtTCPFastOpenBlackhole);
}

/** Still in the time-out, which doubles up to 64-fold (`tcp_fastopen_active_should_disable`). */
export function fastOpenDisabled(sk: TcpSock): boolean {
  const { tcp, sysctl } = sk.net;
  const timeout = sysctl.tcpFastopenBlackholeTimeoutSec;
  if (timeout === 0 || tcp.fastOpenDisabledTimes === 0) return false;
  const factor = 2 ** Math.min(tcp.fastOpenDisabledTimes - 1, 6);
  if (tcpClockUs(sk.net) < tcp.fastOpenDisabledUs + factor * timeout * 1_000_000) return true;
  // A success will end it.
  sk.synFastOpenCh = true;
  return false;
}

/** A timeout of the handshake, or soon after (`tcp_fastopen_active_detect_blackhole`). */
export function detectBlackhole(sk: TcpSock, expired: boolean): void {
  if (!sk.synFastOpen && !sk.synData && !sk.synDataAcked) return;
  if (sk.retransmits !== 2 && !(sk.retransmits < 2 && expired)) return;
  disable(sk);
  count(sk.net, MIB.TcpExtTCPFastOpenActiveFail);
}

/** The socket goes: a FIN that is all that ever came out of order tells of swallowed data. */
export function checkOfoOnDestroy(sk: TcpSock): void {
  if (!sk.synFastOpen) return;
  const { ofo } = sk.receiveQueue;
  if (sk.dataSegsIn === 0) {
    const only = ofo.length === 1 ? ofo[0] : undefined;
    if (only !== undefined && (only.flags & TCP_FIN) !== 0) disable(sk);
    return;
  }
  const { tcp } = sk.net;
  if (!sk.synFastOpenCh || tcp.fastOpenDisabledTimes === 0) return;
  const dev = sk.route?.dev;
  if (dev === undefined || (dev.flags & IFF_LOOPBACK) === 0) tcp.fastOpenDisabledTimes = 0;
}
