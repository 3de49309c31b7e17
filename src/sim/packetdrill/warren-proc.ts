/** Files of `/proc/net` that scripts look at (Linux `tcp4_seq_show`). */
import type { Namespace } from '../../core/control/namespace.ts';
import type { SocketEnd } from '../../core/control/sockets.ts';

export function procFile(ns: Namespace, path: string): string | null {
  if (path === '/proc/net/netstat' || path === '/proc/net/snmp') return counters(ns, path);
  const protocol = /^\/proc\/net\/(tcp|udp|raw)$/.exec(path)?.[1];
  return protocol === undefined ? null : sockets(ns, protocol);
}

/** Linux `TCP_*` by ss's names. */
const STATES: readonly string[] =
  'UNKNOWN ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT UNCONN CLOSE-WAIT LAST-ACK LISTEN CLOSING'.split(
    ' ',
  );
const TIMERS: Readonly<Record<string, number>> = { on: 1, keepalive: 2, timewait: 3, persist: 4 };
/** `USER_HZ` */
const TICK_US = 10_000;
const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const LINE_LEN = 149;

/** Linux `get_tcp4_sock`: what tells of users and of memory addresses is 0. */
function sockets(ns: Namespace, protocol: string): string {
  const lines = ns.sockets
    .list()
    .filter((s) => s.protocol === protocol && !s.local.address.includes(':'))
    .map((s, i) => {
      const { timer } = s;
      const when = timer === null ? 0 : Math.ceil(timer.leftUs / TICK_US);
      return [
        `${String(i).padStart(4)}:`,
        end(s.local),
        end(s.peer),
        hex(STATES.indexOf(s.state), 2),
        `${hex(s.sendQ, 8)}:${hex(s.recvQ, 8)}`,
        `${hex(TIMERS[timer?.name ?? ''] ?? 0, 2)}:${hex(when, 8)}`,
        hex(timer?.retransmits ?? 0, 8),
        `    0        0 ${s.cookie} 1 0000000000000000`,
      ].join(' ');
    });
  return [HEAD, ...lines].map((l) => `${l.padEnd(LINE_LEN)}\n`).join('');
}

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0');
}

/** The address as the machine's own integer: its bytes are turned round. */
function end({ address, port }: SocketEnd): string {
  const bytes = /^\d+\.\d+\.\d+\.\d+$/.test(address)
    ? address.split('.').map(Number)
    : [0, 0, 0, 0];
  return `${bytes
    .reverse()
    .map((b) => hex(b, 2))
    .join('')}:${hex(port, 4)}`;
}

/** Two lines per group: names, values. */
function counters(ns: Namespace, path: string): string {
  const groups = new Map<string, [string[], number[]]>();
  for (const [name, value] of Object.entries(ns.stats().mib)) {
    const [group = '', field = ''] = name.split('.');
    const isExt = group.endsWith('Ext');
    if (isExt !== path.endsWith('netstat')) continue;
    const entry = groups.get(group) ?? [[], []];
    entry[0].push(field);
    entry[1].push(value);
    groups.set(group, entry);
  }
  let out = '';
  for (const [group, [names, values]] of groups)
    out += `${group}: ${names.join(' ')}\n${group}: ${values.join(' ')}\n`;
  return out;
}
