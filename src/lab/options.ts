/** Options of a verb, with a sentence for what is wrong with them. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearest } from '../core/util/nearest.ts';
import { LabError } from './file.ts';

/** `parseArgs`, whose complaints become a `LabError` that names the nearest option. */
export function parseOptions<T extends ParseArgsConfig>(
  verb: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
    const known = Object.keys(config.options ?? {});
    const word = /^Unknown option '-*([^']*)'/.exec(message)?.[1];
    if (word === undefined) throw new LabError(`${verb}: ${message.split('. ')[0]}`);
    const near = nearest(word, known);
    const hint =
      near === undefined
        ? `the options are ${known.map((k) => `--${k}`).join(', ')}`
        : `did you mean "--${near}"?`;
    throw new LabError(`${verb}: "${word}" is not an option; ${hint}`);
  }
}
