/** Files of `/proc/net` that scripts look at (Linux `tcp4_seq_show`, `tcp6_seq_show`, `snmp6_seq_show`). */
import type { Namespace } from '../../core/control/namespace.ts';
import type { SocketEnd } from '../../core/control/sockets.ts';
import { stats6 } from '../../core/control/stats6.ts';
import { parseAddress } from './address.ts';

export function procFile(ns: Namespace, path: string): string | null {
  if (path === '/proc/net/netstat' || path === '/proc/net/snmp') return counters(ns, path);
  if (path === '/proc/net/snmp6') return counters6(ns);
  const [, protocol, six] = /^\/proc\/net\/(tcp|udp|raw)(6?)$/.exec(path) ?? [];
  return protocol === undefined ? null : sockets(ns, protocol, six === '6');
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
const HEAD6 = HEAD.replace(
  'local_address rem_address  ',
  `local_address${' '.repeat(25)}remote_address${' '.repeat(23)}`,
);
const LINE_LEN = 149;

/** Linux `get_tcp4_sock`: what tells of users and of memory addresses is 0. */
function sockets(ns: Namespace, protocol: string, six: boolean): string {
  const lines = ns.sockets
    .list()
    .filter((s) => s.protocol === protocol && (s.family === 'inet6') === six)
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
  // Those of IPv6 are not filled to a length.
  if (six) return [HEAD6, ...lines].map((l) => `${l}\n`).join('');
  return [HEAD, ...lines].map((l) => `${l.padEnd(LINE_LEN)}\n`).join('');
}

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0');
}

/** The address as the machine's own integers: the bytes of each are turned round. */
function end({ address, port }: SocketEnd): string {
  const bytes = parseAddress(address) ?? new Uint8Array(4);
  let text = '';
  for (let i = 0; i < bytes.length; i += 4)
    text += hex(new DataView(bytes.buffer, bytes.byteOffset + i).getUint32(0, true), 8);
  return `${text}:${hex(port, 4)}`;
}

function counters6(ns: Namespace): string {
  return Object.entries(stats6(ns.net))
    .map(([name, value]) => `${name.replace('.', '').padEnd(32)}\t${value}\n`)
    .join('');
}

/** Two lines per group: names, values. */
function counters(ns: Namespace, path: string): string {
  const groups = new Map<string, [string[], number[]]>();
  for (const [name, value] of Object.entries(ns.stats().mib)) {
    const [group = '', field = ''] = name.split('.');
    if (group.endsWith('6')) continue;
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
