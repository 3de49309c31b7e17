/** Files of `/proc/net` that scripts look at (Linux `tcp4_seq_show`). */
import type { Namespace } from '../../core/control/namespace.ts';

export function procFile(ns: Namespace, path: string): string | null {
  if (path === '/proc/net/netstat' || path === '/proc/net/snmp') return counters(ns, path);
  return null;
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
