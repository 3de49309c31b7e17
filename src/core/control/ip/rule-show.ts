/** One rule as `ip rule show` prints it (iproute2 `ip/iprule.c`, `print_rule`). */
import { dsfieldName, ipProtoName, protocolNumber, ROUTE_TYPES, tableName } from '../names.ts';
import type { RuleInfo } from '../rule.ts';
import { Entry, type PrintOptions } from './entry.ts';

export function ruleEntry(rule: RuleInfo, options: PrintOptions): Entry {
  const out = new Entry();
  out.put('priority', rule.priority, `${rule.priority}:\t`);
  if (rule.not) out.put('not', null, 'not ');
  const whole = rule.family === 'inet' ? 32 : 128;
  out.put('src', rule.src ?? 'all', `from ${rule.src ?? 'all'}`);
  putLength(out, 'srclen', rule.srcLen, whole);
  if (rule.dst !== null) out.put('dst', rule.dst, ` to ${rule.dst}`);
  putLength(out, 'dstlen', rule.dstLen, whole);
  putFlow(out, rule, options);
  putTarget(out, rule, options);
  const isKernels = rule.protocol === 'unspec' || rule.protocol === 'kernel';
  if (!isKernels || options.details) {
    const shown = options.numeric ? String(protocolNumber(rule.protocol)) : rule.protocol;
    out.put('protocol', shown, ` proto ${shown}`);
  }
  return out.add('\n');
}

function putLength(out: Entry, key: string, len: number, whole: number): void {
  if (len !== 0 && len !== whole) out.put(key, len, `/${len}`);
}

function putFlow(out: Entry, rule: RuleInfo, options: PrintOptions): void {
  if (rule.tos !== 0) {
    const tos = options.numeric
      ? `0x${rule.tos.toString(16).padStart(2, '0')}`
      : dsfieldName(rule.tos);
    out.put('tos', tos, ` tos ${tos}`);
  }
  if (rule.fwmark !== 0 || rule.fwmask !== 0) {
    const mark = hex(rule.fwmark);
    out.put('fwmark', mark, ` fwmark ${mark}`);
    if (rule.fwmask !== 0xffffffff) out.put('fwmask', hex(rule.fwmask), `/${hex(rule.fwmask)}`);
  }
  putDevice(out, 'iif', rule.iif, rule.iifDetached);
  putDevice(out, 'oif', rule.oif, rule.oifDetached);
  if (rule.l3mdev) out.put('l3mdev', null, ' lookup [l3mdev-table]');
  if (rule.ipproto !== 0) {
    const name = options.numeric ? `ipproto-${rule.ipproto}` : ipProtoName(rule.ipproto);
    out.put('ipproto', name, ` ipproto ${name}`);
  }
  putPorts(out, 'sport', rule.sport);
  putPorts(out, 'dport', rule.dport);
}

function putDevice(out: Entry, key: 'iif' | 'oif', name: string | null, detached: boolean): void {
  if (name === null) return;
  out.put(key, name, ` ${key} ${name}`);
  if (detached) out.put(`${key}_detached`, null, ' [detached]');
}

function putPorts(out: Entry, key: 'sport' | 'dport', ports: RuleInfo['sport']): void {
  if (ports === null) return;
  const { start, end, mask } = ports;
  if (mask !== 0xffff) {
    // As iproute2 6.15, the first that knows masks.
    out.put(key, hex(start), ` ${key} ${hex(start)}`);
    out.put(`${key}_mask`, hex(mask), `/${hex(mask)}`);
  } else if (start === end) out.put(key, start, ` ${key} ${start}`);
  else {
    out.put(`${key}_start`, start, ` ${key} ${start}`);
    out.put(`${key}_end`, end, `-${end}`);
  }
}

function putTarget(out: Entry, rule: RuleInfo, options: PrintOptions): void {
  if (rule.table !== 0) {
    const table = options.numeric ? String(rule.table) : tableName(rule.table);
    out.put('table', table, ` lookup ${table}`);
    putSuppression(out, rule, options);
  }
  switch (rule.action) {
    case 'table':
      return;
    case 'goto':
      out.put('goto', rule.goto, ` goto ${rule.goto}`);
      if (rule.unresolved) out.put('unresolved', null, ' [unresolved]');
      return;
    case 'nop':
      out.put('nop', null, ' nop');
      return;
    default: {
      const shown = options.numeric ? String(ROUTE_TYPES.indexOf(rule.action)) : rule.action;
      out.put('action', shown, ` ${shown}`);
    }
  }
}

function putSuppression(out: Entry, rule: RuleInfo, options: PrintOptions): void {
  const { suppressPrefixlength: len, suppressIfgroup: group } = rule;
  if (len !== -1) out.put('suppress_prefixlen', len, ` suppress_prefixlength ${len}`);
  if (group === -1) return;
  const name = group === 0 && !options.numeric ? 'default' : String(group);
  out.put('suppress_ifgroup', name, ` suppress_ifgroup ${name}`);
}

/** `%#x` */
function hex(n: number): string {
  return n === 0 ? '0' : `0x${n.toString(16)}`;
}
