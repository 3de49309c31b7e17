/**
 * The supervisor's view of a lab (S19, V4, E5): one listing, one tree and one stream of events of every node. What each
 * node says stands under its name, so that "325 tun0" means one device.
 */
import type { CommandIo } from './command-io.ts';
import type { Lab } from './lab.ts';
import type { LabNode } from './node.ts';

/** What `ip -j -d addr` tells of a device, as far as the tree shows it. */
interface Device {
  readonly ifindex: number;
  readonly ifname: string;
  readonly operstate: string;
  readonly master?: string;
  /** The lower device of a VLAN, a macvlan …; absent or in another namespace: none here. */
  readonly link?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** `ip -all monitor` goes on in every node until it is interrupted; each line has the node's name in front. */
export async function monitorAll(
  lab: Lab,
  words: readonly string[],
  io: CommandIo,
): Promise<number> {
  const codes = await Promise.all(
    [...lab.nodes].map(([name, node]) =>
      node.command(
        ['ip', ...words],
        withOut(io, (text) => io.out(labelled(name, text))),
      ),
    ),
  );
  return Math.max(0, ...codes);
}

/** The same streams, with another place for what is printed. */
function withOut(io: CommandIo, out: (text: string) => void): CommandIo {
  return { out, err: (text) => io.err(text), signal: io.signal };
}

/** Lines that go on from the one before are indented: they get no name. */
function labelled(name: string, text: string): string {
  return text.replace(/^(?=\S)/gm, `[netns ${name}] `);
}

/** `warren tree`: nodes, their devices under what carries them, and where the wires lead. */
export async function tree(lab: Lab, io: CommandIo): Promise<string> {
  const lines: string[] = [];
  for (const [name, node] of lab.nodes) {
    const devices = await devicesOf(node, io);
    lines.push(`${name}${node.plan.router ? ' (router)' : ''}`);
    const wires = new Map(node.plan.interfaces.map((i) => [i.name, wireOf(lab, name, i.wire)]));
    lines.push(...branches(devices, null, '', wires));
  }
  return `${lines.join('\n')}\n`;
}

/** The other ends of a wire: `── shop: web1, web2`. */
function wireOf(lab: Lab, node: string, wire: string): string {
  const planned = lab.plan.wires.find((w) => w.name === wire);
  const others = (planned?.ends ?? []).filter((e) => e.node !== node).map((e) => e.node);
  return planned?.direct === true ? others.join(', ') : `${wire}: ${others.join(', ')}`;
}

async function devicesOf(node: LabNode, io: CommandIo): Promise<Device[]> {
  let text = '';
  const out = (piece: string): void => {
    text += piece;
  };
  await node.command(['ip', '-j', '-d', 'addr'], withOut(io, out));
  return text === '' ? [] : (JSON.parse(text) as Device[]);
}

/** A device stands under its master, or under the lower device that carries it. */
function branches(
  devices: readonly Device[],
  above: Device | null,
  indent: string,
  wires: ReadonlyMap<string, string>,
): string[] {
  const here = devices.filter((d) => parentOf(devices, d) === above);
  return here.flatMap((d, i) => {
    const last = i === here.length - 1;
    const wire = wires.get(d.ifname);
    const kind = d.linkinfo?.info_kind;
    const parts = [
      `${d.ifindex} ${d.ifname}`,
      ...(kind === undefined ? [] : [kind]),
      d.operstate,
      ...(d.addr_info ?? []).map((a) => `${a.local}/${a.prefixlen}`),
      ...(wire === undefined ? [] : [`── ${wire}`]),
    ];
    const deeper = `${indent}${last ? '   ' : '│  '}`;
    return [
      `${indent}${last ? '└─' : '├─'} ${parts.join('  ')}`,
      ...branches(devices, d, deeper, wires),
    ];
  });
}

function parentOf(devices: readonly Device[], d: Device): Device | null {
  const name = d.master ?? (d.linkinfo?.info_kind === 'veth' ? undefined : d.link);
  return devices.find((other) => other.ifname === name && other !== d) ?? null;
}
