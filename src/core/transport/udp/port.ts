/** Local ports of UDP: who may have which (Linux `udp_lib_get_port`, `udp_lib_lport_inuse`). */
import { EADDRINUSE } from '../../errno.ts';
import { sharesAddress } from '../inet6.ts';
import { isReservedPort, localPortRange } from '../port-range.ts';
import { domainsApart } from '../sock-domain.ts';
import type { UdpSock } from './sock.ts';

/** Gives `sk`, whose `rcvSaddr` is set, the port, or one of the kernel's choice for 0. */
export function udpGetPort(sk: UdpSock, wanted: number): number {
  const { net } = sk;
  let port = wanted;
  if (port === 0) {
    port = choosePort(sk);
    if (port < 0) return port;
  } else if (isInUse(sk, port)) return -EADDRINUSE;
  sk.sport = port;
  sk.hashOrder = net.udp.nextOrder++;
  net.udp.table.add(sk);
  return 0;
}

function choosePort(sk: UdpSock): number {
  const { net } = sk;
  const [low, high] = localPortRange(sk);
  const count = high - low + 1;
  const first = net.kernel.random('udp-port').below(count);
  for (let i = 0; i < count; i++) {
    const port = low + ((first + i) % count);
    if (!isReservedPort(net, port) && !isInUse(sk, port, true)) return port;
  }
  return -EADDRINUSE;
}

/**
 * Does another socket keep `sk` from `port`? An explicit bind is let in as soon as a socket of its own
 * user that also has SO_REUSEPORT is met; a port of the kernel's choice must have no other owner.
 */
function isInUse(sk: UdpSock, port: number, choosing = false): boolean {
  let other = sk.net.udp.table.atPort(port);
  for (; other !== null; other = other.nextByPort) {
    if (other.sport !== port || other === sk || !conflicts(sk, other)) continue;
    const shares = sk.reusePort && other.reusePort && sk.uid === other.uid;
    if (!shares) return true;
    if (!choosing) return false;
  }
  return false;
}

function conflicts(a: UdpSock, b: UdpSock): boolean {
  if (a.reuseAddr && b.reuseAddr) return false;
  if (a.boundDevIf !== 0 && b.boundDevIf !== 0 && a.boundDevIf !== b.boundDevIf) return false;
  return sharesAddress(a, b) && !domainsApart(a, b);
}
