/** Segmentation against tcp_gso_segment's rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packet, type Payload } from '../packet.ts';
import { flatten } from '../wire/frame.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { TCP_ACK, TCP_CWR, TCP_FIN, TCP_PSH, TcpHeader } from '../wire/tcp.ts';
import { UdpHeader } from '../wire/udp.ts';
import { segment, segmentCount } from './gso.ts';

const SLICES: Payload = [
  Uint8Array.from({ length: 700 }, (_, i) => i),
  new Uint8Array(0),
  Uint8Array.from({ length: 1801 }, (_, i) => i * 3),
];

function packet(gsoSize: number): Packet {
  const pkt = new Packet(9, 0x800, SLICES, 2501);
  pkt.ip = new Ipv4Header(1, 2, 6, 64, 0);
  pkt.ip.id = 0xfffe;
  pkt.gsoSize = gsoSize;
  return pkt;
}

test('TCP: sequence, ids and flags', () => {
  const pkt = packet(1000);
  const flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR;
  pkt.tcp = new TcpHeader(1, 2, 0x7fffff00, 5, flags, 100, 0, null, 0);
  assert.equal(segmentCount(pkt), 3);
  const parts = segment(pkt);
  assert.deepEqual(
    parts.map((p) => [p.id, p.len, p.ip?.id, p.tcp?.seq, p.tcp?.flags, p.gsoSize]),
    [
      [9, 1000, 0xfffe, 0x7fffff00, TCP_ACK | TCP_CWR, 0],
      [9, 1000, 0xffff, (0x7fffff00 + 1000) | 0, TCP_ACK, 0],
      [9, 501, 0, (0x7fffff00 + 2000) | 0, TCP_ACK | TCP_PSH | TCP_FIN, 0],
    ],
  );
  const joined = parts.flatMap((p) => [...flatten(p.data, p.len)]);
  assert.deepEqual(joined, [...flatten(SLICES, 2501)]);
});

test('UDP: every datagram has the header', () => {
  const pkt = packet(1250);
  pkt.udp = new UdpHeader(7, 9);
  assert.deepEqual(
    segment(pkt).map((p) => [p.len, p.udp?.dport]),
    [
      [1250, 9],
      [1250, 9],
      [1, 9],
    ],
  );
});

test('one segment comes back as it is, without its GSO mark', () => {
  const pkt = packet(2501);
  pkt.tcp = new TcpHeader(1, 2, 3, 5, TCP_ACK | TCP_PSH, 100, 0, null, 0);
  assert.deepEqual(segment(pkt), [pkt]);
  assert.equal(pkt.gsoSize, 0);
  assert.equal(pkt.tcp.flags, TCP_ACK | TCP_PSH);
});
