/**
 * One program, run by Node on the host's loopback and in a namespace: what it sees must be the same. Node
 * itself is the oracle for events, their order, errors, counters and contexts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Kernel, runOutside } from '../../src/node/index.ts';
import { DGRAM_DNS } from './differential/dgram-dns.ts';
import { DGRAM_MORE } from './differential/dgram-more.ts';
import { HTTP } from './differential/http.ts';
import { HTTP_MORE } from './differential/http-more.ts';
import { IPV6 } from './differential/ipv6.ts';
import { Log, type Scenario } from './differential/log.ts';
import { NET_GLOBAL, NET_MORE } from './differential/net-more.ts';
import { NET_SERVERS } from './differential/net-servers.ts';
import { NET_SOCKETS } from './differential/net-sockets.ts';

const kernel = new Kernel({ seed: 1 });

type Seen = Readonly<Record<string, readonly string[]>>;

/** What a scenario saw, or that it came to no end. */
async function outcome(scenario: Scenario): Promise<Seen> {
  const log = new Log();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      log.add('scenario', 'did not end');
      resolve();
    }, 10_000);
  });
  await Promise.race([scenario(log), late]);
  clearTimeout(timer);
  // What is still under way is told, too.
  await sleep(50);
  const text = JSON.stringify(log.result);
  return JSON.parse(text.replaceAll(/Date: \w{3}, [\w: ]+ GMT/g, 'Date: T')) as Seen;
}

/** Timers of some milliseconds decide here and there, and a busy machine is late. */
const ATTEMPTS = 3;

/** What a scenario saw on the host's loopback, and in a namespace. */
async function both(scenario: Scenario): Promise<[expected: Seen, actual: Seen]> {
  const expected = await runOutside(() => outcome(scenario));
  const ns = kernel.netns.add();
  ns.link.set('lo', { up: true });
  const actual = await ns.run(() => outcome(scenario));
  ns.destroy();
  return [expected, actual];
}

for (const scenarios of [
  NET_SOCKETS,
  NET_SERVERS,
  HTTP,
  DGRAM_DNS,
  IPV6,
  NET_MORE,
  NET_GLOBAL,
  DGRAM_MORE,
  HTTP_MORE,
]) {
  for (const [name, scenario] of Object.entries(scenarios))
    test(`like Node on loopback: ${name}`, async () => {
      let [expected, actual] = await both(scenario);
      for (let i = 1; i < ATTEMPTS && !isDeepStrictEqual(actual, expected); i++)
        [expected, actual] = await both(scenario);
      assert.deepEqual(actual, expected);
      assert.equal(expected['scenario'], undefined);
    });
}
