/** Programs that `warren exec` runs in the nodes of a lab that is up. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, isAlive, LabProcess, type Running } from './lab-process.ts';

const SERVER = `import http from 'node:http'; import os from 'node:os';
http.createServer((q, s) => s.end(os.hostname() + ' serves ' + q.socket.remoteAddress + '\\n')).listen(80);`;

/** Three kinds of nodes: nothing in it, a module in the lab's process, a process that holds its namespace. */
const NODES = ['idle', 'mod', 'run'] as const;

const lab = new LabProcess({
  'warren.yaml': `
name: exec-test
nodes:
  idle: {}
  mod: { module: web.mjs, ready: tcp 80 }
  run: { run: node web.mjs, ready: tcp 80, env: { GREETING: hello } }
networks:
  net: { subnet: 10.0.0.0/24, join: [idle, mod, run] }
`,
  'web.mjs': SERVER,
});

before(() => lab.start());
after(() => lab.close());

const exec = (node: string, ...argv: string[]): Running => lab.warren('exec', node, '--', ...argv);
const js = (node: string, code: string): Running =>
  exec(node, 'node', '--input-type=module', '-e', code);

/** An HTTP server on port 8080 that says its process id. */
const LISTEN = `import http from 'node:http';
http.createServer((q, s) => s.end('pid ' + process.pid + '\\n')).listen(8080, () => console.log('pid ' + process.pid));`;

test('S21: a program fetches from its neighbours by name, and sees the addresses of its node', async () => {
  const code = `import os from 'node:os'; import net from 'node:net';
    const text = async (u) => (await (await fetch(u)).text()).trim();
    const s = net.connect(80, 'mod', () => { const { address, port } = s.address();
      console.log(s.localAddress === address, port > 1023); s.destroy(); });
    console.log(await text('http://mod/'), '|', await text('http://run/'));
    console.log(os.hostname(), Object.entries(os.networkInterfaces()).map(([n, [a]]) => n + ' ' + a.cidr).join(' '));`;
  const results = await Promise.all(NODES.map((n) => js(n, code).done));
  results.forEach(({ out, err, code: exit }, i) => {
    const address = `10.0.0.${i + 1}`;
    assert.equal(err, '');
    assert.match(
      out,
      new RegExp(`^mod serves ::ffff:${address} \\| run serves ::ffff:${address}$`, 'm'),
    );
    assert.match(out, new RegExp(`^${NODES[i]} lo 127.0.0.1/8 eth0 ${address}/24$`, 'm'));
    assert.match(out, /^true true$/m);
    assert.equal(exit, 0);
  });
});

test('S3: a server answers other nodes and other programs of its own; its port is taken; it is in ss', async () => {
  const servers = NODES.map((n) => js(n, LISTEN));
  const pids = await Promise.all(servers.map((s) => s.line('pid')));
  const own = `import net from 'node:net';
    process.stdout.write(await (await fetch('http://127.0.0.1:8080/')).text());
    net.createServer().on('error', (e) => console.log(e.code, e.address, e.port)).listen(8080);`;
  for (const [i, node] of NODES.entries()) {
    const [curl, local, ss] = await Promise.all([
      exec(NODES[(i + 1) % 3] as string, 'curl', `http://${node}:8080/`).done,
      js(node, own).done,
      lab.warren('ss', '-n', node, '-tln').done,
    ]);
    assert.equal(curl.out, `${pids[i]}\n`);
    assert.equal(local.out, `${pids[i]}\nEADDRINUSE :: 8080\n`);
    assert.match(ss.out, /^LISTEN .*\*:8080/m);
  }
  // Gone with the program, whatever ended it; the node's own server stays.
  for (const pid of pids) process.kill(Number(pid.slice(4)), 'SIGKILL');
  for (const s of servers) assert.equal((await s.done).code, 137);
  const refused = await exec('mod', 'curl', 'http://127.0.0.1:8080/').done;
  assert.match(refused.err, /ECONNREFUSED/);
  assert.match((await exec('idle', 'curl', 'http://run/').done).out, /^run serves/);
});

test('the port of a node is taken for its programs, and the other way round; port 0 is a free one', async () => {
  const code = `import net from 'node:net';
    net.createServer().on('error', (e) => { console.log(e.code, e.address, e.port);
      const s = net.createServer().listen(0); console.log(s.address().port > 1023); s.close(); }).listen(80);`;
  for (const node of ['mod', 'run'])
    assert.equal((await js(node, code).done).out, 'EADDRINUSE :: 80\ntrue\n');
});

test('standard streams, arguments, environment, folder, exit code', async () => {
  const echo = ['exec', 'run', '--', 'node', '-e', 'process.stdin.pipe(process.stdout)'];
  const [piped, printed, failed, thrown] = await Promise.all([
    lab.typed('typed\n', echo).done,
    exec('run', 'node', '-p', '[process.argv[1], process.env.GREETING, process.cwd()].join()', 'a')
      .done,
    exec('idle', 'node', '-e', 'console.error("so"); process.exit(7)').done,
    exec('idle', 'node', '-e', 'throw new Error("no")').done,
  ]);
  assert.equal(piped.out, 'typed\n');
  assert.equal(printed.out.trim(), `a,hello,${printed.out.trim().split(',')[2]}`);
  assert.ok(printed.out.includes(lab.dir));
  assert.deepEqual([failed.code, failed.err, failed.out], [7, 'so\n', '']);
  assert.equal(thrown.code, 1);
  assert.match(thrown.err, /Error: no/);
});

