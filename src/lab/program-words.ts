/** Which words start a Node program, as `run:` and `exec` take them. */

const SCRIPT = /\.[cm]?[jt]s$/;

/** The arguments of `node` that these words stand for; undefined: they start no Node program. */
export function nodeArguments(argv: readonly string[]): readonly string[] | undefined {
  const [first = '', ...rest] = argv;
  if (first === 'node') return rest;
  return SCRIPT.test(first) ? argv : undefined;
}
