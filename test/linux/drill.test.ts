/** The kernel as a packetdrill target: each job of `drill-job.ts` in a namespace of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runIsolated } from '../../src/linux/index.ts';
import { linuxMissing } from './linux-world.ts';
import { skipReason } from './tools.ts';

const JS = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const MODULE = new URL(`./drill-job.${JS}`, import.meta.url).href;
const TIMEOUT_MS = 30_000;
const skip = skipReason(linuxMissing());

function job(name: string, version = 'ipv4'): Promise<unknown> {
  return runIsolated({ module: MODULE, data: [name, version], timeoutMs: TIMEOUT_MS });
}

const EVERY = ['ipv4', 'ipv6', 'ipv4-mapped-ipv6'];
const CASES: readonly (readonly [name: string, title: string, versions: readonly string[]])[] = [
  ['handshake', 'a SYN as bytes is answered; accept blocks until the third segment', EVERY],
  ['activeOpen', 'connect sends a SYN', EVERY],
  ['data', 'data in both directions, large segments whole, checksums complete', EVERY],
  ['blocking', 'several calls block at a time; close ends them', ['ipv4']],
  ['epoll', 'epoll', ['ipv4']],
  ['options', 'socket options as bytes', ['ipv4']],
  ['datagrams', 'UDP, control messages, the error queue', ['ipv4']],
  ['retransmission', 'packets have the time at which the kernel sent them', ['ipv4']],
  ['shell', 'command lines, and what scripts expect beside them', ['ipv4']],
  ['reno', 'a script may choose the congestion control', ['ipv4']],
];

test('packetdrill on Linux', { skip, concurrency: 3, timeout: 120_000 }, async (t) => {
  await Promise.all(
    CASES.flatMap(([name, title, versions]) =>
      versions.map((version) =>
        t.test(`${title} (${version})`, async () => {
          assert.equal(await job(name, version), 'well');
        }),
      ),
    ),
  );
});

test('packetdrill on Linux: waiting ends in time', { skip, timeout: 60_000 }, async (t) => {
  const late = (await job('punctual')) as number[];
  const at = (part: number): number => Math.round(late[Math.floor(late.length * part)] ?? 0);
  t.diagnostic(
    `late by µs: half ${at(0.5)}, 90 % ${at(0.9)}, 99 % ${at(0.99)}, most ${at(0.9999)}`,
  );
  assert.ok(at(0.5) < 1000, `half of all waits end within ${at(0.5)} µs`);
});

test('packetdrill on Linux: an error arrives as one', { skip, timeout: 60_000 }, async () => {
  await assert.rejects(job('no such job'), /is not a function/);
});

function isAlive(pid: number): boolean {
  try {
    // A zombie has given everything back, and waits for whoever is its parent now.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Whether a process is gone, within a second. */
async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 50 && isAlive(pid); i++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return !isAlive(pid);
}

test('packetdrill on Linux: what takes too long is killed', { skip, timeout: 60_000 }, async () => {
  let pid = 0;
  const run = runIsolated({
    module: MODULE,
    data: ['stuck', 'ipv4'],
    timeoutMs: 4000,
    onEmit: (value) => {
      pid = Number(value);
    },
  });
  await assert.rejects(run, /took longer than 4 s/);
  assert.notEqual(pid, 0);
  assert.ok(await gone(pid));
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`packetdrill on Linux: nothing is left after ${signal}`, {
    skip,
    timeout: 60_000,
  }, async () => {
    const index = new URL(`../../src/linux/index.${JS}`, import.meta.url).href;
    const order = JSON.stringify({ module: MODULE, data: ['stuck', 'ipv4'], timeoutMs: 50_000 });
    const program = `import { runIsolated } from '${index}';
      await runIsolated({ ...${order}, onEmit: (pid) => console.log(pid) });`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))),
    );
    assert.ok(isAlive(pid), `process ${pid} runs`);
    const ended = new Promise((resolve) => parent.once('exit', (_, by) => resolve(by)));
    parent.kill(signal);
    assert.equal(await ended, signal);
    assert.ok(await gone(pid), `process ${pid} is gone`);
  });
}
