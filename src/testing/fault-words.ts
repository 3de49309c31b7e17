/** Does to a network what the words of a fault say; `lab/fault-words.ts` reads them. */
import { type Fault, FaultError, parseFault } from '../lab/fault-words.ts';
import type { Net } from './net.ts';

/** Does what the words say; throws a sentence for words that say nothing. Nothing is noted. */
export function doWords(net: Net, words: string): void {
  quietly(net, () => doFault(net, parseFault(words)));
}

function doFault(net: Net, fault: Fault): void {
  switch (fault.kind) {
    case 'partition':
      return net.partition(...fault.groups);
    case 'shape':
      if (fault.shape === 'halves') return net.partitionHalves();
      return fault.shape === 'ring' ? net.partitionRing() : net.partitionBridge();
    case 'block':
      return net.block(fault.from, fault.to);
    case 'isolate':
      return net.isolate(fault.host);
    case 'cut':
      return net.cut(fault.a, fault.b);
    case 'heal':
      return net.heal(fault.a, fault.b);
    case 'crash':
      net.find(fault.host).crash();
      return afterwards(net, fault.forMs, `restart ${fault.host}`);
    case 'pause':
      net.find(fault.host).pause();
      return afterwards(net, fault.forMs, `resume ${fault.host}`);
    case 'restart':
      return net.find(fault.host).restart();
    case 'resume':
      return net.find(fault.host).resume();
    case 'netem':
      return net.netem(fault.host, fault.to, fault.words);
    case 'hold':
      return net.hold(fault.from, fault.to);
    case 'release':
      return net.release();
    case 'skew':
      return net.find(fault.host).skew(Math.abs(fault.ms), fault.ms < 0 ? -1 : 1);
    case 'drift':
      return net.find(fault.host).drift(fault.ppm);
    case 'exec':
      if (net.onExec === undefined)
        throw new FaultError('exec is a word of lab files; here host.run(…) runs what you like');
      return net.onExec(net.find(fault.host).name, fault.argv);
  }
}

/** `… for 3s` */
function afterwards(net: Net, ms: number | undefined, words: string): void {
  if (ms !== undefined) net.later(ms, () => net.do(words));
}

/** What the words said is in the timeline already. */
function quietly(net: Net, action: () => void): void {
  const { length } = net.timeline;
  action();
  net.timeline.length = length;
}