test('signals reach the program; one that ends it ends the command', async () => {
  const code = `process.on('SIGINT', () => { console.log('caught'); process.exit(5); });
    setInterval(() => {}, 1000); console.log('there')`;
  const caught = js('idle', code);
  const ended = js('run', `setInterval(() => {}, 1000); console.log('there')`);
  await Promise.all([caught.line('there'), ended.line('there')]);
  caught.child.kill('SIGINT');
  ended.child.kill('SIGTERM');
  const done = await caught.done;
  assert.deepEqual([done.code, done.out], [5, 'there\ncaught\n']);
  assert.equal((await ended.done).code, 143);
});

test('what a program has open is closed when it dies; it dies with its command', async () => {
  const peer = js(
    'run',
    `import net from 'node:net';
     const s = net.createServer((c) => { console.log('open'); c.on('error', () => {}).on('close', () => { console.log('closed'); process.exit(); }); });
     s.listen(7000, () => console.log('listens'));`,
  );
  await peer.line('listens');
  const client = js(
    'mod',
    `import net from 'node:net'; console.log('pid ' + process.pid);
     net.connect(7000, 'run').on('connect', () => { console.log('connected'); for (;;); });`,
  );
  const pid = Number((await client.line('pid')).slice(4));
  await client.line('connected');
  client.child.kill('SIGKILL');
  assert.equal((await peer.done).out, 'listens\nopen\nclosed\n');
  await eventually(() => !isAlive(pid), 'a busy program ends after its command was killed');
});

test('megabytes in both directions arrive whole, then the end', async () => {
  const server = js(
    'idle',
    `import net from 'node:net'; import { createHash } from 'node:crypto';
     net.createServer({ allowHalfOpen: true }, (s) => { const all = []; s.on('data', (d) => all.push(d));
       s.on('end', () => s.end(Buffer.concat(all))); }).listen(9000, () => console.log('listens'));`,
  );
  await server.line('listens');
  const code = `import net from 'node:net'; import crypto from 'node:crypto';
    const sent = crypto.randomBytes(3e6); const got = []; const s = net.connect(9000, 'idle');
    s.end(sent); s.on('data', (d) => got.push(d)); s.on('end', () => console.log(Buffer.concat(got).equals(sent)));`;
  const results = await Promise.all(NODES.map((n) => js(n, code).done));
  assert.deepEqual(
    results.map((r) => r.out + r.err),
    ['true\n', 'true\n', 'true\n'],
  );
  server.child.kill();
});

test('UDP: datagrams of any size, names, an address in use, what nobody takes', async () => {
  const server = js(
    'mod',
    `import dgram from 'node:dgram'; const s = dgram.createSocket('udp4');
     s.on('message', (m, r) => s.send(m, r.port, r.address)); s.bind(5353, () => console.log('listens'));`,
  );
  await server.line('listens');
  const ask = `import dgram from 'node:dgram';
    const ask = (host, port, size) => new Promise((done) => { const s = dgram.createSocket('udp4');
      s.on('message', (m, r) => { done([m.length, r.address, r.port].join(' ')); s.close(); });
      s.on('error', (e) => { done(e.code); s.close(); });
      s.connect(port, host, () => s.send(Buffer.alloc(size))); });
    console.log(await ask('mod', 5353, 0), await ask('mod', 5353, 60000), await ask('mod', 5354, 1));`;
  const answer = '0 10.0.0.2 5353 60000 10.0.0.2 5353 ECONNREFUSED\n';
  for (const node of NODES) assert.equal((await js(node, ask).done).out, answer);
  const twice = `import dgram from 'node:dgram';
    dgram.createSocket('udp4').on('error', (e) => console.log(e.code)).bind(5353);`;
  assert.equal((await js('mod', twice).done).out, 'EADDRINUSE\n');
  server.child.kill();
});

test('what is no Node program is refused with what is', async () => {
  const [sh, npx, typo] = await Promise.all([
    exec('idle', 'sh', '-c', 'true').done,
    exec('run', 'npx', 'serve').done,
    exec('run', 'crul', 'http://mod/').done,
  ]);
  assert.match(sh.err, /^warren: exec: "sh" cannot run in a node; Node programs can .*curl/);
  assert.match(npx.err, /^warren: exec: "npx" cannot run in a node; Node programs can/);
  assert.match(typo.err, /^warren: exec: "crul" cannot run in a node; did you mean "curl"\?\n$/);
  assert.deepEqual([sh.code, npx.code, typo.code], [2, 2, 2]);
});

test('the lab goes down: programs end, even those that do not listen, and nothing is left', async () => {
  const deaf = `process.on('SIGTERM', () => {}); console.log('pid ' + process.pid); setInterval(() => {}, 1000);`;
  const busy = `console.log('pid ' + process.pid); for (;;);`;
  const programs = [js('idle', deaf), js('run', deaf), js('mod', busy)];
  const pids = await Promise.all(programs.map(async (p) => Number((await p.line('pid')).slice(4))));
  assert.deepEqual(
    lab.sockets().filter((f) => f.includes('.exec.')),
    [],
  );
  lab.process.kill('SIGINT');
  assert.equal((await lab.done).code, 0);
  assert.deepEqual(lab.sockets(), []);
  const codes = await Promise.all(programs.map(async (p) => (await p.done).code));
  assert.deepEqual(codes, [137, 137, 143]);
  for (const pid of pids) assert.ok(!isAlive(pid));
});
