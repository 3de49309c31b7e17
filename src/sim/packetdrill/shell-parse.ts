/**
 * Command lines as a shell reads them (POSIX XCU §2): lists, pipelines, `if`, `for`, `while`, groups,
 * redirections. Words keep their quotes and expansions for `shell-words.ts`.
 */

export interface Redirection {
  /** 1 or 2; 0 for input. */
  readonly fd: number;
  /** A word, or the descriptor that `>&` names. */
  readonly to: string | number;
  readonly append: boolean;
}

export type Command =
  | { readonly kind: 'simple'; readonly words: readonly string[] }
  /** In parentheses: what it does to variables, and its exit, are its own. */
  | { readonly kind: 'group'; readonly isSubshell: boolean; readonly body: ShellList }
  | {
      readonly kind: 'if';
      readonly test: ShellList;
      readonly yes: ShellList;
      readonly no: ShellList;
    }
  | {
      readonly kind: 'for';
      readonly name: string;
      readonly words: readonly string[];
      readonly body: ShellList;
    }
  | {
      readonly kind: 'while';
      readonly until: boolean;
      readonly test: ShellList;
      readonly body: ShellList;
    };

export interface Redirected {
  readonly command: Command;
  readonly redirections: readonly Redirection[];
}

export interface Pipeline {
  /** How it hangs on the one before. */
  readonly join: 'always' | 'and' | 'or';
  readonly negated: boolean;
  readonly commands: readonly Redirected[];
}

export type ShellList = readonly Pipeline[];

export class ShellSyntaxError extends Error {}

const SPACE = /(?:[ \t\r]|\\\n)+|(?<![^\s;|&()])#[^\n]*/y;
const OPERATOR = /&&|\|\||;;|[;\n|()&]/y;
const REDIRECTION = /([012]?)(<<|>>|>&|<&|>\||[<>])/y;
const RESERVED: readonly string[] = 'then else elif fi do done esac in'.split(' ');
const UNKNOWN: readonly string[] = ['case', 'function', 'select'];
/** Deepest nesting of groups and substitutions. */
const MAX_DEPTH = 20;

/** @throws ShellSyntaxError */
export function parseShell(text: string): ShellList {
  const parser = new Parser(text);
  const list = parser.list([]);
  if (!parser.atEnd) parser.unexpected();
  return list;
}

