/** The table that ss prints: columns as wide as their widest field (iproute2 `misc/ss.c`, `render`). */
import type {
  PacketDetails,
  SocketEnd,
  SocketInfo,
  SocketTimer,
  TcpDetails,
} from '../core/control/sockets.ts';
import type { SsOptions } from './ss.ts';
import { portName } from './ss-services.ts';

/** Which of the first two columns are there: not when all sockets have the same. */
export interface Shown {
  readonly netid: boolean;
  readonly state: boolean;
}

interface Column {
  readonly head: string;
  readonly right: boolean;
  /** Between this column and the one before. */
  readonly before: string;
}

const NETID: Column = { head: 'Netid', right: false, before: '' };
const STATE: Column = { head: 'State', right: false, before: ' ' };
const COLUMNS: readonly Column[] = [
  { head: 'Recv-Q', right: false, before: ' ' },
  { head: 'Send-Q', right: false, before: ' ' },
  { head: 'Local Address:', right: true, before: ' ' },
  { head: 'Port', right: false, before: '' },
  { head: 'Peer Address:', right: true, before: ' ' },
  { head: 'Port', right: false, before: '' },
  { head: 'Process', right: false, before: '' },
];

export function ssTable(sockets: readonly SocketInfo[], options: SsOptions, shown: Shown): string {
  const columns = [...(shown.netid ? [NETID] : []), ...(shown.state ? [STATE] : []), ...COLUMNS];
  const rows = sockets.map((s) => ({
    fields: fieldsOf(s, options, shown),
    detail: detailOf(s, options),
  }));
  const table = rows.map((r) => r.fields);
  if (options.header) table.unshift(columns.map((c) => c.head));
  const widths = columns.map((_, i) => Math.max(0, ...table.map((f) => (f[i] ?? '').length)));
  const lines = table.map((fields, n) => {
    const detail = rows[n - (options.header ? 1 : 0)]?.detail ?? '';
    const isHead = options.header && n === 0;
    return `${layOut(fields, columns, widths)}${isHead ? '' : detail}\n`;
  });
  return lines.join('');
}

function layOut(
  fields: readonly string[],
  columns: readonly Column[],
  widths: readonly number[],
): string {
  let line = '';
  columns.forEach((column, i) => {
    const width = widths[i] ?? 0;
    if (width === 0) return;
    const field = fields[i] ?? '';
    // A blank before "Peer Address" and "Process" belongs to the port before them.
    line +=
      (line === '' ? '' : column.before) +
      (column.right ? field.padStart(width) : field.padEnd(width));
  });
  return line;
}

function fieldsOf(s: SocketInfo, options: SsOptions, shown: Shown): string[] {
  const port = (n: number): string => {
    if (n === 0) return '*';
    return options.numeric || s.protocol === 'raw' ? String(n) : portName(n, s.protocol);
  };
  const dev = s.dev === null || s.packet !== undefined ? '' : `%${s.dev}`;
  const ends =
    s.packet === undefined
      ? [
          `${addressText(s, s.local)}${dev}:`,
          port(s.local.port),
          `${addressText(s, s.peer)}:`,
          port(s.peer.port),
        ]
      : packetEnds(s.packet, s.dev, options);
  return [
    ...(shown.netid ? [s.protocol] : []),
    ...(shown.state ? [s.state] : []),
    String(s.recvQ).padEnd(6),
    String(s.sendQ).padEnd(6),
    ...ends,
    options.info || options.memory ? '' : extra(s, options),
  ];
}

/** Names that iproute2 has for EtherTypes (`ll_proto_n2a`). */
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [0x0800, 'ip'],
  [0x0806, 'arp'],
  [0x8035, 'rarp'],
  [0x8100, '802.1Q'],
  [0x86dd, 'ipv6'],
  [0x8863, 'ppp_disc'],
  [0x8864, 'ppp_ses'],
  [0x88a8, '802.1ad'],
  [0x88cc, 'LLDP'],
  [0x88e5, 'macsec'],
  [0x8847, 'mpls_uc'],
  [0x8848, 'mpls_mc'],
]);

/** Protocol and device of a packet socket; it has no peer (`packet_show_sock`). */
function packetEnds(
  { proto }: PacketDetails,
  dev: string | null,
  options: SsOptions,
): readonly string[] {
  const name = options.numeric ? undefined : PROTOCOLS.get(proto);
  const local = proto === 3 ? '*' : (name ?? `[${proto}]`);
  return [`${local}:`, dev ?? '*', '*', ''];
}

/** As ss writes it: `*` for both families, brackets around IPv6 (`inet_addr_print`). */
function addressText(s: SocketInfo, { address }: SocketEnd): string {
  if (s.family === 'inet') return address;
  return address === '::' && !s.v6only ? '*' : `[${address}]`;
}

/** What stands in the last column. */
function extra(s: SocketInfo, options: SsOptions): string {
  const parts: string[] = [];
  if (options.timers && s.timer !== null) parts.push(timerText(s.timer));
  if (options.extended) {
    parts.push(`sk:${s.cookie.toString(16)}`);
    const isIdle = s.state === 'LISTEN' || s.state === 'UNCONN';
    if (s.family === 'inet6' && isIdle) parts.push(`v6only:${s.v6only ? 1 : 0}`);
  }
  return parts.length === 0 ? '' : ` ${parts.join(' ')}`;
}

