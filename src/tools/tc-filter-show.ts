/** What `tc filter show` prints: in the words of iproute2 (`tc/f_flower.c`, `m_mirred.c` …), and as JSON. */
import { formatJson, type Json } from '../core/control/ip/entry.ts';
import type { FilterActionInfo, FilterInfo } from '../core/index.ts';

export interface FilterOptions {
  readonly stats: boolean;
  readonly json: boolean;
  readonly pretty: boolean;
}

/** Numbers of `protocol` (`include/uapi/linux/if_ether.h`). */
export const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['all', 0x0003],
  ['ip', 0x0800],
  ['arp', 0x0806],
  ['802.1Q', 0x8100],
  ['ipv6', 0x86dd],
  ['802.1ad', 0x88a8],
]);

type JsonObject = { readonly [key: string]: Json };

export function showFilters(list: readonly FilterInfo[], options: FilterOptions): string {
  if (options.json) return `${formatJson(list.flatMap(jsonOf), options.pretty)}\n`;
  return list.map((f, i) => textOf(f, f.pref !== list[i - 1]?.pref, options.stats)).join('');
}

function protocolName(proto: number): string {
  for (const [name, number] of PROTOCOLS) if (number === proto) return name;
  return `[${proto}]`;
}

/** `first`: of its pref; before it stands a line about all of them (`tcf_proto` and its filters). */
function textOf(f: FilterInfo, first: boolean, stats: boolean): string {
  const head = `filter protocol ${protocolName(f.protocol)} pref ${f.pref} ${f.kind} chain 0 `;
  const handle = f.kind === 'flower' || f.kind === 'matchall' ? '' : ' ';
  let out = first ? `${head}\n` : '';
  out += `${head}handle 0x${f.handle.toString(16)} ${handle === '' ? '' : programText(f)}\n`;
  for (const [key, value] of matchLines(f)) out += `  ${key} ${value}\n`;
  if (f.kind === 'flower' || f.kind === 'matchall') out += '  not_in_hw\n';
  f.actions.forEach((a, i) => {
    out += actionText(a, i + 1);
    if (stats)
      out += `\tAction statistics:\n\tSent ${f.bytes} bytes ${f.packets} pkt (dropped 0, overlimits 0 requeues 0) \n\tbacklog 0b 0p requeues 0\n`;
  });
  return `${out}${f.actions.length > 0 ? '\n' : ''}`;
}

function programText(f: FilterInfo): string {
  return f.kind === 'bpf' ? 'direct-action not_in_hw ' : '';
}

function matchLines(f: FilterInfo): (readonly [string, string | number])[] {
  const eth: readonly [string, string][] =
    f.kind === 'flower' && (f.protocol === 0x0800 || f.protocol === 0x86dd)
      ? [['eth_type', f.protocol === 0x0800 ? 'ipv4' : 'ipv6']]
      : [];
  return [...eth, ...f.match];
}

function actionText(a: FilterActionInfo, order: number): string {
  const head = `\taction order ${order}: `;
  const ref = `index ${order} ref 1 bind 1\n`;
  switch (a.kind) {
    case 'gact':
      return `${head}gact action ${a.verdict}\n\t random type none pass val 0\n\t ${ref}`;
    case 'mirred': {
      const side = a.side === 'egress' ? 'Egress' : 'Ingress';
      const mode = a.mode === 'redirect' ? 'Redirect' : 'Mirror';
      const then = a.mode === 'redirect' ? 'stolen' : 'pipe';
      return `${head}mirred (${side} ${mode} to device ${a.dev ?? '*'}) ${then}\n \t${ref}`;
    }
    case 'skbedit': {
      const mark = a.mark === null ? '' : ` mark ${a.mark}`;
      const priority = a.priority === null ? '' : ` priority ${a.priority}`;
      return `${head}skbedit ${priority}${mark} pipe\n\t ${ref}`;
    }
    case 'netns':
      return `${head}netns ${a.netns}${a.dev === null ? '' : ` dev ${a.dev}`} stolen\n\t ${ref}`;
    default:
      return '';
  }
}

function jsonOf(f: FilterInfo, i: number, list: readonly FilterInfo[]): JsonObject[] {
  const head = { protocol: protocolName(f.protocol), pref: f.pref, kind: f.kind, chain: 0 };
  const flower = f.kind === 'flower' ? { keys: Object.fromEntries(matchLines(f)) } : {};
  const one = {
    ...head,
    options: {
      handle: f.handle,
      ...flower,
      not_in_hw: true,
      ...(f.actions.length > 0 ? { actions: f.actions.map(actionJson) } : {}),
    },
  };
  return f.pref === list[i - 1]?.pref ? [one] : [head, one];
}

function actionJson(a: FilterActionInfo, i: number): JsonObject {
  const order = { order: i + 1 };
  const ref = { index: i + 1, ref: 1, bind: 1 };
  switch (a.kind) {
    case 'gact':
      return {
        ...order,
        kind: 'gact',
        control_action: { type: a.verdict },
        prob: { random_type: 'none', control_action: { type: 'pass' }, val: 0 },
        ...ref,
      };
    case 'mirred':
      return {
        ...order,
        kind: 'mirred',
        mirred_action: a.mode,
        direction: a.side,
        to_dev: a.dev ?? '*',
        control_action: { type: a.mode === 'redirect' ? 'stolen' : 'pipe' },
        ...ref,
      };
    case 'skbedit':
      return {
        ...order,
        kind: 'skbedit',
        ...(a.priority === null ? {} : { priority: String(a.priority) }),
        ...(a.mark === null ? {} : { mark: a.mark }),
        control_action: { type: 'pipe' },
        ...ref,
      };
    case 'netns':
      return {
        ...order,
        kind: 'netns',
        netns: a.netns,
        ...(a.dev === null ? {} : { dev: a.dev }),
        control_action: { type: 'stolen' },
        ...ref,
      };
    default:
      return { ...order, kind: 'bpf' };
  }
}
