/** A node of a lab that is up: what its two kinds, in this process and in one of its own, have in common. */
import type { Offer } from '../node/remote-server.ts';
import type { CommandIo } from './command-io.ts';
import type { NodeLog } from './node-log.ts';
import type { PlannedNode } from './plan.ts';

/** `idle`: no program, or it waits for its turn. `starting`: its program does not serve yet. */
export type NodeState = 'idle' | 'starting' | 'ready' | 'exited';

export interface LabNode {
  readonly plan: PlannedNode;
  readonly log: NodeLog;
  readonly state: NodeState;
  /** What runs in it: `module client.js`, `node web.js (pid 1234)`, or a dash. */
  readonly program: string;
  /** Exit code or signal of a program that ended; undefined while it runs. */
  readonly exit: string | undefined;
  /** Lays its wires, before its program runs. */
  attach(): Promise<void>;
  /** Starts the program; resolves when it is ready, rejects when it cannot become so. */
  start(): Promise<void>;
  /** Resolves when the namespace is on the network; refuses when that cannot be any more. */
  online(io: CommandIo): Promise<void>;
  /** Runs one of Warren's commands in the namespace; resolves with its exit code. */
  command(argv: readonly string[], io: CommandIo): Promise<number>;
  /** Makes a place in the namespace for one program, which connects to the socket `path`. */
  offer(path: string): Promise<Offer>;
  stop(): Promise<void>;
}
