/**
 * Loads dist/core in a realm that has nothing but ECMAScript: no console, no timers, no host.
 * Needs `node --experimental-vm-modules`. Prints the number of names that the core exports.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import vm from 'node:vm';

const root = resolve('dist/core');
const context = vm.createContext(Object.create(null), {
  codeGeneration: { strings: false, wasm: false },
});
// V8 gives these two to every context, though ECMAScript does not know them.
vm.runInContext('delete globalThis.console; delete globalThis.WebAssembly;', context);

/** @type {Map<string, vm.SourceTextModule>} */
const modules = new Map();

/**
 * @param {string} file
 * @returns {vm.SourceTextModule}
 */
function load(file) {
  const known = modules.get(file);
  if (known !== undefined) return known;
  if (!file.startsWith(root + sep)) throw new Error(`the core imports ${file}`);
  const module = new vm.SourceTextModule(readFileSync(file, 'utf8'), { context, identifier: file });
  modules.set(file, module);
  return module;
}

const index = load(resolve(root, 'index.js'));
await index.link((specifier, from) => {
  if (!specifier.startsWith('.')) throw new Error(`${from.identifier} imports ${specifier}`);
  return load(resolve(dirname(from.identifier), specifier));
});
await index.evaluate();
console.log(Object.keys(index.namespace).length);
