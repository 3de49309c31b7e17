/**
 * One object of a listing, written as text and as JSON at the same time, field by field (iproute2
 * `lib/json_print.c`), and JSON as iproute2 lays it out.
 */

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** What is printed of one object. */
export class Entry {
  text = '';
  readonly json: { [key: string]: Json } = {};

  /** A field: `text` in the text, `key: value` in the JSON. */
  put(key: string, value: Json, text: string): this {
    this.json[key] = value;
    this.text += text;
    return this;
  }

  /** Text only. */
  add(text: string): this {
    this.text += text;
    return this;
  }

  /** JSON only. */
  set(key: string, value: Json): this {
    this.json[key] = value;
    return this;
  }
}

/** How listings are printed: the global options of `ip`. */
export interface PrintOptions {
  readonly json: boolean;
  readonly pretty: boolean;
  readonly brief: boolean;
  readonly oneline: boolean;
  readonly details: boolean;
  /** `-s` counted. */
  readonly stats: number;
  readonly numeric: boolean;
  /** `'inet'`: IPv4 only; `'inet6'`: IPv6 only. */
  readonly family: '' | 'inet' | 'inet6' | 'link';
}

/** A whole listing. */
export function printList(entries: readonly Entry[], options: PrintOptions): string {
  if (options.json)
    return `${formatJson(
      entries.map((e) => e.json),
      options.pretty,
    )}\n`;
  const text = entries.map((e) => e.text);
  return (options.oneline ? text.map(joinLines) : text).join('');
}

/** With `-oneline` a line break inside an object becomes a backslash. */
export function joinLines(text: string): string {
  return text.replace(/\n(?=[ \t])/g, '\\');
}

/** JSON in one line, or indented in iproute2's way. */
export function formatJson(value: Json, pretty: boolean): string {
  return pretty ? prettyJson(value, 0) : JSON.stringify(value);
}

function prettyJson(value: Json, depth: number): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return '[ ]';
    return `[ ${value.map((v) => prettyJson(v, depth + 1)).join(',')} ]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = '    '.repeat(depth + 1);
  const fields = Object.entries(value).map(
    ([key, v]) => `${inner}${JSON.stringify(key)}: ${prettyJson(v, depth + 1)}`,
  );
  return fields.length === 0 ? '{}' : `{\n${fields.join(',\n')}\n${'    '.repeat(depth)}}`;
}
