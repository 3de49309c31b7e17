/**
 * Routes of a lab that its file does not give: for each node the shortest way, over nodes that are
 * routers, to each subnet that it is not on. A host whose ways all begin at one router gets a default
 * route instead.
 */
import { formatIpv4 } from '../core/util/address.ts';
import type { PlannedNode, PlannedWire } from './plan.ts';

/** Appends the derived routes to each node's list, in the words that follow `ip route add`. */
export function deriveRoutes(nodes: readonly PlannedNode[], wires: readonly PlannedWire[]): void {
  const byName = new Map(nodes.map((n) => [n.name, n]));
  const wireOf = new Map(wires.map((w) => [w.name, w]));
  const routersOf = new Map(wires.map((w) => [w.name, routersOn(w, byName)]));
  for (const node of nodes) {
    const firstHops = shortestWays(node, routersOf);
    const gateways = new Set(firstHops.values());
    const [only] = gateways;
    if (!node.router && gateways.size === 1 && only !== undefined) {
      node.routes.push(`default via ${formatIpv4(only)}`);
      continue;
    }
    for (const [wireName, gateway] of firstHops) {
      const wire = wireOf.get(wireName) as PlannedWire;
      node.routes.push(`${formatIpv4(wire.subnet)}/${wire.prefixLen} via ${formatIpv4(gateway)}`);
    }
  }
}

/** For each wire that the node is not on: the address of the router at which the shortest way begins. */
function shortestWays(
  start: PlannedNode,
  routersOf: ReadonlyMap<string, readonly Entry[]>,
): Map<string, number> {
  const ways = new Map<string, number>();
  const seen = new Set(start.interfaces.map((i) => i.wire));
  let frontier: { wire: string; gateway: number | undefined }[] = start.interfaces.map((i) => ({
    wire: i.wire,
    gateway: undefined,
  }));
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { wire, gateway } of frontier) {
      for (const { router, entry } of routersOf.get(wire) ?? []) {
        const via = gateway ?? entry;
        if (router === start) continue;
        for (const exit of router.interfaces) {
          if (seen.has(exit.wire)) continue;
          seen.add(exit.wire);
          ways.set(exit.wire, via);
          next.push({ wire: exit.wire, gateway: via });
        }
      }
    }
    frontier = next;
  }
  return ways;
}

/** A router on a wire, and its address there. */
interface Entry {
  readonly router: PlannedNode;
  readonly entry: number;
}

function routersOn(wire: PlannedWire, nodes: ReadonlyMap<string, PlannedNode>): Entry[] {
  return wire.ends.flatMap((end) => {
    const router = nodes.get(end.node);
    const entry = router?.interfaces.find((i) => i.name === end.interface)?.address;
    return router?.router === true && entry !== undefined ? [{ router, entry }] : [];
  });
}
