/**
 * The public API as text, to be reviewed as a diff: what the index files of core, node and lab
 * export, taken from the declarations in dist/. Writes docs/api/*.txt; with --check, fails if one is
 * stale. A name that an exported declaration mentions without being exported is listed as leaked.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * @typedef {{ file: string, name: string }} Binding
 * @typedef {object} Module
 * @property {Map<string, string[]>} declared name → texts (overloads, or a type and a value)
 * @property {Map<string, Binding>} imported local name → where it comes from
 * @property {Map<string, Binding>} exported public name → local or foreign binding
 * @property {string[]} stars files of `export * from`
 */

const DIST = 'dist';
const OUT = 'docs/api';
const check = process.argv.includes('--check');
/** @type {Map<string, Module>} */
const modules = new Map();
let stale = 0;
for (const env of ['core', 'node', 'lab']) {
  const index = `${env}/index.d.ts`;
  if (!existsSync(`src/${env}/index.ts`)) continue;
  if (!existsSync(join(DIST, index))) {
    console.error(`${DIST}/${index} is missing: run \`npm run build\``);
    stale++;
    continue;
  }
  update(`${OUT}/${env}.txt`, report(env, index));
}
process.exitCode = stale > 0 ? 1 : 0;

/**
 * @param {string} file
 * @param {string} text
 */
function update(file, text) {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (before === text) return;
  if (check) {
    console.error(`${file} is stale: run \`npm run api\` and review the diff`);
    stale++;
    return;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`wrote ${file}`);
}

/**
 * @param {string} env
 * @param {string} index
 * @returns {string}
 */
function report(env, index) {
  const names = exportsOf(index);
  /** @type {Map<string, Map<string, string[]>>} file → public name → texts */
  const own = new Map();
  /** @type {Map<string, string[]>} environment → names that come from it */
  const foreign = new Map();
  /** @type {Binding[]} */
  const queue = [];
  for (const [name, at] of names) {
    const home = at.file.split('/')[0] ?? '';
    if (home !== env) {
      foreign.set(home, [...(foreign.get(home) ?? []), name]);
      continue;
    }
    const texts = modules.get(at.file)?.declared.get(at.name) ?? [];
    if (!own.has(at.file)) own.set(at.file, new Map());
    const alias = name === at.name ? [] : [`// ${at.name} is exported as ${name}:`];
    own.get(at.file)?.set(name, texts.length > 0 ? [...alias, ...texts] : [`${name}: not found`]);
    queue.push(at);
  }
  const lines = [`# warren/${env}, made by \`npm run api\`: do not edit`];
  for (const [home, list] of [...foreign].sort())
    lines.push(
      '',
      `## from ${home === '' ? 'packages' : `warren/${home}`}`,
      list.sort().join('\n'),
    );
  for (const [file, declared] of [...own].sort(byKey)) {
    lines.push('', `## ${file.replace(/\.d\.ts$/, '')}`);
    for (const [, texts] of [...declared].sort(byKey)) lines.push(...texts);
  }
  const leaked = leaks(names, queue).filter((l) => l.startsWith(`${env}/`));
  if (leaked.length > 0) lines.push('', '## leaked: mentioned above, not exported', ...leaked);
  return `${lines.join('\n')}\n`;
}

/**
 * @param {readonly [string, unknown]} a
 * @param {readonly [string, unknown]} b
 * @returns {number}
 */
function byKey([a], [b]) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * What a consumer can reach from the exports, transitively, without being able to name it.
 * @param {Map<string, Binding>} names
 * @param {Binding[]} queue the exported declarations
 * @returns {string[]}
 */
function leaks(names, queue) {
  const seen = new Set([...names.values()].map(key));
  /** @type {string[]} */
  const found = [];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const next of mentions(at)) {
      if (seen.has(key(next))) continue;
      seen.add(key(next));
      found.push(key(next));
      queue.push(next);
    }
  }
  return found.sort();
}

/**
 * @param {Binding} at
 * @returns {string}
 */
function key(at) {
  return `${at.file.replace(/\.d\.ts$/, '')} ${at.name}`;
}

/**
 * The declarations of ours that a declaration refers to.
 * @param {Binding} at
 * @returns {Binding[]}
 */
