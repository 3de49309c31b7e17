/** The steps of `data/linux_errno.py` that are about AF_INET6, for the cases of `errno-cases.ts` that they are part of. */
import type { OptionValue } from '../src/core/transport/sock.ts';
import { ip6 } from '../src/core/util/ip6-addr.ts';
import type { Recorder } from './errno-cases.ts';
import { type Address, AT6, type Bench, type PySocket } from './errno-socket.ts';

const IP6 = 41;
const V6ONLY = 26;
const JOIN_GROUP = 20;

type Option = readonly [label: string, level: number, name: number];

export function bindArguments6(b: Bench, r: Recorder): void {
  let s = b.T6();
  r.do('v6 sockaddr_in on AF_INET6', () => s.bindTo({ family: 2 }));
  r.do('v6 link-local no scope', () => s.bind(['fe80::1', 0]));
  r.do('v6 not local', () => s.bind(['fd00:9::77', 0]));
  r.do('v6 multicast TCP ff02::1', () => s.bindTo(AT6('ff02::1', 0, 2)));
  r.do('v6 bind ::ffff:127.0.0.1', () => s.bind(['::ffff:127.0.0.1', 0]));
  s.close();
  s = b.T6();
  s.setsockopt(IP6, V6ONLY, 1);
  r.do('V6ONLY bind ::ffff:127.0.0.1', () => s.bind(['::ffff:127.0.0.1', 0]));
  s.close();
  s = b.T6();
  s.bind(['::', 0]);
  r.do('V6ONLY=1 after bind', () => s.setsockopt(IP6, V6ONLY, 1));
  s.close();
}

export function connectDestinations6(b: Bench, r: Recorder): void {
  const rows: readonly (readonly [string, Address])[] = [
    ['::1 closed port', ['::1', 1]],
    ['no route fd99::1', ['fd99::1', 80]],
    ['multicast ff02::1', ['ff02::1', 80]],
    [':: closed port', ['::', 1]],
    ['::ffff:127.0.0.1 closed', ['::ffff:127.0.0.1', 1]],
    ['link-local no scope', ['fe80::5', 80]],
    ['peer closed', ['fd00:9::2', 9]],
    ['documentation no route 2001:db8::1', ['2001:db8::1', 80]],
  ];
  for (const [label, to] of rows) {
    const s = b.T6();
    s.settimeout(6);
    r.do(`v6 ${label}`, () => s.connect(to));
    s.close();
  }
  const s = b.T6();
  s.setsockopt(IP6, V6ONLY, 1);
  r.do('v6 V6ONLY to ::ffff:127.0.0.1', () => s.connect(['::ffff:127.0.0.1', 1]));
  s.close();
}

export function rejects6(b: Bench, r: Recorder): void {
  const kinds = [
    'icmp6-no-route',
    'icmp6-adm-prohibited',
    'icmp6-addr-unreachable',
    'icmp6-port-unreachable',
    'icmp6-policy-fail',
    'icmp6-reject-route',
    'tcp-reset',
  ];
  kinds.forEach((kind, i) => {
    const to: Address = ['fd00:9::2', 7200 + i];
    const s = b.T6();
    s.settimeout(3);
    r.do(`TCP6 connect: ${kind}`, () => s.connect(to));
    s.close();
    if (kind === 'tcp-reset') return;
    const u = b.U6();
    u.settimeout(0.5);
    u.connect(to);
    r.do(`UDP6 connected send: ${kind}`, () => u.send('x'));
    b.sleep(0.02);
    r.do('  then recv', () => u.recv(9));
    u.close();
    b.sleep(0.02);
  });
}

export function udpDestinations6(b: Bench, r: Recorder): void {
  let v = b.U6();
  const big = (n: number): Uint8Array => new Uint8Array(n).fill(120);
  r.rows([
    ['v6 UDP send to ::ffff:127.0.0.1 closed', () => v.sendto('x', ['::ffff:127.0.0.1', 9])],
    ['sendto v6 no route', () => v.sendto('x', ['fd99::1', 9])],
    ['sendto ff02::1 no scope', () => v.sendto('x', ['ff02::1', 9])],
    ['65527 bytes ::1', () => v.sendto(big(65527), ['::1', 9])],
    ['65528 bytes ::1', () => v.sendto(big(65528), ['::1', 9])],
  ]);
  v.close();
  v = b.U6();
  v.connect(['::ffff:127.0.0.1', 9]);
  r.do('v6 socket connected to mapped, sendto ::1', () => v.sendto('x', ['::1', 9]));
  v.close();
  v = b.U6();
  v.connect(['::1', 9]);
  r.do('v6 connected to ::1, sendto mapped', () => v.sendto('x', ['::ffff:127.0.0.1', 9]));
  v.close();
}

export function multicast6(b: Bench, r: Recorder): void {
  const v = b.U6();
  const m = (group: string, ifindex: number): OptionValue => ({ multiaddr: ip6(group), ifindex });
  r.do('IPV6_JOIN ff02::5 bad ifindex 999', () => v.setsockopt(IP6, JOIN_GROUP, m('ff02::5', 999)));
  r.do('IPV6_JOIN non-multicast', () => v.setsockopt(IP6, JOIN_GROUP, m('fd00:9::1', 0)));
  v.close();
}

export function defaults6(
  b: Bench,
  r: Recorder,
  all: readonly Option[],
  stream: readonly Option[],
): void {
  const inet6: readonly Option[] = [
    ['IPV6_V6ONLY', IP6, V6ONLY],
    ['IPV6_UNICAST_HOPS', IP6, 16],
    ['IPV6_MULTICAST_HOPS', IP6, 18],
    ['IPV6_MTU_DISCOVER', IP6, 23],
    ['IPV6_TCLASS', IP6, 67],
  ];
  const t = b.T6();
  for (const [label, l, o] of [...all, ...stream, ...inet6])
    r.do(`TCP6 ${label}`, () => t.getsockopt(l, o));
  const u = b.U6();
  for (const [label, l, o] of [...all, ...inet6]) r.do(`UDP6 ${label}`, () => u.getsockopt(l, o));
}

export function sources6(b: Bench, r: Recorder): void {
  const connected = (addr: string): PySocket => {
    const u = b.U6();
    u.connect([addr, 9]);
    return u;
  };
  r.do('source for ::', () => {
    const u = connected('::');
    return [u.getsockname()[0], u.getpeername()[0]];
  });
  r.do('source for ::ffff:127.0.0.1', () => connected('::ffff:127.0.0.1').getsockname()[0]);
}

/** SO_REUSEADDR on sockets of both families; which of them gets a datagram to 127.0.0.1. */
export function families(r: Recorder, who: (binds: readonly string[]) => unknown): void {
  r.do('UDP v6 wildcard dual + v4 wildcard (REUSEADDR), to 127.0.0.1', () =>
    who(['::', '0.0.0.0']),
  );
  r.do('UDP v4 wildcard first, then v6 dual (REUSEADDR), to 127.0.0.1', () =>
    who(['0.0.0.0', '::']),
  );
}
