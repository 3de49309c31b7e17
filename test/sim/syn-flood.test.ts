/** A SYN flood costs bounded memory, and an established connection goes on (RFC 4987). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { synFlood } from './syn-flood.ts';

test('fifty thousand SYNs: cookies, bounded state, goodput', { timeout: 60_000 }, () => {
  const f = synFlood(50_000);
  assert.ok(f.cookiesSent > 49_000, JSON.stringify(f));
  // The backlog's 129 requests and the connection.
  assert.ok(f.held <= 130, JSON.stringify(f));
  assert.ok(f.goodput / f.virtualSeconds > 10_000_000, JSON.stringify(f));
});
