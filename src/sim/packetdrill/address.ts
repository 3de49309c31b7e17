/** IP addresses as text and bytes, both versions (RFC 4291 §2.2). */

/** 4 or 16 bytes; null: the text is no address. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parse6(text) : parse4(text);
}

function parse4(text: string): Uint8Array | null {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  const parts = m?.slice(1).map(Number);
  return parts === undefined || parts.some((n) => n > 255) ? null : Uint8Array.from(parts);
}

function parse6(text: string): Uint8Array | null {
  if (text.length > 45) return null;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let rest = text;
  if (tail !== null) {
    const four = parse4(tail[2] as string);
    if (four === null) return null;
    const hex = (i: number): string =>
      (((four[i] as number) << 8) | (four[i + 1] as number)).toString(16);
    rest = `${tail[1]}${hex(0)}:${hex(2)}`;
  }
  const halves = rest.split('::');
  if (halves.length > 2) return null;
  const [head, after] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const groups = head as string[];
  if (after !== undefined) {
    const missing = 8 - groups.length - after.length;
    if (missing < 1) return null;
    groups.push(...Array.from({ length: missing }, () => '0'), ...after);
  }
  if (groups.length !== 8 || groups.some((g) => !/^[0-9a-fA-F]{1,4}$/.test(g))) return null;
  return Uint8Array.from(
    groups.flatMap((g) => {
      const n = Number.parseInt(g, 16);
      return [n >> 8, n & 255];
    }),
  );
}

export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const groups: string[] = [];
  for (let i = 0; i + 1 < bytes.length; i += 2)
    groups.push((((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16));
  return groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::');
}

/** `::ffff:a.b.c.d` */
export function mapped(four: Uint8Array): Uint8Array {
  return Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...four]);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
