/**
 * How the command talks to a lab that runs: one JSON object a line over a stream socket, in both
 * directions. A request is `{argv}`; the answer is any number of `{out}` and `{err}`, then `{code}`; or
 * `{launch}`: the command starts that program itself and hangs up when it has ended.
 * `{signal: 'SIGINT'}` interrupts what runs. Lines are bounded: who sends a longer one is cut off.
 */
import type { Duplex } from 'node:stream';
import type { Launch } from './command-io.ts';

/** Longest line that is accepted, bytes. */
export const MAX_LINE: number = 1 << 20;

export interface RpcMessage {
  readonly argv?: readonly string[];
  /** Folder in which the command was typed: relative paths start there. */
  readonly cwd?: string;
  /** Columns of the terminal; absent when there is none. */
  readonly columns?: number;
  readonly out?: string;
  readonly err?: string;
  readonly code?: number;
  /** A program that the command is to start in its terminal; the lab waits for its end. */
  readonly launch?: Launch;
  readonly signal?: 'SIGINT';
}

/** Sends one message; false when the other side reads too slowly. */
export function sendMessage(stream: Duplex, message: RpcMessage): boolean {
  if (stream.destroyed || stream.writableEnded) return true;
  return stream.write(`${JSON.stringify(message)}\n`);
}

/** Calls `onMessage` for each line; destroys the stream on what is no message. */
export function readMessages(stream: Duplex, onMessage: (message: RpcMessage) => void): void {
  // Pieces of a line that has not ended yet: each is looked at once, however small they are.
  let pieces: string[] = [];
  let length = 0;
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const message = parse(pieces.join('') + text.slice(from, end));
      if (message === undefined) {
        stream.destroy(new Error('a line that is no message'));
        return;
      }
      pieces = [];
      length = 0;
      from = end + 1;
      onMessage(message);
    }
    pieces.push(text.slice(from));
    length += text.length - from;
    if (length > MAX_LINE) stream.destroy(new Error('a line that is too long'));
  });
}

function parse(line: string): RpcMessage | undefined {
  if (line.length > MAX_LINE) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isMessage(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMessage(value: unknown): value is RpcMessage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const m = value as Record<string, unknown>;
  const argv = m['argv'];
  if (argv !== undefined && !(Array.isArray(argv) && argv.every((a) => typeof a === 'string')))
    return false;
  const texts = ['out', 'err', 'cwd'].every((k) => m[k] === undefined || typeof m[k] === 'string');
  const numbers = ['code', 'columns'].every((k) => m[k] === undefined || Number.isInteger(m[k]));
  const launch = m['launch'];
  const launchOk = launch === undefined || (typeof launch === 'object' && launch !== null);
  return texts && numbers && launchOk && (m['signal'] === undefined || m['signal'] === 'SIGINT');
}
