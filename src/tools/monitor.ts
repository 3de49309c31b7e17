/** `ip monitor` (iproute2) as something that goes on until it is stopped. */
import { failure, parseIp, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';
import { monitor } from '../core/control/ip/monitor.ts';

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
    if (words.peek === 'monitor') words.next();
    return { stop: monitor(ns, words, options, print) };
  } catch (e) {
    return failure(e, '');
  }
}
