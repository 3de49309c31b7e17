/** `ip monitor` (iproute2) as something that goes on until it is stopped. */
import { failure, parseIp, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';
import { monitor } from '../core/control/ip/monitor.ts';

/** Do these words of `ip` ask for a monitor? */
export function isMonitor(ctx: ToolContext, argv: readonly string[]): boolean {
  try {
    const { words } = parseIp(ctx, argv);
    // A single m is maddress.
    return words.peek.length > 1 && 'monitor'.startsWith(words.peek);
  } catch {
    return false;
  }
}

/** A monitor that runs, or why it does not. */
export type MonitorOutcome = { readonly stop: () => void } | ToolResult;

/**
 * Prints what happens, as `ip monitor` with the words that follow; `print` gets it piece by piece. Words
 * before `monitor` are ip's options.
 */
export function monitorTool(
  ctx: ToolContext,
  argv: readonly string[],
  print: (text: string) => void,
): MonitorOutcome {
  try {
    const { ns, options, words } = parseIp(ctx, argv);
    if (words.peek.length > 1 && 'monitor'.startsWith(words.peek)) words.next();
    return { stop: monitor(ns, words, options, print) };
  } catch (e) {
    return failure(e, '');
  }
}
