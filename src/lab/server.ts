/** The lab's end of the command's socket: one connection, one command. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { CommandIo } from './command-io.ts';
import { LabError } from './file.ts';
import { readMessages, sendMessage } from './rpc.ts';
import { isAnswering } from './run-dir.ts';

/** Where a command was typed. */
export interface Terminal {
  readonly cwd: string;
}

/** Carries a command out; resolves with its exit code. */
export type CommandRunner = (
  argv: readonly string[],
  io: CommandIo,
  terminal: Terminal,
) => Promise<number>;

/** Commands that run at the same time; more are refused. */
const MAX_COMMANDS = 64;

/** Listens at `path`; refuses when another lab answers there, and replaces a socket that nobody serves. */
export async function serveCommands(
  path: string,
  run: CommandRunner,
): Promise<() => Promise<void>> {
  if (await isAnswering(path))
    throw new LabError('a lab of this name is up already; take it down with: warren down');
  rmSync(path, { force: true });
  const connections = new Set<Socket>();
  const server: Server = createServer((socket) => {
    if (connections.size >= MAX_COMMANDS) {
      socket.destroy();
      return;
    }
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serve(socket, run);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  server.unref();
  return async () => {
    for (const socket of connections) socket.end();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(path, { force: true });
  };
}

function serve(socket: Socket, run: CommandRunner): void {
  const abort = new AbortController();
  let running = false;
  socket.on('error', () => {});
  socket.once('close', () => abort.abort());
  readMessages(socket, (message) => {
    if (message.signal !== undefined) abort.abort();
    if (message.argv === undefined || running) return;
    running = true;
    const io: CommandIo = {
      out: (text) => void sendMessage(socket, { out: text }),
      err: (text) => void sendMessage(socket, { err: text }),
      signal: abort.signal,
      launch: (launch) =>
        new Promise((resolve) => {
          // Its end is that of the connection; the exit code is known there.
          if (abort.signal.aborted) resolve(0);
          abort.signal.addEventListener('abort', () => resolve(0), { once: true });
          sendMessage(socket, { launch });
        }),
    };
    const { argv, cwd = process.cwd() } = message;
    // What fails at once must not end the lab either.
    Promise.resolve()
      .then(() => run(argv, io, { cwd }))
      .catch((error: unknown) => {
        io.err(`warren: ${error instanceof Error ? error.message : String(error)}\n`);
        return 2;
      })
      .then((code) => {
        sendMessage(socket, { code });
        socket.end();
      })
      .catch(() => socket.destroy());
  });
}
