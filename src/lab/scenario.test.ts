/** `scenario:` and `expect:` of lab files: what they become, and the sentence for each thing that cannot be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabError, parseLab } from './file.ts';
import { type LabPlan, planLab } from './plan.ts';
import { hasOutput } from './scenario.ts';

function plan(rest: string, clock = 'virtual'): LabPlan {
  const head = [
    'name: s',
    `clock: ${clock}`,
    'nodes: { n1..n3: { module: m.js }, idle: {} }',
    'networks: { lan: { join: [n1..n3, idle] } }',
  ];
  return planLab(parseLab(`${head.join('\n')}\n${rest}`, 's.yaml'));
}

test('steps have their times, and the scenario ends when the last is over', () => {
  const { scenario } = plan(`
scenario:
  - { at: 2s, do: partition n1..n2 | n3 }
  - { at: 2500ms, do: [heal, netem n1 -> n2 loss 5%] }
  - { every: 1s, from: 3s, until: 8s, do: exec n1 -- ping -c 1 n2 }
  - { at: 9s, do: crash n1 for 3s }
  - { nemesis: { faults: [loss], until: 5s, nodes: [n1..n2] }, at: 1s }
`);
  assert.deepEqual(
    scenario.steps.map((s) => [s.words, s.atMs, s.everyMs, s.untilMs]),
    [
      ['partition n1..n2 | n3', 2000, undefined, 2000],
      ['heal', 2500, undefined, 2500],
      ['netem n1 -> n2 loss 5%', 2500, undefined, 2500],
      ['exec n1 -- ping -c 1 n2', 3000, 1000, 8000],
      ['crash n1 for 3s', 9000, undefined, 9000],
    ],
  );
  assert.deepEqual(scenario.steps[0]?.fault, { kind: 'partition', groups: [['n1', 'n2'], ['n3']] });
  assert.equal(scenario.endMs, 12_000);
  assert.deepEqual(scenario.nemeses[0]?.nodes, ['n1', 'n2']);
});

test('expectations: what is asked for, when, and how many', () => {
  const { scenario } = plan(`
expect:
  - { n1: curl -sf http://n2/ , by: 45s }
  - { packets: tcp port 80 and host n2, on: lan, count: 1..3, at: 5s }
  - { log: n1, output: /^ready/ }
  - { exit: n1, status: 3 }
  - { always: ./checks.js#oneLeader }
`);
  const [command, packets, log, exit, always] = scenario.expect;
  assert.ok(command?.kind === 'command' && command.argv[0] === 'curl' && command.byMs === 45_000);
  assert.ok(packets?.kind === 'packets' && packets.on === 'lan' && packets.atMs === 5000);
  assert.deepEqual(
    [0, 1, 3, 4].map((n) => packets.count.allows(n)),
    [false, true, true, false],
  );
  assert.ok(log?.kind === 'log' && log.count.allows(1) && !log.count.allows(0));
  assert.ok(exit?.kind === 'exit' && exit.status === 3);
  assert.ok(
    always?.kind === 'always' && always.module === './checks.js' && always.name === 'oneLeader',
  );
  assert.ok(hasOutput('a\nready now', '/^ready/') && !hasOutput('not ready', '/^ready/'));
});

test('what cannot be is refused in one sentence with its line', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      'scenario: [{ at: 2s, do: partiton n1 | n2 }]',
      /^s\.yaml:5: do: "partiton" is no fault; did you mean "partition"\?$/,
    ],
    [
      'scenario: [{ at: 2s, do: crash n9 }]',
      /^s\.yaml:5: there is no node "n9"; did you mean "n1"\?$/,
    ],
    [
      'scenario: [{ at: 2s, do: crash n1 during 3s }]',
      /"during" does not fit here; write: for 3s$/,
    ],
    [
      'scenario: [{ at: 2s, do: netem n1 -> n2 dealy 5ms }]',
      /^s\.yaml:5: do: .*did you mean "delay"\?$/,
    ],
    ['scenario: [{ do: heal }]', /a step has a time: at: 5s, or every: 5s$/],
    [
      'scenario: [{ at: soon, do: heal }]',
      /scenario\.0\.at: "soon" does not fit here: A time such as/,
    ],
    ['scenario: [{ at: 1s, what: heal }]', /"what" is not a word here/],
    [
      'scenario: [{ at: 1s, do: exec n1 -- node x.js }]',
      /would be a process of its own, which keeps the wall clock/,
    ],
    [
      'scenario: [{ at: 1s, do: exec n1 -- crul x }]',
      /^s\.yaml:5: "crul" cannot run in a node; did you mean "curl"\?$/,
    ],
    ['scenario: [{ every: 1s, at: 2s, do: heal }]', /a step has a time/],
    [
      'expect: [{ n1: curl http://n2/, by: 5s, at: 3s }]',
      /^s\.yaml:5: at: and by: do not go together$/,
    ],
    [
      'expect: [{ nl: curl http://n2/ }]',
      /"nl" is neither a word here nor a node; did you mean "n1"\?$/,
    ],
    ['expect: [{ pakets: tcp }]', /did you mean "packets"\?$/],
    ['expect: [{ by: 5s }]', /an expectation asks for one thing: NODE: COMMAND, or one of always/],
    ['expect: [{ n1: hostname, n2: hostname }]', /this one for n1 and n2$/],
    [
      'expect: [{ packets: tcp prot 80 }]',
      /^s\.yaml:5: packets: "tcp prot 80": "prot" does not fit here; did you mean "proto"\?, at column 5$/,
    ],
    ['expect: [{ packets: host n9 }]', /unknown host "n9", at column 6$/],
    [
      'expect: [{ packets: tcp, on: lna }]',
      /on: there is no node or network "lna"; did you mean "lan"\?$/,
    ],
    ['expect: [{ packets: tcp, status: 1 }]', /status: does not go with packets:$/],
    ['expect: [{ packets: tcp, count: many }]', /"many" does not fit here/],
    ['expect: [{ packets: tcp, count: 0, by: 5s }]', /holds from the start; use at:$/],
    ['expect: [{ log: n1 }]', /log: n1 needs a text to look for: output: …$/],
    ['expect: [{ log: n1, output: /(/ }]', /output: Invalid regular expression/],
    ['expect: [{ exit: idle }]', /idle has no program that could end$/],
    ['expect: [{ always: checks.js }]', /A function of a JavaScript module beside the lab file/],
  ];
  for (const [text, message] of cases)
    assert.throws(
      () => plan(text),
      (e) =>
        (e instanceof LabError && message.test(e.message)) || assert.fail(`${text}: ${String(e)}`),
    );
});

test('virtual time cannot hold for processes', () => {
  const lab = 'name: s\nclock: virtual\nnodes: { a: { run: node a.js } }';
  assert.throws(
    () => planLab(parseLab(lab)),
    /lab:2: virtual time cannot hold for a, which is a process of its own/,
  );
  assert.equal(plan('').clock, 'virtual');
});
