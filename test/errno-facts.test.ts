/**
 * What Linux 6.18 answers to socket calls (`data/linux-errno.json`, measured by `data/linux_errno.py`),
 * call by call against our sockets in virtual time. Every fact is a test by its name; what belongs to
 * families that are not here yet is listed as skipped, with the reason.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SysctlControl } from '../src/core/control/sysctl.ts';
import { errnoName } from '../src/core/errno.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from '../src/core/transport/sock.ts';
import {
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_IPV6,
  SOL_SOCKET,
} from '../src/core/transport/sockopt-names.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { ip6 } from '../src/core/util/ip6-addr.ts';
import { CASES, Recorder } from './errno-cases.ts';
import { Bench } from './errno-socket.ts';

interface Step {
  readonly call: string;
  readonly result: unknown;
  /** What getsockopt gave after a setsockopt. */
  readonly get?: unknown;
  /** Runs of the measuring program differed. */
  readonly volatile?: boolean;
}

interface Facts {
  readonly cases: readonly { readonly title: string; readonly steps: readonly Step[] }[];
  readonly bind_matrix: {
    readonly addresses: readonly string[];
    readonly cells: Readonly<Record<string, readonly string[]>>;
  };
  readonly sysctl_defaults_new_netns: Readonly<Record<string, string>>;
}

const facts = JSON.parse(readFileSync('test/data/linux-errno.json', 'utf8')) as Facts;

/** Calls that we cannot make yet, or never will, by their label. */
const LATER: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/AF_PACKET/, 'packet sockets: later'],
  [/AF_NETLINK/, 'netlink sockets: the control calls take their place'],
  [/MPTCP/, 'multipath TCP: not planned'],
  [/UDPLITE/, 'UDP-Lite: not planned'],
  [
    /^(v6 )?addrlen|NULL|^accept4 bad flags$|^closed fd$/,
    'no pointers, lengths and descriptors here',
  ],
  [/returns len$|TCP_INFO len/, 'values are objects: they have no length'],
  [/^SIOCGIF/, 'interface ioctls: the control calls take their place'],
];

/** `then recv` after a skipped `send` and the like belong to the call before. */
const CONTINUES = /^ {2}/;

/** Fields of TCP_INFO that depend on the speed of the machine that was measured. */
const TIMING =
  /^(rtt|rttvar|min_rtt|pacing_rate|max_pacing_rate|flags2|wscale|last_.*|rcv_wnd|rehash)$/;

/** A congestion control that asks for three windows of send buffer; ours, cubic, asks for two. */
const MEASURED_WITH_BBR = /^connected \w+ SO_SNDBUF$/;
/** Random among the odd ports of the range, though three runs gave the same. */
const RANDOM_ODD = /^bind\(0\) #[12] in range/;

function inRange(actual: unknown): void {
  const port = Number(actual);
  assert.ok(port >= 40_000 && port <= 40_003, `${String(actual)} is not of the range`);
}

/** Also what no two runs of the program share: times, and ports that are chosen at random. */
function compare(step: Step, actual: unknown): void {
  const { call, result } = step;
  if (call === 'TCP_INFO')
    compareInfo(result as Record<string, unknown>, actual as Record<string, unknown>);
  else if (/seconds/.test(call))
    assert.ok(Math.abs(Number(actual) - Number(result)) < 0.11, `${String(actual)} s`);
  else if (step.volatile === true) inRange(actual);
  else if (RANDOM_ODD.test(call)) {
    inRange(actual);
    assert.equal(Number(actual) & 1, 1);
  } else if (MEASURED_WITH_BBR.test(call)) assert.equal(actual, (Number(result) / 3) * 2);
  // The program showed its untouched buffer: one byte was discarded.
  else if (call.startsWith('recv MSG_TRUNC|DONTWAIT')) assert.equal(actual, String(result).length);
  else assert.deepEqual(actual, result);
}

function compareInfo(expected: Record<string, unknown>, actual: Record<string, unknown>): void {
  const differing: string[] = [];
  for (const [name, value] of Object.entries(expected)) {
    const ours = actual[name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase())];
    if (ours !== undefined && !TIMING.test(name) && ours !== value)
      differing.push(`${name}: ${String(ours)}, Linux ${String(value)}`);
  }
  assert.deepEqual(differing, []);
}

function reasonToSkip(call: string): string | undefined {
  return LATER.find(([pattern]) => pattern.test(call))?.[1];
}

