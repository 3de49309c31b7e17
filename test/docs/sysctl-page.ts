/** The text of docs/sysctl.md, made from the tables of sysctls and from what Linux has (test/data/linux-sysctl.json). */
import { readFileSync } from 'node:fs';
import { INERT_SYSCTLS } from '../../src/core/control/sysctl-inert.ts';
import { Kernel, type Namespace } from '../../src/core/index.ts';
import { IPV4_CONF_NAMES, NEIGH_CONF_NAMES, NUMBER_SYSCTLS } from '../../src/core/sysctl.ts';
import { IPV6_CONF_NAMES, IPV6_CONF_RANGES, IPV6_SYSCTLS } from '../../src/core/sysctl6.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

interface Linux {
  readonly names: Readonly<Record<string, unknown>>;
}

const INT_MIN = -2147483648;
const INT_MAX = 2147483647;

/** What new namespaces take over from the initial one, besides net.ipv4.conf.*. */
const INHERITED: readonly string[] = [
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
  'net.ipv4.tcp_congestion_control',
];

/** What is written as other than one number. */
const TEXTS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': 'any integer; the same as conf.all.forwarding',
  'net.ipv4.ip_local_port_range': 'lowest and highest, not below ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports': 'ports and ranges: `8080,9000-9010`',
  'net.ipv4.ping_group_range': 'lowest and highest group id; `1 0`: nobody',
  'net.ipv4.tcp_rmem': 'smallest, default, largest size in bytes',
  'net.ipv4.tcp_wmem': 'smallest, default, largest size in bytes',
  'net.ipv4.tcp_fastopen_key': 'one or two keys of 128 bits',
  'net.ipv4.tcp_congestion_control': 'name of an algorithm',
  'net.ipv4.tcp_allowed_congestion_control': 'read only',
  'net.ipv4.tcp_available_congestion_control': 'read only',
  'net.ipv4.route.flush': 'write only: forgets what was learnt of destinations',
  'net.ipv6.route.flush': 'write only: forgets what was learnt of destinations',
};

function range(min: number, max: number): string {
  if (min <= INT_MIN && max >= INT_MAX) return 'any integer';
  if (max >= INT_MAX) return min === 0 ? '0 and more' : `${min} and more`;
  return `${min} … ${max}`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(heads) + line(heads.map(() => '---')) + rows.map(line).join('');
}

function code(text: string): string {
  return text === '' ? '(empty)' : `\`${text.replaceAll('\t', ' ')}\``;
}

function byName(a: readonly string[], b: readonly string[]): number {
  return (a[0] as string) < (b[0] as string) ? -1 : 1;
}

/** Settings of a namespace as a whole. */
function ofNamespace(ns: Namespace): string {
  const ranges = new Map<string, string>(Object.entries(TEXTS));
  for (const s of [...NUMBER_SYSCTLS, ...IPV6_SYSCTLS]) ranges.set(s.name, range(s.min, s.max));
  const rows = [...ranges].map(([name, values]) => {
    const value = ns.sysctl.mode(name) === 0o200 ? '' : code(ns.sysctl.get(name));
    return [`${name}${INHERITED.includes(name) ? ' \\*' : ''}`, value, values];
  });
  return table(['name', 'default', 'values'], rows.sort(byName));
}

function ofDevices(ns: Namespace): string {
  const rows: string[][] = [];
  const get = (name: string): string => code(ns.sysctl.get(name));
  for (const name of Object.keys(IPV4_CONF_NAMES)) {
    const path = (dir: string): string => `net.ipv4.conf.${dir}.${name}`;
    rows.push([`net.ipv4.conf.\\*.${name}`, get(path('default')), get(path('all')), 'any integer']);
  }
  for (const [name, field] of Object.entries(IPV6_CONF_NAMES)) {
    const path = (dir: string): string => `net.ipv6.conf.${dir}.${name}`;
    const values = range(...(IPV6_CONF_RANGES[field] ?? [INT_MIN, INT_MAX]));
    rows.push([`net.ipv6.conf.\\*.${name}`, get(path('default')), get(path('all')), values]);
  }
  return table(['name', 'default', 'all', 'values'], rows.sort(byName));
}

