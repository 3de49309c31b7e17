/** What keeps a process alive, and how it ends: each case is a process of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const LIBRARY = pathToFileURL(resolve('dist/node/index.js')).href;
const PREAMBLE = `
import { Kernel, runIn } from '${LIBRARY}';
import net from 'node:net'; import dgram from 'node:dgram'; import { once } from 'node:events';
const kernel = new Kernel({ seed: 1 });
const a = kernel.netns.add('a'); const b = kernel.netns.add('b');
kernel.veth({ netns: a, name: 'eth0', address: '10.0.0.1/24', up: true },
  { netns: b, name: 'eth0', address: '10.0.0.2/24', up: true });
process.on('exit', (code) => console.log('exit', code));
`;

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Null: it was still alive after a second and was killed. */
  readonly code: number | null;
}

function run(script: string): Promise<Outcome> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PREAMBLE + script]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (d) => {
    stdout += d;
  });
  child.stderr.on('data', (d) => {
    stderr += d;
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill('SIGKILL'), 1500);
  };
  // The second counts from its last sign of life: a busy machine starts slowly.
  timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  child.stdout.on('data', wait);
  return new Promise((done) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      done({ stdout, stderr, code });
    });
  });
}

async function ends(script: string): Promise<string> {
  const { stdout, stderr, code } = await run(`${script}\nconsole.log('end of script');`);
  assert.equal(code, 0, `${stdout}${stderr}`);
  return stdout;
}

async function lives(script: string): Promise<void> {
  const { code, stdout, stderr } = await run(`${script}\nconsole.log('end of script');`);
  assert.equal(code, null, `${stdout}${stderr}`);
}

const LISTEN = `const server = a.run(() => net.createServer().listen(80)); await once(server, 'listening');`;
const CONNECT = `${LISTEN} const seen = once(server, 'connection');
const s = b.run(() => net.connect(80, '10.0.0.1')); await once(s, 'connect'); const [peer] = await seen;`;

test('an idle kernel lets the process end', async () => {
  await ends('');
});

test('a listening server keeps it alive, unless unreferenced or closed', async () => {
  await lives(LISTEN);
  await ends(`${LISTEN} server.unref();`);
  await ends(`${LISTEN} server.close();`);
});

test('a connected socket keeps it alive, unless unreferenced or destroyed', async () => {
  await lives(`${CONNECT} server.close(); peer.unref();`);
  await ends(`${CONNECT} server.close(); peer.unref(); s.unref();`);
  await ends(`${CONNECT} server.close(); s.destroy(); peer.resume();`);
});

test('a connect that nobody answers keeps it alive even when unreferenced', async () => {
  await lives(
    `b.run(() => net.connect(80, '10.0.0.9')).on('error', () => setInterval(() => {}, 1000)).unref();`,
  );
});

test('a bound datagram socket keeps it alive, unless unreferenced or closed', async () => {
  const bind = `const u = a.run(() => dgram.createSocket('udp4').bind(53)); await once(u, 'listening');`;
  await lives(bind);
  await ends(`${bind} u.unref();`);
  await ends(`${bind} u.close();`);
});

test('what was written before the end still arrives', async () => {
  const out = await ends(`${CONNECT} server.close();
peer.on('data', (d) => console.log('got', d.length)).on('end', () => console.log('fin'));
s.end(Buffer.alloc(10));`);
  assert.match(out, /got 10\nfin\nexit 0/);
});

test('an uncaught exception in a callback ends the process with code 1', async () => {
  const { code, stderr } = await run(`${LISTEN}
server.on('connection', () => { throw new Error('from a callback'); });
b.run(() => net.connect(80, '10.0.0.1'));`);
  assert.equal(code, 1);
  assert.match(stderr, /from a callback/);
});
