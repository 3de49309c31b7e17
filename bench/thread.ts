/**
 * The table that the thread of June 2006 argued about without figures (V7): each way to connect a guest, in one run: a
 * datagram from outside to the guest, a byte of TCP, a round trip, and what an idle guest costs in memory. E10: the
 * namespaces of the same run against global state; E11: routed through the parent against direct; E12: direct
 * against the host's own stack.
 */
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from '../src/core/transport/sock.ts';
import { ipv4 } from '../src/core/util/address.ts';
import type { Result } from './measure.ts';
import { measure as netnsCost } from './netns-cost.ts';
import { type Guest, MODELS, type Model, World } from './thread-models.ts';

const PAYLOAD = new Uint8Array(22);
const BURST = 32;
const PACKETS = 60_000;
const ROUNDS = 9;
const TCP_BYTES = 24 << 20;
const CHUNK = new Uint8Array(65_536);
const ROUND_TRIPS = 20_000;
const GUESTS = 200;
const PORT = 9;

interface Figures {
  readonly model: Model;
  readonly packetNs: number[];
  readonly byteNs: number[];
  readonly tripUs: number[];
  guestKib: number;
}

interface Path {
  readonly figures: Figures;
  readonly world: World;
  readonly sender: Socket;
  readonly receiver: Socket;
  readonly stream: Socket;
  readonly accepted: Socket;
}

export async function run(): Promise<Result[]> {
  const all = MODELS.map(
    (model): Figures => ({
      model,
      packetNs: [],
      byteNs: [],
      tripUs: [],
      guestKib: memoryOf(model),
    }),
  );
  const paths = all.map(arrange);
  for (let round = 0; round < ROUNDS; round++)
    for (const path of round % 2 === 0 ? paths : [...paths].reverse()) {
      path.figures.packetNs.push(packets(path));
      path.figures.tripUs.push(trips(path));
      path.figures.byteNs.push(bytes(path));
    }
  console.log(table(all));
  const cost = await netnsCost([1]);
  return [...cost.map((r) => ({ ...r, name: `E10: ${r.name}` })), ...answers(all)];
}

/** E11 and E12. */
function answers(all: readonly Figures[]): Result[] {
  const of = (name: string): number => least(find(all, name).packetNs);
  const row = (name: string, a: string, b: string): Result => ({
    name,
    unit: 'ns',
    reference: of(b),
    value: of(a),
    ratio: of(a) / of(b),
  });
  return [
    row(
      'E11: a packet routed through the parent, against direct',
      'veth and routing parent',
      'direct assignment',
    ),
    row('E11: the same with venet', 'venet', 'direct assignment'),
    row('E11: the same with netkit', 'netkit l3 and routing parent', 'direct assignment'),
    row(
      'E12: direct assignment, against the host without guests',
      'direct assignment',
      'the host itself, no guest',
    ),
    row('E13: macvlan, against veth and bridge', 'macvlan', 'veth and bridge'),
  ];
}

function find(all: readonly Figures[], name: string): Figures {
  const found = all.find((f) => f.model.name === name);
  if (found === undefined) throw new Error(`no model "${name}"`);
  return found;
}

function arrange(figures: Figures): Path {
  const world = new World();
  figures.model.prepare(world);
  const guest = figures.model.add(world, 0);
  world.run();
  const receiver = listening(guest, SOCK_DGRAM);
  receiver.setsockopt(1, 8, 1 << 21);
  const sender = caller(world, guest, SOCK_DGRAM);
  const listener = listening(guest, SOCK_STREAM);
  listener.listen(4);
  const stream = caller(world, guest, SOCK_STREAM);
  world.run();
  const accepted = listener.accept();
  if (typeof accepted === 'number') throw new Error(`${figures.model.name}: no connection`);
  return { figures, world, sender, receiver, stream, accepted };
}

function listening(guest: Guest, type: number): Socket {
  const socket = guest.socket(type);
  const err = socket.bind({ family: AF_INET, addr: 0, port: PORT });
  if (err !== 0) throw new Error(`bind: ${err}`);
  return socket;
}

