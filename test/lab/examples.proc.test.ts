/** The lab files of examples/ hold, and say what is wrong when the bug is put back that they are about. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type LabReport, loadLab, testLab } from '../../src/testing/lab-runs.ts';

function run(file: string): Promise<LabReport> {
  const replay = (seed: number): string => `warren replay ${seed} ${file}`;
  return testLab(file, loadLab(file), { seed: 1, runs: 1, replay });
}

/** The same lab with something replaced in its file. */
async function withBug(folder: string, from: string, to: string): Promise<LabReport> {
  const text = readFileSync(`${folder}/warren.yaml`, 'utf8');
  assert.ok(text.includes(from), `${folder} has "${from}"`);
  const file = `${folder}/bug.${process.pid}.yaml`;
  writeFileSync(file, text.replace(from, to));
  try {
    return await run(file);
  } finally {
    rmSync(file);
  }
}

for (const name of ['pool', 'keep-alive', 'udp-retry', 'raft'])
  test(`examples/${name} holds`, async () => {
    const { code, text } = await run(`examples/${name}/warren.yaml`);
    assert.equal(code, 0, text);
  });

test('a pool without time-outs: the request that hangs, and the partition alone is to blame', async () => {
  const bug = 'module: app.js, env: { QUERY_TIMEOUT: 0 },';
  const { code, text } = await withBug('examples/pool', 'module: app.js,', bug);
  assert.equal(code, 1);
  assert.match(
    text,
    /expect client: curl .* output: timeout, and at 50\.000 s its exit code was 28/,
  );
  assert.match(text, /smallest schedule that still fails: [\s\S]*partition app \| db/);
  assert.match(text, /replay {3}warren replay 1 examples\/pool/);
});

test('a client that never asks again: what it saw of the close race', async () => {
  const bug = 'module: client.js, env: { RETRY: no },';
  const { code, text } = await withBug('examples/keep-alive', 'module: client.js,', bug);
  assert.equal(code, 1);
  assert.match(text, /and at 19\.000 s \d+ of \d+ lines have it\n[\s\S]*failed: ECONNRESET/);
  assert.match(text, /smallest schedule that still fails: 0 of 1 faults/);
});

test('one question over UDP: the program’s own error, with its place', async () => {
  const bug = 'module: client.js, env: { TRIES: 1 },';
  const { code, text } = await withBug('examples/udp-retry', 'module: client.js,', bug);
  assert.equal(code, 1);
  assert.match(text, /no answer to question 1 in 1 tries[\s\S]*at ask \(.*client\.js/);
});
