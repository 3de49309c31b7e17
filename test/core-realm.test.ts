/**
 * The core needs no host: it loads in a realm that has ECMAScript's own globals and no others.
 * The types forbid host globals too (`types: []`); this test catches what slips past them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

const skip = existsSync('src/core/index.ts') ? false : 'src/core/index.ts does not exist yet';

test('the core loads in a bare ECMAScript realm', { skip }, () => {
  if (process.env['WARREN_NO_BUILD'] === undefined)
    spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'src/core']);
  const child = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', 'scripts/core-realm.mjs'],
    { encoding: 'utf8' },
  );
  assert.equal(child.status, 0, child.stderr);
  assert.ok(Number(child.stdout) > 0, 'the core exports nothing');
});
