/**
 * `node --import warren/node/register program.js`: starts a whole program inside a namespace.
 *
 * - WARREN_LAB_SOCKET, WARREN_LAB_NODE, WARREN_LAB_TOKEN, set by a lab: the namespace that the lab has
 *   for this program, on the lab's wires.
 * - WARREN_NETNS=name: a namespace of its own that has nothing but `lo`, up.
 *
 * Without them nothing happens, so that the same command runs the program outside.
 */
import { isMainThread } from 'node:worker_threads';
import { isolate, joinLab } from './join.ts';

const {
  WARREN_LAB_SOCKET: socket,
  WARREN_LAB_NODE: node = '',
  WARREN_LAB_TOKEN: token = '',
  WARREN_NETNS: netns = '',
} = process.env;

if (socket !== undefined && socket !== '' && isMainThread) {
  try {
    await joinLab({ socket, node, token });
  } catch (error) {
    console.error(`warren: ${node} cannot join its lab: ${(error as Error).message}`);
    process.exit(1);
  }
}

if (netns !== '' && (socket === undefined || socket === '')) isolate(netns);
