/**
 * The plan of a lab: what stands in the file, with ranges expanded and every address, interface name
 * and route worked out. Nothing is started here; what cannot be planned is refused with its line.
 */

import { parseNetem } from '../core/control/netem-words.ts';
import type { PolicySet } from '../core/control/policy.ts';
import { formatIpv4, maskOf, parseIpv4 } from '../core/util/address.ts';
import { nearest } from '../core/util/nearest.ts';
import type { LabSource, LinkSpec, NetworkSpec, NodeSpec, WirePolicySpec } from './file.ts';
import { programOf } from './program-words.ts';
import { expandRange, MAX_RANGE } from './range.ts';
import { deriveRoutes } from './routes.ts';
import { planScenario, type Scenario } from './scenario.ts';
import { portPolicy } from './wire-policy.ts';

/** One interface of a node. */
export interface PlannedInterface {
  /** `eth0`, `eth1` … in the order in which the file joins the node to wires. */
  readonly name: string;
  /** The network's name, or `a <-> b` for a link. */
  readonly wire: string;
  /** Signed 32-bit integer. */
  readonly address: number;
  readonly prefixLen: number;
  /** Words of tc-netem(8) for what leaves through this interface; '' for none. */
  readonly netem: string;
  /** What the node may send into the wire; null: everything. */
  readonly policy: PolicySet | null;
}

export interface PlannedNode {
  readonly name: string;
  /** Its key in the file: a range stands for several nodes. */
  readonly key: string;
  readonly router: boolean;
  readonly spec: NodeSpec;
  readonly interfaces: PlannedInterface[];
  /** What follows `ip route add`: derived ones first, then those of the file. */
  readonly routes: string[];
  readonly after: readonly string[];
  readonly ready: Ready | undefined;
}

/** What tells that a node serves. */
export type Ready =
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'log'; readonly text: string };

/** A segment that several nodes share, or the wire between two. */
export interface PlannedWire {
  readonly name: string;
  /** True for a link between two nodes: no bridge in between. */
  readonly direct: boolean;
  /** Network address, signed 32-bit integer. */
  readonly subnet: number;
  readonly prefixLen: number;
  readonly ends: readonly { readonly node: string; readonly interface: string }[];
}

export interface LabPlan {
  readonly name: string;
  readonly clock: 'real' | 'virtual';
  readonly seed: number | 'random';
  readonly nodes: readonly PlannedNode[];
  readonly wires: readonly PlannedWire[];
  /** Commands to show, as the file has them. */
  readonly tour: readonly string[];
  /** What `warren test` does and asks for. */
  readonly scenario: Scenario;
  /** For each node the addresses of all names, those on a shared wire first. */
  hostsOf(node: string): ReadonlyMap<string, readonly string[]>;
}

type Path = readonly (string | number)[];

/** Works out the plan; throws `LabError` for what cannot be. */
export function planLab(source: LabSource): LabPlan {
  const planner = new Planner(source);
  return planner.plan();
}

interface WireDraft {
  readonly name: string;
  readonly direct: boolean;
  readonly path: Path;
  readonly subnetText: string | undefined;
  readonly policy: WirePolicySpec | undefined;
  readonly members: { node: string; address: number | undefined; netem: string; path: Path }[];
}

class Planner {
  private readonly source: LabSource;
  private readonly nodes: Map<string, PlannedNode> = new Map();
  /** Links so far, ends in the order of the alphabet. */
  private readonly linked: Set<string> = new Set();
  private readonly taken: { base: number; prefixLen: number; wire: string }[] = [];

  constructor(source: LabSource) {
    this.source = source;
  }

  plan(): LabPlan {
    const { spec } = this.source;
    for (const [name, node] of Object.entries(spec.nodes ?? {}))
      for (const one of this.names(name, ['nodes', name])) this.addNode(one, node ?? {}, name);
    const drafts = [
      ...Object.entries(spec.networks ?? {}).map(([name, n]) => this.networkDraft(name, n)),
      ...(spec.links ?? []).map((link, i) => this.linkDraft(link, i)),
    ];
    if (this.nodes.size === 0)
      this.source.fail([], 'a lab needs at least one node: name some under nodes or links');
    for (const draft of drafts) this.claimSubnet(draft);
    const wires = drafts.map((draft) => this.wire(draft));
    this.checkOrder();
    const nodes = [...this.nodes.values()];
    deriveRoutes(nodes, wires);
    for (const node of nodes) node.routes.push(...listOf(node.spec.routes));
    const runs = nodes.find((n) => n.spec.run !== undefined);
    if (spec.clock === 'virtual' && runs !== undefined)
      this.source.fail(
        ['clock'],
        `virtual time cannot hold for ${runs.name}, which is a process of its own (run:); use clock: real, or module:`,
      );
    const scenario = planScenario(this.source, { nodes: this.nodes, wires });
    return {
      name: spec.name,
      clock: spec.clock ?? 'real',
      seed: spec.seed ?? 'random',
      nodes,
      wires,
      tour: spec.tour ?? [],
      scenario,
      hostsOf: hostTables(nodes),
    };
  }

