/** Every verb but `up`: sends the words to the lab that is up, and prints what comes back. */

import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { LabError, parseLab } from '../lab/file.ts';
import { type RpcMessage, readMessages, sendMessage } from '../lab/rpc.ts';
import { isAnswering, listLabs, socketPath } from '../lab/run-dir.ts';
import { runHere } from './run-here.ts';

/** Resolves with the exit code that the lab gave. */
export async function remote(argv: readonly string[]): Promise<number> {
  const words = [...argv];
  let lab: string | undefined;
  const flag = words.indexOf('-l');
  if (flag >= 0 && (words.indexOf('--') < 0 || flag < words.indexOf('--'))) {
    lab = words[flag + 1];
    if (lab === undefined) throw new LabError('-l takes the name of a lab');
    words.splice(flag, 2);
  }
  const name = lab ?? (await findLab());
  const socket = await open(name);
  return converse(socket, words);
}

/** The lab of this folder, or the only one that is up. */
async function findLab(): Promise<string> {
  const up: string[] = [];
  for (const name of listLabs()) if (await isAnswering(socketPath(name))) up.push(name);
  if (existsSync('warren.yaml')) {
    const here = parseLab(readFileSync('warren.yaml', 'utf8'), 'warren.yaml').spec.name;
    if (up.includes(here)) return here;
  }
  const [only] = up;
  if (only === undefined) throw new LabError('no lab is up; start one with: warren up');
  if (up.length > 1) throw new LabError(`several labs are up (${up.join(', ')}); name one with -l`);
  return only;
}

function open(lab: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(lab));
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => reject(new LabError(`the lab "${lab}" is not up`)));
  });
}

function converse(socket: Socket, argv: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    let code = 1;
    let launched: Promise<number> | undefined;
    const interrupt = (): void => {
      sendMessage(socket, { signal: 'SIGINT' });
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    readMessages(socket, (message) => {
      if (message.out !== undefined) process.stdout.write(message.out);
      if (message.err !== undefined) process.stderr.write(message.err);
      if (message.launch !== undefined) {
        // From now on signals are the program's.
        quiet();
        launched = runHere(message.launch, socket);
      }
      if (message.code !== undefined) {
        code = message.code;
        socket.end();
      }
    });
    const quiet = (): void => {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    };
    socket.on('error', () => {});
    socket.on('close', () => {
      quiet();
      resolve(launched ?? code);
    });
    const columns = process.stdout.columns as number | undefined;
    const request: RpcMessage = { argv, cwd: process.cwd() };
    sendMessage(socket, columns === undefined ? request : { ...request, columns });
  });
}