function ofNeighbours(ns: Namespace): string {
  const get = (family: string, name: string): string => {
    const path = `net.${family}.neigh.default.${name}`;
    return ns.sysctl.mode(path) === undefined ? '-' : code(ns.sysctl.get(path));
  };
  const rows = Object.entries(NEIGH_CONF_NAMES).map(([name, row]) => [
    name,
    get('ipv4', name),
    get('ipv6', name),
    range(0, row.max),
  ]);
  for (const n of [1, 2, 3]) {
    const name = `gc_thresh${n}`;
    rows.push([`${name} (default only)`, get('ipv4', name), get('ipv6', name), '0 and more']);
  }
  return table(['name', 'net.ipv4.neigh', 'net.ipv6.neigh', 'values'], rows.sort(byName));
}

function toldOnly(): string {
  const rows = INERT_SYSCTLS.map((s) => [
    s.name,
    code(String(s.value)),
    s.readOnly === true
      ? 'read only'
      : s.only === undefined
        ? `told back: ${range(s.min, s.max)}`
        : `this value alone: ${s.only}`,
  ]);
  return table(['name', 'default', 'values'], rows.sort(byName));
}

/** Names that Linux has, and that do not exist here, by directory. */
function missing(ns: Namespace): string {
  const { names } = JSON.parse(readFileSync('test/data/linux-sysctl.json', 'utf8')) as Linux;
  const groups = new Map<string, Set<string>>();
  for (const name of Object.keys(names)) {
    if (ns.sysctl.mode(name) !== undefined) continue;
    const general = name.replace(/^(net\.ipv[46]\.(?:conf|neigh))\.\w+/, '$1.*');
    const at = general.lastIndexOf('.');
    const dir = general.slice(0, at);
    const group = groups.get(dir) ?? new Set();
    groups.set(dir, group.add(general.slice(at + 1)));
  }
  return [...groups]
    .sort(byName as never)
    .map(([dir, set]) => `- \`${dir}\`: ${[...set].sort().join(' ')}\n`)
    .join('');
}

/** The whole page. */
export function sysctlPage(): string {
  const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
  const ns = kernel.netns.add('x');
  ns.ip('link add d0 type veth peer name d1');
  return `# Sysctls

Every namespace has its own, with the defaults of a new namespace on Linux 6.18. They are read and written by \`sysctl\`
(\`warren sysctl -n NODE …\`), \`ns.sysctl\`, \`sysctl:\` of a lab file, and as files below /proc/sys ([proc.md](proc.md)). What
they mean is in Linux's \`Documentation/networking/ip-sysctl.rst\`. Numbers are read as the kernel reads them: hexadecimal
behind 0x, octal behind 0, and nothing is looked at behind the first. A value outside of its range is refused with EINVAL, a
name that is not on this page with ENOENT.

This page is made by \`npm run docs\`; a test keeps it fresh, and another compares each name with a kernel's answers.

## Of a namespace

Those with a star are copied from the initial namespace when one is made; all others begin with their defaults. In the
initial namespace there is \`net.core.devconf_inherit_init_net\` (0 … 3), too: whether new namespaces take over its
\`net.ipv4.conf\` (0), its \`net.ipv6.conf\` as well (1, 3), or nothing (2). Sizes of \`net.core\` that Linux has once for the
machine, and that only its initial namespace may change, belong to each namespace here.

${ofNamespace(ns)}
## Of devices

\`net.ipv4.conf\` and \`net.ipv6.conf\` have a directory for each device, \`default\`, from which devices that are made later
get their settings, and \`all\`, which counts besides the device's own: by and, by or, or the larger of both, as in Linux.

${ofDevices(ns)}
## Of neighbours

By device and for \`default\`; \`_ms\` are milliseconds, \`locktime\`, \`retrans_time\` and \`proxy_delay\` 1/100 s, other times seconds.

${ofNeighbours(ns)}
## Told back

What these rule is not there: sizes of hash tables, locks, cards. They have Linux's defaults and ranges. Where another
value would change what is sent, it is refused, with the reason.

${toldOnly()}
## Not here

Names of Linux's that do not exist here. Those of netfilter, MPTCP, XFRM, bridges' netfilter and Unix sockets are not listed.

${missing(ns)}`;
}
