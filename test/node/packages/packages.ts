/** Packages as they come from the registry, most of them without types. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** What a package exports. Inside a namespace it is loaded there, as a program's own import would. */
// biome-ignore lint/suspicious/noExplicitAny: these packages have no types.
export type Package = any;

export function load(name: string): Package {
  return require(name);
}
