/**
 * The lines between back-ticks, run by /bin/sh in the namespace. A prelude gives the line what scripts
 * expect to find beside them (`defaults.sh`, `set_sysctls.py`) and what a small machine lacks.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULTS } from '../sim/packetdrill/profile.ts';
import type { ShellResult } from '../sim/packetdrill/target.ts';
import { SUBSTITUTED } from './congestion.ts';
import { TUN_NAME } from './tun.ts';

/** What `defaults.sh` gives the device: pacing by a qdisc would change the times of packets. */
const DEFAULTS_QDISC = 'pfifo';

const TIMEOUT_MS = 60_000;
const PATH = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter);

/** Files that scripts call by a path, and the functions of the prelude that stand in for them. */
const STAND_INS: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w./-])[\w./-]*\bdefaults\.sh\b/g, 'warren_defaults'],
  [/(?<![\w./-])[\w./-]*\bset_sysctls\.py\b/g, 'warren_set_sysctls'],
  // What set_sysctls.py leaves behind, to set things back: the namespace ends instead.
  [/(?<![\w./-])\/tmp\/sysctl_restore_\S+?\.sh\b/g, ':'],
];

/**
 * A namespace may not choose every congestion control as its default, but root may give any to a socket: so
 * the default that was inherited stands for `cubic` where that is refused, and `target.ts` does the rest.
 */
const WRITE = `warren_write() {
  printf '%s\\n' "$2" > "$1" 2>/dev/null && return
  case "$1 $2" in
    "/proc/sys/net/ipv4/tcp_congestion_control ${SUBSTITUTED}") printf '%s\\n' "$WARREN_INHERITED" > "$1" ;;
    *) printf 'cannot set %s to %s\\n' "$1" "$2" >&2; return 1 ;;
  esac
}`;

const SET_SYSCTLS = `warren_set_sysctls() {
  for word; do warren_write "\${word%%=*}" "\${word#*=}" || return 1; done
}`;

/** The common forms of sysctl(8); all others are left to the program. */
const SYSCTL = `sysctl() {
  for word; do
    case $word in -q|-w|-qw|-wq|-n|-e) ;; -*) command sysctl "$@"; return ;; esac
  done
  values=
  for word; do
    file=/proc/sys/$(printf %s "\${word%%=*}" | tr . /)
    case $word in
      -n) values=only ;;
      -*) ;;
      *=*) warren_write "$file" "\${word#*=}" || return 255 ;;
      *) [ "$values" ] || printf '%s = ' "$word"; cat "$file" || return 255 ;;
    esac
  done
}`;

/** The settings of the kernel as a whole that a script may change: no namespace keeps them apart. */
const MODULE_PARAMETER = /\/sys\/module\/[\w/]+/g;

export class Shell {
  private readonly inherited: string;
  private readonly prelude = makePrelude();
  private readonly nstatHistory = nstatHistoryOf(process.pid);
  private readonly parameters = new Map<string, string>();

  constructor(inherited: string) {
    this.inherited = inherited;
  }

  async run(command: string): Promise<ShellResult> {
    this.remember(command);
    let line = command;
    for (const [file, standIn] of STAND_INS) line = line.replaceAll(file, standIn);
    const child = spawn('/bin/sh', ['-c', `${this.prelude}\n${line}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH,
        NSTAT_HISTORY: this.nstatHistory,
        WARREN_INHERITED: this.inherited,
      },
    });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    try {
      const status = await new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        // Not 'close': something that the line left running may keep the pipes open.
        child.once('exit', (code, signal) => {
          if (signal !== null) output.push(Buffer.from(`killed by ${signal}\n`));
          setImmediate(() => resolve(code ?? 128));
        });
      });
      return { status, output: Buffer.concat(output).toString() };
    } finally {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
    }
  }

  /** Sets back what outlives the namespace. */
  close(): void {
    for (const [file, value] of this.parameters) {
      try {
        if (readFileSync(file, 'utf8') !== value) writeFileSync(file, value);
      } catch {
        // Only a parameter that may not be written, and so was not.
      }
    }
    rmSync(this.nstatHistory, { force: true });
  }

  private remember(command: string): void {
    for (const [file] of command.matchAll(MODULE_PARAMETER)) {
      if (this.parameters.has(file)) continue;
      try {
        this.parameters.set(file, readFileSync(file, 'utf8'));
      } catch {
        // The line will fail by itself, or tests whether the file is there.
      }
    }
  }
}

/** nstat remembers what it printed last: each namespace needs a memory of its own. */
export function nstatHistoryOf(pid: number): string {
  return join(tmpdir(), `warren-nstat-${pid}`);
}

function makePrelude(): string {
  const settings = Object.entries(DEFAULTS).map(
    ([name, value]) => `  warren_write /proc/sys/net/ipv4/${name} '${value}'`,
  );
  const lines = [
    WRITE,
    SET_SYSCTLS,
    SYSCTL,
    `warren_defaults() {
${settings.join('\n')}
  ip tcp_metrics flush all >/dev/null 2>&1
  tc qdisc replace dev ${TUN_NAME} root ${DEFAULTS_QDISC}
}`,
  ];
  if (!inPath('ethtool')) {
    const file = import.meta.url.endsWith('.ts') ? './ethtool.ts' : './ethtool.js';
    const program = fileURLToPath(new URL(file, import.meta.url));
    lines.push(`ethtool() { '${process.execPath}' '${program}' "$@"; }`);
  }
  return lines.join('\n');
}

function inPath(program: string): boolean {
  return PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
