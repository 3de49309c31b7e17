/**
 * What a program that `exec` runs is started with (`node --import …/program.js program.js`): enters the
 * namespace of its node, which another process holds. The program sees none of it.
 */
import { enterRemote } from '../node/remote-client.ts';

const { WARREN_PROGRAM_SOCKET: path, WARREN_PROGRAM_NODE: node = '' } = process.env;

if (path !== undefined && path !== '') {
  // A program that this one starts runs outside, as one that a run: program starts.
  for (const name of ['WARREN_PROGRAM_SOCKET', 'WARREN_PROGRAM_NODE']) delete process.env[name];
  try {
    await enterRemote(path);
  } catch (error) {
    console.error(`warren: cannot enter ${node}: ${(error as Error).message}`);
    process.exit(1);
  }
}
