/** Runs a script in both worlds at the same time and compares what each of its commands gave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { LinuxWorld, linuxMissing } from './linux-world.ts';
import { skipWithout, toolOf, toolsMissing } from './tools.ts';
import { WarrenWorld } from './warren-world.ts';
import { type Outcome, type World, wordsOf } from './world.ts';

export interface Scenario {
  readonly title: string;
  readonly ipv6?: boolean;
  readonly namespaces: readonly string[];
  readonly lines: readonly string[];
}

/** A busy machine is late now and then, and time in the kernel's namespaces is real. */
export const ATTEMPTS = 3;
/** What all of them may take on a machine that has much else to do. */
const LIMIT_MS = 300_000;

/** Makes a test of each scenario. They run at the same time: most of it is waiting. */
export function compareAll(scenarios: readonly Scenario[]): void {
  const options = { concurrency: 8, timeout: LIMIT_MS };
  test('Linux and Warren agree', options, async (t) => {
    if (skipWithout(t, linuxMissing())) return;
    await Promise.all(
      scenarios.map((scenario) =>
        t.test(scenario.title, { timeout: LIMIT_MS }, async (one) => {
          if (!skipWithout(one, toolsMissing(toolsOf(scenario)))) await compare(scenario);
        }),
      ),
    );
  });
}

/** Tools of the machine that a scenario needs. */
export function toolsOf({ lines }: Pick<Scenario, 'lines'>): string[] {
  return lines.flatMap((line) => toolOf(wordsOf(line)[1] ?? '') ?? []);
}

async function compare(scenario: Scenario): Promise<void> {
  let found = await findDifferences(scenario);
  for (let i = 1; i < ATTEMPTS && found.length > 0; i++) found = await findDifferences(scenario);
  assert.equal(found.length, 0, `\n${found.join('\n')}\n`);
}

/** One text for each command that gave different things. */
export async function findDifferences(scenario: Scenario): Promise<string[]> {
  const expected = await normalOutcomes(new LinuxWorld(), scenario);
  return differences(scenario, expected, await normalOutcomes(new WarrenWorld(), scenario));
}

/** One text for each command whose outcomes differ. */
export function differences(
  scenario: Scenario,
  linux: readonly unknown[],
  warren: readonly unknown[],
): string[] {
  return scenario.lines.flatMap((line, i) => {
    if (isDeepStrictEqual(warren[i], linux[i])) return [];
    return `${line}\n  Linux:  ${JSON.stringify(linux[i])}\n  Warren: ${JSON.stringify(warren[i])}`;
  });
}

/** What each command gives in a world, without what depends on time or on chance. */
export async function normalOutcomes(world: World, scenario: Scenario): Promise<unknown[]> {
  const outcomes = await runAll(world, scenario);
  return scenario.lines.map((line, i) => normal(line, outcomes[i]));
}

async function runAll(world: World, scenario: Scenario): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  try {
    for (const name of scenario.namespaces) await world.add(name, scenario.ipv6 === true);
    for (const line of scenario.lines) outcomes.push(await attempt(world, line));
  } finally {
    await world.close();
  }
  return outcomes;
}

async function attempt(world: World, line: string): Promise<Outcome> {
  try {
    return await world.run(line);
  } catch (e) {
    return { stdout: '', stderr: e instanceof Error ? (e.stack ?? '') : String(e), code: -1 };
  }
}

const OTHERS_GONE = 'Error: Peer netns reference is invalid.';

/** What is compared: without what depends on time or on chance. */
function normal(line: string, outcome: Outcome | undefined): unknown {
  if (outcome === undefined) return undefined;
  // Behind the first line stands usage on Linux, and the nearest word in Warren.
  // A namespace that another test deleted while this command looked at all of them says nothing about it.
  const lines = outcome.stderr.split('\n').filter((l) => outcome.code !== 0 || l !== OTHERS_GONE);
  const stderr = lines[0] ?? '';
  return { code: outcome.code, stderr, stdout: normalOutput(line, outcome.stdout) };
}

function normalOutput(line: string, stdout: string): unknown {
  const list = parseList(withoutClocks(stdout));
  // The kernel lists sockets in the order of a secret hash.
  if (/ ss /.test(line)) return stdout.split('\n').sort();
  // Group addresses of devices depend on IPv6, IGMP snooping and more.
  if (/ bridge .*fdb/.test(line) && list === undefined)
    return stdout
      .split('\n')
      .filter((l) => !/^(?:33:33|01:00:5e)/.test(l))
      .sort();
  // Ports of a group stand in the order of their addresses in the kernel's memory.
  if (/ bridge .*mdb/.test(line) && list === undefined) return stdout.split('\n').sort();
  if (list === undefined) return normalPing(stdout);
  if (/ ip -d -j link/.test(line)) return list.map(normalDetails);
  if (/ bridge .*fdb/.test(line))
    return list.filter((e) => !/"mac":"(?:33:33|01:00:5e)/.test(JSON.stringify(e)));
  return / neigh/.test(line) ? list.sort(byDestination) : list;
}

/** What is left of a lifetime, in hundreds of seconds: a real machine takes its time. Random addresses have no digits. */
function withoutClocks(text: string): string {
  return text
    .replace(/"expires":-?\d+/g, '"expires":0')
    .replace(/(_life_time"):(\d+)/g, (all, key: string, n: string) =>
      n === '4294967295' ? all : `${key}:${Math.ceil(Number(n) / 100) * 100}`,
    )
    .replace(/"local":"[^"]*"(?=[^{}]*"temporary":true)/g, '"local":"random"');
}

function parseList(text: string): { dst?: string }[] | undefined {
  if (!text.startsWith('[')) return undefined;
  return JSON.parse(text) as { dst?: string }[];
}

/** What a device is, without figures that depend on the machine, and clocks. */
function normalDetails(link: object): unknown {
  const { ifname, promiscuity, allmulti, linkinfo } = link as Record<string, unknown>;
  const text = JSON.stringify({ ifname, promiscuity, allmulti, linkinfo });
  return JSON.parse(text, (key, value: unknown) => {
    if (/_timer$|^config_pending$/.test(key)) return 0;
    // LINUX: iproute2 6.1 prints the bridge's own id for that of the root.
    if (key === 'info_data' && typeof value === 'object') return { ...value, root_id: '' };
    // Filters of IP for frames of a bridge: there are none here, and they are refused by name.
    return /^nf_call_/.test(key) ? undefined : value;
  });
}

function byDestination(a: { dst?: string }, b: { dst?: string }): number {
  return (a.dst ?? '') < (b.dst ?? '') ? -1 : 1;
}

function normalPing(text: string): string {
  return text
    .replace(/time=[\d.]+ ms/g, 'time=T')
    .replace(/time \d+ms/g, 'time T')
    .replace(/rtt min.*$/gm, 'rtt T')
    .replace(/, pipe \d+|^pipe \d+$/gm, '');
}
