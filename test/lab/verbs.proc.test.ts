/** Verbs of `warren` on a lab that is up: what is wrong is told in a sentence, and the lab lives on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, isAlive, LabProcess } from './lab-process.ts';

const lab = new LabProcess({
  'warren.yaml': `
name: verbs-test
nodes:
  client: {}
  web: { run: node web.mjs, ready: tcp 80, after: first }
  first: { run: node first.mjs, ready: log ready }
networks:
  net: { join: [client, web, first] }
`,
  'web.mjs': `import http from 'node:http'; http.createServer((q, s) => s.end('ok')).listen(80);`,
  'first.mjs': `setTimeout(() => console.log('ready'), 1500); setInterval(() => {}, 1000);`,
});

before(async () => {
  const ready = lab.start();
  await eventually(() => lab.sockets().includes('verbs-test.sock'), 'the lab listens');
  const [ping, ps] = await Promise.all([
    lab.warren('ping', 'client', 'web', '-c', '1').done,
    lab.warren('ps').done,
  ]);
  early = { ping: ping.out, ps: ps.out };
  await ready;
});
after(() => lab.close());

let early: { ping: string; ps: string };

test('a ping while the lab starts waits for its node; ps tells the states', async () => {
  assert.match(early.ping, /1 received/);
  assert.match(early.ps, /^web .*(?:waits for first|starting|ready)/m);
  const { out } = await lab.warren('ps').done;
  assert.match(out, /^client +host +idle/m);
  assert.match(out, /^web +host +ready/m);
});

test('wrong words: one sentence, exit 2, and the lab is still up', async () => {
  const cases: [string[], RegExp][] = [
    [['ip', 'addr'], /^warren: which node\? warren ip -n NODE/],
    [['exec', 'client'], /^warren: usage: warren exec NODE -- COMMAND/],
    [['ping', 'client'], /^warren: usage: warren ping A B/],
    [['exec', 'clinet', '--', 'curl', 'x'], /did you mean "client"\?$/],
    [['cut', 'client', 'nowhere'], /^warren: there is no wire between client and "nowhere"/],
    [['netem', 'client', 'dealy 1ms'], /did you mean "delay"\?/],
    [['logs', 'nobody'], /^warren: there is no node "nobody"/],
    [['capture', '-w', '/nonexistent/file'], /^warren: capture: ENOENT: no such file/],
    [
      ['capture', '--wirte', 'x'],
      /^warren: capture: "wirte" is not an option; did you mean "--write"\?$/,
    ],
    [
      ['capture', '-w', 'x', 'tcp', 'prot', '80'],
      /^warren: "tcp prot 80": "prot" does not fit here; did/,
    ],
    [['capture', '-w', 'x', '-c', 'many'], /^warren: -c takes a number, not "many"$/],
    [['up', '--sede', '1'], /^warren: up: "sede" is not an option; did you mean "--seed"\?$/],
    [['up', 'nothing-here'], /^warren: there is no file or folder "nothing-here"$/],
  ];
  const results = await Promise.all(cases.map(([words]) => lab.warren(...words).done));
  results.forEach(({ err, code }, i) => {
    assert.match(err.trim(), cases[i]?.[1] as RegExp);
    assert.equal(code, 2, err);
    assert.equal(err.trim().split('\n').length, 1, err);
  });
  assert.equal((await lab.warren('ps').done).code, 0);
});

test('a capture while traffic flows can be read', async (t) => {
  const file = join(lab.dir, 'all.pcapng');
  const capture = lab.warren(
    ...['capture', '-w', 'all.pcapng', '-c', '8'],
    ...['icmp[icmptype]', '==', 'icmp-echo', 'and', 'dst', 'host', 'web'],
  );
  const ping = lab.warren('ping', 'client', 'web', '-c', '40', '-i', '0.1');
  assert.match((await capture.done).err, /\d+ packets captured/);
  ping.child.kill('SIGINT');
  assert.equal(readFileSync(file).readUInt32LE(0), 0x0a0d0d0a);
  const tcpdump = spawnSync('tcpdump', ['-nr', file], { encoding: 'utf8' });
  if (tcpdump.error !== undefined) t.diagnostic('tcpdump is not installed');
  else {
    assert.match(tcpdump.stdout, /ICMP echo request/);
    assert.doesNotMatch(tcpdump.stdout, /reply|ARP/);
  }
});

test('a lab that is killed takes its programs with it', async () => {
  const { out } = await lab.warren('ps').done;
  const pids = [...out.matchAll(/pid (\d+)/g)].map((m) => Number(m[1]));
  assert.equal(pids.length, 2);
  lab.process.kill('SIGKILL');
  await eventually(() => pids.every((pid) => !isAlive(pid)), 'programs end with their lab');
  // The next lab clears away the sockets of the last one.
  await lab.done;
  await lab.start();
  lab.process.kill('SIGINT');
  assert.equal((await lab.done).code, 0);
  assert.deepEqual(lab.sockets(), []);
});
