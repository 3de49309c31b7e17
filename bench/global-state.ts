/**
 * The rival of the namespace: the same code on global state. Takes the compiled core and replaces each
 * "which namespace" (`pkt.dev.net`, `sk.net` …) in the data path by one module variable, as a stack without
 * namespaces would have it. Plain and rewritten copies are loaded side by side.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const OUT = 'build/bench-core';

/** A copy of the core that can be loaded. The rewritten one holds one namespace: the last that was made. */
export interface CoreCopy {
  /** Loads a module of the copy by its path below `src/core`, without suffix. */
  load<T>(path: string): Promise<T>;
}

/** A fresh copy of `dist/core`: as it is, or rewritten to global state. */
export function copyCore(kind: 'namespaces' | 'global'): CoreCopy {
  if (!existsSync('dist/core/kernel.js')) throw new Error('dist/core is missing: npm run build');
  const dir = resolve(OUT, kind);
  rmSync(dir, { recursive: true, force: true });
  cpSync('dist/core', dir, { recursive: true, filter: (f) => !f.endsWith('.map') });
  writeFileSync(join(dir, '../package.json'), '{ "type": "module" }\n');
  if (kind === 'global') rewriteAll(dir);
  const url = (path: string): string => pathToFileURL(join(dir, path)).href;
  return {
    load: <T>(path: string): Promise<T> => import(url(`${path}.js`)) as Promise<T>,
  };
}

/** Number of look-ups that the rewriting replaced; a test that the rival is one. */
export function rewriteAll(dir: string): number {
  writeFileSync(
    join(dir, 'global-net.js'),
    'export let NET = null;\nexport function setNet(net) { NET = net; }\n',
  );
  let replaced = 0;
  const netFile = join(dir, 'net.js');
  const opening = 'constructor(kernel, id, name) {';
  const netText = readFileSync(netFile, 'utf8');
  if (!netText.includes(opening)) throw new Error('net.js: where is the constructor?');
  writeFileSync(
    netFile,
    `import { setNet } from './global-net.js';\n${netText.replace(opening, `${opening} setNet(this);`)}`,
  );
  for (const folder of ['link', 'network', 'transport', 'device']) {
    for (const file of readdirSync(join(dir, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js')) continue;
      const path = join(dir, folder, file);
      const from = relative(join(path, '..'), join(dir, 'global-net.js')).replaceAll('\\', '/');
      const text = readFileSync(path, 'utf8');
      const [body, count] = rewrite(text);
      if (count === 0) continue;
      replaced += count;
      const specifier = from.startsWith('.') ? from : `./${from}`;
      writeFileSync(path, `import { NET } from '${specifier}';\n${body}`);
    }
  }
  return replaced;
}

/** `a.b.net` that is read, not written, becomes NET; constructors keep theirs. */
function rewrite(text: string): [string, number] {
  let count = 0;
  const body = text.replace(
    /\b(?:[A-Za-z_$][\w$]*)(?:\.[A-Za-z_$][\w$]*)*\.net\b(?!\s*=[^=])(?!\w)/g,
    (match) => {
      if (match.startsWith('this.') && match !== 'this.net') return match;
      count++;
      return 'NET';
    },
  );
  return [body, count];
}
