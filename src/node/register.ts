/**
 * `node --import warren/register program.js`: starts a whole program inside a namespace.
 *
 * - WARREN_LAB_SOCKET, WARREN_LAB_NODE, WARREN_LAB_TOKEN, set by a lab: the namespace that the lab has
 *   for this program, on the lab's wires.
 * - WARREN_PLACE, set for the programs and threads that a program in a namespace starts: the same one.
 * - WARREN_NETNS=name: a namespace of its own that has nothing but `lo`, up.
 *
 * Without them nothing happens, so that the same command runs the program outside.
 */
import { isMainThread } from 'node:worker_threads';
import { takeBindings } from './bindings.ts';
import { takePlace } from './place-environment.ts';

const {
  WARREN_LAB_SOCKET: socket = '',
  WARREN_LAB_NODE: node = '',
  WARREN_LAB_TOKEN: token = '',
  WARREN_NETNS: netns = '',
} = process.env;
const place = takePlace();

// What follows loads modules of Node's that take the classes of their handles once.
if (place !== '' || socket !== '' || netns !== '') takeBindings();

if (place !== '') {
  const { enterThrough } = await import('./remote-client.ts');
  await enterThrough(place);
} else if (socket !== '' && isMainThread) {
  const { joinLab } = await import('./join.ts');
  try {
    await joinLab({ socket, node, token });
  } catch (error) {
    console.error(`warren: ${node} cannot join its lab: ${(error as Error).message}`);
    process.exit(1);
  }
} else if (socket === '' && netns !== '') {
  const { isolate } = await import('./join.ts');
  isolate(netns);
}
