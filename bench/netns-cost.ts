/**
 * What a namespace costs per packet (E10): a datagram from `sendto` over lo to the receiver's queue, in the
 * core as it is, and in the same code on global state (`global-state.ts`); with 1, 100 and 10,000 namespaces
 * that take turns in bursts. Both copies run in this process, alternating.
 */
import type * as KernelModule from '../src/core/control/kernel.ts';
import type { Env } from '../src/core/env.ts';
import type * as SocketModule from '../src/core/socket/socket.ts';
import { type CoreCopy, copyCore } from './global-state.ts';
import type { Result } from './measure.ts';

const PAYLOAD = new Uint8Array(22);
const BURST = 32;
const PACKETS = 400_000;
const ROUNDS = 9;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const LOOPBACK = 0x7f000001;

/** One measured arrangement: sends PACKETS datagrams and returns those that arrived. */
type Pass = () => number;

export async function run(): Promise<Result[]> {
  return measure([1, 100, 10_000]);
}

/** A row for each number of namespaces. */
export async function measure(counts: readonly number[]): Promise<Result[]> {
  const rival = copyCore('global');
  const ours = copyCore('namespaces');
  const rows: Result[] = [];
  for (const count of counts) {
    const reference = await arrange(rival, 1);
    const measured = await arrange(ours, count);
    const [a, b] = alternate(reference, measured);
    rows.push({
      name: `a datagram over lo, ${count} namespace${count === 1 ? '' : 's'}`,
      unit: 'ns',
      reference: a,
      value: b,
      ratio: b / a,
    });
  }
  return rows;
}

/** Nanoseconds per packet of both, the medians of interleaved rounds. */
function alternate(a: Pass, b: Pass): [number, number] {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < ROUNDS; i++) {
    for (const which of i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const start = performance.now();
      const arrived = (which === 0 ? a : b)();
      if (arrived < PACKETS) throw new Error(`${PACKETS - arrived} packets were lost`);
      times[which].push(((performance.now() - start) * 1e6) / arrived);
    }
  }
  const middle = (list: number[]): number =>
    list.slice(2).sort((x, y) => x - y)[(ROUNDS - 2) >> 1] ?? 0;
  return [middle(times[0]), middle(times[1])];
}

async function arrange(core: CoreCopy, count: number): Promise<Pass> {
  const { Kernel } = await core.load<typeof KernelModule>('control/kernel');
  const { Socket } = await core.load<typeof SocketModule>('socket/socket');
  let now = 0;
  const env: Env = { nowUs: () => now++, wakeAt: () => {}, random: () => 1, epochUs: 0 };
  const kernel = new Kernel({ env, seed: 1 });
  const pairs: { sender: SocketModule.Socket; receiver: SocketModule.Socket }[] = [];
  for (let i = 0; i < count; i++) {
    const ns = kernel.netns.add(`n${i}`);
    ns.link.set('lo', { up: true });
    const sender = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
    const receiver = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
    if (typeof sender === 'number' || typeof receiver === 'number') throw new Error('no socket');
    receiver.bind({ family: AF_INET, addr: LOOPBACK, port: 9 });
    sender.connect({ family: AF_INET, addr: LOOPBACK, port: 9 });
    pairs.push({ sender, receiver });
  }
  return () => {
    let arrived = 0;
    for (let i = 0, turn = 0; i < PACKETS; i += BURST, turn++) {
      const pair = pairs[turn % count];
      if (pair === undefined) break;
      for (let k = 0; k < BURST; k++) pair.sender.send(PAYLOAD);
      kernel.core.run();
      while (typeof pair.receiver.recv(64) !== 'number') arrived++;
    }
    return arrived;
  };
}
