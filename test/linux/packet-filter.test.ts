/** Filters choose the packets that tcpdump chooses, and refuse what it refuses. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '../../src/core/util/random.ts';
import {
  LINKTYPE_ETHERNET,
  PCAPNG_UNKNOWN,
  pcapngInterface,
  pcapngPacket,
  pcapngSection,
} from '../../src/core/wire/pcapng.ts';
import { PacketFilter } from '../../src/tools/filter/packet-filter.ts';
import { FilterError } from '../../src/tools/filter/scan.ts';
import { filterFrames } from './filter-frames.ts';
import { randomFilter } from './filter-random.ts';
import { FILTERS, REFUSED } from './filter-words.ts';
import { PYTHON, skipWithout, toolsMissing } from './tools.ts';

const frames = filterFrames();

/** Numbers of the packets that pass, or a complaint. */
type Chosen = number[] | string;

function ours(filter: string): Chosen {
  try {
    const compiled = new PacketFilter(filter);
    return frames.flatMap((bytes, i) => (compiled.matches(bytes) ? [i] : []));
  } catch (error) {
    assert.ok(error instanceof FilterError, filter);
    return error.message;
  }
}

/** The second of a packet's time tells which one it is. */
function captureFile(): Uint8Array {
  const eth0 = { name: 'eth0', linkType: LINKTYPE_ETHERNET, snaplen: 262_144 };
  const packets = frames.map((bytes, i) =>
    pcapngPacket({
      interface: 0,
      timeUs: i * 1e6,
      bytes,
      length: bytes.length,
      direction: PCAPNG_UNKNOWN,
    }),
  );
  return Buffer.concat([pcapngSection('Warren'), pcapngInterface(eth0), ...packets]);
}

/** Asks libpcap, in one process for all. */
function libpcap(filters: readonly string[], optimize: 0 | 1): Chosen[] {
  const hex = frames.map((bytes) => Buffer.from(bytes).toString('hex'));
  const input = JSON.stringify({ frames: hex, filters, optimize });
  const run = spawnSync(PYTHON, ['test/linux/filter_oracle.py'], { input });
  assert.equal(run.status, 0, run.stderr.toString());
  return JSON.parse(run.stdout.toString()) as Chosen[];
}

/** Asks the program. */
function tcpdump(file: string, filter: string): number[] {
  const { stdout, stderr, status } = spawnSync('tcpdump', ['-r', file, '-w', '-', '--', filter]);
  assert.equal(status, 0, stderr.toString());
  const numbers: number[] = [];
  for (let at = 24; at < stdout.length; at += 16 + stdout.readUInt32LE(at + 8))
    numbers.push(stdout.readUInt32LE(at));
  return numbers;
}

test('filters choose what libpcap chooses, and refuse what it refuses', (t) => {
  if (skipWithout(t, toolsMissing(['tcpdump', PYTHON]))) return;
  const chosen = libpcap([...FILTERS, ...REFUSED], 1);
  FILTERS.forEach((filter, i) => {
    assert.deepEqual(ours(filter), chosen[i], filter);
  });
  REFUSED.forEach((filter, i) => {
    assert.equal(typeof chosen[FILTERS.length + i], 'string', `libpcap takes "${filter}"`);
    assert.equal(typeof ours(filter), 'string', filter);
  });
  const useful = chosen.filter((c) => c.length > 0 && c.length < frames.length);
  assert.ok(useful.length > 60, `${useful.length} filters choose some packets and leave others`);
});

test('filters at random choose what libpcap chooses', (t) => {
  if (skipWithout(t, toolsMissing(['tcpdump', PYTHON]))) return;
  const random = new Random(1, 'filters');
  const filters = Array.from({ length: 1000 }, () => randomFilter((n) => random.below(n), 3));
  // Its optimizer leaves out loads that would end the filter at a short packet.
  libpcap(filters, 0).forEach((theirs, i) => {
    const mine = ours(filters[i] as string);
    if (typeof mine === 'string') assert.equal(typeof theirs, 'string', filters[i]);
    else assert.deepEqual(mine, theirs, filters[i]);
  });
});

test('tcpdump reads our capture with these filters', (t) => {
  if (skipWithout(t, toolsMissing(['tcpdump']))) return;
  const dir = mkdtempSync(join(tmpdir(), 'warren-filter-'));
  try {
    const file = join(dir, 'all.pcapng');
    writeFileSync(file, captureFile());
    for (const filter of [
      '',
      'tcp port 80',
      'ip6',
      'vlan 5 and tcp',
      'tcp[tcpflags] & tcp-rst != 0',
    ])
      assert.deepEqual(ours(filter), tcpdump(file, filter), filter);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
