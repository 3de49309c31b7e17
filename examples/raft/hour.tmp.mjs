import { startCluster } from '/tmp/wt/vtime/examples/raft/cluster.js';
import { createNet } from 'warren/test';
const min = Number(process.argv[2] ?? 10);
const net = createNet({ seed: 1, limit: '2h' });
const { leader } = startCluster(net);
const t0 = performance.now();
await net.advance(min * 60_000);
console.log(min, 'min', Math.round(performance.now() - t0), 'ms', leader()?.name, leader()?.term);
net.close(); process.exit();
