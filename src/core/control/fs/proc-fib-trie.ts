/** /proc/net/fib_trie and fib_triestat: IPv4's tables as Linux keeps them (`fib_trie_seq_show`, `fib_triestat_seq_show`). */
import type { NetNs } from '../../net.ts';
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_SITE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../../network/route/fib.ts';
import type { FibRoute } from '../../network/route/fib-route.ts';
import { formatIpv4 } from '../../util/address.ts';
import { LcTrie, type TrieChild, TrieLeaf, TrieNode } from './lc-trie.ts';

const TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
] as const;

const SCOPES: Readonly<Record<number, string>> = {
  [RT_SCOPE_UNIVERSE]: 'universe',
  [RT_SCOPE_SITE]: 'site',
  [RT_SCOPE_LINK]: 'link',
  [RT_SCOPE_HOST]: 'host',
  [RT_SCOPE_NOWHERE]: 'nowhere',
};

/** Sizes on a 64-bit Linux: a leaf, a node without children, a route in a leaf, a pointer. */
const LEAF_SIZE = 48;
const NODE_SIZE = 40;
const ALIAS_SIZE = 56;
const POINTER_SIZE = 8;

interface NamedTrie {
  readonly name: string;
  readonly trie: LcTrie<FibRoute>;
}

/** LINUX: as long as there are no rules but the usual ones, the tables main and local are one trie, shown twice. */
function tries(net: NetNs): NamedTrie[] {
  const { ipv4 } = net;
  const common = new LcTrie<FibRoute>();
  const found: (NamedTrie & { readonly bucket: number })[] = [];
  let hasCommon = false;
  for (const table of ipv4.allTables()) {
    if (table.id === RT_TABLE_LOCAL || table.id === RT_TABLE_MAIN) hasCommon = true;
    else if (!table.isEmpty)
      found.push({ name: `Id ${table.id}`, trie: filled(table.list()), bucket: table.id & 255 });
  }
  if (hasCommon) {
    const all = [RT_TABLE_LOCAL, RT_TABLE_MAIN].flatMap((id) => ipv4.findTable(id)?.list() ?? []);
    fill(common, all);
    found.push({ name: 'Main', trie: common, bucket: RT_TABLE_MAIN });
    found.push({ name: 'Local', trie: common, bucket: RT_TABLE_LOCAL });
  }
  return found.sort((a, b) => a.bucket - b.bucket);
}

function filled(routes: readonly FibRoute[]): LcTrie<FibRoute> {
  const trie = new LcTrie<FibRoute>();
  fill(trie, routes);
  return trie;
}

/** Routes of one address stand in the leaf with the longest prefix first. */
function fill(trie: LcTrie<FibRoute>, routes: readonly FibRoute[]): void {
  for (const route of routes) trie.leaf(route.dst >>> 0).values.push(route);
  for (const [node] of walk(trie))
    if (node instanceof TrieLeaf)
      node.values.sort(
        (a, b) => b.prefixLen - a.prefixLen || b.tos - a.tos || a.priority - b.priority,
      );
}

/** Every node before its children; a leaf is as deep as the node that holds it. */
function* walk(
  trie: LcTrie<FibRoute>,
): Generator<readonly [node: TrieChild<FibRoute>, depth: number]> {
  const stack: (readonly [node: TrieChild<FibRoute>, depth: number])[] = [];
  if (trie.root !== null) stack.push([trie.root, trie.root instanceof TrieNode ? 1 : 0]);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    yield next;
    const [node, depth] = next;
    if (!(node instanceof TrieNode)) continue;
    for (const child of [...node.children].reverse())
      if (child !== null) stack.push([child, child instanceof TrieNode ? depth + 1 : depth]);
  }
}

const INDENT = '   ';

export function* fibTrieLines(net: NetNs): Generator<string> {
  for (const { name, trie } of tries(net)) {
    if (trie.root !== null) yield `${name}:\n`;
    for (const [node, depth] of walk(trie)) {
      const address = formatIpv4(node.key | 0);
      if (node instanceof TrieNode) {
        const length = 32 - node.pos - node.bits;
        yield `${INDENT.repeat(depth - 1)}  +-- ${address}/${length} ${node.bits} ${node.fullChildren} ${node.emptyChildren}\n`;
        continue;
      }
      yield `${INDENT.repeat(depth)}  |-- ${address}\n`;
      for (const route of node.values) yield `${INDENT.repeat(depth + 1)}  ${routeText(route)}\n`;
    }
  }
}

function routeText(route: FibRoute): string {
  const scope = SCOPES[route.scope] ?? `scope=${route.scope}`;
  const type = TYPES[route.type] ?? `type ${route.type}`;
  const tos = route.tos === 0 ? '' : ` tos=${route.tos}`;
  return `/${route.prefixLen} ${scope} ${type}${tos}`;
}

export function* fibTrieStatLines(net: NetNs): Generator<string> {
  yield `Basic info: size of leaf: ${LEAF_SIZE} bytes, size of tnode: ${NODE_SIZE} bytes.\n`;
  for (const { name, trie } of tries(net)) yield `${name}:\n${statText(trie)}`;
}

function statText(trie: LcTrie<FibRoute>): string {
  let leaves = 0;
  let prefixes = 0;
  let depths = 0;
  let deepest = 0;
  let nulls = 0;
  const sizes: number[] = [];
  for (const [node, depth] of walk(trie)) {
    if (node instanceof TrieNode) {
      sizes[node.bits] = (sizes[node.bits] ?? 0) + 1;
      nulls += node.emptyChildren;
      continue;
    }
    leaves++;
    prefixes += node.values.length;
    depths += depth;
    deepest = Math.max(deepest, depth);
  }
  const average = leaves === 0 ? 0 : Math.floor((depths * 100) / leaves);
  let nodes = 0;
  let pointers = 0;
  let bySize = '';
  sizes.forEach((n, bits) => {
    nodes += n;
    pointers += n * 2 ** bits;
    bySize += `  ${bits}: ${n}`;
  });
  const bytes =
    leaves * LEAF_SIZE + prefixes * ALIAS_SIZE + nodes * NODE_SIZE + pointers * POINTER_SIZE;
  return (
    `\tAver depth:     ${Math.floor(average / 100)}.${String(average % 100).padStart(2, '0')}\n` +
    `\tMax depth:      ${deepest}\n\tLeaves:         ${leaves}\n\tPrefixes:       ${prefixes}\n` +
    `\tInternal nodes: ${nodes}\n\t${bySize}\n\tPointers: ${pointers}\n` +
    `Null ptrs: ${nulls}\nTotal size: ${Math.ceil(bytes / 1024)}  kB\n`
  );
}
