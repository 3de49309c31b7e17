/** tcpdump reads the captures that we write, and finds every checksum right. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Kernel } from '../../src/core/kernel.ts';
import { Capture } from '../../src/core/link/capture.ts';
import { NetDevice } from '../../src/core/link/net-device.ts';
import type { Packet } from '../../src/core/packet.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { ARPOP_REQUEST, ArpHeader } from '../../src/core/wire/arp.ts';
import { ETH_P_ARP, ETH_P_IP, EthHeader } from '../../src/core/wire/ethernet.ts';
import { IcmpHeader } from '../../src/core/wire/icmp.ts';
import { Ipv4Header } from '../../src/core/wire/ipv4.ts';
import { TCP_SYN, TcpHeader, TcpOptions, tcpOptionsLen } from '../../src/core/wire/tcp.ts';
import { UdpHeader } from '../../src/core/wire/udp.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { skipWithout, toolsMissing } from './tools.ts';

const EPOCH_US = 1_700_000_000_000_000;

function syn(): TcpHeader {
  const o = new TcpOptions();
  Object.assign(o, { mss: 1460, sackPermitted: true, timestamps: true, tsVal: 5, wscale: 7 });
  return new TcpHeader(40000, 80, 7, 0, TCP_SYN, 64240, 0, o, tcpOptionsLen(o));
}

function capture(): { bytes: Uint8Array; packets: number } {
  const kernel = new Kernel({ env: new VirtualClock(1, EPOCH_US), seed: 1 });
  const ops = { kind: 'test', movable: true, xmit: () => {} };
  const dev = new NetDevice(kernel.addNetNs('a'), ops, 'eth0', 2, 1);
  const blocks: Uint8Array[] = [];
  const cap = new Capture(kernel, (b) => blocks.push(b), { comment: (p) => `packet ${p.id} – é` });
  const packet = (proto: number, protocol: number, text: string): Packet => {
    const pkt = kernel.newPacket(proto);
    pkt.eth = new EthHeader(0x020000000002, 0x020000000001, proto);
    if (proto === ETH_P_IP)
      pkt.ip = new Ipv4Header(ipv4('10.0.0.1'), ipv4('10.0.0.2'), protocol, 64, 0);
    if (text !== '') pkt.data = [Uint8Array.from(Buffer.from(text))];
    pkt.len = text.length;
    return pkt;
  };
  const arp = packet(ETH_P_ARP, 0, '');
  arp.arp = new ArpHeader(ARPOP_REQUEST, 0x020000000001, ipv4('10.0.0.1'), 0, ipv4('10.0.0.2'));
  const udp = packet(ETH_P_IP, 17, 'odd');
  udp.udp = new UdpHeader(5000, 9);
  const tcp = packet(ETH_P_IP, 6, '');
  tcp.tcp = syn();
  const icmp = packet(ETH_P_IP, 1, 'ping!');
  icmp.icmp = new IcmpHeader(8, 0, (3 << 16) | 1);
  for (const pkt of [arp, udp, tcp, icmp]) cap.tap(pkt, dev, true);
  return { bytes: Buffer.concat(blocks), packets: cap.packets };
}

test('tcpdump -r reads our pcapng', (t) => {
  if (skipWithout(t, toolsMissing(['tcpdump']))) return;
  const dir = mkdtempSync(join(tmpdir(), 'warren-capture-'));
  try {
    const { bytes, packets } = capture();
    const file = join(dir, 'a.pcapng');
    writeFileSync(file, bytes);
    const run = spawnSync('tcpdump', ['-nn', '-tt', '-vv', '-r', file], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    const text = run.stdout;
    assert.equal(text.match(/^1700000000\.000000 /gm)?.length, packets, text);
    assert.match(text, /Request who-has 10\.0\.0\.2 tell 10\.0\.0\.1/);
    assert.match(text, /10\.0\.0\.1\.5000 > 10\.0\.0\.2\.9: \[udp sum ok\] UDP, length 3/);
    assert.match(text, /Flags \[S\], cksum 0x[0-9a-f]{4} \(correct\), seq 7, win 64240/);
    assert.match(text, /options \[mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7\]/);
    assert.match(text, /ICMP echo request, id 3, seq 1, length 13/);
    assert.doesNotMatch(text, /bad|wrong|incorrect|truncated/i);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
