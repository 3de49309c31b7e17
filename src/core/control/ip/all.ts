/**
 * `ip -all OBJECT [show]`: the same listing of every namespace, each under its name (S19, V4, E5). iproute2 has
 * `-all` for `netns exec` and `netns delete` only; here it is the supervisor's view.
 */
import type { Namespace } from '../namespace.ts';
import { formatJson, type Json, type PrintOptions } from './entry.ts';
import { CommandError, EXIT_USAGE } from './words.ts';

/** What a namespace is called in a listing of all: its name, or `#` and its number. */
export function netnsLabel(ns: Namespace): string {
  return ns.name ?? `#${ns.net.id}`;
}

/** Prints for each namespace what `run` gives, under its name; JSON becomes one list. */
export function forAll(
  namespaces: readonly Namespace[],
  options: PrintOptions,
  run: (ns: Namespace) => string,
): string {
  if (!options.json)
    return namespaces.map((ns) => `\nnetns: ${netnsLabel(ns)}\n${run(ns)}`).join('');
  const objects = namespaces.flatMap((ns) =>
    (JSON.parse(run(ns)) as Json[]).map((o) => ({ netns: netnsLabel(ns), ...(o as object) })),
  );
  return `${formatJson(objects, options.pretty)}\n`;
}

/** Only listings can be made of all at once. */
export function checkListing(object: string, verb: string): void {
  const listing = ['', 'show', 'list', 'lst', 'sh', 'ls'].includes(verb);
  if (listing && ['link', 'address', 'route', 'neighbor', 'neighbour'].includes(object)) return;
  throw new CommandError(
    `Error: "ip -all" lists link, address, route and neighbour; "ip ${object}${verb === '' ? '' : ` ${verb}`}" needs -n NAME.`,
    EXIT_USAGE,
  );
}
