/** Packet sockets, the kernel's and ours: what they receive, send, refuse and tell (E1). */
import { test } from 'node:test';
import { compareScripts, type Script, type Step } from './script-world.ts';
import { PYTHON, skipReason, toolsMissing } from './tools.ts';

const skip = skipReason(
  process.getuid?.() === 0 ? toolsMissing(['ip', PYTHON]) : 'root is needed to make namespaces',
);

const [RAW, DGRAM] = [3, 2];
const PACKET = 17;
const [ALL, IP, ARP, LOCAL] = [3, 0x800, 0x806, 0x88b5];
const SOL_PACKET = 263;
const A_MAC = '02000000000a';
const B_MAC = '02000000000b';
const FRAME = `${B_MAC}${A_MAC}88b5`;

/** Ends of both sides know each other: no ARP in between. */
const KNOWN: Script = [
  ['ip', 'A', 'neigh add 10.0.0.2 lladdr 02:00:00:00:00:0b dev a0'],
  ['ip', 'B', 'neigh add 10.0.0.1 lladdr 02:00:00:00:00:0a dev b0'],
];

/** The id of an IP packet is chosen at random, and with it the checksum; sums of UDP are not filled in on a veth. */
function plain(result: unknown, step: Step): unknown {
  if (step[0] !== 'recv' || typeof result !== 'object' || result === null) return result;
  const { data, ...rest } = result as { data: string };
  const at = data.indexOf('4500');
  if (at !== 0 && at !== 28) return { data, ...rest };
  const ip = data.slice(at);
  const sums = `${ip.slice(0, 8)}....${ip.slice(12, 20)}....${ip.slice(24, 52)}....${ip.slice(56)}`;
  return { data: data.slice(0, at) + sums, ...rest };
}

const receive: Script = [
  ...KNOWN,
  ['sock', 'u', 'A', 2, DGRAM, 0],
  ['bind', 'u', '0.0.0.0', 8],
  ['sock', 'v', 'B', 2, DGRAM, 0],
  ['bind', 'v', '0.0.0.0', 7],
  ['sock', 'all', 'A', PACKET, RAW, ALL],
  ['sock', 'bare', 'B', PACKET, DGRAM, ALL],
  ['sock', 'ip', 'B', PACKET, DGRAM, IP],
  ['sock', 'arp', 'B', PACKET, RAW, ARP],
  ['sock', 'none', 'B', PACKET, RAW, 0],
  ['namell', 'all'],
  ['bindll', 'ip', 'b0', IP],
  ['namell', 'ip'],
  ['sendto', 'u', '616263', '10.0.0.2', 7],
  ['recv', 'all', 2000],
  ['recv', 'all', 2000],
  ['recv', 'bare', 2000],
  ['recv', 'ip', 2000],
  ['recv', 'ip', 2000],
  ['recv', 'arp', 2000],
  ['recv', 'none', 2000],
  ['gethex', 'all', SOL_PACKET, 6, 8],
  ['gethex', 'all', SOL_PACKET, 6, 8],
  ['gethex', 'ip', SOL_PACKET, 6, 8],
  // Cut short, and asked for the whole length.
  ['sendto', 'u', '616263', '10.0.0.2', 7],
  ['recv', 'all', 20],
  ['recv', 'bare', 20, 2],
  ['recv', 'bare', 20, 0x20],
  ['recv', 'all', 20, 1],
  // To oneself.
  ['sendto', 'u', '616263', '127.0.0.1', 9],
  ['recv', 'all', 2000],
  ['recv', 'all', 2000],
  ['drain', 'all'],
  ['set', 'all', SOL_PACKET, 23, 1],
  ['sendto', 'u', '616263', '10.0.0.2', 7],
  ['recv', 'all', 2000],
];

