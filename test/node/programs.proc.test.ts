/** Whole programs in a namespace made on the spot: what they start, threads, clusters, passed handles. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const NETNS = pathToFileURL(resolve('dist/node/netns.js')).href;

/** What a program prints in a namespace of its own. */
function output(program: string, ...args: string[]): Promise<string> {
  const file = resolve('test/node/programs', program);
  return new Promise((done, fail) => {
    execFile(
      process.execPath,
      ['--import', NETNS, file, ...args],
      { timeout: 120_000 },
      (error, stdout, stderr) => {
        if (error === null) done(stdout);
        else fail(new Error(`${error.message}\n${stdout}${stderr}`));
      },
    );
  });
}

test('one command: an ES module has a network of its own', async () => {
  const lines = (await output('esm.mjs')).trim().split('\n');
  assert.equal(lines[0], 'netns 127.0.0.1/8 ::1/128 10.0.0.2/24 fd00::2/64 link-local');
  assert.deepEqual(lines.slice(1), ['127.0.0.1 ::1', 'hi', 'ENETUNREACH']);
});

test('programs that it starts are in the same namespace, and see nothing of how', async () => {
  assert.equal(
    await output('fork.cjs'),
    [
      'child got hi, netns, lo,eth0, \n',
      'exec: child got hi, netns, lo,eth0, \n',
      // Who waits cannot answer: a namespace of its own.
      'sync: ECONNREFUSED\n',
    ].join(''),
  );
});

test('worker threads are, too', async () => {
  assert.equal(await output('worker.mjs'), 'hi 200 undefined\nexit 0\nhi 200 yes\nexit 0\n');
});

test('a connection and a server are sent to a child', async () => {
  assert.equal(
    (await output('pass.cjs')).split('\n').sort().join(' ').trim(),
    'done exit 3 from the child serving taken over',
  );
});

test('cluster: round robin, and ports shared by the workers', async () => {
  assert.match(
    await output('cluster.cjs', '2'),
    /^(1,2,1,2,1,2|2,1,2,1,2,1)\ngot x\ndisconnected\n$/,
  );
  assert.equal(await output('cluster.cjs', '1'), '6\ngot x\ndisconnected\n');
});
