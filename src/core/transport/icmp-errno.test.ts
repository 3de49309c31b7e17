/** ICMP error → errno of a UDP socket, as measured on Linux (`test/data/linux-wire.json`). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errnoName } from '../errno.ts';
import { HARD, icmpErrno, isFragNeeded } from './icmp-errno.ts';

interface Fact {
  readonly group: string;
  readonly case: string;
  readonly observed: { readonly udp_connected: string | 0; readonly udp_IP_RECVERR: string | 0 };
}

const { results } = JSON.parse(readFileSync('test/data/linux-wire.json', 'utf8')) as {
  readonly results: readonly Fact[];
};

for (const fact of results.filter((r) => /^ICMP \d+\/\d+$/.test(r.case))) {
  test(`UDP: ${fact.case}`, () => {
    const [, type, code] = /(\d+)\/(\d+)/.exec(fact.case) ?? [];
    const error = { type: Number(type), code: Number(code), info: 0, src: 0, dst: 0 };
    const errno = icmpErrno({ ...error, bytes: new Uint8Array(8) });
    const name = (e: number): string | 0 => (e === 0 ? 0 : errnoName(e));
    assert.equal(name(errno & ~HARD), fact.observed.udp_IP_RECVERR);
    assert.equal((errno & HARD) === 0 ? 0 : name(errno & ~HARD), fact.observed.udp_connected);
    assert.equal(isFragNeeded({ ...error, bytes: new Uint8Array(8) }), fact.case === 'ICMP 3/4');
  });
}
