/**
 * A script as text becomes events. The language is packetdrill's (Cardwell et al., "packetdrill: Scriptable
 * Network Stack Testing", USENIX ATC 2013, and what its scripts have used since).
 */

import { versionOf } from './config.ts';
import { parseCall } from './parse-call.ts';
import { parseSeconds, parseTime } from './parse-number.ts';
import { parsePacket } from './parse-packet.ts';
import { RUNNER_DEFINES } from './profile.ts';
import { Scanner } from './scanner.ts';
import type {
  CallAction,
  CodeAction,
  Script,
  ScriptEvent,
  ScriptOption,
  ShellAction,
  ShellCommand,
  Time,
} from './script.ts';

/** Longest script; larger ones are a mistake. */
const MAX_LENGTH = 4_000_000;
const OPTION = /--?([A-Za-z_][\w-]*)/y;
const OPTION_VALUE = /"([^"\n]*)"|[^\s`]+/y;
const DEFINE = /-D\s*([A-Za-z_]\w*)=("[^"\n]*"|\S*)/y;

/**
 * @param commandLine options that rule over the script's own: what `ksft_runner.sh` defines depends on `--ip_version`
 * @throws ScriptError
 */
export function parseScript(
  file: string,
  text: string,
  defines: ReadonlyMap<string, string> = new Map(),
  commandLine: readonly ScriptOption[] = [],
): Script {
  const first = new Scanner(file, text);
  if (text.length > MAX_LENGTH) first.fail(`a script may have ${MAX_LENGTH} characters`);
  const all = new Map(defines);
  const options = parseOptions(first, all);
  for (const [name, value] of RUNNER_DEFINES[versionOf(file, [...options, ...commandLine])])
    if (!all.has(name) && text.includes(name)) all.set(name, value);
  const s = all.size === 0 ? first : new Scanner(file, substitute(text, first.at, all));
  s.at = first.at;
  const init: ShellCommand[] = [];
  for (let c = shellCommand(s); c !== null; c = shellCommand(s)) init.push(c);
  const events: ScriptEvent[] = [];
  let cleanup: ShellCommand | null = null;
  for (s.skip(); !s.atEnd; s.skip()) {
    if (cleanup !== null) s.fail('nothing may follow the cleanup command');
    if (s.lookingAt('`')) cleanup = shellCommand(s);
    else events.push(parseEvent(s, events.length === 0));
  }
  if (events.length === 0) s.fail('this script has no events');
  return { file, options, init, events, cleanup };
}

/** `--name=value`, and `-D NAME=value`, which says what a word stands for. */
function parseOptions(s: Scanner, defines: Map<string, string>): ScriptOption[] {
  const options: ScriptOption[] = [];
  for (s.skip(); s.lookingAt('-'); s.skip()) {
    const position = s.position();
    const define = s.take(DEFINE);
    if (define !== null) {
      defines.set(define[1] as string, define[2] as string);
      continue;
    }
    const found = s.take(OPTION);
    if (found === null) s.fail(`an option begins with "--"; found ${s.found()}`);
    let value: string | null = null;
    if (s.lookingAt('=')) {
      s.at++;
      const written = s.take(OPTION_VALUE);
      value = written?.[1] ?? written?.[0] ?? '';
    }
    options.push({ name: (found as RegExpExecArray)[1] as string, value, position });
  }
  return options;
}

/** Words that are defined are replaced; strings, commands and comments stay as they are. */
function substitute(text: string, from: number, defines: ReadonlyMap<string, string>): string {
  const pattern = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_0-9]+/g;
  const rest = text.slice(from).replace(pattern, (found) => defines.get(found) ?? found);
  return text.slice(0, from) + rest;
}

function shellCommand(s: Scanner): ShellCommand | null {
  s.skip();
  if (!s.lookingAt('`')) return null;
  const position = s.position();
  const end = s.text.indexOf('`', s.at + 1);
  if (end < 0) s.fail('this command has no closing back-tick');
  const command = s.text.slice(s.at + 1, end);
  s.at = end + 1;
  return { command, position };
}

function parseEvent(s: Scanner, isFirst: boolean): ScriptEvent {
  const start = s.at;
  const position = s.position();
  if (!/[\d.+*]/.test(s.text[s.at] ?? ''))
    s.fail(`an event begins with its time; found ${s.found()}`);
  const at = parseTime(s);
  if (isFirst && (at.kind === 'any' || at.us !== 0 || at.endUs !== null))
    s.fail('the first event of a script must be at time 0', position);
  const action = parseAction(s, at);
  return { at, position, text: s.text.slice(start, s.at).trim(), action };
}

function parseAction(s: Scanner, at: Time): ScriptEvent['action'] {
  s.skip();
  if (s.lookingAt('`')) return parseShell(s, at);
  if (s.lookingAt('%{')) return parseCode(s, at);
  if (s.lookingAt('<') || s.lookingAt('>')) return parsePacket(s, at);
  return parseSystemCall(s, at);
}

function parseShell(s: Scanner, at: Time): ShellAction {
  noRange(s, at, 'a command');
  return { kind: 'shell', command: (shellCommand(s) as ShellCommand).command };
}

function parseCode(s: Scanner, at: Time): CodeAction {
  noRange(s, at, 'code');
  const end = s.text.indexOf('}%', s.at);
  if (end < 0) s.fail('this code has no closing "}%"');
  const code = s.text.slice(s.at + 2, end);
  const { line } = s.position(s.at + 2);
  s.at = end + 2;
  return { kind: 'code', code, line };
}

function parseSystemCall(s: Scanner, at: Time): CallAction {
  noRange(s, at, 'a system call');
  let endUs: number | null = null;
  if (s.sign('...')) {
    if (at.kind === 'any') s.fail('a call that blocks begins at a time of its own');
    s.sign('+');
    endUs = parseSeconds(s);
    if (endUs < at.us) s.fail('this call ends before it begins');
  }
  return parseCall(s, endUs);
}

function noRange(s: Scanner, at: Time, what: string): void {
  if (at.endUs !== null) s.fail(`${what} happens at one time, not in a range`);
}
