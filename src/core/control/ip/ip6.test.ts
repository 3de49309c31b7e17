/** `ip -6` in words and texts, as iproute2 and Linux 6.18 gave them for the same commands. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { Kernel } from '../kernel.ts';
import type { Namespace } from '../namespace.ts';

function scene(): { ns: Namespace; run: (us: number) => void } {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const ns = kernel.netns.add('a');
  ns.ip('link set lo up');
  ns.ip('link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02');
  ns.ip('addr add fd00::5/64 dev v0');
  return { ns, run: (us) => clock.runFor(kernel.core, us) };
}

/** Both ends up, and long enough for DAD. */
function up(): Namespace {
  const { ns, run } = scene();
  ns.ip('link set v1 up');
  ns.ip('link set v0 up');
  run(2_500_000);
  return ns;
}

const lines = (text: string): string[] => text.split('\n').slice(0, -1);

test('ip -6 addr: before, during and after DAD', () => {
  const { ns, run } = scene();
  assert.deepEqual(lines(ns.ip('-6 addr show dev v0')).slice(1), [
    '    inet6 fd00::5/64 scope global tentative ',
    '       valid_lft forever preferred_lft forever',
  ]);
  assert.equal(
    ns.ip('-6 route show table all'),
    'local ::1 dev lo table local proto kernel metric 0 pref medium\n',
  );
  ns.ip('link set v1 up');
  ns.ip('link set v0 up');
  run(500_000);
  const text = ns.ip('-6 addr');
  assert.match(text, /^1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN qlen 1000\n/);
  assert.match(text, /inet6 ::1\/128 scope host \n/);
  assert.match(text, /inet6 fe80::ff:fe00:2\/64 scope link tentative \n/);
  run(2_000_000);
  assert.match(ns.ip('-6 addr'), /inet6 fe80::ff:fe00:1\/64 scope link \n/);
  assert.deepEqual(lines(ns.ip('-6 route show table all')), [
    'fd00::/64 dev v0 proto kernel metric 256 pref medium',
    'fe80::/64 dev v0 proto kernel metric 256 pref medium',
    'fe80::/64 dev v1 proto kernel metric 256 pref medium',
    'local ::1 dev lo table local proto kernel metric 0 pref medium',
    'local fd00::5 dev v0 table local proto kernel metric 0 pref medium',
    'local fe80::ff:fe00:1 dev v0 table local proto kernel metric 0 pref medium',
    'local fe80::ff:fe00:2 dev v1 table local proto kernel metric 0 pref medium',
    'multicast ff00::/8 dev v0 table local proto kernel metric 256 pref medium',
    'multicast ff00::/8 dev v1 table local proto kernel metric 256 pref medium',
  ]);
});

test('ip -6 addr add: flags, peers, lifetimes and refusals', () => {
  const ns = up();
  ns.ip('-6 addr add fd00::7/64 dev v0 nodad peer fd00:1::1');
  ns.ip('-6 addr add fd00::8/64 dev v0 nodad metric 100 noprefixroute');
  ns.ip('-6 addr add fd00::9/64 dev v0 nodad valid_lft 100 preferred_lft 50');
  assert.deepEqual(lines(ns.ip('-6 addr show dev v0')).slice(1), [
    '    inet6 fd00::9/64 scope global nodad dynamic ',
    '       valid_lft 100sec preferred_lft 50sec',
    '    inet6 fd00::8/64 metric 100 scope global nodad noprefixroute ',
    '       valid_lft forever preferred_lft forever',
    '    inet6 fd00::7 peer fd00:1::1/128 scope global nodad ',
    '       valid_lft forever preferred_lft forever',
    '    inet6 fd00::5/64 scope global ',
    '       valid_lft forever preferred_lft forever',
    '    inet6 fe80::ff:fe00:1/64 scope link ',
    '       valid_lft forever preferred_lft forever',
  ]);
  for (const [words, detail] of [
    ['fd00::9/64 dev v0 nodad', 'ipv6: address already assigned'],
    ['ff02::9/64 dev v0', 'ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag'],
    ['::1/64 dev v0', 'ipv6: Cannot assign loopback address on this device'],
    ['::/64 dev v0', 'ipv6: Invalid address'],
    ['fd00::9/129 dev v0', 'inet6 prefix is expected rather than "fd00::9/129".'],
  ] as const)
    assert.throws(() => ns.ip(`-6 addr add ${words}`), { detail }, words);
});

