/** Scripts as text become events. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TH_ACK, TH_AE, TH_CWR, TH_ECE, TH_PSH, TH_SYN } from './packet.ts';
import { parseScript } from './parse.ts';
import type { CallAction, PacketAction, ScriptEvent } from './script.ts';

const script = (text: string): ReturnType<typeof parseScript> => parseScript('x.pkt', text);
const event = (text: string): ScriptEvent => script(`0 ${text}`).events[0] as ScriptEvent;
const packet = (text: string): PacketAction => event(text).action as PacketAction;
const call = (text: string): CallAction => event(text).action as CallAction;
const refused = (text: string, sentence: RegExp): void =>
  assert.throws(() => event(text), sentence);

test('a TCP packet with everything', () => {
  const p = packet(
    '> [ect0, ttl 5] 80 > 1234 SP. 1:11(10) ack 7 win 9 urg 3 <mss 1460,nop,wscale 7>',
  );
  assert.equal(p.direction, 'out');
  assert.deepEqual(p.ports, [80, 1234]);
  assert.deepEqual(p.ip, { ecn: 'ect0', tos: null, ttl: 5, flowlabel: null });
  assert.deepEqual(p.body, {
    proto: 'tcp',
    flags: TH_SYN | TH_PSH | TH_ACK,
    seq: 1,
    len: 10,
    ack: 7,
    win: 9,
    urg: 3,
    options: [{ kind: 'mss', value: 1460 }, { kind: 'nop' }, { kind: 'wscale', value: 7 }],
  });
});

test('flags: letters, a digit for ACE, none', () => {
  const flags = (text: string): number => {
    const { body } = packet(`> ${text} 0:0(0)`);
    return body.proto === 'tcp' ? body.flags : -1;
  };
  assert.equal(flags('-'), 0);
  assert.equal(flags('SEWA'), TH_SYN | TH_ECE | TH_CWR | TH_AE);
  assert.equal(flags('.5'), TH_ACK | TH_AE | TH_ECE);
  refused('> E5 0:0(0)', /as a digit or as letters/);
});

test('options: any, blocks, cookies, what is too long', () => {
  const options = (text: string): unknown => {
    const { body } = packet(`> . 1:1(0) ack 1 ${text}`);
    return body.proto === 'tcp' ? body.options : null;
  };
  assert.equal(options('<...>'), null);
  assert.deepEqual(options(''), []);
  assert.deepEqual(options('<sack 1:2 3:4>'), [
    {
      kind: 'sack',
      blocks: [
        [1, 2],
        [3, 4],
      ],
    },
  ]);
  assert.deepEqual(options('<FO>'), [{ kind: 'FO', bytes: new Uint8Array(0) }]);
  assert.deepEqual(options('<TS val 1 ecr 2>'), [{ kind: 'TS', val: 1, ecr: 2 }]);
  refused('> . 1:1(0) <sack 1:2 3:4 5:6 7:8 9:10>', /longer than 40 bytes/);
  refused('> . 1:1(0) <mptcp>', /"mptcp" is no TCP option/);
});

test('what packets must have', () => {
  refused('< . 1:1(0) ack 1', /must have "win"/);
  refused('< . 1:5(3) ack 1 win 1', /1:5\(3\) does not add up/);
  refused('< . 1:1(0) ack 1 win 1 <...>', /says nothing/);
  refused('> ipv4 10.0.0.1 > 10.0.0.2: . 1:1(0)', /"ipv4" packets are not supported/);
  refused('> gre: . 1:1(0)', /"gre" packets are not supported/);
  assert.throws(() => script('0 > . 1:1(0)\n* < . 1:1(0) win 1'), /needs a time/);
});

test('ICMP: the quote before or behind, names, numbers', () => {
  const icmp = (text: string): unknown => packet(text).body;
  const common = {
    proto: 'icmp',
    type: 3,
    code: 4,
    name: 'unreachable frag_needed',
    mtu: 1200,
    len: 0,
  };
  const quote = { proto: 'tcp', seq: 1, len: 100 };
  assert.deepEqual(icmp('< [1:101(100)] icmp unreachable frag_needed mtu 1200'), {
    ...common,
    quote,
  });
  assert.deepEqual(icmp('< icmp unreachable frag_needed mtu 1200 [1:101(100)]'), {
    ...common,
    quote,
  });
  assert.deepEqual((icmp('< [udp (5)] icmp 3 13') as { quote: unknown }).quote, {
    proto: 'udp',
    len: 5,
  });
  assert.equal((icmp('> icmp time_exceeded') as { type: number }).type, 11);
  refused('< icmp unreachable nowhere', /is no ICMP message/);
  refused('< [1:101(100)] . 1:1(0) win 1', /only an ICMP message quotes/);
});

test('calls: arguments, results, notes, ends', () => {
  const c = call('accept(3, ..., [16]) = -1 EAGAIN (Try again)');
  assert.equal(c.name, 'accept');
  assert.equal(c.errno, 'EAGAIN');
  assert.deepEqual(
    c.args.map((a) => a.kind),
    ['int', 'any', 'list'],
  );
  assert.equal(
    (script('0 x() = 0\n+.1...0.3 read(3, ..., 1) = 1').events[1] as ScriptEvent).action.kind,
    'call',
  );
  assert.equal(
    (call('fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)').result as { value: number }).value,
    2,
  );
  assert.equal(call('f(A|B|0x4) = 0').args[0]?.kind, 'or');
  refused('read(3, ..., 1', /missing at the end of a list/);
});

test('texts: escapes, several in a row, three dots behind', () => {
  const text = (t: string): unknown => {
    const [value] = call(`f(${t}) = 0`).args;
    return value?.kind === 'text' ? [...value.bytes] : null;
  };
  assert.deepEqual(text('"a\\x41\\n"'), [97, 65, 10]);
  assert.deepEqual(text('"ab" "c"...'), [97, 98, 99]);
  refused('f("a\\q") = 0', /"\\q" is not known/);
  refused('f("a) = 0', /no closing quote/);
});

test('structures: names, places, lengths, C designators', () => {
  const names = (t: string): unknown => {
    const [value] = call(`f(${t}) = 0`).args;
    return value?.kind === 'struct' ? value.fields.map((f) => f.name) : null;
  };
  assert.deepEqual(names('{a=1, 2}'), ['a', null]);
  assert.deepEqual(names('{msg_name(...)=..., msg_iov(1)=[{..., 5}]}'), ['msg_name', 'msg_iov']);
  assert.deepEqual(names('{.events=1}'), ['events']);
  assert.deepEqual(names('{}'), []);
});

test('options, definitions, commands and the end', () => {
  const s = script(
    '--mss=1000 --ip_version=ipv4\n-D W=7\n`a`\n`b`\n0 `c`\n+0 > . 1:1(0) ack W\n`d`',
  );
  assert.deepEqual(
    s.options.map((o) => [o.name, o.value]),
    [
      ['mss', '1000'],
      ['ip_version', 'ipv4'],
    ],
  );
  assert.deepEqual(
    s.init.map((c) => c.command),
    ['a', 'b'],
  );
  assert.equal(s.events.length, 2);
  assert.equal(s.cleanup?.command, 'd');
  assert.throws(() => script('0 `c`\n`d`\n+0 `e`'), /nothing may follow the cleanup command/);
  assert.throws(() => script('1 `c`'), /must be at time 0/);
  assert.throws(() => script('// nothing'), /has no events/);
});

test('a definition does not reach into texts and commands', () => {
  const s = parseScript('x.pkt', '0 f("W", W) = 0\n+0 `echo W`', new Map([['W', '9']]));
  const { args } = (s.events[0] as ScriptEvent).action as CallAction;
  assert.deepEqual(
    args.map((a) => (a.kind === 'text' ? [...a.bytes] : a.kind === 'int' ? a.value : 0)),
    [[87], 9],
  );
  assert.match((s.events[1] as ScriptEvent).text, /echo W/);
});
