/** Runs command lines: control structures, variables, redirections. What programs do is the host's. */
import {
  type Command,
  type Pipeline,
  parseShell,
  type Redirected,
  type Redirection,
  type ShellList,
  ShellSyntaxError,
} from './shell-parse.ts';
import { testExpression } from './shell-text.ts';
import { expandWhole, expandWord, type WordScope } from './shell-words.ts';

export interface ProgramResult {
  readonly status: number;
  readonly output: string;
  readonly errors?: string;
}

export interface ShellHost {
  /** @throws Error a program that is not known */
  program(name: string, args: readonly string[], input: string): ProgramResult;
  readFile(path: string): string;
  writeFile(path: string, text: string, append: boolean): void;
  exists(path: string): boolean;
  size(path: string): number;
}

/** Most rounds of all loops of a line. */
const MAX_ROUNDS = 1000;
const ASSIGNMENT = /^([A-Za-z_]\w*)=/;

/** Leaves the lists that it is in; what they printed so far goes along. */
class Leave extends Error {
  output = '';
}

class Exit extends Leave {
  readonly status: number;

  constructor(status: number, output = '') {
    super('exit');
    this.status = status;
    this.output = output;
  }
}

/** `break`, `continue` */
class LoopSignal extends Leave {
  readonly isBreak: boolean;

  constructor(isBreak: boolean) {
    super('a loop');
    this.isBreak = isBreak;
  }
}

export class ShellRun {
  private readonly host: ShellHost;
  private readonly scope: WordScope;
  private status = 0;
  private rounds = 0;
  private depth = 0;
  /** Of the last `$(…)` of a command: what an assignment alone ends with. */
  private substituted = 0;
  private stopsOnError = false;
  /** What went to the terminal: both streams. */
  private terminal = '';

  constructor(host: ShellHost, variables: ReadonlyMap<string, string>) {
    this.host = host;
    this.scope = {
      variables: new Map(variables),
      status: () => this.status,
      substitute: (command) => {
        const { output, status } = this.nested(command, '');
        this.substituted = status;
        return output;
      },
    };
  }

  /** @throws ShellSyntaxError, Error what is not known */
  run(text: string): ProgramResult {
    const { output } = this.whole(text, '');
    return { status: this.status, output: output + this.terminal };
  }

  private whole(text: string, input: string): ProgramResult {
    try {
      return this.list(parseShell(text), input);
    } catch (error) {
      // Outside of a loop these two do nothing.
      if (error instanceof LoopSignal) return { status: this.status, output: error.output };
      if (!(error instanceof Exit)) throw error;
      this.status = error.status;
      return { status: error.status, output: error.output };
    }
  }

  /** `$(…)`, `sh -c`: its exit is not ours. */
  private nested(text: string, input: string): ProgramResult {
    if (++this.depth > 20) throw new ShellSyntaxError('these commands are nested too deep');
    const result = this.whole(text, input);
    this.depth--;
    return { ...result, status: this.status };
  }

  private list(list: ShellList, input: string): ProgramResult {
    let output = '';
    for (const pipeline of list) {
      if (pipeline.join === 'and' && this.status !== 0) continue;
      if (pipeline.join === 'or' && this.status === 0) continue;
      try {
        output += this.pipeline(pipeline, input);
      } catch (error) {
        if (error instanceof Leave) error.output = output + error.output;
        throw error;
      }
      if (this.stopsOnError && this.status !== 0 && pipeline.join === 'always')
        throw new Exit(this.status, output);
    }
    return { status: this.status, output };
  }

  private pipeline({ commands, negated }: Pipeline, input: string): string {
    let stream = input;
    for (const command of commands) stream = this.redirected(command, stream);
    if (negated) this.status = this.status === 0 ? 1 : 0;
    return stream;
  }

  /** What is left for whoever comes next in the pipeline. */
  private redirected({ command, redirections }: Redirected, input: string): string {
    const from = redirections.findLast((r) => r.fd === 0);
    const stdin =
      from === undefined ? input : this.host.readFile(expandWhole(String(from.to), this.scope));
    const result = this.command(command, stdin);
    this.status = result.status;
    return this.distribute(result, redirections);
  }

  private distribute(result: ProgramResult, redirections: readonly Redirection[]): string {
    const targets: (string | number)[] = [0, 1, 2];
    const appends = new Set<string>();
    for (const { fd, to, append } of redirections) {
      if (fd === 0) continue;
      const file =
        typeof to === 'number'
          ? (targets[to] as string | number)
          : `f${expandWhole(to, this.scope)}`;
      targets[fd] = file;
      if (typeof file === 'string' && typeof to !== 'number') {
        if (!append) this.host.writeFile(file.slice(1), '', false);
        appends.add(file);
      }
    }
    let passed = '';
    [result.output, result.errors ?? ''].forEach((text, i) => {
      const target = targets[i + 1] as string | number;
      if (target === 1) passed += text;
      else if (target === 2) this.terminal += text;
      else if (text !== '') this.host.writeFile(String(target).slice(1), text, true);
    });
    return passed;
  }

  private command(command: Command, input: string): ProgramResult {
    switch (command.kind) {
      case 'simple':
        return this.simple(command.words, input);
      case 'group':
        return command.isSubshell
          ? this.subshell(command.body, input)
          : this.list(command.body, input);
      case 'if': {
        const output = this.condition(command.test, input);
        const part = this.status === 0 ? command.yes : command.no;
        this.status = 0;
        const rest = this.list(part, input).output;
        return { status: this.status, output: output + rest };
      }
      case 'for': {
        const words = command.words.flatMap((w) => expandWord(w, this.scope));
        let i = 0;
        return this.loop(command.body, input, () => {
          const word = words[i++];
          if (word !== undefined) this.scope.variables.set(command.name, word);
          return word !== undefined;
        });
      }
      default:
        return this.loop(command.body, input, () => {
          this.terminal += this.condition(command.test, input);
          return (this.status === 0) !== command.until;
        });
    }
  }

