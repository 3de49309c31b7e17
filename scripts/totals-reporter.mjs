/**
 * A reporter for node:test that writes one JSON line of totals, for the runner to add up. It runs
 * beside the reporter that a person reads. Suites are not counted, as in node:test's own summary.
 */

/**
 * @typedef {{ tests: number, pass: number, fail: number, skipped: number, todo: number, failed: string[] }} Totals
 * @typedef {{ name: string, file?: string, line?: number, skip?: unknown, todo?: unknown, details?: { type?: string } }} Result
 */

/**
 * @param {AsyncIterable<{ type: string, data: Result }>} source
 * @returns {AsyncGenerator<string>}
 */
async function* totals(source) {
  /** @type {Totals} */
  const sum = { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0, failed: [] };
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const failed = type === 'test:fail' && data.todo === undefined;
    if (failed) sum.failed.push(`${data.name} (${data.file ?? '?'}:${data.line ?? 0})`);
    if (data.details?.type === 'suite') continue;
    sum.tests++;
    if (data.skip !== undefined) sum.skipped++;
    else if (data.todo !== undefined) sum.todo++;
    else if (failed) sum.fail++;
    else sum.pass++;
  }
  yield `${JSON.stringify(sum)}\n`;
}

// biome-ignore lint/style/noDefaultExport: node:test loads a reporter by its default export
export default totals;