/** What follows on a line of its own. */
function detailOf(s: SocketInfo, options: SsOptions): string {
  if (!options.info && !options.memory) return '';
  const parts: string[] = [];
  const head = extra(s, options);
  if (options.memory) {
    const m = s.memory;
    parts.push(
      `skmem:(r${m.receiveCharged},rb${m.receiveLimit},t0,tb${m.sendLimit},f0,w${m.sendQueued},o0,bl0,d0)`,
    );
  }
  if (options.extended && s.packet !== undefined)
    parts.unshift(`ver:0 cpy_thresh:0 flags( ${s.packet.running ? 'running ' : '0 '})`);
  if (options.info && s.tcp !== null) parts.push(tcpText(s.tcp, s.state === 'LISTEN'));
  if (parts.length === 0) return head;
  return `${head}${options.oneline ? ' ' : '\n\t '}${parts.join(' ')}`;
}

/** `timer:(keepalive,1min59sec,0)` (`print_ms_timer`). */
function timerText(timer: SocketTimer): string {
  return `timer:(${timer.name},${duration(Math.max(0, timer.leftUs) / 1000)},${timer.retransmits})`;
}

function duration(ms: number): string {
  let rest = Math.floor(ms);
  const minutes = Math.floor(rest / 60_000);
  rest -= minutes * 60_000;
  const seconds = Math.floor(rest / 1000);
  rest -= seconds * 1000;
  let text = minutes > 0 ? `${minutes}min` : '';
  if (seconds > 0) text += minutes > 0 ? `${seconds}sec` : `${seconds}${minutes > 9 ? '' : '.'}`;
  if (minutes > 0) return text;
  if (seconds === 0) return `${rest}ms`;
  return rest > 0 ? `${seconds}.${String(rest).padStart(3, '0')}ms` : `${seconds}sec`;
}

/** Like C's %g: six digits, no zeros behind. */
function short(n: number): string {
  return String(Number(n.toPrecision(6)));
}

type Field = readonly [present: boolean, text: string];

/** In ss's order (`tcp_stats_print`). */
function tcpText(t: TcpDetails, isListener: boolean): string {
  const measured = t.rttUs > 0;
  const fields: readonly Field[] = [
    [t.timestamps, 'ts'],
    [t.sack, 'sack'],
    [true, t.congestion],
    [t.wscale !== null, `wscale:${t.wscale?.join(',')}`],
    [t.rtoUs > 0, `rto:${short(t.rtoUs / 1000)}`],
    [t.backoff > 0, `backoff:${t.backoff}`],
    [measured, `rtt:${short(t.rttUs / 1000)}/${short(t.rttvarUs / 1000)}`],
    [t.mss > 0, `mss:${t.mss}`],
    [t.pmtu > 0 && !isListener, `pmtu:${t.pmtu}`],
    [t.rcvMss > 0, `rcvmss:${t.rcvMss}`],
    [t.advmss > 0, `advmss:${t.advmss}`],
    [t.cwnd > 0, `cwnd:${t.cwnd}`],
    [t.ssthresh > 0, `ssthresh:${t.ssthresh}`],
    [t.bytesSent > 0, `bytes_sent:${t.bytesSent}`],
    [t.bytesRetrans > 0, `bytes_retrans:${t.bytesRetrans}`],
    [t.bytesAcked > 0, `bytes_acked:${t.bytesAcked}`],
    [t.bytesReceived > 0, `bytes_received:${t.bytesReceived}`],
    [t.segsOut > 0, `segs_out:${t.segsOut}`],
    [t.segsIn > 0, `segs_in:${t.segsIn}`],
    [t.dataSegsOut > 0, `data_segs_out:${t.dataSegsOut}`],
    [t.dataSegsIn > 0, `data_segs_in:${t.dataSegsIn}`],
    [measured && t.mss > 0, `send ${rate((t.cwnd * t.mss * 8e6) / Math.max(1, t.rttUs))}`],
    [t.unacked > 0, `unacked:${t.unacked}`],
    [t.retrans > 0 || t.totalRetrans > 0, `retrans:${t.retrans}/${t.totalRetrans}`],
    [t.lost > 0, `lost:${t.lost}`],
    [t.sacked > 0, `sacked:${t.sacked}`],
    [t.minRttUs > 0, `minrtt:${short(t.minRttUs / 1000)}`],
    [t.sndWnd > 0, `snd_wnd:${t.sndWnd}`],
  ];
  return fields
    .filter(([present]) => present)
    .map(([, text]) => text)
    .join(' ');
}

/** `62.4Gbps` (`sprint_bw`). */
function rate(bits: number): string {
  if (bits > 1e9) return `${threeDigits(bits / 1e9)}Gbps`;
  if (bits > 1e6) return `${threeDigits(bits / 1e6)}Mbps`;
  return bits > 1e3 ? `${threeDigits(bits / 1e3)}Kbps` : `${Math.floor(bits)}bps`;
}

function threeDigits(n: number): string {
  return String(Number(n.toPrecision(3)));
}
