/**
 * Runs mutants: kills, survivors, and those that differ in nothing that the script looks at. Whether they do is
 * read from the target itself: what calls gave back and what left, apart from the runner's own comparison.
 */
import {
  configure,
  type RunResult,
  runScript,
  type Script,
  ScriptError,
  type Target,
  type TargetConfig,
  warrenTarget,
} from '../../src/sim/index.ts';
import { parsePacketBytes } from '../../src/sim/packetdrill/packet.ts';
import type { Mutant } from './mutate.ts';

export interface Verdict {
  readonly mutant: Mutant;
  readonly fate: 'killed' | 'survived' | 'equivalent';
}

interface Trace {
  readonly calls: string[];
  readonly left: { readonly atUs: number; readonly text: string }[];
  /** Local sequence numbers begin at a number of their own, by ports. */
  readonly isns: Map<string, number>;
  /** When the script ended, µs of the target. */
  endUs: number;
}

/** What code reads: its assertions are all that is looked at. */
const CODE_OPTIONS: readonly string[] = ['6/11', '6/13', '6/26', '1/55'];
const SYN = 2;

/** A target that notes what it gave. */
function noting(target: Target, trace: Trace): Target {
  return {
    kind: target.kind,
    epochUs: target.epochUs,
    nowUs: () => target.nowUs(),
    wait: (atUs) => target.wait(atUs),
    inject: (packet, gsoSize) => target.inject(packet, gsoSize),
    take: () => {
      const left = target.take();
      // What a host says of itself (router solicitations, group reports) has times of its own.
      if (left !== null && (left.bytes[0] ?? 0) >> 4 === 4)
        trace.left.push({ atUs: left.atUs, text: essence(left.bytes, trace) });
      return left;
    },
    call: (call) => {
      const pending = target.call(call);
      if (call.name === 'getsockopt' && CODE_OPTIONS.includes(`${call.level}/${call.option}`))
        return pending;
      const at = trace.calls.length;
      trace.calls.push('');
      return {
        get result() {
          const { result } = pending;
          if (result !== null) {
            const { endUs: _end, data, ...rest } = result;
            const read = data === undefined ? '' : Buffer.from(data).toString('hex').slice(0, 64);
            trace.calls[at] = `${call.name} ${JSON.stringify(rest)} ${read}`;
          }
          return result;
        },
      };
    },
    shell: (command) => target.shell(command),
    close: () => {
      trace.endUs = target.nowUs();
      return target.close();
    },
  };
}

/** What every expectation of a packet compares. */
function essence(bytes: Uint8Array, trace: Trace): string {
  const packet = parsePacketBytes(bytes);
  if (packet === null) return '';
  const { body, payload } = packet;
  if (body.proto === 'icmp') return `icmp ${body.type} ${body.code} ${body.rest}`;
  if (body.proto === 'udp') return `udp ${payload.length}`;
  const ports = `${body.sport} ${body.dport}`;
  if ((body.flags & SYN) !== 0) trace.isns.set(ports, trace.isns.get(ports) ?? body.seq);
  const seq = (body.seq - (trace.isns.get(ports) ?? 0)) >>> 0;
  return `tcp ${body.flags} ${seq} ${body.ack} ${payload.length}`;
}

async function attempt(
  script: Script,
): Promise<{ readonly result: RunResult | null; readonly trace: Trace }> {
  const trace: Trace = { calls: [], left: [], isns: new Map(), endUs: 0 };
  const make = async (config: TargetConfig): Promise<Target> =>
    noting(await warrenTarget(config), trace);
  try {
    return { result: await runScript(script, configure(script, [], 1), make), trace };
  } catch (error) {
    if (error instanceof ScriptError) return { result: null, trace };
    throw error;
  }
}

export async function judge(script: Script, mutants: readonly Mutant[]): Promise<Verdict[]> {
  const original = await attempt(script);
  if (original.result?.failure !== null) throw new Error(`${script.file} fails by itself`);
  const out: Verdict[] = [];
  for (const mutant of mutants) {
    const { result, trace } = await attempt(mutant.script);
    const killed = result === null || result.failure !== null;
    if (killed) out.push({ mutant, fate: 'killed' });
    else if (mutant.kind === 'stimulus' && isSame(original.trace, trace, mutant))
      out.push({ mutant, fate: 'equivalent' });
    else out.push({ mutant, fate: 'survived' });
  }
  return out;
}

/** The same packets left in the same order, and each call gave the same; in any order, since lines may swap. */
function isSame(a: Trace, b: Trace, mutant: Mutant): boolean {
  if (packetsOf(a) !== packetsOf(b)) return false;
  const before = [...a.calls].sort();
  const after = [...b.calls].sort();
  if (mutant.dropped < 0) return before.join('\n') === after.join('\n');
  // A line less: everything that is left is as it was.
  return isSubset(after, before);
}

/** What left before the end: the rest is not looked at. */
function packetsOf(trace: Trace): string {
  return trace.left
    .filter((p) => p.atUs < trace.endUs)
    .map((p) => p.text)
    .join('\n');
}

/** Both are sorted. */
function isSubset(small: readonly string[], large: readonly string[]): boolean {
  let i = 0;
  for (const item of large) if (i < small.length && item === small[i]) i++;
  return i === small.length;
}
