/** `npm run goodput`: makes the table of docs/goodput.md anew, in place. */
import { readFileSync, writeFileSync } from 'node:fs';
import { LOSSES, RATES_MBIT, RTTS_MS, row } from './goodput.ts';

const FILE = 'docs/goodput.md';
const rows: string[] = [];
for (const rate of RATES_MBIT)
  for (const rtt of RTTS_MS)
    for (const loss of LOSSES) {
      const text = row(loss, rtt, rate);
      console.log(text);
      rows.push(text);
    }
const doc = readFileSync(FILE, 'utf8');
const start = doc.indexOf('| ---');
const first = doc.indexOf('\n', start) + 1;
const end = doc.indexOf('\n\n', first);
writeFileSync(FILE, `${doc.slice(0, first)}${rows.join('\n')}${doc.slice(end)}`);
