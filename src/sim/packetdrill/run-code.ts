/** The code blocks of a script: parsed before it runs, run with the values of their moment. */

import { CodeError } from './code-lex.ts';
import { CODE_NAMES, MEMINFO_NAMES, readCcInfo } from './code-names.ts';
import { parseCode, type Statement } from './code-parse.ts';
import { type CodeScope, MAX_STEPS, runCode } from './code-run.ts';
import type { CodeValue } from './code-values.ts';
import { ScriptError } from './scanner.ts';
import type { Script, ScriptEvent } from './script.ts';
import type { Target } from './target.ts';
import { readTcpInfo } from './tcp-info.ts';

const SOL_SOCKET = 1;
const SOL_TCP = 6;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
const TCP_CC_INFO = 26;
const SO_MEMINFO = 55;
/** Room for any of them. */
const ROOM = 512;

export class CodeBlocks {
  readonly printed: string[] = [];
  private readonly blocks: ReadonlyMap<ScriptEvent, readonly Statement[]>;
  private readonly variables: Map<string, CodeValue> = new Map();

  constructor(blocks: ReadonlyMap<ScriptEvent, readonly Statement[]>) {
    this.blocks = blocks;
  }

  /** @throws AssertionFailed, CodeError */
  run(event: ScriptEvent, target: Target, fd: number | null): void {
    const statements = this.blocks.get(event) ?? [];
    let known: ReadonlyMap<string, CodeValue> | null = null;
    const scope: CodeScope = {
      variables: this.variables,
      lookup: (name) => {
        const constant = CODE_NAMES.get(name);
        if (constant !== undefined) return constant;
        known ??= fd === null ? new Map() : readSocket(target, fd);
        return known.get(name);
      },
      print: (text) => this.printed.push(text),
      steps: MAX_STEPS,
    };
    runCode(statements, scope);
  }
}

/** @throws ScriptError */
export function compileCode(script: Script): CodeBlocks {
  const blocks = new Map<ScriptEvent, readonly Statement[]>();
  for (const event of script.events) {
    if (event.action.kind !== 'code') continue;
    try {
      blocks.set(event, parseCode(event.action.code, event.action.line));
    } catch (error) {
      if (!(error instanceof CodeError)) throw error;
      throw new ScriptError(script.file, { line: error.line, column: 1 }, error.message);
    }
  }
  return new CodeBlocks(blocks);
}

/** All that a socket tells about itself, by the names that scripts use. */
function readSocket(target: Target, fd: number): Map<string, CodeValue> {
  const get = (level: number, option: number): Uint8Array | null => {
    const { result } = target.call({ name: 'getsockopt', fd, level, option, len: ROOM });
    return result === null || result.value < 0 ? null : (result.option ?? null);
  };
  const info = get(SOL_TCP, TCP_INFO);
  const out = new Map<string, CodeValue>(info === null ? [] : readTcpInfo(info));
  const memory = get(SOL_SOCKET, SO_MEMINFO);
  if (memory !== null) {
    const v = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    const values = MEMINFO_NAMES.slice(0, memory.length >> 2).map((_, i) =>
      v.getUint32(4 * i, true),
    );
    out.set('skmeminfo', values);
    MEMINFO_NAMES.forEach((name, i) => {
      const value = values[i];
      if (value !== undefined) out.set(`sk_${name}`, value);
    });
  }
  const name = get(SOL_TCP, TCP_CONGESTION);
  if (name === null) return out;
  const end = name.indexOf(0);
  const text = String.fromCharCode(...name.subarray(0, end < 0 ? 16 : end));
  out.set('tcp_congestion', text);
  const cc = get(SOL_TCP, TCP_CC_INFO);
  if (cc !== null) for (const [field, value] of readCcInfo(text, cc)) out.set(field, value);
  return out;
}
