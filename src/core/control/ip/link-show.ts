/** `ip link show` and the device part of `ip addr show` (iproute2 `ip/ipaddress.c`). */
import type { LinkCounters, LinkInfo } from '../info.ts';
import type { SlaveInfo } from '../kinds/index.ts';
import { bridgeShow, bridgeSlaveShow } from './bridge-show.ts';
import { Entry, type Json, type PrintOptions } from './entry.ts';
import { kindShow, NO_DATA, slaveShow } from './kind-show.ts';
import { putPolicy } from './policy-words.ts';

/** Text of `name@link`. */
export function linkName(link: LinkInfo): string {
  if (link.link === null) return link.name;
  return `${link.name}@${link.link.name ?? `if${link.link.ifindex}`}`;
}

/** Whether `ip link`, `ip addr` or `ip monitor` prints: each leaves something out. */
export type LinkStyle = 'link' | 'addr' | 'monitor';

/**
 * The head of a device: everything that does not belong to its addresses. `moved`: where it went, which
 * only the monitor tells.
 */
export function linkEntry(
  link: LinkInfo,
  options: PrintOptions,
  style: LinkStyle,
  moved = '',
): Entry {
  const out = new Entry();
  if (options.brief) return briefEntry(out, link, style === 'addr');
  out.put('ifindex', link.ifindex, `${link.ifindex}: `);
  putName(out, link, `${linkName(link)}: `);
  out.put('flags', link.flags, `<${link.flags.join(',')}> `);
  out.put('mtu', link.mtu, `mtu ${link.mtu} `);
  // LINUX: what AF_INET6 tells of all links has neither of the two.
  const whole = options.family !== 'inet6' || style !== 'addr';
  if (whole) out.put('qdisc', link.qdisc, `qdisc ${link.qdisc} `);
  if (link.master !== null) out.put('master', link.master, `master ${link.master} `);
  out.put('operstate', link.operState, `state ${link.operState} `);
  if (style === 'link' || (style === 'addr' && options.details))
    out.put('linkmode', 'DEFAULT', 'mode DEFAULT ');
  const group = link.group === 0 ? 'default' : String(link.group);
  if (whole) out.put('group', group, `group ${group} `);
  if (link.txQueueLen !== 0 && style !== 'monitor')
    out.put('txqlen', link.txQueueLen, `qlen ${link.txQueueLen}`);
  if (
    (options.family !== 'inet' && options.family !== 'inet6') ||
    options.details ||
    style === 'monitor'
  )
    putAddress(out, link);
  if (link.link !== null && link.link.netnsId !== null) {
    const where = link.link.netns ?? null;
    out.put(
      'link_netnsid',
      link.link.netnsId,
      where === null ? ` link-netnsid ${link.link.netnsId}` : ` link-netns ${where}`,
    );
  }
  out.add(moved);
  if (options.details) putDetails(out, link);
  if (link.alias !== '' && (style === 'link' || options.details))
    out.put('ifalias', link.alias, `\n    alias ${link.alias}`);
  if (options.stats > 0) putCounters(out, link, options.stats);
  return out.add('\n');
}

function putName(out: Entry, link: LinkInfo, text: string): void {
  if (link.link !== null) {
    if (link.link.ifindex === 0) out.set('link', null);
    else if (link.link.name === null) out.set('link_index', link.link.ifindex);
    else out.set('link', link.link.name);
  }
  out.put('ifname', link.name, text);
}

function putAddress(out: Entry, link: LinkInfo): void {
  out.put('link_type', link.linkType, `\n    link/${link.linkType} `);
  if (link.address === '') return;
  out.put('address', link.address, link.address);
  const peer = link.flags.includes('POINTOPOINT');
  if (peer) out.set('link_pointtopoint', true);
  out.put('broadcast', link.broadcast, ` ${peer ? 'peer' : 'brd'} ${link.broadcast}`);
}

function briefEntry(out: Entry, link: LinkInfo, ofAddr: boolean): Entry {
  putName(out, link, `${linkName(link).padEnd(16)} `);
  out.put('operstate', link.operState, `${link.operState.padEnd(14)} `);
  if (ofAddr) return out;
  out.put('address', link.address, `${link.address} `);
  out.put('flags', link.flags, `<${link.flags.join(',')}> `);
  return out.add('\n');
}

function putDetails(out: Entry, link: LinkInfo): void {
  out.put('promiscuity', link.promiscuity, ` promiscuity ${link.promiscuity} `);
  out.put('allmulti', link.allmulti, ` allmulti ${link.allmulti} `);
  out.put('min_mtu', link.minMtu, `minmtu ${link.minMtu} `);
  out.put('max_mtu', link.maxMtu, `maxmtu ${link.maxMtu} `);
  if (link.kind !== '') {
    const { json, text } = kindData(link);
    const slave = link.bridgePort === null ? null : bridgeSlaveShow(link.bridgePort);
    out.set('linkinfo', {
      info_kind: link.kind,
      ...(json === null ? {} : { info_data: json }),
      ...(slave === null ? {} : { info_slave_kind: 'bridge', info_slave_data: slave.json }),
    });
    out.add(`\n    ${link.kind} ${text}`);
    if (slave !== null) out.add(`\n    bridge_slave ${slave.text}`);
  }
  if (link.policy !== null) putPolicy(out, link.policy);
  if (link.slave !== null) putSlave(out, link, link.slave);
  if (link.addrGenMode !== null)
    out.put('inet6_addr_gen_mode', link.addrGenMode, `addrgenmode ${link.addrGenMode} `);
  out.put('num_tx_queues', 1, 'numtxqueues 1 ');
  out.put('num_rx_queues', 1, 'numrxqueues 1 ');
  out.put('gso_max_size', link.gsoMaxSize, `gso_max_size ${link.gsoMaxSize} `);
}

