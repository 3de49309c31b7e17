/** `warren test` and `warren replay`: exit codes, the failing screen, one seed's run again. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { replay, test as testCommand } from '../../src/cli/test.ts';
import { runOutside } from '../../src/node/index.ts';
import { loadLab, type ReplayOptions, replayLab, testLab } from '../../src/testing/lab-runs.ts';
import { LabProcess } from './lab-process.ts';

const HEAD = `
name: pair
clock: virtual
seed: 5
nodes:
  web: { module: ./web.mjs, ready: tcp 80, env: { WHO: web } }
  client: { module: ./client.mjs, after: web, env: { WHO: client } }
  tool: {}
networks:
  lan: { subnet: 10.0.0.0/24, join: [web, client, tool], netem: delay 5ms }
`;

const lab = new LabProcess({
  // Loaded by both nodes: each has its own.
  'shared.mjs': `let loads = 0; export const load = () => process.env.WHO + ' ' + ++loads;`,
  'web.mjs': `
import http from 'node:http';
import { load } from './shared.mjs';
console.log('shared by', load());
http.createServer((q, r) => r.end('hello from ' + process.env.WHO + '\\n')).listen(80);`,
  'client.mjs': `
import { load } from './shared.mjs';
console.log('shared by', load());
export const answers = [];
for (let i = 0; i < 10; i++) {
  try {
    const response = await fetch('http://web/', { signal: AbortSignal.timeout(900) });
    answers.push(await response.text());
    console.log('ok');
  } catch (error) {
    console.log('error', error.cause?.code ?? error.name);
  }
  await new Promise((r) => setTimeout(r, 1000));
}
process.exit(3);`,
  'checks.mjs': `
export const shortLog = ({ nodes }) => nodes.get('client').log.length < 20;
export const heard = ({ nodes }) => nodes.get('client').ended === undefined || nodes.get('client').log.length > 5;`,
});
after(() => lab.close());

interface Done {
  readonly code: number;
  readonly text: string;
}

/** What `warren test` does, in this process. */
async function tested(name: string, text: string, seed = 5, runs = 1): Promise<Done> {
  const file = join(lab.dir, name);
  writeFileSync(file, text);
  const replay = (failed: number): string => `warren replay ${failed} ${name}`;
  return testLab(file, loadLab(file), { seed, runs, replay });
}

async function replayed(name: string, more: Partial<ReplayOptions> = {}): Promise<Done> {
  const file = join(lab.dir, name);
  let text = '';
  const out = (piece: string): void => {
    text += piece;
  };
  const code = await runOutside(() => replayLab(file, loadLab(file), { seed: 6, out, ...more }));
  return { code, text };
}

const SCENARIO = `
scenario:
  - { at: 2s, do: partition web | client }
  - { at: 4900ms, do: heal }
  - { at: 5s, do: crash web for 1s }
  - { at: 7s, do: exec client -- curl -s http://web/ }
  - { every: 1s, until: 3s, do: netem tool -> web delay 1ms }
`;

test('a scenario that holds, and the same lines for the same seed', async () => {
  const text = `${HEAD}${SCENARIO}
expect:
  - { tool: curl -sf http://web/, output: hello from web }
  - { client: curl -sf -m 1 http://web/, at: 3s, fails: dropped a wire partition }
  - { client: curl -sf http://web/, by: 20s }
  - { log: client, output: "/^ok/", count: 5..9 }
  - { log: web, output: shared by web 1, count: 2 }
  - { exit: client, status: 3, by: 60s }
  - { packets: "tcp dst port 80 and tcp[tcpflags] & tcp-syn != 0", on: client, count: ">= 3" }
  - { packets: udp, count: 0 }
  - { always: ./checks.mjs#shortLog }
  - { eventually: ./checks.mjs#heard, by: 60s }
`;
  const done = await tested('holds.yaml', text, 5, 2);
  assert.match(
    done.text,
    /^pair: 10 expectations in 2 runs, seeds 5 to 6: all hold; 1\d\.\d+ s of virtual time/,
  );
  assert.equal(done.code, 0);
  const [one, two] = [await replayed('holds.yaml'), await replayed('holds.yaml')];
  assert.equal(one.code, 0, one.text);
  assert.equal(one.text, two.text);
  assert.match(
    one.text,
    /5\.0\d\d s {2}\* crash web for 1s\n +6\.0\d\d s {2}\* restart web\n +6\.0\d\d s {2}web +│ shared by web 1\n/,
  );
  assert.match(one.text, /client: curl -s http:\/\/web\/: exit code 0: hello from web/);
});

