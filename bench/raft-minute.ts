/** What `virtual.ts` runs for each seed: five Raft nodes under faults, proposals all the time. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NetContext } from '../src/testing/run.ts';

type Net = NetContext['net'];

interface RaftNode {
  readonly name: string;
  propose(command: string): boolean;
}

interface Cluster {
  readonly leader: () => RaftNode | undefined;
}

const example = pathToFileURL(resolve('examples/raft/cluster.js')).href;
const { startCluster } = (await import(example)) as { startCluster(net: Net): Cluster };

/** For `duration` of virtual time, with or without faults. */
export async function raft(net: Net, duration: string, faults: boolean): Promise<void> {
  const { leader } = startCluster(net);
  let n = 0;
  net.every('500ms', () => {
    const node = leader();
    if (node !== undefined) net.find(node.name).run(() => node.propose(`x=${++n}`));
  });
  if (faults)
    net.nemesis({ faults: ['partition', 'crash', 'pause', 'loss'], until: duration as never });
  await net.advance(duration as never);
  if (n === 0) throw new Error('nobody was elected');
}

/** One simulated minute. */
export function prepare(): (t: NetContext) => Promise<void> {
  return ({ net }) => raft(net, '60s', true);
}
