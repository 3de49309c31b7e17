/** Processes of their own inside namespaces: the fabric here, two programs there. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type FrameStream, FrameStreamServer } from '../../src/node/index.ts';

const REGISTER = pathToFileURL(resolve('dist/node/register.js')).href;
const dir = mkdtempSync(join(tmpdir(), 'warren-join-'));
const path = join(dir, 'fabric.sock');
const streams = new Map<string, FrameStream>();
const children: ChildProcess[] = [];
const HOSTS = { web: ['10.0.0.1'], client: ['10.0.0.2'] };

/** A hub: what one process sends, the others get. */
const server = await FrameStreamServer.listen(path, ({ node, token }, stream) => {
  const n = Object.keys(HOSTS).indexOf(node) + 1;
  if (n === 0 || token !== 'secret') throw new Error(`nobody knows ${node}`);
  streams.set(node, stream);
  stream.onFrame = (device, frame, gsoSize) => {
    for (const [name, other] of streams)
      if (name !== node) other.sendFrame(device, Buffer.from(frame), gsoSize);
  };
  return {
    name: node,
    seed: n,
    devices: [{ name: 'eth0', mac: `02:00:00:00:00:0${n}`, addresses: [`10.0.0.${n}/24`] }],
    routes: ['default via 10.0.0.254'],
    sysctl: { 'net.ipv4.ip_default_ttl': 33 },
    hosts: HOSTS,
  };
});

after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await server.close();
  rmSync(dir, { recursive: true });
});

function start(node: string, script: string, token = 'secret'): ChildProcess {
  const args = ['--import', REGISTER, '--input-type=module', '-e', script];
  const env = {
    ...process.env,
    WARREN_LAB_SOCKET: path,
    WARREN_LAB_NODE: node,
    WARREN_LAB_TOKEN: token,
  };
  const child = spawn(process.execPath, args, { env });
  children.push(child);
  child.stderr?.on('data', (d) => process.stderr.write(d));
  return child;
}

async function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (d) => {
    text += d;
  });
  await once(child, 'close');
  return text;
}

test('S21: unmodified http servers and clients, by name, on port 80; each ends by itself', async () => {
  const web = start(
    'web',
    `import http from 'node:http'; import os from 'node:os';
     const big = 'x'.repeat(1 << 20);
     const s = http.createServer((q, r) => r.end(q.url === '/big' ? big : os.hostname()));
     s.listen(80, () => console.log('ready'));
     s.on('request', (q) => { if (q.url === '/quit') s.close(); });`,
  );
  await once(web.stdout as NodeJS.EventEmitter, 'data');
  const stream = streams.get('web') as FrameStream;
  assert.equal(await stream.request('listening', 80), true);
  assert.match(
    String(await stream.request('ip', ['route'])),
    /^default via 10\.0\.0\.254 dev eth0/,
  );
  await assert.rejects(stream.request('no such thing'), /nobody serves/);
  const client = start(
    'client',
    `console.log(await (await fetch('http://web/')).text());
     console.log((await (await fetch('http://web/big')).text()).length);
     console.log(await (await fetch('http://web/quit', { headers: { connection: 'close' } })).text());`,
  );
  assert.equal(await output(client), 'web\n1048576\nweb\n');
  assert.equal(client.exitCode, 0);
  if (web.exitCode === null) await once(web, 'close');
  assert.equal(web.exitCode, 0);
});

test('what a process wrote last arrives though it exits', async () => {
  const web = start(
    'web',
    `import net from 'node:net';
     net.createServer((s) => { let n = 0; s.on('data', (d) => { n += d.length; });
       s.on('end', () => { console.log('got', n); process.exit(); }); }).listen(9, () => console.log('ready'));`,
  );
  await once(web.stdout as NodeJS.EventEmitter, 'data');
  const text = output(web);
  const client = start(
    'client',
    `import net from 'node:net';
     const s = net.connect(9, 'web', () => { s.write('x'.repeat(5000), () => process.exit()); });`,
  );
  await once(client, 'close');
  assert.equal(await text, 'got 5000\n');
});

test('a stranger is refused, with a sentence', async () => {
  const child = start('web', 'console.log("ran")', 'wrong');
  child.stderr?.removeAllListeners('data');
  let stderr = '';
  child.stderr?.on('data', (d) => {
    stderr += d;
  });
  assert.equal(await output(child), '');
  assert.equal(child.exitCode, 1);
  assert.equal(stderr, 'warren: web cannot join its lab: nobody knows web\n');
});

test('without a lab, register does nothing', async () => {
  const child = spawn(process.execPath, ['--import', REGISTER, '-e', 'console.log("outside")']);
  assert.equal(await output(child), 'outside\n');
});
