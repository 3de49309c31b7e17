/** Lab files as plans: addresses, routes, and the sentence that each mistake gets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpv4 } from '../core/util/address.ts';
import { LabError, parseLab } from './file.ts';
import { type LabPlan, planLab } from './plan.ts';
import { rehearse } from './rehearse.ts';

const plan = (text: string): LabPlan => planLab(parseLab(text, 'warren.yaml'));
const refused = (text: string): string => {
  try {
    plan(text);
  } catch (error) {
    assert.ok(error instanceof LabError, String(error));
    return error.message;
  }
  assert.fail('was not refused');
};
const show = (p: LabPlan, node: string): string[] => {
  const n = p.nodes.find((x) => x.name === node);
  assert.ok(n);
  const addresses = n.interfaces.map((i) => `${i.name} ${formatIpv4(i.address)}/${i.prefixLen}`);
  return [...addresses, ...n.routes];
};

test('the smallest lab is three lines', () => {
  const p = plan('name: two-hosts\nlinks:\n  - a <-> b\n');
  assert.deepEqual(show(p, 'a'), ['eth0 10.0.0.1/24']);
  assert.deepEqual(show(p, 'b'), ['eth0 10.0.0.2/24']);
  assert.deepEqual(p.hostsOf('a').get('b'), ['10.0.0.2']);
});

test('ranges, derived addresses, routers first, default routes of hosts, routes of routers', () => {
  const p = plan(
    `
name: chain
nodes:
  r1..r2: { kind: router }
networks:
  left: { subnet: 192.168.1.0/24, join: [a, r1] }
  middle: { join: [r1..r2] }
  right: { join: { b: 10.0.9.9, r2: null }, subnet: 10.0.9.0/24 }
links: []
`.replace('nodes:\n', 'nodes:\n  a:\n  b: {}\n'),
  );
  assert.deepEqual(show(p, 'a'), ['eth0 192.168.1.2/24', 'default via 192.168.1.1']);
  assert.deepEqual(show(p, 'r1'), [
    'eth0 192.168.1.1/24',
    'eth1 10.0.0.1/24',
    '10.0.9.0/24 via 10.0.0.2',
  ]);
  assert.deepEqual(show(p, 'b'), ['eth0 10.0.9.9/24', 'default via 10.0.9.1']);
  assert.equal(p.nodes.find((n) => n.name === 'r2')?.router, true);
});

test('two ways out: a host gets a route for each subnet, not a default one', () => {
  const p = plan(`
name: y
nodes: { h: {}, r1: { kind: router }, r2: { kind: router }, x: {}, y: {} }
links: [h <-> r1, h <-> r2, r1 <-> x, r2 <-> y]
`);
  assert.deepEqual(show(p, 'h').slice(2), ['10.0.2.0/24 via 10.0.0.1', '10.0.3.0/24 via 10.0.1.1']);
});

test('each complaint has its line, its field and the nearest word', () => {
  const cases: [string, string][] = [
    [
      'name: x\nnodse:\n  a: {}\n',
      'warren.yaml:2: the lab: "nodse" is not a word here; did you mean "nodes"?',
    ],
    [
      'name: x\nnodes:\n  a:\n    knid: router\n',
      'warren.yaml:4: nodes.a: "knid" is not a word here; did you mean "kind"?',
    ],
    [
      'name: x\nnodes:\n  a: { kind: ruter }\n',
      'warren.yaml:3: nodes.a.kind: "ruter" is none of host, router; did you mean "router"?',
    ],
    [
      'name: x\nnodes: { web: {} }\nnetworks:\n  n:\n    join:\n      - wbe\n',
      'warren.yaml:6: there is no node "wbe"; did you mean "web"?',
    ],
    [
      'name: x\nnodes: { a: {}, b: {} }\nnetworks:\n  n: { subnet: 10.0.0.0/30, join: [a, b] }\n  m: { subnet: 10.0.0.0/8, join: [a] }\n',
      'warren.yaml:5: 10.0.0.0/8 overlaps the subnet of n',
    ],
    [
      'name: x\nnodes: { n1..n3: {} }\nnetworks:\n  n: { subnet: 10.0.0.0/30, join: [n1..n3] }\n',
      'warren.yaml:4: 10.0.0.0/30 is too small for 3 nodes',
    ],
    [
      'name: x\nnodes: { a: {}, b: {} }\nnetworks:\n  n: { subnet: 10.0.0.1/24, join: [a, b] }\n',
      'warren.yaml:4: 10.0.0.1/24 has host bits; the subnet is 10.0.0.0/24',
    ],
    [
      'name: x\nnodes:\n  a: { module: m.js, run: node r.js }\n',
      'warren.yaml:3: a has both module: and run:; a node has one program',
    ],
    [
      'name: x\nclock: virtual\nnodes:\n  a: { run: node r.js }\n',
      'warren.yaml:2: virtual time cannot hold for a, which is a process of its own (run:); use clock: real, or module:',
    ],
    [
      'name: x\nnodes:\n  a: { after: b }\n  b: { after: a }\n',
      'warren.yaml:3: after goes in a circle: a after b after a',
    ],
    [
      'name: x\nlinks:\n  - a <-> a\n',
      'warren.yaml:3: a link joins two nodes, and both ends are a',
    ],
    [
      'name: x\nnodes:\n  a: { run: python3 x.py }\n',
      'warren.yaml:3: run starts Node programs, as in "node server.js"; "python3 x.py" is none',
    ],
    [
      'name: x\nlinks:\n  - a <-> b\n  - b <-> a\n',
      'warren.yaml:4: b and a have a link already; a network takes more wires',
    ],
    [
      'name: x\nnodes: { a: {} }\nnetworks:\n  n: { subnet: 127.0.0.0/8, join: [a] }\n',
      'warren.yaml:4: 127.0.0.0/8 is not for hosts (RFC 6890); take one of 10.0.0.0/8',
    ],
    [
      'name: x\nnodes: { a: {} }\nnetworks:\n  n: { join: a }\n',
      'warren.yaml:4: networks.n.join: "a" does not fit here: Nodes on this network: a list, or a map from node to address.',
    ],
    [
      'name: x\nseed: abc\nnodes: { a: {} }\n',
      'warren.yaml:2: seed: "abc" does not fit here: A whole number, or random (the default). Same seed, same packets.',
    ],
    [
      'name: x\nnodes:\n  a: router\n',
      'warren.yaml:3: nodes.a: "router" does not fit here: A map of words such as kind, module, run, env, sysctl, routes, ready, after; it may be empty.',
    ],
    [
      'name: x\nnodes: *b\n',
      'warren.yaml:1: Unresolved alias (the anchor must be set before the alias): b',
    ],
    [
      'name: x\n---\nname: y\n',
      'warren.yaml:2: a second document begins here, and a file has one lab',
    ],
    ['links: [a <-> b]\n', 'warren.yaml:1: the lab: "name" is missing'],
    ['name: x\n', 'warren.yaml:1: a lab needs at least one node: name some under nodes or links'],
    ['', 'warren.yaml:1: a lab is a map with at least a name, such as: name: two-hosts'],
  ];
  for (const [text, message] of cases) assert.equal(refused(text), message);
});

test('broken YAML is one sentence with its line', () => {
  assert.match(refused('name: x\nnodes: {a: [}\n'), /^warren\.yaml:2: /);
  assert.match(refused('name: x\nname: y\n'), /^warren\.yaml:2: .*unique/);
});

test('what the stack refuses is refused before anything starts, with its line', () => {
  const rehearsed = (text: string): string => {
    const source = parseLab(text, 'warren.yaml');
    try {
      rehearse(planLab(source), source, 'examples/shop');
      return '';
    } catch (error) {
      assert.ok(error instanceof LabError, String(error));
      return error.message;
    }
  };
  const node = (words: string): string =>
    rehearsed(`name: x\nnodes:\n  b: {}\n  a1..a2:\n    ${words}\nlinks: [a1 <-> b]\n`);
  assert.match(
    node('sysctl: { net.ipv4.ip_forwrd: 1 }'),
    /^warren\.yaml:5: nodes\.a1\.\.a2\.sysctl\.net\.ipv4\.ip_forwrd: .*No such file/,
  );
  assert.match(
    node('sysctl: { net.ipv4.ip_default_ttl: 999 }'),
    /^warren\.yaml:5: .*Invalid argument$/,
  );
  assert.match(
    node('routes: default vai 10.0.0.1'),
    /^warren\.yaml:5: .*"default vai 10\.0\.0\.1": .*Did you mean "via"\?$/,
  );
  assert.match(node('routes: [10.9.0.0/16 via 10.9.0.1]'), /^warren\.yaml:5: .*invalid gateway$/);
  assert.equal(
    node('module: clint.js'),
    'warren.yaml:5: there is no file "clint.js" beside the lab file',
  );
  assert.equal(
    node('run: node wbe.js'),
    'warren.yaml:5: there is no file "wbe.js" beside the lab file',
  );
  assert.equal(node('run: node web.js'), '');
  assert.equal(
    rehearsed(
      'name: x\nnodes:\n  b: {}\n  a: { sysctl: { net.ipv4.ip_forward: 1 }, routes: 10.9.0.0/16 via 10.0.0.1 }\nlinks: [b <-> a]\n',
    ),
    '',
  );
});

test('ten thousand nodes share one table of names', () => {
  const p = plan('name: x\nnodes: { n1..n10000: {} }\nnetworks:\n  n: { join: [n1..n10000] }\n');
  assert.equal(p.hostsOf('n1').size, 10_000);
  assert.equal(p.hostsOf('n1'), p.hostsOf('n10000'));
});

test('V5: a wire with a policy: hosts their own addresses, routers what they carry', () => {
  const p = plan(
    `
name: guarded
nodes:
  r: { kind: router }
networks:
  lan: { join: [a, r], policy: { storm: 50 } }
links:
  - { between: a <-> r, policy: true }
  - a <-> c
`.replace('nodes:', 'nodes:\n  a: {}'),
  );
  const policies = p.nodes.map((n) => n.interfaces.map((i) => i.policy));
  assert.deepEqual(policies, [
    [{ mac: 'first', ip: '10.0.0.2', storm: 50 }, { mac: 'first', ip: '10.0.1.2' }, null],
    [
      { mac: 'first', router: true, storm: 50 },
      { mac: 'first', router: true },
    ],
    [null],
  ]);
  assert.match(refused('name: x\nlinks:\n  - { between: a <-> b, policy: { rat: 1 } }\n'), /rat/);
});
