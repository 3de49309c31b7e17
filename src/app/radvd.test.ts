/** radvd in virtual time: what it says, when, to whom, and what hosts make of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel, type Namespace } from '../core/index.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import { radvd } from './radvd.ts';
import { parseRadvdConfig } from './radvd-config.ts';

const CONFIG = `
# A router with two prefixes.
interface r0 {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 10;
  AdvLinkMTU 1400;
  AdvDefaultPreference high;
  prefix fd01::/64 { AdvValidLifetime 3600; AdvPreferredLifetime 1800; };
  prefix fd02::/64 { AdvAutonomous off; };
  route fd09::/48 { AdvRouteLifetime 600; };
  RDNSS fd01::53 fd01::54 { };
  DNSSL lab.example { AdvDNSSLLifetime 60; };
};
`;

function world() {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const router = kernel.netns.add('router');
  const host = kernel.netns.add('host');
  router.sysctl.set('net.ipv6.conf.all.forwarding', 1);
  host.sysctl.set('net.ipv6.conf.default.accept_ra_rt_info_max_plen', 64);
  kernel.veth({ netns: router, name: 'r0', up: true }, { netns: host, name: 'h0', up: true });
  let code: number | undefined;
  let err = '';
  const io = {
    out: () => {},
    err: (text: string) => {
      err += text;
    },
    exit: (c: number) => {
      code = c;
    },
  };
  const run = (seconds: number): void => clock.runFor(kernel.core, seconds * 1e6);
  return { kernel, router, host, io, run, code: () => code, err: () => err };
}

function routes(ns: Namespace): string[] {
  return ns.route6
    .list(254)
    .map((r) => `${r.dst} ${r.protocol} ${r.pref}`)
    .filter((r) => !r.startsWith('fe80'))
    .sort();
}

function global(ns: Namespace): number {
  return ns.addr6.list('h0').filter((a) => a.scope === 'global').length;
}

test('S15: a host has its addresses and routes from radvd, and loses the router when it stops', () => {
  const w = world();
  const seen: number[] = [];
  w.host.net.events.subscribe((e) => {
    if (e.kind === 'nduseropt') seen.push((e.subject as { data: Uint8Array }).data[0] ?? 0);
  });
  w.run(3);
  const app = radvd(w.router, ['-C', CONFIG], w.io);
  w.run(5);
  assert.deepEqual(routes(w.host), [
    'default ra high',
    'fd01::/64 kernel medium',
    'fd02::/64 kernel medium',
    'fd09::/48 ra medium',
  ]);
  assert.equal(global(w.host), 1);
  assert.equal(w.host.sysctl.get('net.ipv6.conf.h0.mtu'), '1400');
  assert.ok(seen.includes(25) && seen.includes(31));
  const before = w.router.net.ipv6.icmpTypes.get(134, true);
  w.run(60);
  const sent = w.router.net.ipv6.icmpTypes.get(134, true) - before;
  assert.ok(sent >= 6 && sent <= 20, `${sent} in a minute`);
  app.stop();
  w.run(1);
  assert.deepEqual(routes(w.host), ['fd01::/64 kernel medium', 'fd02::/64 kernel medium']);
  assert.equal(w.code(), 0);
});

test('S15: who asks is answered; with UnicastOnly, nobody else hears anything', () => {
  const w = world();
  const config = 'interface r0 { AdvSendAdvert on; UnicastOnly on; prefix fd01::/64 { }; };';
  w.run(3);
  const app = radvd(w.router, ['-C', config], w.io);
  w.run(10);
  assert.equal(global(w.host), 1);
  assert.equal(w.router.net.ipv6.icmpTypes.get(134, true), 1);
  w.run(700);
  assert.equal(w.router.net.ipv6.icmpTypes.get(134, true), 1);
  app.stop();
});

test('what radvd.conf may not say is refused with its name', () => {
  const refused = (text: string): string => {
    try {
      parseRadvdConfig(text);
    } catch (e) {
      return String((e as Error).message);
    }
    return '';
  };
  assert.match(refused('interface a { AdvSendAdvrt on; };'), /"AdvSendAdvrt" is not known here/);
  assert.match(refused('interface a { AdvSendAdvert yes; };'), /neither on nor off/);
  assert.match(refused('interface a { MaxRtrAdvInterval 3; };'), /not between 4 and 1800/);
  assert.match(refused('interface a { prefix fd01:: { }; };'), /is no prefix/);
  assert.match(refused('interface a {'), /ends within a block/);
  assert.match(
    refused('interface a { prefix fd01::/64 { AdvValidLifetime 1; }; };'),
    /AdvPreferredLifetime is longer/,
  );
  const w = world();
  radvd(w.router, ['-C', 'interface x { AdvSendAdvert on; IgnoreIfMissing off; };'], w.io);
  assert.equal(w.code(), 1);
  assert.match(w.err(), /interface "x" is not there/);
});