const send: Script = [
  ['sock', 's', 'A', PACKET, RAW, LOCAL],
  ['sock', 'd', 'A', PACKET, DGRAM, LOCAL],
  ['sock', 'w', 'A', PACKET, RAW, ALL],
  ['sock', 'r', 'B', PACKET, RAW, LOCAL],
  ['sendll', 's', 'a0', LOCAL, '', `${FRAME}0102030405`],
  ['recv', 'r', 2000],
  ['recv', 'w', 2000],
  ['recv', 's', 2000],
  ['sendll', 'd', 'a0', LOCAL, B_MAC, '0102030405'],
  ['recv', 'r', 2000],
  ['recv', 'w', 2000],
  ['sendll', 'd', 'a0', LOCAL, 'ffffffffffff', ''],
  ['recv', 'r', 2000],
  ['sendll', 'd', 'a0', LOCAL, '01005e000001', '01'],
  ['recv', 'r', 2000],
  ['sendll', 'd', 'a0', LOCAL, '020000000099', '01'],
  ['recv', 'r', 2000],
  // Its own frames it is not shown, those that came back by lo it is.
  ['drain', 'w'],
  ['sendll', 'w', 'a0', LOCAL, '', `${FRAME}09`],
  ['recv', 'w', 2000],
  ['sendll', 'w', 'lo', LOCAL, '', `000000000000000000000000${'88b5'}09`],
  ['recv', 'w', 2000],
  ['recv', 'w', 2000],
  // Refused.
  ['send', 's', `${FRAME}09`],
  ['bindll', 's', 'a0', LOCAL],
  ['send', 's', `${FRAME}09`],
  ['send', 's', FRAME.slice(0, 26)],
  ['send', 's', FRAME],
  ['send', 's', FRAME + '00'.repeat(1500)],
  ['send', 's', FRAME + '00'.repeat(1501)],
  ['sendll', 'd', 'a0', LOCAL, B_MAC, '00'.repeat(1501)],
  ['sendll', 'd', 'a0', LOCAL, B_MAC, '00'.repeat(1500)],
];

const refusals: Script = [
  ['sock', 'x', 'A', PACKET, 1, 0],
  ['sock', 'x', 'A', PACKET, 5, 0],
  ['sock', 's', 'A', PACKET, RAW, ALL],
  ...[1, 2, 7, 8, 9, 12, 14, 17, 18, 19, 20, 22, 23, 99].flatMap((name): Step[] => [
    ['set', 's', SOL_PACKET, name, 1],
    ['gethex', 's', SOL_PACKET, name, 4],
  ]),
  ['set', 's', SOL_PACKET, 23, 2],
  ['gethex', 's', SOL_PACKET, 23, 4],
  ['set', 's', 0, 2, 5],
  ['set', 's', 17, 1, 1],
  ['set', 's', 1, 42, 1],
  ['set', 's', 1, 2, 1],
  // Memberships: no such device, an address too short, too long, a good one, what nobody knows.
  ['sethex', 's', SOL_PACKET, 1, `6300000001000000${'00'.repeat(8)}`],
  ['sethex', 's', SOL_PACKET, 1, `0a00000001000000${'00'.repeat(8)}`],
  ['sethex', 's', SOL_PACKET, 1, '0a00000000000300' + '01005e0000000000'],
  ['sethex', 's', SOL_PACKET, 1, '0a00000000000900' + '01005e0000000000'],
  ['sethex', 's', SOL_PACKET, 1, '0a00000000000600' + '01005e0102030000'],
  ['sethex', 's', SOL_PACKET, 1, `0a00000009000000${'00'.repeat(8)}`],
  ['sethex', 's', SOL_PACKET, 2, `0a00000002000000${'00'.repeat(8)}`],
  ['sethex', 's', SOL_PACKET, 1, '0a0000'],
  // Fan-out: of an unknown type, twice, with other flags.
  ['sock', 'f', 'A', PACKET, RAW, LOCAL],
  ['set', 'f', SOL_PACKET, 18, 0x90001],
  ['set', 'f', SOL_PACKET, 18, 0x10030001],
  ['set', 'f', SOL_PACKET, 22, 1],
  ['set', 'f', SOL_PACKET, 18, 0x20000005],
  ['sock', 'e', 'A', PACKET, RAW, LOCAL],
  ['set', 'e', SOL_PACKET, 18, 0x00010001],
  ['set', 'e', SOL_PACKET, 18, 0x00010001],
  ['gethex', 'e', SOL_PACKET, 18, 4],
  ['bindll', 'e', 'a0', LOCAL],
  ['sock', 'g', 'A', PACKET, RAW, LOCAL],
  ['set', 'g', SOL_PACKET, 18, 0x00000001],
  ['set', 'g', SOL_PACKET, 18, 0x10010001],
  ['bindll', 'g', 'a0', LOCAL],
  ['set', 'g', SOL_PACKET, 18, 0x00010001],
  ['sock', 'h', 'A', PACKET, RAW, ALL],
  ['set', 'h', SOL_PACKET, 18, 0x00010001],
  ['sock', 'n', 'A', PACKET, RAW, 0],
  ['set', 'n', SOL_PACKET, 18, 0x00010007],
];