function putSlave(out: Entry, link: LinkInfo, slave: SlaveInfo): void {
  const { json, text } = slaveShow(slave);
  const own = link.kind === '' ? {} : { info_kind: link.kind };
  const { json: data } = link.kind === '' ? { json: null } : kindData(link);
  out.set('linkinfo', {
    ...own,
    ...(data === null ? {} : { info_data: data }),
    info_slave_kind: slave.kind,
    info_slave_data: json,
  });
  out.add(`\n    ${slave.kind}_slave ${text}`);
}

/** What `iplink_vlan.c` and `iplink_macvlan.c` print. */
function kindData(link: LinkInfo): { json: Json; text: string } {
  const { vlan, macvlan } = link;
  if (vlan !== null) {
    const flags = ['REORDER_HDR', ...(vlan.looseBinding ? ['LOOSE_BINDING'] : [])];
    return {
      json: { protocol: vlan.protocol, id: vlan.id, flags },
      text: `protocol ${vlan.protocol} id ${vlan.id} <${flags.join(',')}> `,
    };
  }
  if (link.bridge !== null) return bridgeShow(link.bridge);
  if (macvlan === null) return link.options === null ? NO_DATA : kindShow(link.options);
  const queue = { bcqueuelen: 1000, usedbcqueuelen: 1000 };
  const head = `mode ${macvlan.mode} bcqueuelen 1000 usedbcqueuelen 1000 `;
  if (macvlan.mode !== 'source') return { json: { mode: macvlan.mode, ...queue }, text: head };
  const count = macvlan.sources.length;
  return {
    json: { mode: macvlan.mode, ...queue, macaddr_count: count, macaddr_data: macvlan.sources },
    text: `${head}remotes (${count}) ${macvlan.sources.map((m) => `${m} `).join('')}`,
  };
}

/** A counter; `shown`: the figure in text where it is another than in JSON. */
type Column = readonly [key: string, head: string, value: number, shown?: number];

/** `ip -s link`: columns as wide as their widest figure (iproute2 `print_stats64`). */
function putCounters(out: Entry, link: LinkInfo, level: number): void {
  const c = link.counters;
  const rx = rxColumns(c);
  const tx = txColumns(c);
  const rxErrors: readonly Column[] = [
    ['length_errors', 'length', 0],
    ['crc_errors', 'crc', 0],
    ['frame_errors', 'frame', 0],
    ['fifo_errors', 'fifo', 0],
    // iproute2 tells one thing in text and the other in JSON, here and below.
    ['missed_errors', 'overrun', 0, c.rxOverErrors],
  ];
  const txErrors: readonly Column[] = [
    ['aborted_errors', 'aborted', 0],
    ['fifo_errors', 'fifo', 0],
    ['window_errors', 'window', 0],
    ['heartbeat_errors', 'heartbt', 0],
    ['carrier_changes', 'transns', link.carrierChanges],
  ];
  const widths = [10, 7, 6, 7, 7, 7];
  for (const row of [rx, tx]) widen(widths, row, 0);
  if (level > 1) for (const row of [rxErrors, txErrors]) widen(widths, row, 1);
  const json: { [key: string]: Json } = {};
  for (const [name, row, errors] of [
    ['rx', rx, rxErrors],
    ['tx', tx, txErrors],
  ] as const) {
    const fields = level > 1 ? [...row, ...errors] : row;
    json[name] = Object.fromEntries(fields.map(([key, , value]) => [key, value]));
    const label = `${name.toUpperCase()}:`;
    out.add(`\n    ${label} ${heads(row, widths, 0, label.length + 1)}${' '.repeat(11)}`);
    out.add(`\n    ${figures(row, widths, 0)}`);
    if (level > 1) {
      const first = widths[0] ?? 0;
      out.add(
        `\n    ${`${name.toUpperCase()} errors:`.padEnd(first)} ${heads(errors, widths, 1, 0)}`,
      );
      out.add(`\n    ${' '.repeat(first)} ${figures(errors, widths, 1)}`);
    }
  }
  out.set('stats64', json);
}

function rxColumns(c: LinkCounters): readonly Column[] {
  return [
    ['bytes', 'bytes', c.rxBytes],
    ['packets', 'packets', c.rxPackets],
    ['errors', 'errors', c.rxErrors],
    ['dropped', 'dropped', c.rxDropped],
    ['over_errors', 'missed', c.rxOverErrors, 0],
    ['multicast', 'mcast', c.multicast],
  ];
}

function txColumns(c: LinkCounters): readonly Column[] {
  return [
    ['bytes', 'bytes', c.txBytes],
    ['packets', 'packets', c.txPackets],
    ['errors', 'errors', c.txErrors],
    ['dropped', 'dropped', c.txDropped],
    ['carrier_errors', 'carrier', c.txCarrierErrors],
    ['collisions', 'collsns', c.collisions],
  ];
}

function widen(widths: number[], row: readonly Column[], from: number): void {
  row.forEach(([, , value, shown = value], i) => {
    const at = i + from;
    widths[at] = Math.max(widths[at] ?? 0, String(shown).length);
  });
}

function heads(
  row: readonly Column[],
  widths: readonly number[],
  from: number,
  taken: number,
): string {
  return row
    .map(([, head], i) => head.padStart((widths[i + from] ?? 0) - (i === 0 ? taken : 0)))
    .join(' ');
}

function figures(row: readonly Column[], widths: readonly number[], from: number): string {
  return row
    .map(([, , value, shown = value], i) => `${String(shown).padStart(widths[i + from] ?? 0)} `)
    .join('');
}
