/** The lab file that a command names: the file itself, or the folder that it is in. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../lab/file.ts';

export function labFile(target: string): string {
  const stat = statSync(target, { throwIfNoEntry: false });
  if (stat === undefined) throw new LabError(`there is no file or folder "${target}"`);
  return stat.isDirectory() ? join(target, 'warren.yaml') : target;
}

/** A whole number that an option was given. */
export function wholeNumber(option: string, text: string, min = 0): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min)
    throw new LabError(
      `${option} takes a whole number${min > 0 ? ` from ${min} on` : ''}, not "${text}"`,
    );
  return value;
}