test('ip -6 route add: types, gateways, several ways; what is refused', () => {
  const ns = up();
  for (const words of [
    'fd01::/64 via fd00::22',
    'default via fe80::1 dev v0',
    'fd03::1/64 dev v0',
    'unreachable fd04::/64',
    'blackhole fd05::/64',
    'prohibit fd06::/64',
    'throw fd07::/64',
    'fd08::/64 dev v0 src fd00::5 mtu 1400 metric 10',
    'local fd0a::/64 dev lo',
    'fd0b::/64 nexthop via fd00::22 weight 2 nexthop via fd00::23',
  ])
    ns.ip(`-6 route add ${words}`);
  ns.ip('-6 route append fd01::/64 via fd00::23');
  for (const [words, code] of [
    ['fd02::/64 via fe80::1', 'EINVAL'],
    ['fd01::/64 via fd00::23', 'EEXIST'],
    ['fd09::/64 via fd99:1::1 onlink', 'ENODEV'],
    ['fd09::/64 via fd00::5', 'EINVAL'],
    ['fd09::/64 via ff02::1', 'EINVAL'],
    ['fd09::/64 dev v0 src fd00::99', 'EINVAL'],
  ] as const)
    assert.throws(() => ns.ip(`-6 route add ${words}`), { code }, words);
  assert.deepEqual(lines(ns.ip('-6 route')), [
    'fd00::/64 dev v0 proto kernel metric 256 pref medium',
    'fd01::/64 metric 1024 pref medium',
    '\tnexthop via fd00::22 dev v0 weight 1 ',
    '\tnexthop via fd00::23 dev v0 weight 1 ',
    'fd03::/64 dev v0 metric 1024 pref medium',
    'unreachable fd04::/64 dev lo metric 1024 pref medium',
    'blackhole fd05::/64 dev lo metric 1024 pref medium',
    'prohibit fd06::/64 dev lo metric 1024 pref medium',
    'throw fd07::/64 dev lo metric 1024 pref medium',
    'fd08::/64 dev v0 src fd00::5 metric 10 mtu 1400 pref medium',
    'fd0b::/64 metric 1024 pref medium',
    '\tnexthop via fd00::22 dev v0 weight 2 ',
    '\tnexthop via fd00::23 dev v0 weight 1 ',
    'fe80::/64 dev v0 proto kernel metric 256 pref medium',
    'fe80::/64 dev v1 proto kernel metric 256 pref medium',
    'default via fe80::1 dev v0 metric 1024 pref medium',
  ]);
  ns.ip('link set v0 down');
  assert.deepEqual(lines(ns.ip('-6 route show table all')), [
    'unreachable fd04::/64 dev lo metric 1024 pref medium',
    'blackhole fd05::/64 dev lo metric 1024 pref medium',
    'prohibit fd06::/64 dev lo metric 1024 pref medium',
    'throw fd07::/64 dev lo metric 1024 pref medium',
    'fe80::/64 dev v1 proto kernel metric 256 linkdown pref medium',
    'local ::1 dev lo table local proto kernel metric 0 pref medium',
    'local fd0a::/64 dev lo table local metric 1024 pref medium',
    'local fe80::ff:fe00:2 dev v1 table local proto kernel metric 0 pref medium',
    'multicast ff00::/8 dev v1 table local proto kernel metric 256 linkdown pref medium',
  ]);
});

test('ip -6 route get, in text and as JSON', () => {
  const ns = up();
  ns.ip('-6 addr add fd00::7/64 dev v0 nodad peer fd00:1::1');
  ns.ip('-6 addr add fd00::9/64 dev v0 nodad');
  ns.ip('-6 route add fd01::/64 via fd00::22');
  ns.ip('-6 route add unreachable fd04::/64');
  for (const [dst, text] of [
    ['fd01::1', 'fd01::1 from :: via fd00::22 dev v0 src fd00::9 metric 1024 pref medium'],
    [
      'fd00::5',
      'local fd00::5 from :: dev lo table local proto kernel src fd00::5 metric 0 pref medium',
    ],
    ['fd00::55', 'fd00::55 from :: dev v0 proto kernel src fd00::7 metric 256 pref medium'],
    [
      'ff02::1',
      'multicast ff02::1 from :: dev v0 table local proto kernel src fe80::ff:fe00:1 metric 256 pref medium',
    ],
    ['::1', 'local ::1 from :: dev lo table local proto kernel src ::1 metric 0 pref medium'],
  ] as const)
    assert.equal(ns.ip(`-6 route get ${dst}`), `${text}\n`);
  assert.throws(() => ns.ip('-6 route get fd04::1'), { code: 'EHOSTUNREACH' });
  const json = JSON.parse(ns.ip('-6 -j route show fd00::7'));
  assert.deepEqual(json, [
    { dst: 'fd00::7', dev: 'v0', protocol: 'kernel', metric: 256, flags: [], pref: 'medium' },
  ]);
});

test('ip neigh has both families; -4 and -6 choose', () => {
  const ns = up();
  ns.ip('addr add 10.0.0.1/24 dev v0');
  ns.ip('neigh add fd00::22 lladdr 02:00:00:00:00:22 dev v0');
  ns.ip('neigh add 10.0.0.2 lladdr 02:00:00:00:00:22 dev v0');
  const six = 'fd00::22 dev v0 lladdr 02:00:00:00:00:22 PERMANENT \n';
  const four = '10.0.0.2 dev v0 lladdr 02:00:00:00:00:22 PERMANENT \n';
  assert.equal(ns.ip('-6 neigh'), six);
  assert.equal(ns.ip('-4 neigh'), four);
  assert.equal(ns.ip('neigh'), four + six);
  ns.ip('neigh del fd00::22 dev v0');
  assert.equal(ns.ip('-6 neigh'), '');
});

test('net.ipv6.conf: disable_ipv6 takes everything away and brings it back; lo does no DAD', () => {
  const { ns, run } = scene();
  assert.equal(ns.sysctl.get('net.ipv6.conf.lo.accept_dad'), '-1');
  assert.equal(ns.sysctl.get('net.ipv6.conf.default.accept_dad'), '1');
  ns.ip('link set v1 up');
  ns.ip('link set v0 up');
  run(2_500_000);
  ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', 1);
  assert.equal(ns.ip('-6 addr'), '');
  assert.equal(ns.ip('-6 route show table all'), '');
  assert.throws(() => ns.ip('-6 addr add fd00::1/64 dev v0'), { code: 'EACCES' });
  ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', 0);
  run(2_500_000);
  assert.match(ns.ip('-6 addr'), /::1\/128[\s\S]*fe80::ff:fe00:2\/64 scope link \n/);
  ns.sysctl.set('net.ipv6.conf.all.forwarding', 1);
  assert.equal(ns.sysctl.get('net.ipv6.conf.v0.forwarding'), '1');
  assert.throws(() => ns.sysctl.set('net.ipv6.conf.v0.mtu', 1000), { code: 'EINVAL' });
});
