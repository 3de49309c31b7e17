/** `ip` (iproute2): the words of ip(8) in, text or JSON out. */
import { runIp, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';

/** Runs `ip` with the words that follow its name. */
export function ipTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  const { stdout, stderr, code } = runIp(ctx, argv);
  return { stdout, stderr, code };
}
