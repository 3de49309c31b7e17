/** ping, traceroute and tracepath over a router, in virtual time: every byte of their output. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel, type Namespace } from '../core/index.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import { type AppIo, ping, type RunningApp, tracepath, traceroute } from './index.ts';

type App = (ns: Namespace, argv: readonly string[], io: AppIo) => RunningApp;

interface World {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
  readonly a: Namespace;
  readonly r: Namespace;
}

/** a - r - b; 5 ms from a, and 1400 bytes from r to b. */
function world(): World {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, r, b] = ['a', 'r', 'b'].map((n) => kernel.netns.add(n)) as [
    Namespace,
    Namespace,
    Namespace,
  ];
  kernel.veth(
    { netns: a, name: 'eth0', address: '10.1.0.1/24', up: true },
    { netns: r, name: 'r0', address: '10.1.0.254/24', up: true },
  );
  kernel.veth(
    { netns: b, name: 'eth0', address: '10.2.0.1/24', up: true },
    { netns: r, name: 'r1', address: '10.2.0.254/24', up: true, mtu: 1400 },
  );
  a.ip('route add default via 10.1.0.254');
  b.ip('route add default via 10.2.0.254');
  r.sysctl.set('net.ipv4.ip_forward', 1);
  a.neigh.add({ dst: '10.1.0.254', dev: 'eth0', lladdr: r.link.show('r0').address });
  r.neigh.add({ dst: '10.1.0.1', dev: 'r0', lladdr: a.link.show('eth0').address });
  a.qdisc.add('eth0', 'delay 5ms');
  return { clock, kernel, a, r };
}

function run(
  w: World,
  app: App,
  words: string,
  stopAfterUs?: number,
): { text: string; code?: number } {
  let text = '';
  let code: number | undefined;
  const running = app(w.a, words.split(' '), {
    out: (t) => {
      text += t;
    },
    err: (t) => {
      text += t;
    },
    exit: (c) => {
      code = c;
    },
    resolve: (name) => (name === 'b' ? '10.2.0.1' : undefined),
  });
  if (stopAfterUs !== undefined) {
    w.clock.runFor(w.kernel.core, stopAfterUs);
    running.stop();
  }
  w.clock.runUntil(w.kernel.core, () => code !== undefined, 100_000_000);
  return code === undefined ? { text } : { text, code };
}

test('ping: lines, times and summary in virtual time', () => {
  assert.deepEqual(run(world(), ping, '-c 2 -i 0.2 b'), {
    text:
      'PING b (10.2.0.1) 56(84) bytes of data.\n' +
      '64 bytes from 10.2.0.1: icmp_seq=1 ttl=63 time=5.00 ms\n' +
      '64 bytes from 10.2.0.1: icmp_seq=2 ttl=63 time=5.00 ms\n' +
      '\n--- b ping statistics ---\n' +
      '2 packets transmitted, 2 received, 0% packet loss, time 205ms\n' +
      'rtt min/avg/max/mdev = 5.000/5.000/5.000/0.000 ms\n',
    code: 0,
  });
});

test('ping: stopped, a deadline, an unknown name, a wrong letter', () => {
  const stopped = run(world(), ping, '10.2.0.1', 2_500_000);
  assert.match(stopped.text, /3 packets transmitted, 3 received, 0% packet loss/);
  assert.equal(stopped.code, 0);
  assert.equal(run(world(), ping, '-w 1 10.9.0.1').code, 1);
  assert.equal(run(world(), ping, 'c').text, 'ping: c: Temporary failure in name resolution\n');
  assert.match(run(world(), ping, '-R b').text, /-R is not implemented here/);
  assert.match(run(world(), ping, '-c x b').text, /invalid argument: 'x'/);
});

test('ping: no socket and no timer is left', () => {
  const w = world();
  run(w, ping, '-c 1 b');
  assert.deepEqual(w.a.sockets.list(), []);
});

test('traceroute names the hops', () => {
  assert.deepEqual(run(world(), traceroute, '-n b'), {
    text:
      'traceroute to b (10.2.0.1), 30 hops max, 60 byte packets\n' +
      ' 1  10.1.0.254  5.000 ms  5.000 ms  5.000 ms\n' +
      ' 2  10.2.0.1  5.000 ms  5.000 ms  5.000 ms\n',
    code: 0,
  });
  const w = world();
  w.r.sysctl.set('net.ipv4.icmp_ratelimit', 0);
  w.r.ip('route add blackhole 10.3.0.0/16');
  assert.match(
    run(w, traceroute, '-n -m 2 -w 1 10.3.0.1').text,
    /\n 1 {2}\* \* \*\n 2 {2}\* \* \*\n$/,
  );
});

test('tracepath finds the path MTU', () => {
  assert.deepEqual(run(world(), tracepath, 'b'), {
    text:
      ' 1?: [LOCALHOST]                      pmtu 1500\n' +
      ' 1:  10.1.0.254                                           5.000ms \n' +
      ' 2:  10.1.0.254                                           5.000ms pmtu 1400\n' +
      ' 2:  10.2.0.1                                             5.000ms reached\n' +
      '     Resume: pmtu 1400 hops 2 back 2 \n',
    code: 0,
  });
});

test('ping -6: heading, replies with their hop limit, errors of routers', () => {
  const w = world();
  w.a.ip('link set lo up');
  w.a.ip('addr add fd01::1/64 dev eth0 nodad');
  w.r.ip('addr add fd01::fe/64 dev r0 nodad');
  w.a.ip('-6 route add default via fd01::fe');
  w.r.sysctl.set('net.ipv6.conf.all.forwarding', 1);
  w.clock.runFor(w.kernel.core, 3_000_000);
  const near = run(w, ping, '-6 -c 1 fd01::fe');
  assert.match(
    near.text,
    /^PING fd01::fe\(fd01::fe\) 56 data bytes\n64 bytes from fd01::fe: icmp_seq=1 ttl=64 time=/,
  );
  assert.match(
    near.text,
    /\n--- fd01::fe ping statistics ---\n1 packets transmitted, 1 received, 0% packet loss/,
  );
  assert.equal(near.code, 0);
  const far = run(w, ping, '-c 1 fd09::1');
  assert.match(far.text, /\nFrom fd01::fe icmp_seq=1 Destination unreachable: No route\n/);
  assert.equal(far.code, 1);
  const long = run(w, ping, '-6 -c 1 -s 3000 -M do fd01::fe');
  assert.match(long.text, /ping: local error: message too long, mtu: 1500\n/);
  const nobody = run(w, ping, '-6 -c 1 fd01::99');
  assert.match(nobody.text, /From fd01::1 icmp_seq=1 Destination unreachable: Address unreachable/);
  const link = run(w, ping, '-6 -c 1 ff02::1%eth0');
  assert.match(link.text, /64 bytes from fe80::[0-9a-f:]+%eth0: icmp_seq=1 ttl=64/);
});
