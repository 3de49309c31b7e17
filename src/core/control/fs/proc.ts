/**
 * /proc as far as it is about the network: /proc/net, which is self/net, /proc/sys/net, and the handle of the
 * namespace in /proc/self/ns (Linux `fs/proc/proc_net.c`, `fs/proc/proc_sysctl.c`, `fs/nsfs.c`).
 */
import type { NetNs } from '../../net.ts';
import type { Namespace } from '../namespace.ts';
import type { SysctlControl } from '../sysctl.ts';
import {
  netstatLines,
  protocolsLines,
  snmp6Lines,
  snmpLines,
  sockstat6Lines,
  sockstatLines,
  softnetLines,
} from './proc-counter.ts';
import {
  devLines,
  devMcastLines,
  ifInet6Lines,
  igmp6Lines,
  igmpLines,
  mcfilterLines,
  packetLines,
  ptypeLines,
} from './proc-device.ts';
import { fibTrieLines, fibTrieStatLines } from './proc-fib-trie.ts';
import { arpLines, ipv6RouteLines, routeLines, rtCacheLines } from './proc-route.ts';
import { pingLines, rawLines, tcpLines, udpLines, udpLiteLines } from './proc-socket.ts';
import { directory, type FsDirectory, type FsNode, pieces, readable } from './tree.ts';

/** The first inode of nsfs: a namespace's handle is `net:[…]`. */
const FIRST_INODE = 4_026_531_840;

/** Microseconds and ticks of the packet schedulers, as on every Linux with timers of high resolution. */
const PSCHED = '000003e8 00000040 000f4240 3b9aca00\n';

type Lines = (net: NetNs) => Iterable<string>;

/** What stands in each file. */
const FILES: Readonly<Record<string, Lines>> = {
  arp: arpLines,
  dev: devLines,
  dev_mcast: devMcastLines,
  fib_trie: fibTrieLines,
  fib_triestat: fibTrieStatLines,
  icmp: (net) => pingLines(net, false),
  icmp6: (net) => pingLines(net, true),
  if_inet6: ifInet6Lines,
  igmp: igmpLines,
  igmp6: igmp6Lines,
  ipv6_route: ipv6RouteLines,
  mcfilter: mcfilterLines,
  netstat: netstatLines,
  packet: packetLines,
  protocols: protocolsLines,
  psched: () => [PSCHED],
  ptype: ptypeLines,
  raw: (net) => rawLines(net, false),
  raw6: (net) => rawLines(net, true),
  route: routeLines,
  rt_cache: rtCacheLines,
  snmp: snmpLines,
  snmp6: snmp6Lines,
  sockstat: sockstatLines,
  sockstat6: sockstat6Lines,
  softnet_stat: softnetLines,
  tcp: (net) => tcpLines(net, false),
  tcp6: (net) => tcpLines(net, true),
  udp: (net) => udpLines(net, false),
  udp6: (net) => udpLines(net, true),
  udplite: () => udpLiteLines(false),
  udplite6: () => udpLiteLines(true),
};

/** Names of the files of /proc/net, for documents and tests. */
export const PROC_NET_FILES: readonly string[] = Object.keys(FILES);

function procNet(net: NetNs): FsDirectory {
  return {
    kind: 'directory',
    mode: 0o555,
    names: () => PROC_NET_FILES,
    child: (name) => {
      const lines = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
      return lines === undefined ? undefined : readable(() => pieces(lines(net)));
    },
  };
}

/** A directory of sysctls; `prefix` is its name: `net.ipv4`. */
function sysctlDirectory(control: SysctlControl, prefix: string): FsDirectory {
  const part = (name: string): string => name.slice(prefix.length + 1).split('.')[0] as string;
  // A dot in the name of a file is a slash in the name of a sysctl.
  const spelled = (name: string): string => name.replaceAll('.', '/');
  return {
    kind: 'directory',
    mode: 0o555,
    names: () => {
      const inside = control.names().filter((n) => n.startsWith(`${prefix}.`));
      return [...new Set(inside.map((n) => part(n).replaceAll('/', '.')))];
    },
    child: (file) => {
      const name = `${prefix}.${spelled(file)}`;
      const mode = control.mode(name);
      if (mode !== undefined) return sysctlFile(control, name, mode);
      const isDirectory = control.names().some((n) => n.startsWith(`${name}.`));
      return isDirectory ? sysctlDirectory(control, name) : undefined;
    },
  };
}

function sysctlFile(control: SysctlControl, name: string, mode: number): FsNode {
  const read = (): string[] => [`${control.get(name)}\n`];
  if ((mode & 0o200) === 0) return { kind: 'file', mode, read };
  return { kind: 'file', mode, read, write: (text) => control.set(name, text) };
}

/** /proc of a namespace. */
export function procfs(ns: Namespace): FsDirectory {
  const { net } = ns;
  const handle: FsNode = { kind: 'link', target: () => `net:[${FIRST_INODE + net.id}]` };
  const self = (): FsNode =>
    directory({
      net: () => procNet(net),
      ns: () => directory({ net: () => handle }),
    });
  return directory({
    net: () => ({ kind: 'link', target: () => 'self/net' }),
    self,
    sys: () => directory({ net: () => sysctlDirectory(ns.sysctl, 'net') }),
    'thread-self': self,
  });
}