for (const { title, steps } of facts.cases) {
  const run = CASES[title];
  const recorder = new Recorder();
  let failure: unknown;
  try {
    run?.(new Bench(), recorder);
  } catch (e) {
    failure = e;
  }
  let next = 0;
  let lastReason: string | undefined;
  for (const step of steps) {
    const own = reasonToSkip(step.call);
    const reason = own ?? (CONTINUES.test(step.call) ? lastReason : undefined);
    lastReason = reason;
    const name = `${title}: ${step.call.trim()}`;
    if (reason !== undefined) {
      test(name, { skip: reason }, () => {});
      continue;
    }
    const actual = recorder.steps[next];
    const isThis = actual?.call === step.call;
    if (isThis) next++;
    test(name, () => {
      if (!isThis) throw failure ?? new Error(`not called; next is "${actual?.call ?? 'nothing'}"`);
      compare(step, actual.result);
      if (step.get !== undefined) assert.deepEqual(actual.get, step.get, 'getsockopt');
    });
  }
}

const matrix = facts.bind_matrix;

/** Options of the first and of the second socket: A SO_REUSEADDR, P SO_REUSEPORT, L listens. */
const MODES: Readonly<Record<string, readonly [string, string]>> = {
  none: ['', ''],
  'RA both': ['A', 'A'],
  'RA first': ['A', ''],
  'RA second': ['', 'A'],
  'RP both': ['P', 'P'],
  'RP first': ['P', ''],
  'RP second': ['', 'P'],
  'RA both, first listening': ['AL', 'A'],
  'RP both, first listening': ['PL', 'P'],
  'RA first + RP second': ['A', 'P'],
  'RA+RP both': ['AP', 'AP'],
};

function bound(b: Bench, type: number, addr: string, port: number, options: string): Socket | null {
  const [text = '', only] = addr.split(' ');
  const six = text.includes(':');
  const s = Socket.create(b.main, six ? AF_INET6 : AF_INET, type);
  assert.ok(typeof s !== 'number');
  if (only === 'v6only') s.setsockopt(SOL_IPV6, IPV6_V6ONLY, 1);
  if (options.includes('A')) s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.includes('P')) s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
  const err = s.bind(
    six
      ? { family: AF_INET6, addr: 0, addr6: ip6(text), port }
      : { family: AF_INET, addr: ipv4(text), port },
  );
  if (err === 0 && options.includes('L')) assert.equal(s.listen(1), 0);
  if (err === 0) return s;
  assert.equal(errnoName(err), 'EADDRINUSE');
  s.close();
  return null;
}

for (const [key, rows] of Object.entries(matrix.cells)) {
  const [proto = '', mode = ''] = key.split(' / ');
  test(`bind matrix: ${key}`, () => {
    const b = new Bench();
    const [first, second] = MODES[mode] ?? assert.fail(mode);
    const type = proto === 'tcp' ? SOCK_STREAM : SOCK_DGRAM;
    let port = 20_000;
    const { addresses } = matrix;
    const actual = addresses.map((x) =>
      addresses
        .map((y) => {
          port++;
          const one = bound(b, type, x, port, first);
          assert.ok(one !== null);
          const two = bound(b, type, y, port, second);
          one.close();
          two?.close();
          return two === null ? 'X' : 'O';
        })
        .join(''),
    );
    assert.deepEqual(actual, rows);
  });
}

/** Defaults that are ours on purpose, or that the measured machine had set for itself. */
const OTHER_DEFAULTS: Readonly<Record<string, string>> = {
  'net.ipv4.tcp_congestion_control': 'the measured machine had bbr; Linux’s own default is cubic',
  'net.ipv4.tcp_available_congestion_control': 'bbr: later',
  'net.ipv4.tcp_allowed_congestion_control': 'bbr: later',
};

/** The value here, or undefined for a name that does not exist here. */
function sysctlHere(control: SysctlControl, name: string): string | undefined {
  try {
    return control.get(name).split(/\s+/).join(' ');
  } catch {
    return undefined;
  }
}

const bench = new Bench();
const control = new SysctlControl(bench.main);
for (const [name, value] of Object.entries(facts.sysctl_defaults_new_netns)) {
  const ours = sysctlHere(control, name);
  // What is not here, docs/sysctl.md lists.
  if (ours === undefined) continue;
  const skip = OTHER_DEFAULTS[name] ?? false;
  test(`sysctl default: ${name}`, { skip }, () => assert.equal(ours, value));
}
