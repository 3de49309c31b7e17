/** Ranges of names: `n1..n5` stands for n1, n2, n3, n4, n5. */

/** Most names that one range may stand for. */
export const MAX_RANGE = 10_000;

/** The names that `text` stands for; undefined when it is a range that makes no sense. */
export function expandRange(text: string): readonly string[] | undefined {
  const dots = text.indexOf('..');
  if (dots < 0) return [text];
  const first = /^(.*?)(\d+)$/.exec(text.slice(0, dots));
  const last = /^(.*?)(\d+)$/.exec(text.slice(dots + 2));
  if (first === null || last === null || first[1] !== last[1]) return undefined;
  const from = Number(first[2]);
  const to = Number(last[2]);
  if (to < from || to - from >= MAX_RANGE) return undefined;
  const width = first[2]?.startsWith('0') === true ? first[2].length : 0;
  return Array.from(
    { length: to - from + 1 },
    (_, i) => `${first[1]}${String(from + i).padStart(width, '0')}`,
  );
}
