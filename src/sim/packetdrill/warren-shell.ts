/**
 * The commands between back-ticks, for a Warren namespace: those that scripts use to set up and look at a
 * Linux host. What is not here is refused by name.
 */
import type { Namespace } from '../../core/control/namespace.ts';
import { NetError } from '../../core/errno.ts';
import { cubicParameter, withCubicParameter } from '../../core/transport/tcp/cubic-parameters.ts';
import type { ToolContext, ToolResult } from '../../tools/index.ts';
import { ipTool, ssTool, tcTool } from '../../tools/index.ts';
import { DEFAULTS } from './profile.ts';
import { type ProgramResult, type ShellHost, ShellRun } from './shell-run.ts';
import { TEXT_PROGRAMS } from './shell-text.ts';
import type { ShellResult } from './target.ts';
import { copyFile, type Files } from './warren-files.ts';
import { procFile } from './warren-proc.ts';

/** Queueing disciplines that do not change what a script sees: no rate, no delay, enough room. */
const PLAIN_QDISCS: readonly string[] = ['pfifo', 'bfifo', 'pfifo_fast', 'fq_codel', 'noqueue'];
/** What a shell that a test runner starts finds in its environment. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['PPID', '1'],
  ['HOME', '/'],
  ['PWD', '/'],
  ['PATH', '/usr/sbin:/usr/bin:/sbin:/bin'],
]);
const UNITS: Readonly<Record<string, number>> = { k: 1024, K: 1024, M: 1 << 20, G: 1 << 30 };
/** Where Linux has what can be set of CUBIC. */
const CUBIC = '/sys/module/tcp_cubic/parameters/';
/** Counters of a namespace that has just started. */
type Counters = Readonly<Record<string, number>>;

export class WarrenShell implements ShellHost {
  private readonly ns: Namespace;
  private readonly sleep: (us: number) => void;
  private counters: Counters = {};
  private readonly files: Files;

  constructor(ns: Namespace, files: Files, sleep: (us: number) => void) {
    this.ns = ns;
    this.files = files;
    this.sleep = sleep;
  }

  /** @throws Error a command that is not known here */
  run(text: string): ShellResult {
    const run = new ShellRun(this, VARIABLES);
    try {
      return run.run(text);
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      return { status: 1, output: `${error.detail}\n` };
    }
  }

  writeFile(path: string, text: string, append: boolean): void {
    if (path.startsWith('/proc/sys/')) {
      if (text.trim() !== '') this.ns.sysctl.set(dotted(path), text.trim());
    } else if (path.startsWith(CUBIC)) this.setCubic(path.slice(CUBIC.length), text.trim());
    else if (path.startsWith('/proc/') || path.startsWith('/sys/'))
      throw new Error(`${path} cannot be written here`);
    else this.files.write(path, bytesOf(text), append);
  }

  readFile(path: string): string {
    const own = this.files.read(path);
    if (own !== null) return textOf(own);
    if (path.startsWith('/proc/sys/')) return `${this.ns.sysctl.get(dotted(path))}\n`;
    if (path.startsWith(CUBIC)) {
      const value = cubicParameter(this.ns.net.tcp.cubic, path.slice(CUBIC.length));
      if (value >= 0) return `${value}\n`;
    }
    const text = procFile(this.ns, path);
    if (text === null) throw new Error(`${path} cannot be read here`);
    return text;
  }

  private setCubic(name: string, text: string): void {
    // A file is emptied before it is written.
    if (text === '') return;
    const { tcp } = this.ns.net;
    const value = /^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : Number.NaN;
    const changed = withCubicParameter(tcp.cubic, name, value);
    if (typeof changed === 'number') throw new Error(`${CUBIC}${name} cannot be set to "${text}"`);
    tcp.cubic = changed;
  }

  exists(path: string): boolean {
    if (this.files.has(path)) return true;
    try {
      this.readFile(path);
      return true;
    } catch {
      return false;
    }
  }

  size(path: string): number {
    return this.files.size(path) ?? this.readFile(path).length;
  }