function mentions(at) {
  const module = parse(at.file);
  const text = (module.declared.get(at.name) ?? []).join('\n').replaceAll(/'[^']*'|"[^"]*"/g, '');
  /** @type {Binding[]} */
  const found = [];
  for (const word of new Set(text.match(/(?<![\w.])[A-Za-z_$][\w$]*/g) ?? [])) {
    const target = resolve(at.file, word);
    if (target !== undefined && key(target) !== key(at)) found.push(target);
  }
  return found;
}

/**
 * What a local name of a file stands for, followed to its declaration.
 * @param {string} file
 * @param {string} name
 * @returns {Binding | undefined}
 */
function resolve(file, name) {
  const module = parse(file);
  if (module.declared.has(name)) return { file, name };
  const from = module.imported.get(name);
  if (from === undefined) return undefined;
  return from.file === '' ? from : exportsOf(from.file).get(from.name);
}

/**
 * All names that a file exports, each with the place of its declaration.
 * @param {string} file
 * @returns {Map<string, Binding>}
 */
function exportsOf(file) {
  const module = parse(file);
  /** @type {Map<string, Binding>} */
  const names = new Map();
  for (const star of module.stars)
    for (const [name, at] of exportsOf(star)) if (name !== 'default') names.set(name, at);
  for (const [name, at] of module.exported) {
    const target = at.file === file ? resolve(file, at.name) : undefined;
    const foreign = at.file === '' ? at : exportsOf(at.file === file ? '' : at.file).get(at.name);
    names.set(name, target ?? foreign ?? at);
  }
  return names;
}

/**
 * Reads a declaration file as tsc prints it: statements begin in the first column.
 * @param {string} file
 * @returns {Module}
 */
function parse(file) {
  const known = modules.get(file);
  if (known !== undefined) return known;
  /** @type {Module} */
  const module = { declared: new Map(), imported: new Map(), exported: new Map(), stars: [] };
  modules.set(file, module);
  if (file === '' || !existsSync(join(DIST, file))) return module;
  for (const statement of statements(readFileSync(join(DIST, file), 'utf8'))) {
    if (!link(module, file, statement)) declare(module, file, statement);
  }
  return module;
}

/**
 * @param {string} text
 * @returns {string[]}
 */
function statements(text) {
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  /** @type {string[]} */
  const found = [];
  for (const line of bare.split('\n')) {
    if (line.trim() === '' || /^\s+(?:private |#private;)/.test(line)) continue;
    if (/^[A-Za-z]/.test(line)) found.push(line.trimEnd());
    else found.push(`${found.pop() ?? ''}\n${line.trimEnd()}`);
  }
  return found;
}

/**
 * Notes an import or a re-export.
 * @param {Module} module
 * @param {string} file
 * @param {string} statement
 * @returns {boolean} whether it was one
 */
function link(module, file, statement) {
  const star = /^export \* from ['"](.+)['"];/.exec(statement);
  if (star?.[1] !== undefined) {
    module.stars.push(target(file, star[1]));
    return true;
  }
  const list = /^(import|export)(?: type)? \{([^}]*)\}(?: from ['"](.+)['"])?;/.exec(statement);
  if (list === null) return statement.startsWith('import ');
  const from = list[3] === undefined ? file : target(file, list[3]);
  for (const item of (list[2] ?? '').split(',')) {
    const [name, alias = name] = item
      .trim()
      .replace(/^type /, '')
      .split(' as ');
    if (name === undefined || name === '' || alias === undefined) continue;
    const table = list[1] === 'import' ? module.imported : module.exported;
    table.set(alias, { file: from, name });
  }
  return true;
}

/**
 * @param {string} file
 * @param {string} specifier
 * @returns {string} a path below dist/, or '' for a package
 */
function target(file, specifier) {
  if (!specifier.startsWith('.')) return '';
  const path = normalize(join(dirname(file), specifier)).replaceAll('\\', '/');
  return path.replace(/\.[jt]s$/, '.d.ts').replace(/\.d\.d\.ts$/, '.d.ts');
}

/**
 * Notes a declaration.
 * @param {Module} module
 * @param {string} file
 * @param {string} statement
 */
function declare(module, file, statement) {
  const kinds =
    'abstract class|class|const enum|const|enum|function\\*?|interface|let|namespace|type|var';
  const match = new RegExp(`^(export )?(?:default )?(?:declare )?(?:${kinds}) ([\\w$]+)`).exec(
    statement,
  );
  const name = match?.[2];
  if (name === undefined) return;
  module.declared.set(name, [...(module.declared.get(name) ?? []), statement]);
  if (match?.[1] !== undefined) module.exported.set(name, { file, name });
}
