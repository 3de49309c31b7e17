/** The supervisor's view of a lab that is up, from another terminal. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LabProcess } from './lab-process.ts';

const lab = new LabProcess({
  'warren.yaml': `
name: supervisor-test
nodes:
  a: {}
  web: { run: node web.mjs, ready: tcp 80 }
networks:
  net: { subnet: 10.1.0.0/24, join: [a, web] }
`,
  'web.mjs': `import http from 'node:http'; http.createServer((q, s) => s.end('ok')).listen(80);`,
});

before(() => lab.start());
after(() => lab.close());

test('S19, E5: one listing of everything, each device under its namespace, also of a process of its own', async () => {
  const { out } = await lab.warren('ip', '-all', '-j', 'addr').done;
  const list = JSON.parse(out) as { netns: string; ifname: string; ifindex: number }[];
  assert.deepEqual(
    list.map((l) => `${l.netns} ${l.ifindex} ${l.ifname}`),
    ['a 1 lo', 'a 2 eth0', 'web 1 lo', 'web 2 eth0'],
  );
  const text = (await lab.warren('ip', '-all', '-br', 'link').done).out;
  assert.match(text, /^netns: a\nlo .*\neth0@\S+ .*\n\nnetns: web\nlo .*\neth0 /m);
});

test('V4: a tree of namespaces, devices under their masters, and wires', async () => {
  for (const words of [
    'link add br0 type bridge',
    'link add p type veth peer name q',
    'link set p master br0',
  ])
    assert.equal((await lab.warren('ip', '-n', 'a', ...words.split(' ')).done).code, 0);
  const { out } = await lab.warren('tree').done;
  assert.match(out, /^a\n├─ 1 lo {2}\w+/);
  assert.match(out, /2 eth0 .*10\.1\.0\.1\/24.* {2}── net: web$/m);
  assert.match(out, /^├─ 3 br0 {2}bridge .*\n│ {2}└─ \d p {2}veth/m);
  assert.match(out, /^web\n├─ 1 lo/m);
});

test('S19: one stream of what happens in every node', async () => {
  const monitor = lab.warren('ip', '-all', 'monitor', 'link');
  let seen = false;
  const both = Promise.all([
    monitor.line('[netns a] 2: eth0'),
    monitor.line('[netns web] 2: eth0'),
  ]).then(() => {
    seen = true;
  });
  // It says nothing before something happens, and what happened before it began it does not tell.
  for (let i = 0; i < 20 && !seen; i++) {
    for (const node of ['a', 'web'])
      await lab.warren('ip', '-n', node, 'link', 'set', 'eth0', 'alias', `n${i}`).done;
  }
  await both;
  monitor.child.kill('SIGINT');
  assert.equal((await monitor.done).code, 0);
});

test('E5: bridge monitor goes on until it is interrupted', async () => {
  const monitor = lab.warren('exec', 'a', '--', 'bridge', 'monitor', 'fdb');
  let seen = false;
  const told = monitor.line('02:00:00:00:00:77 dev p').then(() => {
    seen = true;
  });
  for (let i = 0; i < 20 && !seen; i++)
    for (const verb of ['add', 'del']) {
      const words = `bridge fdb ${verb} 02:00:00:00:00:77 dev p master`;
      await lab.warren('exec', 'a', '--', ...words.split(' ')).done;
    }
  await told;
  monitor.child.kill('SIGINT');
  assert.equal((await monitor.done).code, 0);
});