  private names(text: string, path: Path): readonly string[] {
    const names = expandRange(text);
    if (names === undefined)
      return this.source.fail(
        path,
        `"${text}" is no range; a range is written n1..n5, and stands for at most ${MAX_RANGE} nodes`,
      );
    return names;
  }

  private addNode(name: string, spec: NodeSpec, key: string): PlannedNode {
    const path = ['nodes', key];
    if (this.nodes.has(name)) this.source.fail(path, `the node ${name} is there twice`);
    if (spec.module !== undefined && spec.run !== undefined)
      this.source.fail(
        [...path, 'run'],
        `${name} has both module: and run:; a node has one program`,
      );
    if (spec.run !== undefined && programOf(spec.run) === undefined) {
      const text = typeof spec.run === 'string' ? spec.run : spec.run.join(' ');
      this.source.fail(
        [...path, 'run'],
        `run starts Node programs, as in "node server.js"; "${text}" is none`,
      );
    }
    const node: PlannedNode = {
      name,
      key,
      router: spec.kind === 'router',
      spec,
      interfaces: [],
      routes: [],
      after: listOf(spec.after).flatMap((n) => this.names(n, [...path, 'after'])),
      ready: this.ready(spec.ready, [...path, 'ready']),
    };
    this.nodes.set(name, node);
    return node;
  }

  private ready(text: string | undefined, path: Path): Ready | undefined {
    if (text === undefined) return undefined;
    const tcp = /^tcp\s+(\d{1,5})$/.exec(text);
    if (tcp !== null && Number(tcp[1]) >= 1 && Number(tcp[1]) <= 65535)
      return { kind: 'tcp', port: Number(tcp[1]) };
    const log = /^log\s+(.+)$/.exec(text);
    if (log !== null) return { kind: 'log', text: log[1] as string };
    return this.source.fail(path, `ready is "tcp PORT" or "log TEXT", not "${text}"`);
  }

  private networkDraft(name: string, network: NetworkSpec): WireDraft {
    const path = ['networks', name];
    const netem = this.netem(network.netem, [...path, 'netem']);
    const entries: [string, string | null, Path][] = Array.isArray(network.join)
      ? network.join.map((n: string, i) => [n, null, [...path, 'join', i]])
      : Object.entries(network.join as Record<string, string | null>).map(([n, a]) => [
          n,
          a,
          [...path, 'join', n],
        ]);
    const members: WireDraft['members'] = [];
    const joined = new Set<string>();
    for (const [text, address, where] of entries) {
      const names = this.names(text, where);
      if (address !== null && names.length > 1)
        this.source.fail(where, `${text} are ${names.length} nodes; one address cannot serve them`);
      for (const node of names) {
        this.known(node, where);
        if (joined.has(node)) this.source.fail(where, `${node} joins ${name} twice`);
        joined.add(node);
        members.push({ node, address: this.address(address, where), netem, path: where });
      }
    }
    const { subnet: subnetText, policy } = network;
    return { name, direct: false, path, subnetText, policy, members };
  }

