/** TCP options: layouts of Linux's tcp_options_write, tolerance of tcp_parse_options. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTcpOptions, putTcpOptions, TcpOptions, tcpOptionsLen } from './tcp.ts';

function hexOf(fields: Partial<TcpOptions>): string {
  const o = Object.assign(new TcpOptions(), fields);
  const bytes = new Uint8Array(tcpOptionsLen(o));
  assert.equal(putTcpOptions(bytes, new DataView(bytes.buffer), 0, o), bytes.length);
  return Buffer.from(bytes).toString('hex');
}

function parse(hex: string): TcpOptions {
  return parseTcpOptions(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')));
}

test('layouts', () => {
  const ts = { timestamps: true, tsVal: 1, tsEcr: -1 };
  const syn = { mss: 1460, wscale: 7, sackPermitted: true };
  assert.equal(hexOf({ ...syn, ...ts }), '020405b40402080a00000001ffffffff01030307');
  assert.equal(hexOf(syn), '020405b40101040201030307');
  assert.equal(hexOf(ts), '0101080a00000001ffffffff');
  assert.equal(
    hexOf({ ...ts, sack: [1, 2, 3, -4] }),
    '0101080a00000001ffffffff01010512000000010000000200000003fffffffc',
  );
  assert.equal(hexOf({ fastOpenCookie: new Uint8Array(0) }), '22020101');
  assert.equal(hexOf({ fastOpenCookie: new Uint8Array(8).fill(9) }), '220a09090909090909090101');
  assert.equal(
    hexOf({ fastOpenCookie: new Uint8Array(8).fill(9), fastOpenExp: true }),
    'fe0cf9890909090909090909',
  );
});

test('parsing stops at a senseless length and skips what it does not know', () => {
  assert.equal(parse('02 04 05 b4 08 01 03 03').wscale, -1);
  assert.equal(parse('02 04 05 b4 08 01 03 03').mss, 1460);
  assert.equal(parse('1e 04 00 00 03 03 05').wscale, 5);
  assert.equal(parse('00 00 03 03').wscale, -1);
  assert.equal(parse('03 03 0f 01').wscale, 14);
  assert.equal(parse('08 0a 00').timestamps, false);
  assert.equal(parse('02 03 05 03 03 02').mss, 0);
  assert.equal(parse('05 0b 00 00 00 00 00 00 00 00 00').sack, null);
  assert.equal(parse('22 05 01 02 03 01 01 01').fastOpenCookie, null);
  assert.equal(parse('fe 04 f9 89').fastOpenExp, true);
});
