/** Linux's words as functions, words in, text out: `warren/tools`. */
export type { ToolContext, ToolResult } from '../core/control/ip/ip.ts';
export { bridgeTool } from './bridge.ts';
export { bridgeMonitor } from './bridge-monitor.ts';
export { catTool, lsTool, writeTool } from './files.ts';
export { ipTool } from './ip.ts';
export { isMonitor, type MonitorOutcome, monitorTool } from './monitor.ts';
export { ssTool } from './ss.ts';
export { sysctlTool } from './sysctl.ts';
export { tcTool } from './tc.ts';
