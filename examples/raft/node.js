// One node of the cluster, as the lab file starts it; what it exports is what checks.js looks at.
import { hostname } from 'node:os';
import { newDisk, Raft } from './raft.js';

const peers = process.env.PEERS.split(',').filter((name) => name !== hostname());

export const node = new Raft(hostname(), peers, newDisk());
