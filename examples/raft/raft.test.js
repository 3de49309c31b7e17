/** Leader election and replication under loss, partitions, crashes and pauses: `node --test examples/raft`. */
import assert from 'node:assert/strict';
import { netTest } from 'warren/node-test';
import { startCluster } from './cluster.js';

netTest('five nodes elect one leader, and another when it crashes', async ({ net }) => {
  const { leader } = startCluster(net);
  await net.eventually('a leader', () => leader() !== undefined, '5s');
  const first = leader().name;
  net.crash(first);
  await net.eventually(
    'another leader',
    () => leader() !== undefined && leader().name !== first,
    '5s',
  );
});

netTest('a minority elects nobody and commits nothing', async ({ net }) => {
  const { nodes, leader } = startCluster(net);
  await net.eventually('a leader', () => leader() !== undefined, '5s');
  const old = leader();
  net.isolate(old.name);
  assert.ok(net.find(old.name).run(() => old.propose('lost')));
  await net.advance('10s');
  assert.equal(old.commitIndex, 0);
  net.heal();
  await net.eventually(
    'all follow the new leader',
    () => [...nodes.values()].every((n) => n.leader !== null && n.leader === leader()?.leader),
    '10s',
  );
});

netTest('what is committed survives a minute of random faults', { runs: 10 }, async ({ net }) => {
  const { nodes, leader } = startCluster(net);
  net.nemesis({ faults: ['partition', 'crash', 'pause', 'loss'], until: '60s' });
  let n = 0;
  net.every('500ms', () => {
    const node = leader();
    if (node !== undefined) net.find(node.name).run(() => node.propose(`x=${++n}`));
  });
  net.sometimes('a term beyond the third', () => [...nodes.values()].some((node) => node.term > 3));
  await net.advance('65s');
  await net.eventually('something is committed by all', () =>
    [...nodes.values()].every((node) => node.commitIndex > 5),
  );
});
