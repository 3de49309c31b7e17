/** Every script below test/script runs against Warren; each is a test. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  configure,
  formatFailure,
  parseScript,
  runScript,
  warrenTarget,
} from '../src/sim/index.ts';

const ROOT = 'test/script';

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .map((f) => `${ROOT}/${f.replaceAll('\\', '/')}`)
  .filter((f) => f.endsWith('.pkt'))
  .sort();

/** As the kernel's own runner of such scripts does: every one in all modes, but those that say which they are of. */
const VERSIONS: readonly string[] = ['ipv4', 'ipv6', 'ipv4-mapped-ipv6'];

for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const own = /^--ip_version=(\S+)/m.exec(text)?.[1];
  for (const version of own === undefined ? VERSIONS : [own])
    test(`script: ${file.slice(ROOT.length + 1)} (${version})`, async () => {
      const option = { name: 'ip_version', value: version, position: { line: 0, column: 0 } };
      const script = parseScript(file, text, new Map(), [option]);
      const result = await runScript(script, configure(script, [option], 1), warrenTarget);
      assert.equal(result.failure, null, `\n${formatFailure(result)}\n`);
    });
}
