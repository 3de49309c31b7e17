/**
 * The commands between back-ticks, for a Warren namespace: those that scripts use to set up and look at a
 * Linux host. What is not here is refused by name.
 */
import type { Namespace } from '../../core/control/namespace.ts';
import { NetError } from '../../core/errno.ts';
import { DEFAULTS } from './profile.ts';
import { parseShell, type SimpleCommand } from './shell-words.ts';
import type { ShellResult } from './target.ts';
import { procFile } from './warren-proc.ts';

/** Queueing disciplines that do not change what a script sees: no rate, no delay, enough room. */
const PLAIN_QDISCS: readonly string[] = [
  'pfifo',
  'bfifo',
  'pfifo_fast',
  'fq',
  'fq_codel',
  'noqueue',
];
/** Counters of a namespace that has just started. */
type Counters = Readonly<Record<string, number>>;

export class WarrenShell {
  private readonly ns: Namespace;
  private readonly sleep: (us: number) => void;
  private counters: Counters = {};
  private readonly files: Map<string, string> = new Map();

  constructor(ns: Namespace, sleep: (us: number) => void) {
    this.ns = ns;
    this.sleep = sleep;
  }

  /** @throws Error a command that is not known here */
  run(text: string): ShellResult {
    let status = 0;
    let output = '';
    for (const { join, negated, commands } of parseShell(text)) {
      if (join === 'and' && status !== 0) continue;
      if (join === 'or' && status === 0) continue;
      let input = '';
      for (const command of commands) {
        const result = this.command(command, input);
        status = result.status;
        input = this.redirect(command, result.output);
      }
      output += input;
      if (negated) status = status === 0 ? 1 : 0;
    }
    return { status, output };
  }

  private redirect(command: SimpleCommand, output: string): string {
    let rest = output;
    for (const { fd, file } of command.redirections) {
      if (fd !== 1) continue;
      this.writeFile(file, rest);
      rest = '';
    }
    return rest;
  }

  private writeFile(file: string, text: string): void {
    if (file === '/dev/null') return;
    if (file.startsWith('/proc/sys/')) this.ns.sysctl.set(dotted(file), text.trim());
    else if (file.startsWith('/tmp/')) this.files.set(file, text);
    else throw new Error(`${file} cannot be written here`);
  }

  private command(command: SimpleCommand, input: string): ShellResult {
    const [path = '', ...args] = command.words;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const from = command.redirections.find((r) => r.fd === 0);
    const stdin = from === undefined ? input : this.readFile(from.file);
    try {
      return this.builtIn(name, args, stdin);
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      return { status: 1, output: `${name}: ${error.detail}\n` };
    }
  }

  private readFile(file: string): string {
    const own = this.files.get(file);
    if (own !== undefined) return own;
    if (file === '/dev/null') return '';
    if (file.startsWith('/proc/sys/')) return `${this.ns.sysctl.get(dotted(file))}\n`;
    const text = procFile(this.ns, file);
    if (text === null) throw new Error(`${file} cannot be read here`);
    return text;
  }

