/**
 * Files and directories that are made when somebody looks (Linux procfs, sysctl's and sysfs' trees): what a node
 * is, and how a path leads to one. Nothing here is kept: a namespace pays nothing for its files.
 */
import {
  EACCES,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  errnoText,
  NetError,
} from '../../errno.ts';

export interface FsFile {
  readonly kind: 'file';
  /** Permissions, as `stat` tells them: 0o444. */
  readonly mode: number;
  /** The contents in pieces of bounded size; throws `NetError` where `read` fails. */
  readonly read: () => Iterable<string>;
  /** Absent: nobody may write. */
  readonly write?: (text: string) => void;
}

export interface FsDirectory {
  readonly kind: 'directory';
  readonly mode: number;
  readonly names: () => readonly string[];
  readonly child: (name: string) => FsNode | undefined;
}

export interface FsLink {
  readonly kind: 'link';
  readonly target: () => string;
}

export type FsNode = FsFile | FsDirectory | FsLink;

/** As many links as a path may lead through (Linux MAXSYMLINKS). */
const MAX_LINKS = 40;
/** Lines are put together to pieces of about this many characters. */
const PIECE = 32_768;

/** A file that can be read. */
export function readable(read: () => Iterable<string>, mode = 0o444): FsFile {
  return { kind: 'file', mode, read };
}

/** A file of one short value; `write` makes it writable. */
export function value(get: () => string, write?: (text: string) => void): FsFile {
  const read = (): Iterable<string> => [get()];
  return write === undefined
    ? { kind: 'file', mode: 0o444, read }
    : { kind: 'file', mode: 0o644, read, write };
}

/** A file that can be written only: `flush`. */
export function writeOnly(write: (text: string) => void): FsFile {
  return { kind: 'file', mode: 0o200, read: () => [], write };
}

/** A directory of known nodes. */
export function directory(
  children: Readonly<Record<string, () => FsNode>>,
  mode = 0o555,
): FsDirectory {
  return {
    kind: 'directory',
    mode,
    names: () => Object.keys(children),
    child: (name) => (Object.hasOwn(children, name) ? children[name]?.() : undefined),
  };
}

/** Lines in pieces: a large file is never one string. */
export function* pieces(lines: Iterable<string>): Generator<string> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** The error that a call on a path gives. */
export function fsError(errno: number, syscall: string, path: string): NetError {
  return new NetError(errno, syscall, `${path}: ${errnoText(errno)}`);
}

/** What the path leads to; `follow` false: a link at its end is meant itself. ENOENT, ENOTDIR, ELOOP. */
export function resolve(root: FsNode, path: string, syscall: string, follow = true): FsNode {
  const left = path.split('/').filter((part) => part !== '' && part !== '.');
  let trail: FsNode[] = [root];
  let links = 0;
  while (left.length > 0) {
    const part = left.shift() as string;
    const here = trail.at(-1) as FsNode;
    if (here.kind !== 'directory') throw fsError(ENOTDIR, syscall, path);
    if (part === '..') {
      if (trail.length > 1) trail = trail.slice(0, -1);
      continue;
    }
    const next = here.child(part);
    if (next === undefined) throw fsError(ENOENT, syscall, path);
    if (next.kind !== 'link' || (left.length === 0 && !follow)) {
      trail = [...trail, next];
      continue;
    }
    if (++links > MAX_LINKS) throw fsError(ELOOP, syscall, path);
    const target = next.target();
    if (target.startsWith('/')) trail = [root];
    left.unshift(...target.split('/').filter((p) => p !== '' && p !== '.'));
  }
  return trail.at(-1) as FsNode;
}

/** The file at the end of a path that may be read. */
export function fileToRead(root: FsNode, path: string): FsFile {
  const node = resolve(root, path, 'open');
  if (node.kind === 'directory') throw fsError(EISDIR, 'read', path);
  if (node.kind !== 'file') throw fsError(ENOENT, 'open', path);
  if ((node.mode & 0o400) === 0) throw fsError(EACCES, 'open', path);
  return node;
}

/** The function that writes the file at the end of a path. */
export function writerOf(root: FsNode, path: string): (text: string) => void {
  const node = resolve(root, path, 'open');
  if (node.kind === 'directory') throw fsError(EISDIR, 'open', path);
  if (node.kind !== 'file' || node.write === undefined) throw fsError(EACCES, 'open', path);
  return node.write;
}

/** `kstrtoul(text, 0)`: a number to the end of the text, but for one line feed. */
export function wholeNumber(text: string): number {
  const m = /^\+?(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(text);
  if (m === null) throw new NetError(EINVAL, 'write');
  const digits = m[1] as string;
  return /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
}