  private linkDraft(link: string | LinkSpec, index: number): WireDraft {
    const path = ['links', index];
    const spec: LinkSpec = typeof link === 'string' ? { between: link } : link;
    const [a = '', b = ''] = spec.between.split('<->').map((s) => s.trim());
    if (a === b) this.source.fail(path, `a link joins two nodes, and both ends are ${a}`);
    const ends = [a, b].sort().join(' <-> ');
    if (this.linked.has(ends))
      this.source.fail(path, `${a} and ${b} have a link already; a network takes more wires`);
    this.linked.add(ends);
    for (const node of [a, b]) if (!this.nodes.has(node)) this.addNode(node, {}, node);
    const netem = new Map<string, string>();
    if (typeof spec.netem === 'string') {
      const words = this.netem(spec.netem, [...path, 'netem']);
      netem.set(a, words).set(b, words);
    }
    if (typeof spec.netem === 'object')
      for (const [way, words] of Object.entries(spec.netem))
        this.oneWay(netem, [a, b], way, this.netem(words, [...path, 'netem', way]), path);
    const member = (node: string): WireDraft['members'][number] => ({
      node,
      address: undefined,
      netem: netem.get(node) ?? '',
      path,
    });
    return {
      name: `${a} <-> ${b}`,
      direct: true,
      path,
      subnetText: spec.subnet,
      policy: spec.policy,
      members: [member(a), member(b)],
    };
  }

  private oneWay(
    netem: Map<string, string>,
    ends: readonly string[],
    way: string,
    words: string,
    path: Path,
  ): void {
    const m = /^\s*(\S+)\s*(<?->)\s*(\S+)\s*$/.exec(way);
    if (m === null || !ends.includes(m[1] ?? '') || !ends.includes(m[3] ?? '') || m[1] === m[3])
      this.source.fail(
        [...path, 'netem', way],
        `"${way}" is not a way of the link ${ends.join(' <-> ')}`,
      );
    netem.set(m?.[1] ?? '', words);
    if (m?.[2] === '<->') netem.set(m[3] ?? '', words);
  }

  private netem(words: string | undefined, path: Path): string {
    if (words === undefined) return '';
    try {
      parseNetem(words);
    } catch (error) {
      const detail = (error as { detail?: string }).detail;
      this.source.fail(path, detail ?? (error as Error).message);
    }
    return words;
  }

  private known(node: string, path: Path): void {
    if (this.nodes.has(node)) return;
    const near = nearest(node, [...this.nodes.keys()]);
    const hint = near === undefined ? 'name it under nodes' : `did you mean "${near}"?`;
    this.source.fail(path, `there is no node "${node}"; ${hint}`);
  }

  private address(text: string | null, path: Path): number | undefined {
    if (text === null) return undefined;
    const addr = parseIpv4(text);
    if (addr === undefined) this.source.fail(path, `"${text}" is not an IPv4 address`);
    return addr;
  }

  /** Subnets of the file first, so that derived ones keep clear of them. */
  private claimSubnet(draft: WireDraft): void {
    if (draft.subnetText === undefined) return;
    const path = [...draft.path, 'subnet'];
    const [text = '', lenText] = draft.subnetText.split('/');
    const addr = parseIpv4(text);
    const prefixLen = Number(lenText);
    if (addr === undefined || prefixLen < 1 || prefixLen > 31)
      return this.source.fail(path, `"${draft.subnetText}" is not a subnet such as 10.0.0.0/24`);
    if ((addr & maskOf(prefixLen)) !== addr) {
      const base = formatIpv4(addr & maskOf(prefixLen));
      this.source.fail(
        path,
        `${draft.subnetText} has host bits; the subnet is ${base}/${prefixLen}`,
      );
    }
    if (isUnusable(addr))
      this.source.fail(
        path,
        `${draft.subnetText} is not for hosts (RFC 6890); take one of 10.0.0.0/8`,
      );
    const other = this.taken.find((t) => overlaps(t, { base: addr, prefixLen }));
    if (other !== undefined)
      this.source.fail(path, `${draft.subnetText} overlaps the subnet of ${other.wire}`);
    this.taken.push({ base: addr, prefixLen, wire: draft.name });
  }

  private subnetOf(draft: WireDraft): { base: number; prefixLen: number } {
    const own = this.taken.find((t) => t.wire === draft.name);
    if (own !== undefined) return own;
    const prefixLen = draft.members.length <= 250 ? 24 : 16;
    for (let k = 0; k < 65_536; k++) {
      const base = (0x0a000000 + k * 2 ** (32 - prefixLen)) | 0;
      if (base >>> 24 !== 10) break;
      if (this.taken.some((t) => overlaps(t, { base, prefixLen }))) continue;
      this.taken.push({ base, prefixLen, wire: draft.name });
      return { base, prefixLen };
    }
    return this.source.fail(draft.path, 'no subnet is left in 10.0.0.0/8; give one with subnet:');
  }

