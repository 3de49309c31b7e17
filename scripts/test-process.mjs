/**
 * The process in which tests run: imports the files named in WARREN_TEST_FILES (JSON), one after
 * the other, into one node:test root. Started by test.mjs, with the reporters as flags.
 */
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

/** @type {string[]} */
const files = JSON.parse(process.env['WARREN_TEST_FILES'] ?? '[]');

// The runner sends SIGTERM when the time is up: say what keeps this process alive.
process.on('SIGTERM', () => {
  console.error('timed out; still open:', process.getActiveResourcesInfo());
  process.exit(124);
});

for (const file of files) {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    test(`${file} loads`, () => {
      throw error;
    });
  }
}
