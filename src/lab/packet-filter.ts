/** Filters in tcpdump's words for the packets of a lab, which know the names of its nodes. */
import { bytesOn, type CaptureOptions } from '../core/link/capture.ts';
import { LINK_ETHERNET, LINK_RAW } from '../tools/filter/frame.ts';
import { PacketFilter } from '../tools/filter/packet-filter.ts';
import { FilterError } from '../tools/filter/scan.ts';
import { LabError } from './file.ts';

export type PacketTest = NonNullable<CaptureOptions['filter']>;

/** Throws `LabError` with one sentence for words that are no filter. */
export function packetFilter(
  text: string,
  resolve: (name: string) => readonly string[] | undefined,
): PacketTest {
  if (text === '') return () => true;
  try {
    const filter = new PacketFilter(text, { resolve });
    return (pkt, dev, outgoing) =>
      filter.matches(bytesOn(pkt, dev), {
        linkType: dev.hardHeaderLen > 0 ? LINK_ETHERNET : LINK_RAW,
        outgoing,
      });
  } catch (error) {
    if (error instanceof FilterError) throw new LabError(`"${text}": ${error.message}`);
    throw error;
  }
}
