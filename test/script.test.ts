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

for (const file of files)
  test(`script: ${file.slice(ROOT.length + 1)}`, async () => {
    const script = parseScript(file, readFileSync(file, 'utf8'));
    const result = await runScript(script, configure(script, [], 1), warrenTarget);
    assert.equal(result.failure, null, `\n${formatFailure(result)}\n`);
  });
