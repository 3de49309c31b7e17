/** The programs of this machine that the comparison with Linux runs, and where Debian has them. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Fixed, so that no other Python that comes first in PATH changes what is compared. */
export const PYTHON = '/usr/bin/python3';

/** Package of Debian for each tool. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  bridge: 'iproute2',
  ss: 'iproute2',
  tc: 'iproute2',
  ping: 'iputils-ping',
  sysctl: 'procps',
  tcpdump: 'tcpdump',
  [PYTHON]: 'python3-minimal',
};

/** Words of scenarios that Python stands for. */
const PYTHON_WORDS = /^(?:tcp|udp)-/;

/** The tool that a word of a scenario runs; undefined: none of the machine's. */
export function toolOf(word: string): string | undefined {
  if (PYTHON_WORDS.test(word)) return PYTHON;
  return Object.hasOwn(PACKAGES, word) ? word : undefined;
}

/** A sentence that names the tools which this machine lacks, and their packages; undefined: it has all. */
export function toolsMissing(tools: Iterable<string>): string | undefined {
  const missing = [...new Set(tools)].filter((tool) => !isInstalled(tool));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map((tool) => PACKAGES[tool]))];
  const verb = missing.length === 1 ? 'is' : 'are';
  return `${missing.join(', ')} ${verb} not installed; on Debian: apt-get install ${packages.join(' ')}`;
}

/** Skips the test `t` and says why; true if so. With WARREN_REQUIRE_LINUX=1 the test fails instead. */
export function skipWithout(t: TestContext, missing: string | undefined): boolean {
  const reason = skipReason(missing);
  if (reason === false) return false;
  t.skip(reason);
  return true;
}

/** For the `skip` of a test: `missing`, or false. With WARREN_REQUIRE_LINUX=1 nothing may be missing. */
export function skipReason(missing: string | undefined): string | false {
  if (missing === undefined) return false;
  if (process.env['WARREN_REQUIRE_LINUX'] === '1') throw new Error(missing);
  return missing;
}

function isInstalled(tool: string): boolean {
  const folders = tool.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => isExecutable(folder === '' ? tool : join(folder, tool)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
