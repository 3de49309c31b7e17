/** MSG_ZEROCOPY with many pieces: 17 fragments make a segment (`MAX_SKB_FRAGS`; seen on Linux 6.18 over lo). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MSG_ZEROCOPY } from '../sock.ts';
import { Peer } from './peer.test.ts';

test('18 pieces of a byte leave as 17 and 1, 18 bytes of one piece as one segment', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000 });
  sk.ownRare().zeroCopy = true;
  sk.ownRare().pieceEnds = Array.from({ length: 18 }, (_, i) => i + 1);
  assert.equal(sk.sendmsg(new Uint8Array(18), MSG_ZEROCOPY, null), 18);
  p.expect('P. 1:18 ack 1');
  p.send('.', 1, 18);
  p.expect('P. 18:19 ack 1');
  p.send('.', 1, 19);
  assert.equal(sk.sendmsg(new Uint8Array(18), MSG_ZEROCOPY, null), 18);
  p.expect('P. 19:37 ack 1');
});
