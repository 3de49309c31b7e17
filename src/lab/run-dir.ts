/**
 * Where a lab that runs can be found: `<runtime folder>/warren/<lab>.sock`, readable by its owner
 * alone. The runtime folder is $XDG_RUNTIME_DIR, or one of this user's in the temporary folder.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { LabError } from './file.ts';

/** The folder of sockets; made when absent. Refuses one that others could write. */
export function runDir(): string {
  const base = process.env['XDG_RUNTIME_DIR'];
  const dir =
    base === undefined || base === ''
      ? join(tmpdir(), `warren-${userInfo().username}`)
      : join(base, 'warren');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const stat = lstatSync(dir);
  const mine = process.getuid === undefined || stat.uid === process.getuid();
  if (!stat.isDirectory() || !mine)
    throw new LabError(`${dir} belongs to another user; remove it, or set XDG_RUNTIME_DIR`);
  chmodSync(dir, 0o700);
  return dir;
}

export function socketPath(lab: string): string {
  return join(runDir(), `${lab}.sock`);
}

/** Names of labs that have a socket, whether they still answer or not. */
export function listLabs(): string[] {
  return readdirSync(runDir())
    .map((f) => /^([^.]+)\.sock$/.exec(f)?.[1])
    .filter((name) => name !== undefined)
    .sort();
}

/** Removes the sockets of labs that were killed: their names begin with the lab's process id. */
export function removeStale(): void {
  const dir = runDir();
  for (const file of readdirSync(dir)) {
    const pid = Number(/^(\d+)\.(?:node|exec)\..*\.sock$/.exec(file)?.[1] ?? 0);
    if (pid !== 0 && !isAlive(pid)) rmSync(join(dir, file), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Does somebody answer on this socket? */
export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