  private builtIn(name: string, args: readonly string[], input: string): ShellResult {
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
      case 'ethtool':
        return ethtool(args);
      case 'nstat':
        return this.nstat(args);
      case 'grep':
        return this.grep(args, input);
      case 'cat':
        return ok(args.length === 0 ? input : args.map((file) => this.readFile(file)).join(''));
      case 'echo':
        return ok(`${args.filter((a, i) => i > 0 || a !== '-n').join(' ')}\n`);
      case 'sleep':
        this.sleep(Number(args[0]) * 1e6);
        return ok('');
      case 'rm':
        for (const file of args) this.files.delete(file);
        return ok('');
      case 'dd':
      case 'touch':
      case 'sync':
      case 'true':
      case ':':
        return ok('');
      case 'false':
        return { status: 1, output: '' };
      case 'test':
      case '[':
        return this.test(args);
      case 'ksft_runner.sh':
        return ok('');
      default:
        throw new Error(`the command "${name}" is not known to Warren`);
    }
  }

  /** `defaults.sh` */
  private defaults(): ShellResult {
    for (const [name, value] of Object.entries(DEFAULTS))
      this.ns.sysctl.set(`net.ipv4.${name}`, value);
    return ok('');
  }

  /** `set_sysctls.py /proc/sys/net/ipv4/tcp_x=1 …` */
  private assignments(args: readonly string[]): ShellResult {
    for (const arg of args) {
      const at = arg.indexOf('=');
      if (at < 0) throw new Error(`set_sysctls.py wants NAME=VALUE, not "${arg}"`);
      this.ns.sysctl.set(dotted(arg.slice(0, at)), arg.slice(at + 1).trim());
    }
    return ok('');
  }

  private sysctl(args: readonly string[]): ShellResult {
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

  private ip(args: readonly string[]): ShellResult {
    const words = args.filter((a) => a !== '-4');
    if (words.includes('-6')) throw new Error('Warren has no IPv6 yet');
    if (/^tcp_?m/.test(words[0] ?? '')) {
      if (words[1] === 'flush') {
        this.ns.net.tcp.metricsMaybe?.flush();
        return ok('');
      }
      throw new Error('Warren knows "ip tcp_metrics flush" only');
    }
    return ok(this.ns.ip(words));
  }

  /** `tc qdisc replace dev tun0 root pfifo limit 1000` */
  private tc(args: readonly string[]): ShellResult {
    const [object, verb] = args;
    const at = args.indexOf('root');
    const kind = args[at + 1] ?? '';
    const isChange = object === 'qdisc' && ['add', 'replace', 'change'].includes(verb ?? '');
    if (isChange && at > 0 && PLAIN_QDISCS.includes(kind)) return ok('');
    throw new Error(`"tc ${args.join(' ')}" is not known to Warren`);
  }

  private get stats(): Counters {
    return this.ns.stats().mib;
  }

  /** `nstat -n` notes what the counters are; `nstat` prints what changed since, and notes it. */
  private nstat(args: readonly string[]): ShellResult {
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

  /** `grep [-q] [-c] [-v] [-E] PATTERN [FILE]` */
  private grep(args: readonly string[], input: string): ShellResult {
    const letters = args
      .filter((a) => a.startsWith('-'))
      .map((a) => a.slice(1))
      .join('');
    if (!/^[qcvEFiwo]*$/.test(letters)) throw new Error(`grep -${letters} is not known to Warren`);
    const [pattern = '', ...files] = args.filter((a) => !a.startsWith('-'));
    const text = files.length === 0 ? input : files.map((f) => this.readFile(f)).join('');
    const source = letters.includes('F') ? pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : pattern;
    const word = letters.includes('w') ? `\\b(?:${source})\\b` : source;
    const expression = new RegExp(word, letters.includes('i') ? 'i' : '');
    const lines = text.split('\n').filter((l, i, all) => i < all.length - 1 || l !== '');
    const found = lines.filter((l) => expression.test(l) !== letters.includes('v'));
    const status = found.length > 0 ? 0 : 1;
    if (letters.includes('q')) return { status, output: '' };
    if (letters.includes('c')) return { status, output: `${found.length}\n` };
    return { status, output: found.map((l) => `${l}\n`).join('') };
  }

  /** `[ a = b ]`, `[ 1 -gt 0 ]` */
  private test(args: readonly string[]): ShellResult {
    const [a = '', op = '', b = ''] = args.filter((w) => w !== ']');
    const tests: Readonly<Record<string, boolean>> = {
      '=': a === b,
      '==': a === b,
      '!=': a !== b,
      '-eq': Number(a) === Number(b),
      '-ne': Number(a) !== Number(b),
      '-gt': Number(a) > Number(b),
      '-ge': Number(a) >= Number(b),
      '-lt': Number(a) < Number(b),
      '-le': Number(a) <= Number(b),
    };
    const result = Object.hasOwn(tests, op) ? tests[op] : undefined;
    if (result === undefined) throw new Error(`"test ${args.join(' ')}" is not known to Warren`);
    return { status: result ? 0 : 1, output: '' };
  }
}

const LONG: Readonly<Record<string, string>> = {
  '--quiet': 'q',
  '--values': 'n',
  '--write': 'w',
  '--ignore': 'e',
};

function ok(output: string): ShellResult {
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

/** Segments are always made whole and cut at the device: nothing to turn on or off. */
function ethtool(args: readonly string[]): ShellResult {
  const features = ['tso', 'gso', 'gro', 'lro', 'tx', 'rx', 'sg'];
  const isKnown =
    args[0] === '-K' && args.slice(2).every((w, i) => i % 2 === 1 || features.includes(w));
  if (!isKnown) throw new Error(`"ethtool ${args.join(' ')}" is not known to Warren`);
  return ok('');
}
