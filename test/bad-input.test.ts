/**
 * Bad input: a command that is refused says why, as iproute2 and the kernel do, and leaves every byte of the state of every
 * namespace as it was. What Linux's sentences are is compared in `test/linux`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ToolContext, ToolResult } from '../src/core/control/ip/ip.ts';
import { errnoText } from '../src/core/errno.ts';
import { Kernel, type Namespace, NetError } from '../src/core/index.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import { bridgeTool, ipTool, sysctlTool, tcTool } from '../src/tools/index.ts';
import { COMMAND } from './bad-input.ts';
import { wordsOf } from './linux/world.ts';

const TOOLS: Readonly<Record<string, (ctx: ToolContext, argv: readonly string[]) => ToolResult>> = {
  ip: ipTool,
  bridge: bridgeTool,
  tc: tcTool,
  sysctl: sysctlTool,
};

const SETUP: readonly string[] = [
  'ip link set lo up',
  'ip link add v0 type veth peer name v1 netns B',
  'ip link add br0 type bridge',
  'ip link add d0 type dummy',
  'ip link add p0 type veth peer name p1',
  'ip link set p0 master br0',
  'ip link set p1 up',
  'ip link set p0 up',
  'ip link set v0 up',
  'ip link set br0 up',
  'ip link set d0 up',
  'ip link add v0.5 link v0 type vlan id 5',
  'ip link add m0 link d0 type macvlan mode bridge',
  'ip addr add 10.0.0.1/24 dev v0',
  'ip addr add fd00::1/64 dev v0 nodad',
  'ip route add 10.8.0.0/16 via 10.0.0.9',
  'ip route add fd08::/32 via fd00::9',
  'ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev v0',
  'bridge fdb add 02:00:00:00:00:88 dev p0 master static',
  'tc qdisc add dev v0 clsact',
  'tc qdisc add dev d0 root netem delay 10ms',
];

class World {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly a: Namespace = this.kernel.netns.add('A');

  constructor() {
    this.kernel.netns.add('B');
    for (const line of SETUP) {
      const { code, stderr } = this.run(line);
      assert.equal(code, 0, `${line}: ${stderr}`);
    }
    this.clock.runFor(this.kernel.core, 20_000_000);
  }

  run(line: string): ToolResult {
    const [tool = '', ...words] = wordsOf(line);
    const { netns } = this.kernel;
    const ctx = {
      ns: this.a,
      findNetns: (n: string) => netns.find(n),
      listNetns: () => netns.list(),
    };
    const run = TOOLS[tool];
    assert.ok(run !== undefined, tool);
    return run(ctx, words);
  }

  /** All that can be seen from outside, of every namespace; `whole`: each file of sysfs too. */
  state(whole = false): string {
    return this.kernel.netns
      .list()
      .map((ns) => {
        const trees = (whole ? ['/proc/net', '/sys/class/net'] : ['/proc/net']).map((path) =>
          files(ns, path),
        );
        return `${ns.name}\n${listings(ns)}\n${trees.join('\n')}`;
      })
      .join('\n');
  }
}

function listings(ns: Namespace): string {
  const ctx = { ns, findNetns: () => undefined, listNetns: () => [] };
  const list = [
    ...[
      '-d -s -j link',
      '-j addr',
      '-j route show table all',
      '-j -6 route show table all',
      '-j neigh',
    ].map((words) => ['ip', words] as const),
    ...['-j fdb show', '-j vlan show', '-j mdb show', '-d -j link show'].map(
      (w) => ['bridge', w] as const,
    ),
    ['tc', '-s qdisc'] as const,
    // What /proc/sys/net holds.
    ['sysctl', '-a'] as const,
  ];
  const filters = ns.link
    .list()
    .flatMap((l) => [...ns.filter.list(l.name), ...ns.filter.list(l.name, 'egress')]);
  return (
    list.map(([tool, words]) => TOOLS[tool]?.(ctx, words.split(' ')).stdout).join('\n') +
    JSON.stringify(filters) +
    JSON.stringify(ns.link.list().map((l) => l.policy))
  );
}

/** /proc/net is a link, and so is each device of /sys/class/net; no deeper link is followed. */
const isRoot = (path: string): boolean =>
  path === '/proc/net' || /^\/sys\/class\/net(?:\/[^/]+)?$/.test(path);

/** Every file below a path that can be read, with what is in it. */
function files(ns: Namespace, path: string): string {
  const { fs } = ns;
  const { kind, mode } = fs.stat(path, isRoot(path));
  if (kind === 'directory')
    return fs
      .list(path)
      .map((name) => files(ns, `${path}/${name}`))
      .join('');
  if (kind === 'link') return `${path} -> ${fs.readlink(path)}\n`;
  if ((mode & 0o444) === 0) return '';
  try {
    return `${path}: ${fs.read(path)}\n`;
  } catch (e) {
    if (e instanceof NetError) return `${path}: ${e.code}\n`;
    throw e;
  }
}

const ERRORS: ReadonlySet<string> = new Set(
  Array.from({ length: 134 }, (_, n) => errnoText(n)).filter((t) => t !== ''),
);

/** What is refused has a sentence, and where the kernel gave only a number, it is one of Linux's. */
function assertRefusal(line: string, { code, stderr }: ToolResult): void {
  assert.ok([1, 2, 255].includes(code), `${line}: exit ${code}`);
  assert.match(stderr, /\S/, `${line}: says nothing`);
  const answer = /^RTNETLINK answers: (.*)$/m.exec(stderr)?.[1];
  assert.ok(answer === undefined || ERRORS.has(answer), `${line}: ${stderr}`);
  assert.doesNotMatch(stderr, /undefined|NaN|\[object|TypeError|at .*\.ts/, `${line}: ${stderr}`);
}

const RUNS = Number(process.env['WARREN_BAD_INPUT'] ?? 150);
const SEED = Number(process.env['WARREN_SEED'] ?? 1);
/** Every so many commands the state is compared with all files. */
const WHOLE = 100;

test('what is refused changes nothing: words of every verb, with values that fit and that do not', () => {
  const world = new World();
  let refused = 0;
  const look = (n: number): string => world.state(n % WHOLE === 0);
  // What is made when it is first looked at is there from the second time on.
  look(0);
  let before = look(0);
  let done = 0;
  fc.assert(
    fc.property(COMMAND, (line) => {
      const result = world.run(line);
      const after = look(done);
      if (result.code !== 0) {
        refused++;
        assertRefusal(line, result);
        assert.ok(
          after === before,
          `${line}: ${result.stderr.trim()}\n${difference(before, after)}`,
        );
      }
      done++;
      if (result.code === 0 || done % WHOLE < 2) before = look(done);
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  );
  assert.ok(refused > 40, `${refused} were refused`);
});

/** The first line that is not the same. */
function difference(before: string, after: string): string {
  const [x, y] = [before.split('\n'), after.split('\n')];
  const at = x.findIndex((line, i) => line !== y[i]);
  return `before: ${x[at]?.slice(0, 600)}\nafter:  ${y[at]?.slice(0, 600)}`;
}
