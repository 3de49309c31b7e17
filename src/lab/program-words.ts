/** Which words start a Node program, as `run:` and `exec` take them. */
import { splitWords } from '../core/control/split-words.ts';

/** Is this the name of a script? */
export function isScript(word: string): boolean {
  return /\.[cm]?[jt]s$/.test(word);
}

/** The arguments of `node` that these words stand for; undefined: they start no Node program. */
export function nodeArguments(argv: readonly string[]): readonly string[] | undefined {
  const [first = '', ...rest] = argv;
  if (first === 'node') return rest;
  return isScript(first) ? argv : undefined;
}

/** The same for what stands behind `run:`, where there must be arguments. */
export function programOf(run: string | readonly string[]): readonly string[] | undefined {
  const args = nodeArguments(typeof run === 'string' ? splitWords(run) : run);
  return args === undefined || args.length === 0 ? undefined : args;
}
