/**
 * Addresses, routes and devices of the host under test, as packetdrill's documentation draws them: the
 * host has `localIp` on its tun device, and everything else is behind the gateway there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { remoteNetwork } from '../sim/packetdrill/remote-network.ts';
import type { TargetConfig } from '../sim/packetdrill/target.ts';
import { LinuxTargetError } from './error.ts';
import { TUN_NAME } from './tun.ts';

const TIMEOUT_MS = 10_000;

export function setUpHost(config: TargetConfig): void {
  const v6 = config.ipVersion === 'ipv6';
  quietIpv6(v6);
  const family = v6 ? '-6' : '-4';
  const prefix = remoteNetwork(config);
  ip(family, [
    'link set lo up',
    `link set ${TUN_NAME} mtu ${config.mtu} up`,
    `addr add ${config.localIp}/${config.prefixLength} dev ${TUN_NAME}${v6 ? ' nodad' : ''}`,
    `route add ${prefix} via ${config.gatewayIp} dev ${TUN_NAME}`,
  ]);
}

/** No packets that no script asked for: no link-local address, no solicitation, no detection of duplicates. */
function quietIpv6(needed: boolean): void {
  const conf = `/proc/sys/net/ipv6/conf/${TUN_NAME}`;
  if (!existsSync(conf)) {
    if (needed) throw new LinuxTargetError('this kernel runs without IPv6');
    return;
  }
  writeFileSync(`${conf}/addr_gen_mode`, '1');
  for (const name of ['accept_ra', 'accept_dad', 'router_solicitations'])
    writeFileSync(`${conf}/${name}`, '0');
}

function ip(family: string, lines: readonly string[]): void {
  const run = spawnSync('ip', [family, '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  if (run.error !== undefined)
    throw new LinuxTargetError(
      `the Linux target sets its host up with ip of iproute2: ${run.error.message}`,
    );
  if (run.status !== 0)
    throw new LinuxTargetError(`ip could not set the host up: ${run.stderr.trim()}`);
}
