/**
 * What a `run:` program is started with (`node --import …/agent.js program.js`): joins the lab, and serves
 * the lab's commands (`exec`, `ip -n` …) inside the program's namespace. The program sees none of it.
 */
import type { Namespace } from '../core/control/namespace.ts';
import type { FrameStream } from '../node/frame-stream.ts';
import { joinLab } from '../node/join.ts';
import { doorOf } from '../node/place-door.ts';
import { type Offer, offerPlace } from '../node/remote-server.ts';
import type { CommandIo } from './command-io.ts';

const {
  WARREN_LAB_SOCKET: socket,
  WARREN_LAB_NODE: node = '',
  WARREN_LAB_TOKEN: token = '',
} = process.env;

/** Milliseconds between asking this process to end and ending it. */
const KILL_AFTER_MS = 2000;

/** Places for other programs in this namespace, by the path of their socket. */
const offers: Map<string, Offer> = new Map();
/** Commands that run, by the number that the lab gave them. */
const running: Map<number, AbortController> = new Map();

if (socket !== undefined && socket !== '') {
  // A program that this one starts is not the node itself: it runs outside.
  for (const name of ['WARREN_LAB_SOCKET', 'WARREN_LAB_NODE', 'WARREN_LAB_TOKEN'])
    delete process.env[name];
  try {
    await joinLab({ socket, node, token }, serve, endSelf);
  } catch (error) {
    console.error(`warren: ${node} cannot join its lab: ${(error as Error).message}`);
    process.exit(1);
  }
}

/** Without its lab a program ends, as if its machine went down. */
function endSelf(): void {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), KILL_AFTER_MS).unref();
}

function serve(ns: Namespace, stream: FrameStream, method: string, params: unknown): unknown {
  if (method === 'command') return command(ns, stream, params as CommandRequest);
  if (method === 'interrupt') {
    running.get(Number(params))?.abort();
    return null;
  }
  if (method === 'offer') return offer(ns, String(params));
  if (method === 'withdraw') {
    offers.get(String(params))?.close();
    offers.delete(String(params));
    return null;
  }
  return undefined;
}

/** Makes a place for a program that runs in this one's namespace, at the path that the lab names. */
async function offer(ns: Namespace, path: string): Promise<null> {
  offers.set(path, await offerPlace(ns.net, path, doorOf));
  return null;
}

interface CommandRequest {
  readonly id: number;
  readonly argv: readonly string[];
}

/** Resolves with the exit code; output goes back as requests of our own, in order. */
async function command(
  ns: Namespace,
  stream: FrameStream,
  request: CommandRequest,
): Promise<number> {
  const { id, argv } = request;
  const abort = new AbortController();
  running.set(id, abort);
  const send = (kind: 'out' | 'err', text: string): void => {
    stream.request('output', { id, kind, text }).catch(() => abort.abort());
  };
  const io: CommandIo = {
    out: (text) => send('out', text),
    err: (text) => send('err', text),
    signal: abort.signal,
  };
  try {
    const { runCommand } = await import('./commands.ts');
    return await runCommand(ns, argv, io);
  } finally {
    running.delete(id);
  }
}
