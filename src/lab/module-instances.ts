/**
 * Modules that are loaded once for each node: the instance's name is in the URL's query, and is handed on to
 * what such a module imports by a relative path. Packages are shared, as in any process.
 */
import * as nodeModule from 'node:module';

/** The parameter of the query. */
const PARAMETER = 'warren';
/** Called by the first module of an instance, when all of it is loaded and before any of it runs. */
const LOADED = Symbol.for('warren.loaded');

interface Resolved {
  url: string;
}
type Next = (specifier: string, context: unknown) => Resolved;
type Hooks = { resolve(specifier: string, context: { parentURL?: string }, next: Next): Resolved };

const waiting: Map<string, () => void> = new Map();
let installed = false;

/** Node 20 runs hooks on a thread of their own, which needs their text. */
const HOOKS_TEXT = `
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  return (${handOn.toString()})(specifier, context.parentURL, resolved, ${JSON.stringify(PARAMETER)});
}`;

/** Must not use anything from outside. */
function handOn<R extends Resolved>(
  specifier: string,
  parent: string | undefined,
  resolved: R,
  parameter: string,
): R {
  const relative = specifier.startsWith('.') || specifier.startsWith('/');
  if (!relative || parent === undefined || !parent.startsWith('file:')) return resolved;
  const instance = new URL(parent).searchParams.get(parameter);
  if (instance === null || !resolved.url.startsWith('file:')) return resolved;
  const url = new URL(resolved.url);
  if (url.pathname.includes('/node_modules/') || url.searchParams.has(parameter)) return resolved;
  url.searchParams.set(parameter, instance);
  return { ...resolved, url: url.href };
}

function install(): void {
  if (installed) return;
  installed = true;
  const loaded = (id: string): void => {
    waiting.get(id)?.();
    waiting.delete(id);
  };
  Object.defineProperty(globalThis, LOADED, { value: loaded });
  const { registerHooks } = nodeModule as unknown as { registerHooks?: (hooks: Hooks) => void };
  if (registerHooks === undefined)
    nodeModule.register(`data:text/javascript,${encodeURIComponent(HOOKS_TEXT)}`);
  else
    registerHooks({
      resolve: (specifier, context, next) =>
        handOn(specifier, context.parentURL, next(specifier, context), PARAMETER),
    });
}

/**
 * Loads the module at `url` as an instance of its own. `onLoaded` is called when all of it has been read, and
 * before it runs; the promise settles when it has run to its end.
 */
export async function importInstance(
  url: URL,
  instance: string,
  onLoaded: () => void = () => {},
): Promise<Readonly<Record<string, unknown>>> {
  install();
  forgetCommonJs();
  const own = new URL(url);
  own.searchParams.set(PARAMETER, instance);
  const marker = `globalThis[Symbol.for('warren.loaded')](${JSON.stringify(instance)})`;
  const text = `import ${JSON.stringify(dataUrl(marker))};import ${JSON.stringify(own.href)};`;
  let told = false;
  const tell = (): void => {
    if (!told) onLoaded();
    told = true;
  };
  waiting.set(instance, tell);
  try {
    await import(dataUrl(text));
  } finally {
    // Where the instance was there before, or could not be read.
    tell();
  }
  return (await import(own.href)) as Readonly<Record<string, unknown>>;
}

function dataUrl(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

/** CommonJS modules are kept by file name, whatever the query says. */
function forgetCommonJs(): void {
  const { cache } = nodeModule.createRequire(import.meta.url);
  for (const file of Object.keys(cache))
    if (!/[\\/]node_modules[\\/]/.test(file)) Reflect.deleteProperty(cache, file);
}
