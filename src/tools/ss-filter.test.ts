/** Filters of ss: among the same sockets they choose what iproute2's ss chose, and refuse what it refused. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { SocketInfo } from '../core/control/sockets.ts';
import { splitWords } from '../core/control/split-words.ts';
import { ALL_STATES, parseFilter } from './ss-filter.ts';

interface Facts {
  readonly program: string;
  /** null: refused. */
  readonly filters: readonly (readonly [filter: string, rows: readonly string[] | null])[];
}

const facts = JSON.parse(readFileSync('test/data/linux-ss-filters.json', 'utf8')) as Facts;

type Row = Pick<SocketInfo, 'state' | 'local' | 'peer'> & { readonly text: string };

function row(state: SocketInfo['state'], local: string, peer: string): Row {
  const end = (text: string): SocketInfo['local'] => {
    const colon = text.lastIndexOf(':');
    const port = text.slice(colon + 1);
    return { address: text.slice(0, colon), port: port === '*' ? 0 : Number(port) };
  };
  return { state, local: end(local), peer: end(peer), text: `${local} ${peer}` };
}

/** What test/data/linux_ss.py opens. */
function sockets(): Row[] {
  const rows = [row('UNCONN', '127.0.0.1:53', '0.0.0.0:*')];
  for (const local of ['127.0.0.1:80', '0.0.0.0:22', '127.0.0.1:8080'])
    rows.push(row('LISTEN', local, '0.0.0.0:*'));
  const connections: readonly (readonly [number, number])[] = [
    [40001, 80],
    [40002, 80],
    [40003, 22],
    [40004, 8080],
  ];
  for (const [from, to] of connections) {
    const closed = from === 40001;
    const ends = [`127.0.0.1:${from}`, `127.0.0.1:${to}`] as const;
    rows.push(row(closed ? 'FIN-WAIT-2' : 'ESTAB', ...ends));
    rows.push(row(closed ? 'CLOSE-WAIT' : 'ESTAB', ends[1], ends[0]));
  }
  return rows;
}

function chosen(filter: string): string[] | null {
  try {
    const { states, filter: passes } = parseFilter(splitWords(filter));
    return sockets()
      .filter((s) => (states ?? ALL_STATES).includes(s.state) && passes(s as unknown as SocketInfo))
      .map((s) => s.text)
      .sort();
  } catch {
    return null;
  }
}

test('filters choose what ss chose', () => {
  assert.ok(facts.filters.length > 50, facts.program);
  for (const [filter, rows] of facts.filters)
    assert.deepEqual(chosen(filter), rows === null ? null : [...rows].sort(), filter);
});