  private subshell(body: ShellList, input: string): ProgramResult {
    const { variables } = this.scope;
    const before = [...variables];
    try {
      return this.list(body, input);
    } catch (error) {
      if (!(error instanceof Exit)) throw error;
      return { status: error.status, output: error.output };
    } finally {
      variables.clear();
      for (const [name, value] of before) variables.set(name, value);
    }
  }

  /** A condition may fail. */
  private condition(test: ShellList, input: string): string {
    const before = this.stopsOnError;
    this.stopsOnError = false;
    const { output } = this.list(test, input);
    this.stopsOnError = before;
    return output;
  }

  private loop(body: ShellList, input: string, goesOn: () => boolean): ProgramResult {
    let output = '';
    let status = 0;
    while (goesOn()) {
      if (++this.rounds > MAX_ROUNDS) throw new ShellSyntaxError('this loop does not end');
      try {
        const result = this.list(body, input);
        output += result.output;
        ({ status } = result);
      } catch (signal) {
        if (signal instanceof Exit) signal.output = output + signal.output;
        if (!(signal instanceof LoopSignal)) throw signal;
        output += signal.output;
        if (signal.isBreak) break;
      }
    }
    return { status, output };
  }

  private simple(written: readonly string[], input: string): ProgramResult {
    const words = [...written];
    this.substituted = 0;
    while (words.length > 0 && ASSIGNMENT.test(words[0] as string)) {
      const [word = ''] = words.splice(0, 1);
      const name = (ASSIGNMENT.exec(word) as RegExpExecArray)[1] as string;
      this.scope.variables.set(name, expandWhole(word.slice(name.length + 1), this.scope));
    }
    const [path = '', ...args] = words.flatMap((w) => expandWord(w, this.scope));
    if (path === '') return { status: this.substituted, output: '' };
    const name = path.slice(path.lastIndexOf('/') + 1);
    return this.builtIn(name, args, input) ?? this.host.program(name, args, input);
  }

  private builtIn(name: string, args: readonly string[], input: string): ProgramResult | null {
    const done: ProgramResult = { status: 0, output: '' };
    switch (name) {
      case 'exit':
        throw new Exit(Number(args[0] ?? this.status));
      case 'break':
      case 'continue':
        throw new LoopSignal(name === 'break');
      case 'set':
        for (const arg of args) if (/^[-+]\w*e/.test(arg)) this.stopsOnError = arg.startsWith('-');
        return done;
      case 'export':
      case 'local':
      case 'readonly':
        for (const arg of args) this.assign(arg);
        return done;
      case 'unset':
        for (const arg of args) this.scope.variables.delete(arg);
        return done;
      case 'cd':
      case 'ulimit':
      case 'umask':
        return done;
      case 'eval':
        return this.nested(args.join(' '), input);
      case 'sh':
      case 'bash':
      case 'dash':
        return this.shell(args, input);
      case 'timeout':
      case 'nice':
      case 'env':
      case 'command':
      case 'exec':
      case 'sudo':
        return this.prefixed(name, args, input);
      case 'read':
        return this.readLine(args, input);
      case 'test':
      case '[':
        return {
          status: testExpression(name, args, this.host) ? 0 : 1,
          output: '',
        };
      default:
        return null;
    }
  }

  private assign(arg: string): void {
    const name = ASSIGNMENT.exec(arg)?.[1];
    if (name !== undefined) this.scope.variables.set(name, arg.slice(name.length + 1));
  }

  private shell(args: readonly string[], input: string): ProgramResult {
    const at = args.findIndex((a) => /^-\w*c$/.test(a));
    const text = at < 0 ? undefined : args[at + 1];
    if (text !== undefined) return this.nested(text, input);
    const file = args.find((a) => !a.startsWith('-'));
    if (file === undefined) return this.nested(input, '');
    return this.host.program(file.slice(file.lastIndexOf('/') + 1), [], input);
  }

  /** Programs that run another one: with its limits, which nothing here reaches. */
  private prefixed(name: string, args: readonly string[], input: string): ProgramResult {
    const words = [...args];
    while (words[0]?.startsWith('-') === true) {
      const [option = ''] = words.splice(0, 1);
      if (/^-[ksn]$/.test(option)) words.shift();
    }
    if (name === 'timeout') words.shift();
    while (words[0] !== undefined && ASSIGNMENT.test(words[0])) this.assign(words.shift() ?? '');
    const [path = '', ...rest] = words;
    if (path === '') return { status: 0, output: '' };
    const program = path.slice(path.lastIndexOf('/') + 1);
    return this.builtIn(program, rest, input) ?? this.host.program(program, rest, input);
  }

  private readLine(args: readonly string[], input: string): ProgramResult {
    const names = args.filter((a) => !a.startsWith('-'));
    const line = input.split('\n')[0] ?? '';
    const fields = line.split(/\s+/).filter((f) => f !== '');
    names.forEach((name, i) => {
      const isLast = i === names.length - 1;
      this.scope.variables.set(name, isLast ? fields.slice(i).join(' ') : (fields[i] ?? ''));
    });
    return { status: input === '' ? 1 : 0, output: '' };
  }
}
