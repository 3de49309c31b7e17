/** DNS messages (RFC 1035 §4): a query as bytes, an answer as records in the shapes that Node gives them. */
import { Buffer } from 'node:buffer';

export const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  TLSA: 52,
  ANY: 255,
  CAA: 257,
};

const CLASS_IN = 1;
const HEADER = 12;
const FLAG_QR = 0x8000;
const FLAG_TC = 0x0200;
const FLAG_RD = 0x0100;
/** Pointers that a name may have, more are a loop. */
const MAX_POINTERS = 64;
const MAX_NAME = 255;
const MAX_LABEL = 63;

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  /** A string, or an object with Node's fields. */
  readonly value: unknown;
}

export interface DnsAnswer {
  readonly id: number;
  readonly isResponse: boolean;
  readonly truncated: boolean;
  readonly rcode: number;
  readonly question: string;
  readonly records: readonly DnsRecord[];
}

/** A query for one name; undefined: that is no name. */
export function encodeQuery(id: number, name: string, type: number): Buffer | undefined {
  const labels = encodeName(name);
  if (labels === undefined) return undefined;
  const head = Buffer.alloc(HEADER);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(FLAG_RD, 2);
  head.writeUInt16BE(1, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(CLASS_IN, 2);
  return Buffer.concat([head, labels, tail]);
}

function encodeName(name: string): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const label of name.replace(/\.$/, '').split('.')) {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length > MAX_LABEL || (bytes.length === 0 && name !== '' && name !== '.'))
      return undefined;
    if (bytes.length > 0) parts.push(Buffer.of(bytes.length), bytes);
  }
  const whole = Buffer.concat([...parts, Buffer.of(0)]);
  return whole.length > MAX_NAME ? undefined : whole;
}

/** A whole message; throws on what is none. */
export function decodeAnswer(bytes: Buffer): DnsAnswer {
  const reader = new Reader(bytes, 0);
  const id = reader.uint16();
  const flags = reader.uint16();
  const questions = reader.uint16();
  const answers = reader.uint16();
  reader.at += 4;
  let question = '';
  for (let i = 0; i < questions; i++) {
    question = reader.name();
    reader.at += 4;
  }
  const truncated = (flags & FLAG_TC) !== 0;
  const records: DnsRecord[] = [];
  for (let i = 0; i < answers && !truncated; i++) records.push(readRecord(reader));
  const isResponse = (flags & FLAG_QR) !== 0;
  return { id, isResponse, truncated, rcode: flags & 0xf, question, records };
}

function readRecord(reader: Reader): DnsRecord {
  const name = reader.name();
  const type = reader.uint16();
  reader.at += 2;
  const ttl = reader.uint32();
  const length = reader.uint16();
  const end = reader.at + length;
  if (end > reader.bytes.length) throw new Error('a record longer than its message');
  const value = readValue(reader, type, end);
  reader.at = end;
  return { name, type, ttl, value };
}

function readValue(reader: Reader, type: number, end: number): unknown {
  switch (type) {
    case TYPES['A']:
      return reader.take(4).join('.');
    case TYPES['AAAA']:
      return formatIpv6(reader.take(16));
    case TYPES['NS']:
    case TYPES['CNAME']:
    case TYPES['PTR']:
      return reader.name();
    case TYPES['MX']: {
      const priority = reader.uint16();
      return { exchange: reader.name(), priority };
    }
    case TYPES['TXT']: {
      const texts: string[] = [];
      while (reader.at < end) texts.push(reader.text());
      return texts;
    }
    default:
      return readObject(reader, type, end);
  }
}

function readObject(reader: Reader, type: number, end: number): unknown {
  switch (type) {
    case TYPES['SOA']:
      return {
        nsname: reader.name(),
        hostmaster: reader.name(),
        serial: reader.uint32(),
        refresh: reader.uint32(),
        retry: reader.uint32(),
        expire: reader.uint32(),
        minttl: reader.uint32(),
      };
    case TYPES['SRV']: {
      const [priority, weight, port] = [reader.uint16(), reader.uint16(), reader.uint16()];
      return { name: reader.name(), port, priority, weight };
    }
    case TYPES['NAPTR']: {
      const [order, preference] = [reader.uint16(), reader.uint16()];
      const [flags, service, regexp] = [reader.text(), reader.text(), reader.text()];
      return { flags, service, regexp, replacement: reader.name(), order, preference };
    }
    case TYPES['TLSA']: {
      const [certUsage, selector, match] = reader.take(3);
      const data = Uint8Array.from(reader.take(end - reader.at)).buffer;
      return { certUsage, selector, match, data };
    }
    case TYPES['CAA']: {
      const critical = reader.take(1)[0];
      const tag = reader.text();
      return { critical, [tag]: reader.take(end - reader.at).toString('latin1') };
    }
    default:
      return undefined;
  }
}

class Reader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  take(count: number): Buffer {
    if (count < 0 || this.at + count > this.bytes.length) throw new Error('a message cut short');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  uint16(): number {
    return this.take(2).readUInt16BE(0);
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  /** A string with its length before it (RFC 1035 §3.3). */
  text(): string {
    const [length = 0] = this.take(1);
    return this.take(length).toString('latin1');
  }

  /** A name, which may end with a pointer into what came before (RFC 1035 §4.1.4). */
  name(): string {
    const labels: string[] = [];
    let behind = -1;
    for (let pointers = 0; ; ) {
      const [length = 0] = this.take(1);
      if (length === 0) break;
      if (length <= MAX_LABEL) {
        labels.push(this.take(length).toString('latin1').replaceAll('.', '\\.'));
        continue;
      }
      const [low = 0] = this.take(1);
      if (length < 0xc0 || ++pointers > MAX_POINTERS) throw new Error('no name');
      if (behind < 0) behind = this.at;
      this.at = ((length & 0x3f) << 8) | low;
    }
    if (behind >= 0) this.at = behind;
    return labels.join('.');
  }
}

/** RFC 5952, by the one formatter that is there anyway. */
function formatIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