function caller(w: World, guest: Guest, type: number): Socket {
  const made = Socket.create(w.outside.net, AF_INET, type);
  if (typeof made === 'number') throw new Error(`socket: ${made}`);
  if (guest.from !== null) made.bind({ family: AF_INET, addr: ipv4(guest.from), port: 0 });
  made.connect({ family: AF_INET, addr: ipv4(guest.address), port: PORT });
  return made;
}

/** Nanoseconds for a datagram from `send` outside to the queue of the guest's socket. */
function packets({ figures, world, sender, receiver }: Path): number {
  const { core } = world.kernel;
  const start = cpuNs();
  let arrived = 0;
  for (let i = 0; i < PACKETS; i += BURST) {
    for (let k = 0; k < BURST; k++) sender.send(PAYLOAD);
    core.run();
    while (typeof receiver.recv(64) !== 'number') arrived++;
  }
  if (arrived < PACKETS) throw new Error(`${figures.model.name}: ${PACKETS - arrived} were lost`);
  return (cpuNs() - start) / arrived;
}

/** Microseconds from a datagram's `send` to its answer. */
function trips({ figures, world, sender, receiver }: Path): number {
  const { core } = world.kernel;
  const start = cpuNs();
  for (let i = 0; i < ROUND_TRIPS; i++) {
    sender.send(PAYLOAD);
    core.run();
    const got = receiver.recv(64);
    if (typeof got === 'number' || got.from === null)
      throw new Error(`${figures.model.name}: lost`);
    receiver.sendto(PAYLOAD, 0, got.from);
    core.run();
    if (typeof sender.recv(64) === 'number') throw new Error(`${figures.model.name}: no answer`);
  }
  return (cpuNs() - start) / 1000 / ROUND_TRIPS;
}

/** Nanoseconds for a byte of a stream from outside to the guest. */
function bytes({ figures, world, stream, accepted }: Path): number {
  const { core } = world.kernel;
  const start = cpuNs();
  let sent = 0;
  let got = 0;
  let idle = 0;
  while (got < TCP_BYTES) {
    while (sent < TCP_BYTES) {
      const n = stream.send(CHUNK);
      if (n <= 0) break;
      sent += n;
    }
    core.run();
    const before = got;
    for (let r = accepted.recv(1 << 20); typeof r !== 'number'; r = accepted.recv(1 << 20))
      got += r.len;
    idle = got === before ? idle + 1 : 0;
    if (idle > 100_000) throw new Error(`${figures.model.name}: the stream stands still`);
  }
  return (cpuNs() - start) / got;
}

/** Of many rounds that take turns: what disturbs a round only makes it longer. */
function least(list: readonly number[]): number {
  return Math.min(...list);
}

/** KiB of each of many idle guests, with what the host and the outside have because of it. */
function memoryOf(model: Model): number {
  const count = model.name.startsWith('the host') ? 0 : GUESTS;
  if (count === 0) return 0;
  const w = new World();
  model.prepare(w);
  model.add(w, 0);
  w.run();
  collect();
  const before = memory();
  for (let i = 1; i <= count; i++) model.add(w, i);
  w.run();
  collect();
  return (memory() - before) / 1024 / count;
}

function table(all: readonly Figures[]): string {
  const direct = find(all, 'direct assignment');
  const base = least(direct.packetNs);
  const rows = all.map((f) => [
    f.model.name,
    least(f.packetNs).toFixed(0),
    `${(least(f.packetNs) / base).toFixed(2)}×`,
    least(f.byteNs).toFixed(3),
    least(f.tripUs).toFixed(2),
    f.guestKib === 0 ? '' : f.guestKib.toFixed(1),
    f.model.who,
  ]);
  const head = [
    'how a guest is connected',
    'ns/packet',
    'direct',
    'ns/TCP byte',
    'µs/trip',
    'KiB/guest',
    'whose',
  ];
  const wide = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]?.length ?? 0)));
  return [head, ...rows]
    .map((r) =>
      r
        .map((c, i) =>
          i === 0 || i === r.length - 1 ? c.padEnd(wide[i] ?? 0) : c.padStart(wide[i] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Time of the processor, nanoseconds: what other programs of the machine do counts little. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function memory(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc: npm run bench');
  gc();
  gc();
}
