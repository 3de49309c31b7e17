/**
 * The picture of a lab as text: a column for each node, a line for each wire, and where they meet the
 * node's address on that wire.
 */
import { formatIpv4 } from '../core/util/address.ts';
import type { LabPlan, PlannedNode, PlannedWire } from '../lab/plan.ts';

/** Nodes beyond this many are left out of the picture, and it says so. */
const MAX_COLUMNS = 12;

/** The picture, without colour; lines are at most as wide as its columns need. */
export function drawLab(plan: LabPlan): string {
  const shown = plan.nodes.slice(0, MAX_COLUMNS);
  const labels = shown.map((n) => (n.router ? `${n.name} ⇄` : n.name));
  const left = Math.max(...plan.wires.map((w) => w.name.length), 4) + 3;
  const width = Math.max(...labels.map((l) => l.length), 7) + 3;
  const columnAt = (i: number): number => left + i * width + Math.floor(width / 2);
  const lines: string[] = [
    place(labels.map((l, i) => [columnAt(i) - Math.floor(l.length / 2), l])),
  ];
  plan.wires.forEach((wire, row) => {
    lines.push(stems(plan, shown, row, columnAt), bus(wire, plan, shown, row, columnAt));
  });
  const more = plan.nodes.length - shown.length;
  if (more > 0) lines.push(`${' '.repeat(left)}… and ${more} more nodes`);
  return lines.map((l) => l.trimEnd()).join('\n');
}

/** The row above a wire: stems of the nodes that reach it or pass it, with the last part of the address. */
function stems(
  plan: LabPlan,
  shown: readonly PlannedNode[],
  row: number,
  columnAt: (i: number) => number,
): string {
  const wire = plan.wires[row] as PlannedWire;
  return place(
    shown.flatMap((node, i): [number, string][] => {
      const own = node.interfaces.find((x) => x.wire === wire.name);
      if (own !== undefined) return [[columnAt(i), `│${hostPart(own.address, wire)}`]];
      return reachesBelow(plan, node, row) ? [[columnAt(i), '│']] : [];
    }),
  );
}

/** The wire itself, from its first member to its last. */
function bus(
  wire: PlannedWire,
  plan: LabPlan,
  shown: readonly PlannedNode[],
  row: number,
  columnAt: (i: number) => number,
): string {
  const members = shown.flatMap((n, i) =>
    n.interfaces.some((x) => x.wire === wire.name) ? [i] : [],
  );
  const first = columnAt(members[0] ?? 0);
  const last = columnAt(members.at(-1) ?? 0);
  const subnet = `${formatIpv4(wire.subnet)}/${wire.prefixLen}`;
  const parts: [number, string][] = [
    [1, wire.name],
    [first, '━'.repeat(last - first + 1)],
  ];
  shown.forEach((node, i) => {
    const below = reachesBelow(plan, node, row + 1);
    if (members.includes(i)) parts.push([columnAt(i), below ? '┿' : '┷']);
    else if (below)
      parts.push([columnAt(i), columnAt(i) > first && columnAt(i) < last ? '┿' : '│']);
  });
  parts.push([columnAt(shown.length - 1) + 5, subnet]);
  return place(parts);
}

/** Does the node have an interface on this wire or on one drawn further down? */
function reachesBelow(plan: LabPlan, node: PlannedNode, row: number): boolean {
  return plan.wires.slice(row).some((w) => node.interfaces.some((i) => i.wire === w.name));
}

/** `.7` of 10.0.0.7/24, `.3.7` where the subnet leaves two bytes to the host. */
function hostPart(address: number, wire: PlannedWire): string {
  const bytes = formatIpv4(address).split('.');
  return `.${bytes.slice(Math.floor(wire.prefixLen / 8)).join('.')}`;
}

/** Texts at their columns; a later one overwrites. */
function place(parts: readonly (readonly [number, string])[]): string {
  const cells: string[] = [];
  for (const [at, text] of parts) {
    [...text].forEach((ch, i) => {
      cells[at + i] = ch;
    });
  }
  return Array.from(cells, (c) => c ?? ' ').join('');
}
