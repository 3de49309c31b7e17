/**
 * The end of a module that thinks it is a process: `process.exit` and `process.exitCode` inside a node are the
 * node's program's, not those of the process that carries the lab.
 */
import type { NetNs } from '../core/net.ts';
import { currentNet } from '../node/index.ts';

type Code = number | string | null | undefined;

interface Program {
  exitCode: Code;
  readonly onExit: (code: number) => void;
}

/** Thrown by `process.exit`, which never returns. */
export class ProgramExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`process.exit(${code})`);
    this.name = 'ProgramExit';
    this.code = code;
  }
}

const programs: WeakMap<NetNs, Program> = new WeakMap();
let installed = false;
/** False where Node lets nobody replace `process.exitCode` (Node 20): then all share it. */
let separate = false;

/** Tells `onExit` when what runs in `net` ends itself. */
export function watchExit(net: NetNs, onExit: (code: number) => void): void {
  programs.set(net, { exitCode: undefined, onExit });
  if (installed) return;
  installed = true;
  patch();
}

/** What `process.exitCode` was set to in `net`. */
export function exitCodeOf(net: NetNs): number {
  if (separate) return Number(programs.get(net)?.exitCode ?? 0);
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return code;
}

function current(): Program | undefined {
  const net = currentNet();
  return net === undefined ? undefined : programs.get(net);
}

function patch(): void {
  const { exit } = process;
  process.exit = (code?: Code): never => {
    const program = current();
    if (program === undefined) return exit.call(process, code);
    const value = Number(code ?? program.exitCode ?? 0);
    program.onExit(value);
    throw new ProgramExit(value);
  };
  const outer = Object.getOwnPropertyDescriptor(process, 'exitCode');
  if (outer !== undefined && outer.configurable !== true) return;
  separate = true;
  let plain: unknown = process.exitCode;
  Object.defineProperty(process, 'exitCode', {
    configurable: true,
    enumerable: true,
    get() {
      const program = current();
      if (program !== undefined) return program.exitCode;
      return outer?.get === undefined ? plain : outer.get.call(process);
    },
    set(code: Code) {
      const program = current();
      if (program !== undefined) program.exitCode = code;
      else if (outer?.set === undefined) plain = code;
      else outer.set.call(process, code);
    },
  });
}