const life: Script = [
  ['sock', 's', 'A', PACKET, RAW, LOCAL],
  ['sock', 'r', 'B', PACKET, RAW, LOCAL],
  ['bindll', 'r', 'b0', 0],
  ['namell', 'r'],
  ['ip', 'B', 'link set b0 down'],
  ['gethex', 'r', 1, 4, 4],
  ['gethex', 'r', 1, 4, 4],
  ['recv', 'r', 100],
  ['ip', 'B', 'link set b0 up'],
  ['sendll', 's', 'a0', LOCAL, '', `${FRAME}01`],
  ['recv', 'r', 100],
  ['ip', 'B', 'link set b0 down'],
  ['recv', 'r', 100],
  ['recv', 'r', 100],
  ['sendll', 'r', 'b0', LOCAL, '', `${FRAME}01`],
  ['bindll', 'r', 'b0', LOCAL],
  ['bindll', 'r', 'lo', LOCAL],
  ['bindll', 'r', 'b0', LOCAL],
  ['gethex', 'r', 1, 4, 4],
  ['ip', 'B', 'link set b0 up'],
  ['ip', 'B', 'link del b0'],
  ['namell', 'r'],
  ['gethex', 'r', 1, 4, 4],
  ['send', 'r', FRAME],
  ['bindll', 'r', 'lo', LOCAL],
  ['namell', 'r'],
];

const tags: Script = [
  ['sock', 's', 'A', PACKET, DGRAM, LOCAL],
  ['sock', 'r', 'B', PACKET, RAW, ALL],
  ['set', 'r', SOL_PACKET, 8, 1],
  ['sendll', 's', 'a0', LOCAL, B_MAC, '0102'],
  ['recv', 'r', 100],
  ['sock', 't', 'A', PACKET, RAW, LOCAL],
  ['sendll', 't', 'a0', LOCAL, '', `${B_MAC}${A_MAC}81000005810000${'07'}88b50102`],
  ['recv', 'r', 100],
];

/** Frames shared by two sockets in turn, and by a program that looks at their first byte. */
function fanout(type: number): Script {
  const join = (id: string): Step[] => [
    ['sock', id, 'B', PACKET, DGRAM, LOCAL],
    ['bindll', id, 'b0', LOCAL],
    ['set', id, SOL_PACKET, 18, (type << 16) | 77],
  ];
  return [
    ['sock', 's', 'A', PACKET, DGRAM, LOCAL],
    ...join('x'),
    ...join('y'),
    ...(type === 6
      ? ([
          [
            'program',
            'x',
            [
              [0x30, 0, 0, 0],
              [0x16, 0, 0, 0],
            ],
          ],
        ] as Step[])
      : []),
    ...Array.from({ length: 6 }, (_, i): Step => ['sendll', 's', 'a0', LOCAL, B_MAC, `0${i}`]),
    ['drain', 'x'],
    ['drain', 'y'],
    ['close', 'x'],
    ['sendll', 's', 'a0', LOCAL, B_MAC, '01'],
    ['drain', 'y'],
  ];
}

test("E1: packet sockets receive what the kernel's receive", { skip, timeout: 60_000 }, () =>
  compareScripts([receive], plain),
);

test("E1: packet sockets send, refuse and end as the kernel's", { skip, timeout: 60_000 }, () =>
  compareScripts([send, refusals, life, tags, fanout(1), fanout(6)], plain),
);
