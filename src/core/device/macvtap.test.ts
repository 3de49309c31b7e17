/** macvtap: frames of a macvlan that a host takes and gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';
import { type MacvtapPort, macvtapAttach } from './macvtap.ts';

function lab(): DeviceLab {
  const w = new DeviceLab(['host', 'out']);
  w.script(`
    host link add eth0 type veth peer name v netns out
    host link set eth0 up
    out link set v up
    out addr add 10.0.0.2/24 dev v
    host link add link eth0 name m0 address 02:00:00:00:00:aa type macvtap mode bridge
    host link set m0 up`);
  return w;
}

function open(w: DeviceLab): MacvtapPort {
  const port = macvtapAttach(w.dev('host', 'm0'));
  assert.ok(typeof port !== 'number');
  return port;
}

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
/** A machine at the Port asks who has 10.0.0.2. */
const REQUEST = hex(
  'ffffffffffff 0200000000aa 0806 0001 0800 06 04 0001 0200000000aa 0a000009 000000000000 0a000002',
);

test('macvtap: what the Port gives leaves below, what comes for its MAC the Port gets', () => {
  const w = lab();
  const port = open(w);
  const got: string[] = [];
  port.onTransmit = (frame) => got.push(Buffer.from(frame).toString('hex'));
  assert.equal(port.receive(REQUEST), REQUEST.length);
  w.run(1000);
  assert.equal(got.length, 1);
  assert.match(got[0] ?? '', /^0200000000aa[0-9a-f]{12}08060001080006040002/);
  assert.equal(w.ns('host').stats().mib['Ip.InReceives'], 0);
  assert.equal(w.dev('host', 'm0').stats.txPackets, 1);
  assert.equal(w.dev('host', 'm0').stats.rxPackets, 1);
});

test('macvtap: frames wait until they are taken, 500 of them; broadcasts come too', () => {
  const w = lab();
  const port = open(w);
  for (let i = 0; i < 3; i++) w.ping('out', '10.0.0.9');
  const got: Uint8Array[] = [];
  port.onTransmit = (frame) => got.push(frame);
  assert.ok(got.length >= 3 && got.every((f) => f[12] === 8 && f[13] === 6));
  w.ip('host', 'link set m0 txqueuelen 1');
  port.onTransmit = null;
  w.ping('out', '10.0.0.9');
  assert.ok(w.dev('host', 'm0').stats.rxDropped > 0);
});

test('macvtap: without a Port the stack has it, as a macvlan', () => {
  const w = lab();
  w.script('host addr add 10.0.0.9/24 dev m0');
  assert.equal(w.ping('out', '10.0.0.9'), true);
  const port = open(w);
  assert.equal(macvtapAttach(w.dev('host', 'm0')), -16);
  assert.notEqual(w.ping('out', '10.0.0.9'), true);
  port.close();
  assert.equal(port.receive(REQUEST), -9);
  assert.equal(w.ping('out', '10.0.0.9'), true);
  assert.equal(macvtapAttach(w.dev('host', 'eth0')), -22);
});

test('macvtap: is listed as Linux lists it; its Port dies with it', () => {
  const w = lab();
  const link = w.json('host', 'link show m0');
  assert.equal(link.txqlen, 500);
  assert.deepEqual(link.linkinfo, {
    info_kind: 'macvtap',
    info_data: { mode: 'bridge', bcqueuelen: 1000, usedbcqueuelen: 1000 },
  });
  const port = open(w);
  assert.equal(port.receive(new Uint8Array(13)), -22);
  assert.equal(port.receive(new Uint8Array(70_000)), -90);
  w.script('host link del m0');
  assert.equal(port.receive(REQUEST), -9);
});
