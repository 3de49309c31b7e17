/**
 * The same socket calls in namespaces of the kernel's and in Warren's leave the same counters behind
 * (/proc/net/snmp, /proc/net/netstat; RFC 2011 §3, RFC 4022).
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { errnoName } from '../../src/core/errno.ts';
import { MIB } from '../../src/core/mib.ts';
import type { NetNs } from '../../src/core/net.ts';
import { Socket } from '../../src/core/socket/socket.ts';
import type { NumberField } from '../../src/core/sysctl.ts';
import { at, createWorld, type World } from '../world.ts';
import { linuxMissing } from './linux-world.ts';
import { skipReason } from './tools.ts';

type Value = string | number;
/** Namespace, operation, arguments; or `wait` with seconds. */
type Call = readonly [string, string, ...Value[]] | readonly ['wait', number];
type Counters = Readonly<Record<string, number>>;

interface Story {
  readonly title: string;
  readonly calls: readonly Call[];
  /** sysctls of both namespaces. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** Counters that depend on buffers' memory layout, on speed, or on which function ran first. */
const UNCOMPARABLE =
  /^(IpExt|IcmpMsg|TcpExtTCPRcvCoalesce|TcpExtTCPToZeroWindowAdv|TcpExtTCPAutoCorking|TcpExtTCPBacklogCoalesce|TcpExtDelayedACKLocked|TcpExtTCPHPHits|TcpExtTCPHPAcks|TcpExtTCPPureAcks|TcpExtTCPHystart|UdpMemErrors|TcpMaxConn|TcpRto)/;

const PORT = 8000;
const B = '10.0.0.2';

function listener(id = 'l', port = PORT): Call[] {
  return [
    ['B', 'tcp', id],
    ['B', 'bind', id, B, port],
    ['B', 'listen', id, 8],
  ];
}

function connected(): Call[] {
  return [
    ...listener(),
    ['A', 'tcp', 'c'],
    ['A', 'connect', 'c', B, PORT],
    ['B', 'accept', 'l', 's'],
  ];
}

const STORIES: readonly Story[] = [
  {
    title: 'connect, echo, close by the client',
    calls: [
      ...connected(),
      ['A', 'send', 'c', 100],
      ['B', 'recv', 's', 1000],
      ['B', 'send', 's', 100],
      ['A', 'recv', 'c', 1000],
      ['wait', 0.1],
      ['A', 'close', 'c'],
      ['B', 'recv', 's', 1000],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'close by the server; half-close',
    calls: [
      ...connected(),
      ['B', 'shutdown', 's', 1],
      ['A', 'recv', 'c', 10],
      ['A', 'send', 'c', 10],
      ['B', 'recv', 's', 10],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'nobody listens',
    calls: [
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, 9],
      ['A', 'get', 'c', 1, 4],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'SO_LINGER 0: RST; writing after it',
    calls: [
      ...connected(),
      ['B', 'reset', 's'],
      ['A', 'send', 'c', 10],
      ['A', 'send', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'close with unread data: RST (RFC 2525 §2.17)',
    calls: [
      ...connected(),
      ['A', 'send', 'c', 10],
      ['B', 'close', 's'],
      ['A', 'recv', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'data for a peer that closed: RST',
    calls: [
      ...connected(),
      ['B', 'close', 's'],
      ['A', 'send', 'c', 10],
      ['wait', 0.05],
      ['A', 'send', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'a listener closes with a connection that nobody accepted',
    calls: [
      ...listener(),
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, PORT],
      ['B', 'close', 'l'],
      ['A', 'recv', 'c', 10],
      ['A', 'close', 'c'],
    ],
  },
  {
    title: 'accept queue overflows',
    calls: [
      ['B', 'tcp', 'l'],
      ['B', 'bind', 'l', B, PORT],
      ['B', 'listen', 'l', 0],
      ['A', 'tcp', 'c1'],
      ['A', 'connect', 'c1', B, PORT],
      ['A', 'tcp', 'c2'],
      ['A', 'connect', 'c2', B, PORT],
      ['wait', 1.2],
      ['A', 'reset', 'c2'],
      ['A', 'reset', 'c1'],
    ],
  },
  {
    title: 'SYN cookies always (net.ipv4.tcp_syncookies = 2)',
    sysctls: { 'net.ipv4.tcp_syncookies': '2' },
    calls: [
      ...connected(),
      ['A', 'send', 'c', 10],
      ['B', 'recv', 's', 10],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'fast open: asking for a cookie, then data in the SYN, then a wrong key',
    sysctls: { 'net.ipv4.tcp_fastopen': '3' },
    calls: [
      ['B', 'tcp', 'l'],
      ['B', 'set', 'l', 6, 23, 5],
      ['B', 'bind', 'l', B, PORT],
      ['B', 'listen', 'l', 5],
      ['A', 'tcp', 'c1'],
      ['A', 'sendto', 'c1', 5, 0x20000000, B, PORT],
      ['B', 'accept', 'l', 's1'],
      ['A', 'tcp', 'c2'],
      ['A', 'sendto', 'c2', 5, 0x20000000, B, PORT],
      ['B', 'accept', 'l', 's2'],
      ['B', 'recv', 's2', 10],
      ['B', 'send', 's2', 10],
      ['A', 'recv', 'c2', 10],
      ['B', 'tcp', 'l2'],
      ['B', 'set', 'l2', 6, 23, 0],
      ['B', 'bind', 'l2', B, PORT + 1],
      ['B', 'listen', 'l2', 5],
      ['A', 'tcp', 'c3'],
      ['A', 'sendto', 'c3', 5, 0x20000000, B, PORT + 1],
      ['B', 'accept', 'l2', 's3'],
      ['B', 'recv', 's3', 10],
      ['wait', 0.3],
    ],
  },
  {
    title: 'UDP: delivered, refused, truncated',
    calls: [
      ['B', 'udp', 'u'],
      ['B', 'bind', 'u', B, 5000],
      ['A', 'udp', 'v'],
      ['A', 'connect', 'v', B, 5000],
      ['A', 'send', 'v', 100],
      ['B', 'recv', 'u', 10],
      ['A', 'udp', 'w'],
      ['A', 'connect', 'w', B, 9],
      ['A', 'send', 'w', 10],
      ['A', 'recv', 'w', 10],
    ],
  },
  {
    title: 'no route',
    calls: [
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', '192.0.2.1', 80],
      ['A', 'udp', 'u'],
      ['A', 'sendto', 'u', 10, 0, '192.0.2.1', 80],
    ],
  },
  {
    title: 'TCP_DEFER_ACCEPT',
    calls: [
      ...listener(),
      ['B', 'set', 'l', 6, 9, 5],
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, PORT],
      ['B', 'accept', 'l', 's'],
      ['A', 'send', 'c', 10],
      ['B', 'accept', 'l', 's'],
      ['B', 'recv', 's', 10],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'urgent data; reading past them',
    calls: [
      ...connected(),
      ['A', 'send', 'c', 5],
      ['A', 'send', 'c', 1, 1],
      ['A', 'send', 'c', 5],
      ['B', 'recv', 's', 100],
      ['B', 'recv', 's', 1, 1],
      ['B', 'recv', 's', 100],
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'a zero window and its end',
    calls: [
      ['B', 'tcp', 'l'],
      ['B', 'set', 'l', 1, 8, 4096],
      ['B', 'bind', 'l', B, PORT],
      ['B', 'listen', 'l', 8],
      ['A', 'tcp', 'c'],
      ['A', 'connect', 'c', B, PORT],
      ['B', 'accept', 'l', 's'],
      ['A', 'send', 'c', 1000],
      ['A', 'send', 'c', 1000],
      ['A', 'send', 'c', 1000],
      ['B', 'recv', 's', 500],
      ['A', 'reset', 'c'],
      ['B', 'close', 's'],
    ],
  },
  {
    title: 'the port of a TIME-WAIT is taken again (net.ipv4.tcp_tw_reuse = 1)',
    sysctls: { 'net.ipv4.tcp_tw_reuse': '1', 'net.ipv4.ip_local_port_range': '40000 40001' },
    calls: [
      ...connected(),
      ['A', 'close', 'c'],
      ['B', 'close', 's'],
      ['A', 'tcp', 'd'],
      ['A', 'connect', 'd', B, PORT],
      ['A', 'close', 'd'],
      ['wait', 1.2],
      ['A', 'tcp', 'e'],
      ['A', 'connect', 'e', B, PORT],
      ['A', 'close', 'e'],
    ],
  },
];

/** Time between calls: a delayed ACK goes out within it, in either world. */
const STEP_S = 0.08;

const AGENT = 'test/linux/counter-agent.py';

function exec(file: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: 20_000 }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

const sleep = (seconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });

/** A program in a namespace that makes calls as told. */
class Agent {
  private readonly child: ChildProcess;
  private text = '';
  private waiting: ((line: string) => void) | null = null;

  constructor(ns: string) {
    this.child = spawn('ip', ['netns', 'exec', ns, 'python3', AGENT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
      this.deliver();
    });
  }

  private deliver(): void {
    const end = this.text.indexOf('\n');
    if (end < 0 || this.waiting === null) return;
    const line = this.text.slice(0, end);
    this.text = this.text.slice(end + 1);
    const { waiting } = this;
    this.waiting = null;
    waiting(line);
  }

  answer(): Promise<unknown> {
    return new Promise((resolve) => {
      this.waiting = (line) => resolve(JSON.parse(line));
      this.deliver();
    });
  }

  ask(call: readonly Value[]): Promise<unknown> {
    const answer = this.answer();
    this.child.stdin?.write(`${JSON.stringify(call)}\n`);
    return answer;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}

interface Outcome {
  readonly results: readonly unknown[];
  readonly counters: Readonly<Record<string, Counters>>;
}

async function onLinux(story: Story): Promise<Outcome> {
  const prefix = `wrn${randomBytes(3).toString('hex')}`;
  const names = ['A', 'B'].map((n) => prefix + n);
  const [a = '', b = ''] = names;
  const agents: Agent[] = [];
  try {
    for (const n of names) await exec('ip', ['netns', 'add', n]);
    const inA = (...w: string[]): Promise<void> => exec('ip', ['-n', a, ...w]);
    const inB = (...w: string[]): Promise<void> => exec('ip', ['-n', b, ...w]);
    for (const n of names) {
      const settings = {
        'net.ipv6.conf.all.disable_ipv6': '1',
        'net.ipv6.conf.default.disable_ipv6': '1',
        ...story.sysctls,
      };
      const words = Object.entries(settings).map(([k, v]) => `${k}=${v}`);
      await exec('ip', ['netns', 'exec', n, 'sysctl', '-qw', ...words]);
    }
    await inA('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1', 'netns', b);
    await inA('link', 'set', 'v0', 'up');
    await inB('link', 'set', 'v1', 'up');
    await inA('addr', 'add', '10.0.0.1/24', 'dev', 'v0');
    await inB('addr', 'add', `${B}/24`, 'dev', 'v1');
    agents.push(new Agent(a), new Agent(b));
    for (const agent of agents) await agent.answer();
    await sleep(0.1);
    const before = await Promise.all(agents.map((x) => x.ask(['counters'])));
    const results: unknown[] = [];
    for (const call of story.calls) {
      if (call[0] === 'wait') await sleep(Number(call[1]));
      else {
        results.push(await agents[call[0] === 'A' ? 0 : 1]?.ask(call.slice(1) as Value[]));
        await sleep(STEP_S);
      }
    }
    await sleep(0.1);
    const after = await Promise.all(agents.map((x) => x.ask(['counters'])));
    const counters: Record<string, Counters> = {};
    ['A', 'B'].forEach((n, i) => {
      counters[n] = difference(before[i] as Counters, after[i] as Counters);
    });
    return { results, counters };
  } finally {
    for (const agent of agents) agent.end();
    for (const n of names) await exec('ip', ['netns', 'del', n]).catch(() => undefined);
  }
}

function difference(before: Counters, after: Counters): Counters {
  const out: Record<string, number> = {};
  for (const [name, value] of Object.entries(after)) {
    const n = value - (before[name] ?? 0);
    if (n !== 0 && !UNCOMPARABLE.test(name)) out[name] = n;
  }
  return out;
}

function countersOf(net: NetNs): Counters {
  return Object.fromEntries(Object.entries(MIB).map(([name, i]) => [name, net.mib[i] as number]));
}

function inWarren(story: Story): Outcome {
  const world = createWorld();
  const nets: Record<string, NetNs> = { A: world.addNet('A'), B: world.addNet('B') };
  const { A, B: b } = nets as { A: NetNs; B: NetNs };
  world.wire({ net: A, cidr: '10.0.0.1/24' }, { net: b, cidr: `${B}/24` });
  for (const net of [A, b]) {
    for (const [name, value] of Object.entries(story.sysctls ?? {})) setSysctl(net, name, value);
  }
  world.run(100_000);
  const before = [countersOf(A), countersOf(b)];
  const socks = new Map<Value, Socket>();
  const results: unknown[] = [];
  for (const call of story.calls) {
    if (call[0] === 'wait') world.run(Number(call[1]) * 1_000_000);
    else {
      const [ns, op, ...args] = call as readonly [string, string, ...Value[]];
      results.push(perform(world, nets[ns] as NetNs, socks, op, args));
      world.run(STEP_S * 1_000_000);
    }
  }
  world.run(100_000);
  return {
    results,
    counters: {
      A: difference(before[0] as Counters, countersOf(A)),
      B: difference(before[1] as Counters, countersOf(b)),
    },
  };
}

function setSysctl(net: NetNs, name: string, value: string): void {
  const set = (field: NumberField): void => {
    net.sysctl = net.sysctl.with(field, Number(value));
  };
  if (name === 'net.ipv4.tcp_syncookies') set('tcpSyncookies');
  else if (name === 'net.ipv4.tcp_fastopen') set('tcpFastopen');
  else if (name === 'net.ipv4.tcp_tw_reuse') set('tcpTwReuse');
  else if (name === 'net.ipv4.ip_local_port_range') {
    const [low = 0, high = 0] = value.split(' ').map(Number);
    net.sysctl = net.sysctl.with('ipLocalPortRange', [low, high]);
  } else assert.fail(name);
}

function perform(
  world: World,
  net: NetNs,
  socks: Map<Value, Socket>,
  op: string,
  a: readonly Value[],
): unknown {
  const [id = '', x = 0, y = 0, z = 0, w = 0] = a;
  if (op === 'tcp' || op === 'udp') {
    const made = Socket.create(net, 2, op === 'tcp' ? 1 : 2);
    assert.ok(typeof made !== 'number');
    socks.set(id, made);
    return 0;
  }
  const s = socks.get(id);
  assert.ok(s !== undefined, `no socket ${id}`);
  const told = (n: unknown): unknown => (typeof n === 'number' && n < 0 ? errnoName(n) : n);
  switch (op) {
    case 'bind':
      return told(s.bind(at(String(x), Number(y))));
    case 'listen':
      return told(s.listen(Number(x)));
    case 'accept': {
      const child = s.accept();
      if (typeof child === 'number') return told(child);
      socks.set(x, child);
      return 0;
    }
    case 'connect':
      return told(s.connect(at(String(x), Number(y))));
    case 'send':
      return told(s.send(new Uint8Array(Number(x)), Number(y)));
    case 'sendto':
      return told(s.sendto(new Uint8Array(Number(x)), Number(y), at(String(z), Number(w))));
    case 'recv': {
      const got = s.recv(Number(x), Number(y));
      return typeof got === 'number' ? told(got) : got.len;
    }
    case 'set':
      return told(s.setsockopt(Number(x), Number(y), z));
    case 'get':
      return told(s.getsockopt(Number(x), Number(y)));
    case 'shutdown':
      return told(s.shutdown(Number(x)));
    case 'close':
      return s.close();
    case 'reset':
      s.setsockopt(1, 13, { onoff: 1, linger: 0 });
      return s.close();
    default:
      return assert.fail(`${op} ${world.clock.nowUs()}`);
  }
}

test('Linux and Warren count the same', {
  skip: skipReason(linuxMissing()),
  concurrency: 4,
  timeout: 120_000,
}, async (t) => {
  await Promise.all(
    STORIES.map((story) =>
      t.test(story.title, { timeout: 60_000 }, async () => {
        const linux = await onLinux(story);
        const warren = inWarren(story);
        assert.deepEqual(warren.results, linux.results);
        assert.deepEqual(warren.counters, linux.counters);
      }),
    ),
  );
});
