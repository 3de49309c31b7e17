/** `ip tcp_metrics` (iproute2 `ip/tcp_metrics.c`): what TCP remembers of destinations. */
import { ESRCH, NetError } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import { tcpClockUs } from '../../transport/tcp/clock.ts';
import type { TcpMetrics } from '../../transport/tcp/metrics.ts';
import { formatIpv4 } from '../../util/address.ts';
import { formatIpv6 } from '../../util/ip6-addr.ts';
import { Entry, type PrintOptions, printList } from './entry.ts';
import { CommandError, EXIT_PARSE, type Words } from './words.ts';

const USAGE = 'Usage: ip tcp_metrics { show [ ADDRESS ] | flush | delete ADDRESS }';

interface Context {
  readonly ns: { readonly net: NetNs };
  readonly options: PrintOptions;
}

export function ipTcpMetrics(ctx: Context, words: Words): string {
  const { net } = ctx.ns;
  const command = words.empty ? 'show' : words.next();
  if ('help'.startsWith(command)) throw new CommandError(USAGE, 0);
  if ('show'.startsWith(command) || 'list'.startsWith(command)) {
    const address = words.empty ? null : words.next();
    const found = matching(net, address);
    if (address !== null && found.length === 0) throw new NetError(ESRCH, 'rtnetlink');
    return printList(
      found.map((m) => entryOf(net, m)),
      ctx.options,
    );
  }
  if ('flush'.startsWith(command)) {
    net.tcp.metricsMaybe?.flush();
    return '';
  }
  if ('delete'.startsWith(command)) {
    if (words.empty) throw new CommandError('Error: specify an address first.', EXIT_PARSE);
    const found = matching(net, words.next());
    if (found.length === 0) throw new NetError(ESRCH, 'rtnetlink');
    for (const m of found) net.tcp.metricsMaybe?.flush(m.daddr);
    return '';
  }
  throw new CommandError(`Command "${command}" is unknown, try "ip tcp_metrics help".`, EXIT_PARSE);
}

function matching(net: NetNs, address: string | null): TcpMetrics[] {
  const all = net.tcp.metricsMaybe?.values() ?? [];
  return address === null ? all : all.filter((m) => textOf(m, true) === address);
}

function textOf(m: TcpMetrics, remote: boolean): string {
  if (m.ends !== null) return formatIpv6(remote ? m.ends.remote : m.ends.local);
  return formatIpv4(remote ? m.daddr : m.saddr);
}

function entryOf(net: NetNs, m: TcpMetrics): Entry {
  const age = (tcpClockUs(net) - m.stampUs) / 1e6;
  const e = new Entry();
  e.put('dst', textOf(m, true), textOf(m, true));
  e.put('age', Number(age.toFixed(3)), ` age ${age.toFixed(3)}sec`);
  for (const [name, value] of [
    ['ssthresh', m.ssthresh],
    ['cwnd', m.cwnd],
    ['reordering', m.reordering],
  ] as const)
    if (value !== 0) e.put(name, value, ` ${name} ${value}`);
  // 8 × SRTT, 4 × the deviation.
  const rtt = Math.floor(m.rtt / 8);
  const rttvar = Math.floor(m.rttvar / 4);
  if (rtt !== 0) e.put('rtt', rtt / 1e6, ` rtt ${rtt}us`);
  if (rttvar !== 0) e.put('rttvar', rttvar / 1e6, ` rttvar ${rttvar}us`);
  if (m.mss !== 0) e.put('fo_mss', m.mss, ` fo_mss ${m.mss}`);
  if (m.cookie.length > 0) {
    const hex = Array.from(m.cookie, (b) => b.toString(16).padStart(2, '0')).join('');
    e.put('fo_cookie', hex, ` fo_cookie ${hex}`);
  }
  e.put('source', textOf(m, false), ` source ${textOf(m, false)}`);
  return e.add('\n');
}