class Parser {
  private readonly text: string;
  private at = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at = pattern.lastIndex;
    return found;
  }

  private skip(): void {
    while (this.match(SPACE) !== null);
  }

  get atEnd(): boolean {
    this.skip();
    return this.at >= this.text.length;
  }

  unexpected(): never {
    const word = this.text.slice(this.at, this.at + 20).split(/\s/)[0] ?? '';
    throw new ShellSyntaxError(`"${word}" was not expected in this command`);
  }

  private operator(...wanted: readonly string[]): string | null {
    this.skip();
    const before = this.at;
    const found = this.match(OPERATOR)?.[0] ?? null;
    if (found !== null && wanted.includes(found)) return found;
    this.at = before;
    return null;
  }

  private newlines(): void {
    while (this.operator('\n') !== null);
  }

  private peekWord(): string | null {
    const before = this.at;
    const word = this.word();
    this.at = before;
    return word;
  }

  private keyword(word: string): boolean {
    if (this.peekWord() !== word) return false;
    this.word();
    return true;
  }

  private expect(word: string): void {
    this.newlines();
    if (!this.keyword(word)) throw new ShellSyntaxError(`"${word}" is missing in this command`);
  }

  /** Until one of these words, a closing parenthesis, or the end. */
  list(ends: readonly string[]): ShellList {
    if (++this.depth > MAX_DEPTH) throw new ShellSyntaxError('this command is nested too deep');
    const out: Pipeline[] = [];
    let join: Pipeline['join'] = 'always';
    for (;;) {
      this.newlines();
      if (this.atEnd || this.text[this.at] === ')') break;
      const word = this.peekWord();
      if (word !== null && ends.includes(word)) break;
      out.push(this.pipeline(join));
      const sign = this.operator('&&', '||', ';', '\n');
      if (sign === null) break;
      join = sign === '&&' ? 'and' : sign === '||' ? 'or' : 'always';
    }
    this.skip();
    if (this.text[this.at] === '&')
      throw new ShellSyntaxError('"&" (a command in the background) is not supported in commands');
    this.depth--;
    return out;
  }

  private pipeline(join: Pipeline['join']): Pipeline {
    let negated = false;
    while (this.keyword('!')) negated = !negated;
    const commands = [this.redirected()];
    while (this.operator('|') !== null) {
      this.newlines();
      commands.push(this.redirected());
    }
    return { join, negated, commands };
  }

  private redirected(): Redirected {
    const redirections: Redirection[] = [];
    const command = this.command(redirections);
    while (this.redirection(redirections));
    return { command, redirections };
  }

  private command(redirections: Redirection[]): Command {
    if (this.operator('(') !== null) {
      const body = this.list([]);
      if (this.operator(')') === null) throw new ShellSyntaxError('")" is missing in this command');
      return { kind: 'group', isSubshell: true, body };
    }
    const word = this.peekWord();
    if (word === '{') {
      this.word();
      const body = this.list(['}']);
      this.expect('}');
      return { kind: 'group', isSubshell: false, body };
    }
    if (word === 'if') return this.conditional();
    if (word === 'for') return this.loop();
    if (word === 'while' || word === 'until') {
      this.word();
      const test = this.list(['do']);
      return { kind: 'while', until: word === 'until', test, body: this.doGroup() };
    }
    if (word !== null && UNKNOWN.includes(word))
      throw new ShellSyntaxError(`"${word}" is not supported in commands`);
    if (word !== null && RESERVED.includes(word) && word !== 'in') this.unexpected();
    const words: string[] = [];
    for (;;) {
      if (this.redirection(redirections)) continue;
      const next = this.word();
      if (next === null) break;
      words.push(next);
    }
    if (words.length === 0 && redirections.length === 0) this.unexpected();
    return { kind: 'simple', words };
  }

  private conditional(): Command {
    this.word();
    const test = this.list(['then']);
    this.expect('then');
    const yes = this.list(['else', 'elif', 'fi']);
    let no: ShellList = [];
    if (this.peekWord() === 'elif') {
      const command = this.conditional();
      return {
        kind: 'if',
        test,
        yes,
        no: [{ join: 'always', negated: false, commands: [{ command, redirections: [] }] }],
      };
    }
    if (this.keyword('else')) no = this.list(['fi']);
    this.expect('fi');
    return { kind: 'if', test, yes, no };
  }

  private loop(): Command {
    this.word();
    const name = this.word() ?? '';
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new ShellSyntaxError(`"for ${name}" names no variable`);
    this.newlines();
    const words: string[] = [];
    if (this.keyword('in'))
      for (let word = this.word(); word !== null; word = this.word()) words.push(word);
    this.operator(';');
    return { kind: 'for', name, words, body: this.doGroup() };
  }

  private doGroup(): ShellList {
    this.expect('do');
    const body = this.list(['done']);
    this.expect('done');
    return body;
  }

  private redirection(out: Redirection[]): boolean {
    this.skip();
    const found = this.match(REDIRECTION);
    if (found === null) return false;
    const sign = found[2] as string;
    if (sign === '<<') throw new ShellSyntaxError('"<<" is not supported in commands');
    const fd = found[1] === '' ? (sign.startsWith('<') ? 0 : 1) : Number(found[1]);
    const word = this.word();
    if (word === null) throw new ShellSyntaxError(`"${sign}" needs a file`);
    const to = sign === '>&' && /^[12]$/.test(word) ? Number(word) : word;
    out.push({ fd, to, append: sign === '>>' });
    return true;
  }

  /** The next word as it is written, or null. */
  private word(): string | null {
    this.skip();
    const start = this.at;
    while (this.at < this.text.length) {
      const c = this.text[this.at] as string;
      if (/[\s;|&<>()]/.test(c)) break;
      if (c === '\\') this.at += 2;
      else if (c === "'") this.quoted("'");
      else if (c === '"') this.doubleQuoted();
      else if (c === '$') this.at = endOfExpansion(this.text, this.at);
      else this.at++;
    }
    return this.at === start ? null : this.text.slice(start, this.at);
  }

  private quoted(quote: string): void {
    const end = this.text.indexOf(quote, this.at + 1);
    if (end < 0) throw new ShellSyntaxError(`"${quote}" has no closing quote`);
    this.at = end + 1;
  }

  private doubleQuoted(): void {
    this.at++;
    for (;;) {
      const c = this.text[this.at];
      if (c === undefined) throw new ShellSyntaxError('""" has no closing quote');
      if (c === '"') break;
      if (c === '\\') this.at += 2;
      else if (c === '$') this.at = endOfExpansion(this.text, this.at);
      else this.at++;
    }
    this.at++;
  }
}

/** The offset behind `$x`, `${x}`, `$(x)` or `$((x))` that begins at `at`. */
export function endOfExpansion(text: string, at: number): number {
  const next = text[at + 1];
  if (next === '(' || next === '{') {
    const close = next === '(' ? ')' : '}';
    let depth = 0;
    for (let i = at + 1; i < text.length; i++) {
      const c = text[i];
      if (c === '\\') i++;
      else if (c === "'") {
        i = text.indexOf("'", i + 1);
        if (i < 0) break;
      } else if (c === next) depth++;
      else if (c === close && --depth === 0) return i + 1;
    }
    throw new ShellSyntaxError(`"$${next}" is not closed`);
  }
  const name = /[A-Za-z_]\w*|[0-9?$#@*!-]/y;
  name.lastIndex = at + 1;
  return name.test(text) ? name.lastIndex : at + 1;
}
