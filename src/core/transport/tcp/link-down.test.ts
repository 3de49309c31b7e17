/** A connection whose device goes down (RFC 1122 §4.2.3.9): no error, and what was written arrives when it is up again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EAGAIN } from '../../errno.ts';
import { devClose, devOpen } from '../../link/device-state.ts';
import { TCP_ESTABLISHED } from './constants.ts';
import { write } from './peer.test.ts';
import { TwoHosts } from './two-hosts.test.ts';

test('what is written while the device is down arrives when it is up again', () => {
  const t = new TwoHosts();
  const { client, server } = t.establish();
  devClose(t.devA);
  assert.equal(write(client, 5000), 5000);
  t.run(30_000_000);
  assert.equal(client.err, 0);
  assert.equal(client.state, TCP_ESTABLISHED);
  assert.equal(server.recvmsg(1e6, 0), -EAGAIN);
  devOpen(t.devA);
  t.run(60_000_000);
  const got = server.recvmsg(1e6, 0);
  assert.ok(typeof got !== 'number' && got.len === 5000);
  assert.equal(client.err, 0);
});
