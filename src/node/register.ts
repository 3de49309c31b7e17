/**
 * `node --import warren/node/register program.js`: starts a program inside the namespace that a lab has
 * for it. The lab sets WARREN_LAB_SOCKET, WARREN_LAB_NODE and WARREN_LAB_TOKEN; without them nothing
 * happens, so that the same command runs the program outside.
 */
import { isMainThread } from 'node:worker_threads';
import { joinLab } from './join.ts';

const {
  WARREN_LAB_SOCKET: socket,
  WARREN_LAB_NODE: node = '',
  WARREN_LAB_TOKEN: token = '',
} = process.env;

if (socket !== undefined && socket !== '' && isMainThread) {
  try {
    await joinLab({ socket, node, token });
  } catch (error) {
    console.error(`warren: ${node} cannot join its lab: ${(error as Error).message}`);
    process.exit(1);
  }
}
