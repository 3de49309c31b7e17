/**
 * UDP packets per second through a router namespace: an unmodified path from `sendto` over veth, forwarding
 * and veth to the receiver's queue. The reference is Node's own dgram over loopback.
 */
import { createSocket } from 'node:dgram';
import { Kernel } from '../src/core/control/kernel.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET, SOCK_DGRAM } from '../src/core/transport/sock.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import type { Result } from './measure.ts';

const PAYLOAD = new Uint8Array(22);
const BURST = 64;
const PACKETS = 1_000_000;

/** Rows for one router, in millions of packets per second. */
export async function run(): Promise<Result[]> {
  const reference = await loopback();
  const value = routed();
  return [
    {
      name: 'UDP through a router namespace',
      unit: 'Mpps',
      reference,
      value,
      ratio: value / reference,
    },
  ];
}

function routed(): number {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, r, b] = ['a', 'r', 'b'].map((n) => kernel.netns.add(n));
  if (a === undefined || r === undefined || b === undefined) throw new Error('no namespaces');
  const wire = (x: typeof a, y: typeof a, n: number): void => {
    kernel.veth(
      { netns: x, name: `eth${n}`, address: `10.0.${n}.1/24`, up: true },
      { netns: y, name: `eth${n}`, address: `10.0.${n}.2/24`, up: true },
    );
  };
  wire(a, r, 0);
  wire(r, b, 1);
  r.sysctl.set('net.ipv4.ip_forward', '1');
  a.ip('route add default via 10.0.0.2');
  b.ip('route add default via 10.0.1.1');
  const sender = socket(a);
  const receiver = socket(b);
  receiver.bind({ family: AF_INET, addr: 0, port: 9 });
  receiver.setsockopt(1, 8, 1 << 21);
  sender.connect({ family: AF_INET, addr: ipv4('10.0.1.2'), port: 9 });
  sender.send(PAYLOAD);
  clock.runFor(kernel.core, 10_000);
  const pass = (): number => {
    let received = 0;
    for (let i = 0; i < PACKETS; i += BURST) {
      for (let k = 0; k < BURST; k++) sender.send(PAYLOAD);
      kernel.core.run();
      while (typeof receiver.recv(64) !== 'number') received++;
    }
    return received;
  };
  pass();
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    const received = pass();
    best = Math.max(best, received / (performance.now() - start) / 1000);
  }
  return best;
}

function socket(ns: { readonly net: Parameters<typeof Socket.create>[0] }): Socket {
  const s = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
  if (typeof s === 'number') throw new Error(`socket: ${s}`);
  return s;
}

/** Node's dgram over 127.0.0.1: packets that arrive, per second, for one second. */
function loopback(): Promise<number> {
  return new Promise((resolve) => {
    const receiver = createSocket('udp4');
    const sender = createSocket('udp4');
    let received = 0;
    receiver.on('message', () => received++);
    receiver.bind(0, '127.0.0.1', () => {
      const { port } = receiver.address();
      const start = performance.now();
      const pump = (): void => {
        if (performance.now() - start > 1000) {
          sender.close();
          receiver.close();
          resolve(received / (performance.now() - start) / 1000);
          return;
        }
        for (let i = 0; i < BURST; i++) sender.send(PAYLOAD, port, '127.0.0.1');
        setImmediate(pump);
      };
      pump();
    });
  });
}
