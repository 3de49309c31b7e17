/**
 * `ethtool -K DEVICE FEATURE on|off …` for machines without ethtool: the features that scripts turn off
 * (linux/ethtool.h, SIOCETHTOOL). A program of its own, which the prelude of `shell.ts` starts.
 */
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from './abi.ts';
import { loadFfi } from './ffi.ts';

const SIOCETHTOOL = 0x8946;

const IFREQ_BYTES = 40;

/** ETHTOOL_S* */
const SETTERS: Readonly<Record<string, number>> = {
  rx: 0x15,
  tx: 0x17,
  sg: 0x19,
  tso: 0x1f,
  gso: 0x24,
  gro: 0x2c,
  'rx-checksumming': 0x15,
  'tx-checksumming': 0x17,
  'scatter-gather': 0x19,
  'tcp-segmentation-offload': 0x1f,
  'generic-segmentation-offload': 0x24,
  'generic-receive-offload': 0x2c,
};

async function main(words: readonly string[]): Promise<number> {
  const [option, device, ...features] = words;
  if (option !== '-K' || device === undefined || features.length % 2 !== 0) {
    process.stderr.write('ethtool: only -K DEVICE FEATURE on|off is known here\n');
    return 1;
  }
  const { syscall, nr, newArena } = await loadFfi();
  const arena = newArena();
  const fd = syscall(nr.socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (let i = 0; i < features.length; i += 2) {
    const feature = features[i] ?? '';
    const command = SETTERS[feature];
    if (command === undefined) {
      process.stderr.write(`ethtool: unknown feature ${feature}\n`);
      return 1;
    }
    const value = arena.alloc(8);
    value.view.setUint32(0, command, true);
    value.view.setUint32(4, features[i + 1] === 'on' ? 1 : 0, true);
    const ifreq = arena.alloc(IFREQ_BYTES);
    ifreq.bytes.set(Buffer.from(device.slice(0, 15)));
    ifreq.view.setBigUint64(16, BigInt(value.address), true);
    const result = syscall(nr.ioctl, fd, SIOCETHTOOL, ifreq.address);
    if (result < 0) {
      process.stderr.write(`ethtool: ${feature} of ${device}: errno ${-result}\n`);
      return 1;
    }
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