test('one that does not hold: the smallest schedule, and how to run it again', async () => {
  const text = `${HEAD}${SCENARIO}
expect:
  - { log: client, output: error TimeoutError, count: 0, at: 4s }
`;
  const done = await tested('fails.yaml', text, 9);
  assert.equal(done.code, 1, done.text);
  for (const part of [
    /^pair\n {2}expect log: client, output: error TimeoutError, count: 0, at: 4s, and at 4\.000 s \d of \d+ lines have it/,
    /\n {2}seed 9, after 4\.0\d\d s of virtual time\n/,
    /smallest schedule that still fails: 1 of 4 faults \(\d+ runs\)\n +2\.0\d\d s {2}partition web \| client\n/,
    /\n {2}replay {3}warren replay 9 fails\.yaml\n {2}packets {2}\/.*\.pcapng$/,
  ])
    assert.match(done.text, part);
  const command = ['web', 'ss', '-tanH'];
  const at = await replayed('fails.yaml', { seed: 9, atMs: 3000, command });
  assert.match(at.text, /LISTEN 0 +511 +\*:80/);
  assert.doesNotMatch(at.text, /heal/);
});

test('what a program throws is told with its place, unless it is expected', async () => {
  writeFileSync(join(lab.dir, 'boom.mjs'), `setTimeout(() => { throw new Error('boom'); }, 1000);`);
  const boom = HEAD.replace('./client.mjs', './boom.mjs');
  const failed = await tested('boom.yaml', `${boom}expect: [{ tool: hostname, at: 5s }]`);
  assert.equal(failed.code, 1);
  assert.match(failed.text, /boom[\s\S]*client failed: boom[\s\S]*Error: boom\n +at .*boom\.mjs/);
  const expected = await tested(
    'boom.yaml',
    `${boom}expect: [{ exit: client, status: 1, by: 5s }]`,
  );
  assert.equal(expected.code, 0, expected.text);
});

test('a program that ends by itself has ended with 0', async () => {
  writeFileSync(join(lab.dir, 'short.mjs'), `await fetch('http://web/').then((r) => r.text());`);
  const text = `${HEAD.replace('./client.mjs', './short.mjs')}expect: [{ exit: client, by: 30s }, { exit: web, at: 1s }]`;
  const done = await tested('short.yaml', text);
  assert.match(done.text, /expect exit: web, at: 1s, and at 1\.000 s it still runs/);
  assert.equal(done.code, 1);
});

test('a fault that cannot be applied is exit 3, a check that is not there exit 2', async () => {
  const cut = await tested(
    'cut.yaml',
    `${HEAD}expect: [{ tool: hostname }]\nscenario: [{ at: 1s, do: cut web client }]`,
  );
  assert.match(cut.text, /there is no cable from web to "client"; it is on lan/);
  assert.equal(cut.code, 3);
  const check = await tested('check.yaml', `${HEAD}expect: [{ always: ./checks.mjs#nothing }]`);
  assert.match(check.text, /checks\.mjs has no function "nothing"; it exports heard, shortLog/);
  assert.equal(check.code, 2);
});

test('the command: exit codes, and a sentence for what is wrong', async () => {
  writeFileSync(join(lab.dir, 'few.yaml'), `${HEAD}expect: [{ tool: ping -c 1 web }]`);
  writeFileSync(join(lab.dir, 'none.yaml'), HEAD);
  const good = await lab.warren('test', 'few.yaml').done;
  assert.match(good.out, /^pair: 1 expectation in 1 run, seed 5: all hold/);
  assert.equal(good.code, 0, good.err);
  const none = join(lab.dir, 'none.yaml');
  await assert.rejects(testCommand([none]), /none\.yaml expects nothing; say what under expect:$/);
  await assert.rejects(testCommand(['nowhere.yaml']), /there is no file or folder "nowhere\.yaml"/);
  const few = join(lab.dir, 'few.yaml');
  await assert.rejects(
    testCommand([few, '--runs', 'many']),
    /--runs takes a whole number from 1 on, not "many"/,
  );
  await assert.rejects(replay([]), /usage: warren replay SEED/);
  await assert.rejects(replay(['1', few, '--at', 'noon']), /--at: "noon" is no duration/);
});

test('in real time, with a process: what can be done is, and the rest is exit 3', async () => {
  writeFileSync(
    join(lab.dir, 'serve.mjs'),
    `import http from 'node:http'; http.createServer((q, r) => r.end('real')).listen(80, () => console.log('serves'));`,
  );
  const head = `
name: live
nodes: { web: { run: node serve.mjs, ready: tcp 80 }, client: {} }
networks: { lan: { join: [web, client] } }
`;
  const holds = `${head}
scenario: [{ at: 0s, do: cut web lan }, { at: 100ms, do: heal }]
expect:
  - { client: curl -sf http://web/, output: real, by: 20s }
  - { log: web, output: serves }
  - { packets: tcp dst port 80, on: client }
`;
  const done = await tested('live.yaml', holds);
  assert.match(done.text, /^live: 3 expectations in 1 run: all hold/);
  const crash = await tested(
    'live.yaml',
    `${head}scenario: [{ at: 0s, do: crash web }]\nexpect: [{ client: hostname, at: 1s }]`,
  );
  assert.match(crash.text, /"crash web" cannot be done in real time/);
  assert.equal(crash.code, 3);
});
