/** `cat`, `ls` and `write` over the tree of a namespace: /proc/net, /proc/sys/net, /sys/class/net. */

import type { ToolContext, ToolResult } from '../core/control/ip/ip.ts';
import { errnoText, NetError } from '../core/index.ts';

/** `cat FILE…`; pieces go out as they are made, so that a large file is never one string. */
export function catTool(
  ctx: ToolContext,
  argv: readonly string[],
  out: (text: string) => void,
): ToolResult {
  const { fs } = ctx.ns;
  return each('cat', argv, (path) => {
    for (const piece of fs.pieces(path)) out(piece);
  });
}

/** `ls [--long] PATH…`: names, one a line, sorted; `--long` or `-l` with kinds and permissions. */
export function lsTool(
  ctx: ToolContext,
  argv: readonly string[],
  out: (text: string) => void,
): ToolResult {
  const { fs } = ctx.ns;
  const isLong = (word: string): boolean => word === '--long' || word === '-l';
  const long = argv.some(isLong);
  const paths = argv.filter((word) => !isLong(word));
  const line = (path: string, name: string): string => {
    if (!long) return `${name}\n`;
    const { kind, mode } = fs.stat(path, false);
    const target = kind === 'link' ? ` -> ${fs.readlink(path)}` : '';
    return `${letters(kind, mode)} ${name}${target}\n`;
  };
  return each('ls', paths.length === 0 ? ['/'] : paths, (path) => {
    if (fs.stat(path).kind !== 'directory') {
      out(line(path, path));
      return;
    }
    for (const name of [...fs.list(path)].sort()) out(line(`${path}/${name}`, name));
  });
}

/** `write FILE TEXT…`: the words and a line feed, as `echo TEXT > FILE` would. */
export function writeTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  const [path, ...words] = argv;
  if (path === undefined) return { stdout: '', stderr: 'Usage: write FILE TEXT...\n', code: 1 };
  return each('write', [path], () => ctx.ns.fs.write(path, `${words.join(' ')}\n`));
}

/** `-rw-r--r--` */
function letters(kind: string, mode: number): string {
  const first = kind === 'directory' ? 'd' : kind === 'link' ? 'l' : '-';
  const bits = [6, 3, 0].map((shift) => {
    const three = (mode >> shift) & 7;
    return `${(three & 4) !== 0 ? 'r' : '-'}${(three & 2) !== 0 ? 'w' : '-'}${(three & 1) !== 0 ? 'x' : '-'}`;
  });
  return first + bits.join('');
}

/** Does something with each path; those that fail are told, and the rest is done. */
function each(tool: string, paths: readonly string[], act: (path: string) => void): ToolResult {
  let stderr = '';
  for (const path of paths) {
    try {
      act(path);
    } catch (e) {
      if (!(e instanceof NetError)) throw e;
      stderr += `${tool}: ${path}: ${errnoText(e.errno)}\n`;
    }
  }
  return { stdout: '', stderr, code: stderr === '' ? 0 : 1 };
}