  /** Gives every member an address (routers the lowest ones) and an interface. */
  private wire(draft: WireDraft): PlannedWire {
    const { base, prefixLen } = this.subnetOf(draft);
    this.giveAddresses(draft, base, prefixLen);
    const ends = draft.members.map((m) => {
      const node = this.nodes.get(m.node) as PlannedNode;
      const name = `eth${node.interfaces.length}`;
      const address = m.address as number;
      const policy = portPolicy(draft.policy, address, node.router);
      node.interfaces.push({ name, wire: draft.name, address, prefixLen, netem: m.netem, policy });
      return { node: m.node, interface: name };
    });
    return { name: draft.name, direct: draft.direct, subnet: base, prefixLen, ends };
  }

  private giveAddresses(draft: WireDraft, base: number, prefixLen: number): void {
    const subnet = `${formatIpv4(base)}/${prefixLen}`;
    // A /31 has neither network nor broadcast address (RFC 3021 §2.2).
    const [first, last] = prefixLen === 31 ? [0, 1] : [1, 2 ** (32 - prefixLen) - 2];
    const used = new Set<number>();
    for (const m of draft.members) {
      if (m.address === undefined) continue;
      const host = (m.address - base) >>> 0;
      const text = formatIpv4(m.address);
      if (host < first || host > last)
        this.source.fail(m.path, `the address ${text} is no host of ${subnet}`);
      if (used.has(m.address)) this.source.fail(m.path, `the address ${text} is taken`);
      used.add(m.address);
    }
    let host = first;
    for (const m of [...draft.members].sort((x, y) => this.rank(x.node) - this.rank(y.node))) {
      if (m.address !== undefined) continue;
      while (used.has((base + host) | 0)) host++;
      if (host > last)
        this.source.fail(draft.path, `${subnet} is too small for ${draft.members.length} nodes`);
      m.address = (base + host) | 0;
      used.add(m.address);
    }
  }

  private rank(node: string): number {
    return this.nodes.get(node)?.router === true ? 0 : 1;
  }

  /** `after:` must name nodes, and never lead back to where it began. */
  private checkOrder(): void {
    const done = new Set<string>();
    const visit = (name: string, way: readonly string[]): void => {
      if (done.has(name)) return;
      const path = ['nodes', name, 'after'];
      if (way.includes(name))
        this.source.fail(path, `after goes in a circle: ${[...way, name].join(' after ')}`);
      for (const before of this.nodes.get(name)?.after ?? []) {
        this.known(before, path);
        visit(before, [...way, name]);
      }
      done.add(name);
    };
    for (const name of this.nodes.keys()) visit(name, []);
  }
}

export function listOf(words: string | readonly string[] | undefined): readonly string[] {
  if (words === undefined) return [];
  return typeof words === 'string' ? [words] : words;
}

function overlaps(
  a: { base: number; prefixLen: number },
  b: { base: number; prefixLen: number },
): boolean {
  const mask = maskOf(Math.min(a.prefixLen, b.prefixLen));
  return (a.base & mask) === (b.base & mask);
}

/** "This network", loopback, multicast and what is reserved. */
function isUnusable(addr: number): boolean {
  const first = addr >>> 24;
  return first === 0 || first === 127 || first >= 224;
}

type HostTable = ReadonlyMap<string, readonly string[]>;

/** One table for all nodes on the same wires: thousands of nodes may know thousands of names. */
function hostTables(nodes: readonly PlannedNode[]): (node: string) => HostTable {
  const byName = new Map(nodes.map((n) => [n.name, n]));
  const tables = new Map<string, HostTable>();
  return (name) => {
    const wires = byName.get(name)?.interfaces.map((i) => i.wire) ?? [];
    const key = [...wires].sort().join('\n');
    const table = tables.get(key) ?? hostsFrom(new Set(wires), nodes);
    tables.set(key, table);
    return table;
  };
}

function hostsFrom(near: ReadonlySet<string>, nodes: readonly PlannedNode[]): HostTable {
  const hosts = new Map<string, string[]>();
  for (const other of nodes) {
    const sorted = [...other.interfaces].sort(
      (a, b) => Number(near.has(b.wire)) - Number(near.has(a.wire)),
    );
    if (sorted.length > 0)
      hosts.set(
        other.name,
        sorted.map((i) => formatIpv4(i.address)),
      );
  }
  return hosts;
}
