/** ss, tc, bridge and sysctl: columns, words and refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET,
  Kernel,
  SOCK_DGRAM,
  SOCK_STREAM,
  Socket,
  type ToolContext,
} from '../core/index.ts';
import { ipv4 } from '../core/util/address.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import { bridgeTool, catTool, lsTool, ssTool, sysctlTool, tcTool, writeTool } from './index.ts';

interface World {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
  readonly a: ToolContext;
  readonly b: ToolContext;
}

function world(): World {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, b] = ['a', 'b'].map((name): ToolContext => {
    const ns = kernel.netns.add(name);
    const { netns } = kernel;
    return { ns, findNetns: (n) => netns.find(n), listNetns: () => netns.list() };
  }) as [ToolContext, ToolContext];
  kernel.veth(
    { netns: a.ns, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: b.ns, name: 'eth0', address: '10.0.0.2/24', up: true },
  );
  return { clock, kernel, a, b };
}

function socket(ctx: ToolContext, type: number): Socket {
  const made = Socket.create(ctx.ns.net, AF_INET, type);
  assert.ok(typeof made !== 'number');
  return made;
}

const to = (addr: string, port: number): { family: 2; addr: number; port: number } => ({
  family: AF_INET,
  addr: ipv4(addr),
  port,
});

test('ss: listeners and connections in ss’s columns', () => {
  const { clock, kernel, a, b } = world();
  const listener = socket(b, SOCK_STREAM);
  listener.bind(to('0.0.0.0', 80));
  listener.listen(5);
  const client = socket(a, SOCK_STREAM);
  client.bind(to('0.0.0.0', 40000));
  client.connect(to('10.0.0.2', 80));
  const dns = socket(b, SOCK_DGRAM);
  dns.bind(to('10.0.0.2', 53));
  clock.runFor(kernel.core, 1000);
  client.send(new Uint8Array(100));
  clock.runFor(kernel.core, 1_000_000);
  assert.equal(
    ssTool(b, ['-tan']).stdout,
    'State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n' +
      'LISTEN 1      5            0.0.0.0:80        0.0.0.0:*           \n' +
      'ESTAB  100    0           10.0.0.2:80       10.0.0.1:40000       \n',
  );
  assert.equal(ssTool(b, ['-uaH']).stdout, 'UNCONN 0      0      10.0.0.2:domain 0.0.0.0:*\n');
  assert.equal(ssTool(b, ['-t']).stdout.split('\n').length, 3);
  assert.equal(ssTool(b, ['-tH', 'dport', '=', ':40000']).stdout.split('\n').length, 2);
  assert.equal(ssTool(b, ['-tH', 'not', '(', 'dport', '=', ':40000', ')']).stdout, '');
  assert.match(ssTool(a, ['-ti']).stdout, /\n\t ts sack cubic wscale:\d+,\d+ rto:/);
  assert.match(ssTool(b, ['-s']).stdout, /^TCP: {3}2 \(estab 1, closed 0/m);
  const bad = ssTool(b, ['-p']);
  assert.equal(bad.code, 255);
  assert.match(bad.stderr, /-p is not implemented/);
});

test('S17: tc filter: words, listings in text and JSON, refusals', () => {
  const { a } = world();
  const tc = (line: string): ReturnType<typeof tcTool> => tcTool(a, line.split(' '));
  const ok = (line: string): string => {
    const r = tc(line);
    assert.equal(r.code, 0, r.stderr);
    return r.stdout;
  };
  const fails = (line: string, code: number, stderr: string): void => {
    const r = tc(line);
    assert.deepEqual([r.code, r.stderr], [code, stderr], line);
  };
  const talking = 'We have an error talking to the kernel\n';
  const add = 'filter add dev eth0 ingress';
  fails(`${add} matchall action drop`, 2, `Error: Parent Qdisc doesn't exists.\n${talking}`);
  fails(
    'qdisc del dev eth0 clsact',
    2,
    'Error: Cannot find specified qdisc on specified device.\n',
  );
  ok('qdisc add dev eth0 clsact');
  fails('qdisc add dev eth0 ingress', 2, 'Error: Exclusivity flag on, cannot modify.\n');
  fails(
    'filter del dev eth0 ingress pref 5',
    2,
    `Error: Cannot find specified filter chain.\n${talking}`,
  );
  fails(`${add} frob`, 2, `Error: TC classifier not found.\n${talking}`);
  fails(add, 2, `Error: Filter kind and protocol must be specified.\n${talking}`);
  fails('filter add dev eth0 matchall action drop', 2, `Error: Qdisc not classful.\n${talking}`);
  fails('filter add ingress matchall', 2, `RTNETLINK answers: No such device\n${talking}`);
  fails(`${add} matchall frob`, 1, 'What is "frob"?\n');
  assert.match(tc(`${add} matchall action frob`).stderr, /^Bad action type frob/);
  assert.match(tc(`${add} u32 match u32 0 0`).stderr, /"filter u32" is not implemented/);
  ok(
    `${add} protocol ip pref 10 flower src_ip 10.0.0.0/8 ip_proto udp dst_port 53 action skbedit mark 7 action netns b`,
  );
  ok(`${add} matchall action mirred egress redirect dev lo`);
  ok('filter add dev eth0 egress pref 3 handle 7 fw action drop');
  assert.equal(
    ok('filter show dev eth0 ingress'),
    'filter protocol all pref 9 matchall chain 0 \n' +
      'filter protocol all pref 9 matchall chain 0 handle 0x1 \n  not_in_hw\n' +
      '\taction order 1: mirred (Egress Redirect to device lo) stolen\n \tindex 1 ref 1 bind 1\n\n' +
      'filter protocol ip pref 10 flower chain 0 \n' +
      'filter protocol ip pref 10 flower chain 0 handle 0x1 \n' +
      '  eth_type ipv4\n  ip_proto udp\n  src_ip 10.0.0.0/8\n  dst_port 53\n  not_in_hw\n' +
      '\taction order 1: skbedit  mark 7 pipe\n\t index 1 ref 1 bind 1\n' +
      '\taction order 2: netns b stolen\n\t index 2 ref 1 bind 1\n\n',
  );
  const json = JSON.parse(ok('-j filter show dev eth0 egress'));
  assert.deepEqual([json[1].kind, json[1].options.actions[0].control_action.type], ['fw', 'drop']);
  assert.equal(
    ok('qdisc show dev eth0'),
    'qdisc noqueue 0: root refcnt 2 \nqdisc clsact ffff: parent ffff:fff1 \n',
  );
  ok('filter del dev eth0 ingress');
  assert.equal(ok('filter show dev eth0 ingress'), '');
  ok('qdisc del dev eth0 clsact');
});

test('tc: netem, its words, its refusals', () => {
  const { a } = world();
  const tc = (line: string): ReturnType<typeof tcTool> => tcTool(a, line.split(' '));
  assert.equal(tc('qdisc add dev eth0 root netem delay 10ms loss 1%').code, 0);
  assert.equal(
    tc('qdisc show dev eth0').stdout,
    'qdisc netem 8001: root refcnt 2 limit 1000 delay 10ms loss 1%\n',
  );
  assert.match(tc('qdisc add dev eth0 root netem delay 1ms').stderr, /^Error: Exclusivity flag on/);
  assert.equal(tc('qdisc replace dev eth0 root netem rate 8mbit').code, 0);
  assert.deepEqual(JSON.parse(tc('-j qdisc show dev eth0').stdout)[0].options.rate.rate, 1_000_000);
  assert.match(tc('qdisc add dev eth0 root htb').stderr, /"qdisc htb" is not implemented/);
  assert.match(tc('qdisc replace dev eth0 root netem dealy 1ms').stderr, /^What is "dealy"\?/);
  assert.equal(tc('qdisc del dev eth0 root').code, 0);
  assert.equal(tc('qdisc').stdout, 'qdisc noqueue 0: dev eth0 root refcnt 2 \n');
});

test('bridge and sysctl refuse what they do not know', () => {
  const { a } = world();
  assert.match(bridgeTool(a, ['vni']).stderr, /"bridge vni" is not implemented/);
  assert.match(bridgeTool(a, ['lnk']).stderr, /Did you mean "bridge link"/);
  assert.match(sysctlTool(a, ['-p']).stderr, /-p is not implemented/);
  assert.equal(sysctlTool(a, ['-n', 'net.ipv4.ip_forward']).stdout, '0\n');
  assert.equal(sysctlTool(a, ['-N', '-a', '-r', 'somaxconn']).stdout, 'net.core.somaxconn\n');
});

test('S13: cat, ls and write: the files of a namespace', () => {
  const { a } = world();
  const run = (
    tool: typeof catTool,
    words: readonly string[],
  ): readonly [stdout: string, stderr: string, code: number] => {
    let stdout = '';
    const { stderr, code } = tool(a, words, (text) => {
      stdout += text;
    });
    return [stdout, stderr, code];
  };
  assert.deepEqual(run(catTool, ['/sys/class/net/eth0/mtu', '/sys/class/net/lo/mtu']), [
    '1500\n65536\n',
    '',
    0,
  ]);
  assert.deepEqual(run(catTool, ['/nope', '/sys/class/net/lo/mtu']), [
    '65536\n',
    'cat: /nope: No such file or directory\n',
    1,
  ]);
  assert.deepEqual(run(lsTool, ['/sys/class/net']), ['eth0\nlo\n', '', 0]);
  assert.deepEqual(run(lsTool, ['--long', '/sys/class/net/eth0/mtu', '/proc']), [
    '-rw-r--r-- /sys/class/net/eth0/mtu\nlrwxrwxrwx net -> self/net\ndr-xr-xr-x self\ndr-xr-xr-x sys\ndr-xr-xr-x thread-self\n',
    '',
    0,
  ]);
  assert.deepEqual(writeTool(a, ['/proc/sys/net/ipv4/ip_local_port_range', '2000', '3000']), {
    stdout: '',
    stderr: '',
    code: 0,
  });
  assert.equal(a.ns.sysctl.get('net.ipv4.ip_local_port_range'), '2000\t3000');
  assert.deepEqual(writeTool(a, ['/proc/net/tcp', '1']), {
    stdout: '',
    stderr: 'write: /proc/net/tcp: Permission denied\n',
    code: 1,
  });
});
