/** What a packetdrill script says, once parsed: events in order, each with its time and its words. */

export interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/**
 * When an event happens, µs: since the script began (`absolute`), or since the event before it ended
 * (`relative`). `any`: whenever (`*`).
 */
export interface Time {
  readonly kind: 'absolute' | 'relative' | 'any';
  readonly us: number;
  /** Latest time of a range (`a~b`); null: no range. */
  readonly endUs: number | null;
}

export interface ScriptEvent {
  readonly at: Time;
  readonly position: Position;
  /** The event as it is written, for reports. */
  readonly text: string;
  readonly action: PacketAction | CallAction | ShellAction | CodeAction;
}

export interface ShellAction {
  readonly kind: 'shell';
  readonly command: string;
}

/** `%{ … }%` */
export interface CodeAction {
  readonly kind: 'code';
  readonly code: string;
  /** Line of the first character of `code`. */
  readonly line: number;
}

export interface CallAction {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Value[];
  readonly result: Value;
  /** Errno by name; null: none was written. */
  readonly errno: string | null;
  /** A call that blocks: when it returns, µs, in the same terms as the event's time. */
  readonly endUs: number | null;
}

export interface PacketAction {
  readonly kind: 'packet';
  readonly direction: 'in' | 'out';
  readonly ip: IpSpec;
  /** As written: source, destination; null: those of the connection under test. */
  readonly ports: readonly [number, number] | null;
  readonly body: TcpSpec | UdpSpec | IcmpSpec;
}

export type Ecn = 'ect0' | 'ect1' | 'ect01' | 'ce' | 'noecn';

/** What the brackets before a packet say of its IP header; null: nothing. */
export interface IpSpec {
  readonly ecn: Ecn | null;
  readonly tos: number | null;
  readonly ttl: number | null;
  readonly flowlabel: number | null;
}

export interface TcpSpec {
  readonly proto: 'tcp';
  /** The nine bits of the header (`TH_*` of `packet.ts`). */
  readonly flags: number;
  readonly seq: number;
  readonly len: number;
  /** Null: not written. */
  readonly ack: number | null;
  readonly win: number | null;
  readonly urg: number | null;
  /** Null: `<...>`, whatever they are. */
  readonly options: readonly TcpOption[] | null;
}

export type TcpOption =
  | { readonly kind: 'nop' | 'eol' | 'sackOK' }
  | { readonly kind: 'mss' | 'wscale'; readonly value: number }
  | { readonly kind: 'sack'; readonly blocks: readonly (readonly [number, number])[] }
  | { readonly kind: 'TS'; readonly val: number; readonly ecr: number }
  | { readonly kind: 'FO' | 'FOEXP' | 'md5'; readonly bytes: Uint8Array }
  /** RFC 9768: counters in the order in which they are written. */
  | {
      readonly kind: 'ECN';
      readonly order: 0 | 1;
      readonly counters: readonly (readonly [EcnCounter, number])[];
    }
  /** Any other: kind and data, for packets that are only described. */
  | { readonly kind: 'other'; readonly number: number; readonly bytes: Uint8Array };

export type EcnCounter = 'e0b' | 'ceb' | 'e1b';

export interface UdpSpec {
  readonly proto: 'udp';
  readonly len: number;
}

export interface IcmpSpec {
  readonly proto: 'icmp';
  readonly type: number;
  readonly code: number;
  /** As written, for reports. */
  readonly name: string;
  /** Next-hop MTU; null: not written. */
  readonly mtu: number | null;
  /** What the ICMP message quotes; null: `[...]` or nothing. */
  readonly quote: QuoteSpec | null;
  /** Bytes of an echo's payload. */
  readonly len: number;
}

export type QuoteSpec =
  | { readonly proto: 'tcp'; readonly seq: number; readonly len: number }
  | { readonly proto: 'udp'; readonly len: number }
  | { readonly proto: 'raw'; readonly len: number };

/** An argument or a result. */
export type Value =
  | { readonly kind: 'int'; readonly value: number; readonly position: Position }
  | { readonly kind: 'symbol'; readonly name: string; readonly position: Position }
  | { readonly kind: 'any'; readonly position: Position }
  | { readonly kind: 'text'; readonly bytes: Uint8Array; readonly position: Position }
  | { readonly kind: 'list'; readonly items: readonly Value[]; readonly position: Position }
  | {
      readonly kind: 'struct';
      /** In order; a name where one is written. */
      readonly fields: readonly { readonly name: string | null; readonly value: Value }[];
      readonly position: Position;
    }
  | { readonly kind: 'or'; readonly parts: readonly Value[]; readonly position: Position }
  /** `htons(8080)`, `inet_addr("…")` */
  | {
      readonly kind: 'apply';
      readonly name: string;
      readonly args: readonly Value[];
      readonly position: Position;
    };

export interface ScriptOption {
  readonly name: string;
  /** Null: none was written. */
  readonly value: string | null;
  readonly position: Position;
}

export interface Script {
  readonly file: string;
  readonly options: readonly ScriptOption[];
  /** Commands that run before the first event. */
  readonly init: readonly ShellCommand[];
  readonly events: readonly ScriptEvent[];
  /** Runs at the end whatever happens; null: none. */
  readonly cleanup: ShellCommand | null;
}

export interface ShellCommand {
  readonly command: string;
  readonly position: Position;
}
