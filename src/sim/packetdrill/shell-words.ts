/** Command lines as a shell reads them: lists, pipelines, words, quotes, redirections. */

export interface Redirection {
  /** 1 or 2; 0 for input. */
  readonly fd: number;
  readonly file: string;
}

export interface SimpleCommand {
  readonly words: readonly string[];
  readonly redirections: readonly Redirection[];
}

export interface Pipeline {
  /** How it hangs on the one before. */
  readonly join: 'always' | 'and' | 'or';
  readonly negated: boolean;
  readonly commands: readonly SimpleCommand[];
}

export class ShellSyntaxError extends Error {}

const TOKEN =
  /[ \t\r]+|\\\n|#[^\n]*|&&|\|\||2>&1|1>&2|>&2|[12]?>>?|<|[;\n|!()&]|(?:\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*'|[^\s;|&<>()"'\\])+/y;

export function parseShell(text: string): Pipeline[] {
  const out: Pipeline[] = [];
  let commands: SimpleCommand[] = [];
  let words: string[] = [];
  let redirections: Redirection[] = [];
  let join: Pipeline['join'] = 'always';
  let negated = false;
  let redirect: number | null = null;
  const endCommand = (): void => {
    if (words.length > 0) commands.push({ words, redirections });
    words = [];
    redirections = [];
  };
  const endPipeline = (next: Pipeline['join']): void => {
    endCommand();
    if (commands.length > 0) {
      out.push({ join, negated, commands });
      join = 'always';
      negated = false;
    }
    commands = [];
    join = next;
  };
  for (const token of tokens(text)) {
    if (redirect !== null) {
      redirections.push({ fd: redirect, file: unquote(token) });
      redirect = null;
    } else if (token === ';' || token === '\n') {
      if (token === ';' || words.length > 0 || commands.length > 0) endPipeline('always');
    } else if (token === '&&') endPipeline('and');
    else if (token === '||') endPipeline('or');
    else if (token === '|') endCommand();
    else if (token === '!' && words.length === 0) negated = !negated;
    else if (/^[12]?>>?$/.test(token)) redirect = token.startsWith('2') ? 2 : 1;
    else if (token === '<') redirect = 0;
    else if (token === '2>&1' || token === '>&2' || token === '1>&2') continue;
    else if (token === '(' || token === ')' || token === '&')
      throw new ShellSyntaxError(`"${token}" is not supported in commands`);
    else words.push(unquote(token));
  }
  endPipeline('always');
  return out;
}

function tokens(text: string): string[] {
  const out: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text)?.[0];
    if (found === undefined) throw new ShellSyntaxError(`"${text[at]}" has no closing quote`);
    if (/^(?:[ \t\r]|\\\n|#)/.test(found)) continue;
    out.push(found);
  }
  return out;
}

function unquote(word: string): string {
  return word.replace(/\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g, (_all, c, d, s) => {
    if (c !== undefined) return c === '\n' ? '' : c;
    return d === undefined ? s : (d as string).replace(/\\([\s\S])/g, '$1');
  });
}
