/**
 * What each sysctl of a new namespace says, and what comes of writing to it, as a kernel does (S14; facts by
 * test/data/linux_sysctl.py on Linux 6.18).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Kernel, NetError } from '../src/core/index.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';

/** An errno; the value that is read afterwards; 0: taken. */
type Outcome = string | readonly [string] | 0;

interface Facts {
  readonly probes: readonly string[];
  readonly kinds: readonly (readonly Outcome[])[];
  readonly names: Readonly<
    Record<string, { readonly default: string; readonly mode: string; readonly kind?: number }>
  >;
}

const facts = JSON.parse(readFileSync('test/data/linux-sysctl.json', 'utf8')) as Facts;

/** One value for the machine on Linux, which only the initial namespace can change; one for each namespace here. */
const OWN_HERE = /^net\.core\.[rw]mem_(?:default|max)$/;
/** Algorithms that a kernel has are modules that were loaded. */
const BY_MODULES = /^net\.ipv4\.tcp_(?:available|allowed)_congestion_control$/;
/** Values other than the default are refused by name: what they ask for is not there. */
const REFUSED_HERE = /^net\.ipv6\.conf\.\w+\.addr_gen_mode$/;

const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
const ns = kernel.netns.add('x');
ns.ip('link set lo up');
ns.ip('link add d0 type veth peer name d1');
/** Before anything is written: writing one may change another. */
const defaults: ReadonlyMap<string, string> = ns.sysctl.list();

/** Times in seconds: negative ones are refused here, because a timer would never rest. */
const NEGATIVE_TIME = /(?:_time|_interval|_intvl|_timeout|_expires|_delay)$/;

function write(name: string, text: string): string | readonly [string] {
  const before = ns.sysctl.get(name);
  try {
    ns.sysctl.set(name, text);
    return [ns.sysctl.get(name)];
  } catch (e) {
    if (!(e instanceof NetError)) throw e;
    if (e.detail.includes('Warren takes')) return 'refused by name';
    return e.code;
  } finally {
    ns.sysctl.set(name, before);
  }
}

/** The number that was read after a probe; undefined: none, or more than one. */
function readOf(kind: readonly Outcome[], probe: string): number | undefined {
  const outcome = kind[facts.probes.indexOf(probe)];
  if (!Array.isArray(outcome) || !/^-?\d+$/.test(String(outcome[0]))) return undefined;
  return Number(outcome[0]);
}

/** Beyond this, what Linux does with a time depends on the length of its ticks. */
const TICKS_OVERFLOW = 2_000_000;

function problemsOf(name: string, kind: readonly Outcome[]): string[] {
  // Linux keeps times in ticks, of 4 ms on the kernel of the facts: what is no whole number of them is rounded.
  const three = readOf(kind, '3');
  const inTicks = three !== undefined && three !== 3;
  return facts.probes.flatMap((probe, i) => {
    const linux = kind[i] as Outcome;
    const number = Number(probe);
    const skipped =
      probe === '' ||
      probe === '-0' ||
      (inTicks && (number < 0 || number > TICKS_OVERFLOW)) ||
      (number === -1 && NEGATIVE_TIME.test(name));
    if (skipped) return [];
    const here = write(name, probe);
    if (here === 'refused by name') return [];
    const same =
      typeof linux === 'string' || typeof here === 'string'
        ? linux === here
        : inTicks || linux === 0 || linux[0] === here[0];
    return same
      ? []
      : [`${JSON.stringify(probe)}: ${JSON.stringify(here)}, not ${JSON.stringify(linux)}`];
  });
}

for (const [name, fact] of Object.entries(facts.names)) {
  const mode = ns.sysctl.mode(name);
  if (mode === undefined) continue;
  test(`S14: ${name}`, () => {
    if (!BY_MODULES.test(name))
      assert.equal(defaults.get(name) ?? ns.sysctl.get(name), fact.default);
    if (OWN_HERE.test(name)) return;
    assert.equal(mode.toString(8), fact.mode);
    if (fact.kind === undefined || REFUSED_HERE.test(name)) return;
    const problems = problemsOf(name, facts.kinds[fact.kind] ?? []);
    assert.deepEqual(problems, []);
  });
}
