/** Packet filters in tcpdump's words, pcap-filter(7): text in, a function of a frame's bytes out. */
import { Frame, LINK_ETHERNET, type Test } from './frame.ts';
import { Parser } from './parse.ts';

export interface FilterOptions {
  /** Addresses of a name; names are unknown when absent. */
  readonly resolve?: (name: string) => readonly string[] | undefined;
}

/** What is known of a frame beside its bytes. */
export interface FrameFacts {
  /** Length on the wire; that of the bytes when absent. */
  readonly length?: number;
  /** LINKTYPE of pcap: 1 Ethernet (the default), 101 bare IP packets. */
  readonly linkType?: number;
  readonly outgoing?: boolean;
}

export class PacketFilter {
  readonly text: string;
  private readonly test: Test;
  private readonly frame: Frame = new Frame();

  /** Throws `FilterError`, one sentence with the column, for what is no filter. */
  constructor(text: string, options: FilterOptions = {}) {
    this.text = text;
    this.test = new Parser(text, options.resolve).parse();
  }

  matches(bytes: Uint8Array, facts: FrameFacts = {}): boolean {
    const { frame } = this;
    frame.bytes = bytes;
    frame.len = facts.length ?? bytes.length;
    frame.ethernet = (facts.linkType ?? LINK_ETHERNET) === LINK_ETHERNET;
    frame.outgoing = facts.outgoing;
    frame.bad = false;
    return this.test(frame) && !frame.bad;
  }
}
