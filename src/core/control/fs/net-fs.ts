/**
 * `ns.fs`: /proc/net, /proc/sys/net and /sys/class/net of a namespace as a tree that is read and written by path (S13).
 * Each file is made when it is read, from the state of that moment.
 */
import { ENOENT, ENOTDIR, NetError } from '../../errno.ts';
import type { Namespace } from '../namespace.ts';
import { procfs } from './proc.ts';
import { sysfs } from './sysfs.ts';
import { directory, type FsDirectory, fileToRead, fsError, resolve, writerOf } from './tree.ts';

/** What `stat` tells. */
export interface FileStat {
  readonly kind: 'file' | 'directory' | 'link';
  /** Permissions: 0o444. */
  readonly mode: number;
}

export class NetFs {
  private readonly root: FsDirectory;

  /** Made by the getter `fs` of a namespace. */
  constructor(ns: Namespace) {
    this.root = directory({ proc: () => procfs(ns), sys: () => sysfs(ns) });
  }

  /** The whole file. ENOENT, ENOTDIR, EISDIR, EACCES; EINVAL of attributes that a device does not have now. */
  read(path: string): string {
    let text = '';
    for (const piece of this.pieces(path)) text += piece;
    return text;
  }

  /** The file in pieces of at most some ten thousand characters, for those that may be large. */
  pieces(path: string): Iterable<string> {
    return named(path, () => fileToRead(this.root, path).read());
  }

  /** Writes as one `write` does. What the value is refused with is the error of the file's own. */
  write(path: string, text: string): void {
    named(path, () => writerOf(this.root, path)(text));
  }

  /** Names in a directory. ENOENT, ENOTDIR. */
  list(path: string): readonly string[] {
    const node = resolve(this.root, path, 'scandir');
    if (node.kind !== 'directory') throw fsError(ENOTDIR, 'scandir', path);
    return node.names();
  }

  /** What is at the end of the path; a link there is told as such when `follow` is false. */
  stat(path: string, follow = true): FileStat {
    const node = resolve(this.root, path, 'stat', follow);
    return { kind: node.kind, mode: node.kind === 'link' ? 0o777 : node.mode };
  }

  /** Where a link leads: `net:[4026531841]` of /proc/self/ns/net. */
  readlink(path: string): string {
    const node = resolve(this.root, path, 'readlink', false);
    if (node.kind !== 'link') throw fsError(ENOENT, 'readlink', path);
    return node.target();
  }
}

/** Errors of attributes get the path as their sentence where they have none. */
function named<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (e) {
    if (e instanceof NetError && e.detail === '') throw fsError(-e.errno, e.syscall, path);
    throw e;
  }
}