  program(name: string, args: readonly string[], input: string): ProgramResult {
    const text = Object.hasOwn(TEXT_PROGRAMS, name) ? TEXT_PROGRAMS[name] : undefined;
    try {
      return text?.(args, input, this) ?? this.host(name, args, input);
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      return { status: 1, output: '', errors: `${name}: ${error.detail}\n` };
    }
  }

  private host(name: string, args: readonly string[], input: string): ProgramResult {
    switch (name) {
      case 'defaults.sh':
        return this.defaults();
      case 'set_sysctls.py':
        return this.assignments(args);
      case 'sysctl':
        return this.sysctl(args);
      case 'ip':
        return this.ip(args);
      case 'tc':
        return this.tc(args);
      case 'ss':
        return fromTool(ssTool(this.context, args));
      case 'ethtool':
        return ethtool(args);
      case 'nstat':
        return this.nstat(args);
      case 'sleep':
      case 'usleep': {
        const unit = name === 'usleep' ? 1 : 1e6;
        const us = Number(args[0]?.replace(/s$/, '')) * unit;
        if (!(us >= 0 && us <= 1e10)) throw new Error(`"${name} ${args[0]}" is no time`);
        this.sleep(us);
        return ok('');
      }
      case '.':
      case 'source':
        return this.program((args[0] ?? '').replace(/^.*\//, ''), args.slice(1), input);
      case 'dd':
      case 'truncate':
      case 'fallocate':
      case 'touch':
      case 'rm':
        return ok(this.onFiles(name, args));
      case 'sync':
      case 'true':
      case ':':
      case 'modprobe':
      case 'chmod':
      case 'mkdir':
      case 'ksft_runner.sh':
        return ok('');
      case 'false':
        return { status: 1, output: '' };
      case 'uname':
        return ok(args.includes('-r') ? '6.18.0\n' : 'Linux\n');
      default:
        // What set_sysctls.py leaves behind, to set things back: the namespace ends instead.
        if (/^sysctl_restore_\w*\.sh$/.test(name)) return ok('');
        throw new Error(`the command "${name}" is not known to Warren`);
    }
  }

  private onFiles(name: string, args: readonly string[]): string {
    const paths = args.filter((a) => !a.startsWith('-') && !/^\d+\w*$/.test(a));
    if (name === 'dd') {
      copyFile(this.files, args);
      return '';
    }
    const size = /^(\d+)([kKMG]?)$/.exec(args[args.findIndex((a) => /^-[sl]$/.test(a)) + 1] ?? '');
    for (const path of paths) {
      if (name === 'rm') this.files.remove(path);
      else if (name === 'touch') this.files.write(path, new Uint8Array(0), true);
      else this.files.truncate(path, Number(size?.[1] ?? 0) * (UNITS[size?.[2] ?? ''] ?? 1));
    }
    return '';
  }

  private get context(): ToolContext {
    const { ns } = this;
    return { ns, findNetns: () => undefined, listNetns: () => [ns] };
  }

  /** `defaults.sh` */
  private defaults(): ProgramResult {
    for (const [name, value] of Object.entries(DEFAULTS))
      this.ns.sysctl.set(`net.ipv4.${name}`, value);
    return ok('');
  }

  /** `set_sysctls.py /proc/sys/net/ipv4/tcp_x=1 …` */
  private assignments(args: readonly string[]): ProgramResult {
    for (const arg of args) {
      const at = arg.indexOf('=');
      if (at < 0) throw new Error(`set_sysctls.py wants NAME=VALUE, not "${arg}"`);
      this.ns.sysctl.set(dotted(arg.slice(0, at)), arg.slice(at + 1).trim());
    }
    return ok('');
  }

  private sysctl(args: readonly string[]): ProgramResult {
    let values = false;
    let quiet = false;
    let ignore = false;
    let output = '';
    for (const arg of args) {
      if (arg.startsWith('-')) {
        const letters = LONG[arg] ?? arg.slice(1);
        if (!/^[nqwe]+$/.test(letters)) throw new Error(`sysctl ${arg} is not known to Warren`);
        values ||= letters.includes('n');
        quiet ||= letters.includes('q');
        ignore ||= letters.includes('e');
        continue;
      }
      const at = arg.indexOf('=');
      const name = dotted(at < 0 ? arg : arg.slice(0, at).trim());
      try {
        if (at >= 0) this.ns.sysctl.set(name, arg.slice(at + 1).trim());
        const value = this.ns.sysctl.get(name);
        if (at < 0 || !quiet) output += values ? `${value}\n` : `${name} = ${value}\n`;
      } catch (error) {
        if (!ignore || !(error instanceof NetError)) throw error;
      }
    }
    return ok(output);
  }

  private ip(args: readonly string[]): ProgramResult {
    return fromTool(ipTool(this.context, args));
  }

  /** `tc qdisc replace dev tun0 root pfifo limit 1000` */
  private tc(args: readonly string[]): ProgramResult {
    const [object, verb] = args;
    const at = args.indexOf('root');
    const kind = args[at + 1] ?? '';
    const isChange = object === 'qdisc' && ['add', 'replace', 'change'].includes(verb ?? '');
    const dev = args[args.indexOf('dev') + 1] ?? '';
    if (isChange && at > 0 && PLAIN_QDISCS.includes(kind)) {
      if (this.ns.qdisc.list().some((q) => q.dev === dev && q.kind === 'fq'))
        this.ns.qdisc.del(dev);
      return ok('');
    }
    return fromTool(tcTool(this.context, args));
  }

  private get stats(): Counters {
    return this.ns.stats().mib;
  }

  /** `nstat -n` notes what the counters are; `nstat` prints what changed since, and notes it. */
  private nstat(args: readonly string[]): ProgramResult {
    const letters = args.filter((a) => a.startsWith('-')).join('');
    const patterns = args.filter((a) => !a.startsWith('-'));
    const now = this.stats;
    const before = letters.includes('a') ? {} : this.counters;
    if (!letters.includes('s')) this.counters = now;
    if (letters.includes('n')) return ok('');
    let output = '#kernel\n';
    for (const [name, value] of Object.entries(now)) {
      const flat = name.replace('.', '');
      const change = value - (before[name] ?? 0);
      if (patterns.length > 0 && !patterns.some((p) => matches(flat, p))) continue;
      if (change === 0 && !letters.includes('z')) continue;
      output += `${flat.padEnd(32)}${String(change).padEnd(19)}0.0\n`;
    }
    return ok(output);
  }
}

const LONG: Readonly<Record<string, string>> = {
  '--quiet': 'q',
  '--values': 'n',
  '--write': 'w',
  '--ignore': 'e',
};

/** Bytes and texts of files: a character is a byte. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0) & 255);
}

function textOf(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 4096)
    out += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return out;
}

function fromTool({ stdout, stderr, code }: ToolResult): ProgramResult {
  return { status: code, output: stdout, errors: stderr };
}

function ok(output: string): ProgramResult {
  return { status: 0, output };
}

/** `/proc/sys/net/ipv4/x` and `net/ipv4/x` as `net.ipv4.x`. */
function dotted(name: string): string {
  return name.replace(/^\/proc\/sys\//, '').replaceAll('/', '.');
}

/** A name of a counter, with `*` for anything. */
function matches(name: string, pattern: string): boolean {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${source}$`).test(name);
}

const FEATURE =
  /^(?:[tr]x|sg|tso|gso|gro|lro|ufo|[tr]x-[a-z0-9-]+|(?:tcp|generic)-segmentation-offload|(?:generic|large)-receive-offload|scatter-gather)$/;

/** Segments are always made whole and cut at the device: nothing to turn on or off. */
function ethtool(args: readonly string[]): ProgramResult {
  const isKnown =
    ['-K', '--features', '--offload'].includes(args[0] ?? '') &&
    args.slice(2).every((w, i) => i % 2 === 1 || FEATURE.test(w));
  if (!isKnown) throw new Error(`"ethtool ${args.join(' ')}" is not known to Warren`);
  return ok('');
}
