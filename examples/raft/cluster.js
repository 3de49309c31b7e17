/** Five Raft nodes on a simulated network, and what must hold of them. */
import { newDisk, Raft } from './raft.js';

export const NAMES = ['n1', 'n2', 'n3', 'n4', 'n5'];

/** Starts the nodes; `nodes` has what runs now, by name. */
export function startCluster(net, netem = 'delay 5ms 2ms loss 0.5%') {
  const hosts = net.lan('10.0.0.0/24', NAMES, { netem });
  const disks = new Map(NAMES.map((name) => [name, newDisk()]));
  const nodes = new Map();
  for (const name of NAMES)
    hosts[name].start(() => {
      const peers = NAMES.filter((other) => other !== name);
      nodes.set(name, new Raft(name, peers, disks.get(name)));
    });
  const leaders = new Map();
  net.always('at most one leader per term', () => {
    for (const [name, node] of nodes) {
      if (node.role !== 'leader' || !hosts[name].up) continue;
      const known = leaders.get(node.term);
      if (known !== undefined && known !== name)
        throw new Error(`term ${node.term} has two leaders, ${known} and ${name}`);
      leaders.set(node.term, name);
    }
  });
  const history = [];
  const checked = new WeakMap();
  net.always('what is committed stays', () => {
    for (const [name, node] of nodes) {
      for (let i = checked.get(node) ?? 0; i < node.commitIndex; i++) {
        const entry = node.disk.log[i];
        history[i] ??= `${entry.term}:${entry.command}`;
        if (history[i] !== `${entry.term}:${entry.command}`)
          throw new Error(
            `${name} committed ${entry.command} at ${i + 1}, where ${history[i]} was`,
          );
      }
      checked.set(node, node.commitIndex);
    }
  });
  /** The leader of the highest term that is up. */
  const leader = () =>
    [...nodes.values()]
      .filter((node) => node.role === 'leader' && hosts[node.name].up)
      .sort((a, b) => b.term - a.term)[0];
  return { hosts, nodes, leader };
}
