/**
 * What a scenario saw, one list of lines for each actor: the order in which two sockets are told of things
 * is not fixed on a real network, the order in which one is told is.
 */
import type { EventEmitter } from 'node:events';
import { inspect } from 'node:util';

/** One program that runs on the host's loopback and in a namespace, and must see the same. */
export type Scenario = (log: Log) => Promise<void>;

export class Log {
  private readonly actors: Map<string, string[]> = new Map();

  /** Adds a line; ephemeral ports are all `PORT`. */
  add(actor: string, ...what: unknown[]): void {
    const line = what.map((w) => (typeof w === 'string' ? w : inspect(w, FORMAT))).join(' ');
    const lines = this.actors.get(actor) ?? [];
    this.actors.set(actor, lines);
    lines.push(withoutPorts(line));
  }

  /** Logs what `emitter` emits, and lets errors pass. */
  watch(actor: string, emitter: EventEmitter, ...events: string[]): void {
    for (const event of events)
      emitter.on(event, (...args: unknown[]) => this.add(actor, event, ...args.map(brief)));
  }

  get result(): Record<string, string[]> {
    return Object.fromEntries([...this.actors].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

const FORMAT = { depth: 4, breakLength: Number.POSITIVE_INFINITY, sorted: true } as const;

/** 32768 to 60999 are the ports that both networks give out. */
function withoutPorts(line: string): string {
  return line.replaceAll(/(?<![\d.])\d{5}(?!\d)/g, (n) =>
    Number(n) >= 32_768 && Number(n) < 61_000 ? 'PORT' : n,
  );
}

function brief(value: unknown): unknown {
  if (value instanceof Error) return shape(value);
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (typeof value === 'object' && value !== null && 'on' in value) return '<emitter>';
  return value;
}

/** All that a program can see of an error, but its stack. */
export function shape(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message } = error;
  const more = Object.fromEntries(Object.entries(error).filter(([, v]) => typeof v !== 'object'));
  const causes = error instanceof AggregateError ? { errors: error.errors.map(shape) } : {};
  const cause = error.cause === undefined ? {} : { cause: shape(error.cause) };
  return { name, message, ...more, ...causes, ...cause };
}

/** What `fn` throws, or returns. */
export function attempt(fn: () => unknown): unknown {
  try {
    return brief(fn());
  } catch (error) {
    return shape(error);
  }
}
