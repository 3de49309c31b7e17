/**
 * Runs a script against a target: lets time pass from event to event, sends, waits, calls, compares. The
 * rules are packetdrill's; where a packet left that the script does not mention, this runner is stricter.
 */
import { type Compiled, compileCall, Fds } from './calls.ts';
import { CodeError } from './code-lex.ts';
import { AssertionFailed } from './code-run.ts';
import { comparePacket, joinSegments, mayBeJoined } from './compare.ts';
import type { Config } from './config.ts';
import { describePacket } from './describe.ts';
import { type Flow, FlowTable, type Protocol } from './flow.ts';
import { inboundBytes, noteInbound, resetBytes, type Wire, wireOf } from './inbound.ts';
import { type ParsedPacket, parsePacketBytes, TH_ACK, TH_FIN, TH_RST, TH_SYN } from './packet.ts';
import { icmpNumbers } from './parse-icmp.ts';
import { type RunResult, ScriptFailure } from './result.ts';
import { type CodeBlocks, compileCode } from './run-code.ts';
import type { CallAction, IcmpSpec, PacketAction, Script, ScriptEvent, TcpSpec } from './script.ts';
import type { Call, CallResult, PendingCall, Target } from './target.ts';
import { Words } from './values.ts';

/** How long after its time a packet or a result is still waited for, to tell how late it was, µs. */
const LATE_US = 2_000_000;
/** How long an event without time (`*`) is waited for: virtually, really. */
const ANY_US = 300_000_000;
const ANY_REAL_US = 20_000_000;
const MSG_FASTOPEN = 0x20000000;

export interface RunOptions {
  /** Told of every packet and event as it happens. */
  readonly trace?: (line: string) => void;
}

/** A packet that left, read once. */
interface Left {
  readonly atUs: number;
  readonly packet: ParsedPacket;
  readonly flow: Flow | null;
}

interface Waiting {
  readonly event: ScriptEvent;
  readonly compiled: Compiled;
  readonly call: Call;
  readonly pending: PendingCall;
  /** When the script says that it ends, µs; with its tolerance. */
  readonly endUs: number;
  readonly toleranceUs: number;
}

/** A script whose calls and code are understood. */
export interface CompiledScript {
  readonly calls: ReadonlyMap<ScriptEvent, Compiled>;
  readonly code: CodeBlocks;
  readonly words: Words;
}

/**
 * All that can be said of a script before it runs.
 * @throws ScriptError what is not understood
 */
export function compileScript(script: Script, config: Config): CompiledScript {
  const words = new Words(script.file, config);
  const calls = new Map<ScriptEvent, Compiled>();
  for (const event of script.events) {
    const { action, position } = event;
    if (action.kind === 'call') calls.set(event, compileCall(words, action, position));
    if (action.kind === 'packet' && action.body.proto === 'icmp')
      checkIcmp(words, action.body, position);
  }
  return { calls, code: compileCode(script), words };
}

/** The parser knows the names of both versions; the run has one of them. */
function checkIcmp(words: Words, spec: IcmpSpec, position: ScriptEvent['position']): void {
  const version = words.config.ipVersion === 'ipv6' ? 6 : 4;
  const [type = '', code = null] = spec.name.split(' ');
  if (icmpNumbers(version, type, code) === null)
    words.fail(position, `"${spec.name}" is no message of ${version === 6 ? 'ICMPv6' : 'ICMP'}`);
}

/** @throws ScriptError where the script is not understood: before anything ran */
export async function runScript(
  script: Script,
  config: Config,
  makeTarget: (config: Config) => Promise<Target>,
  options: RunOptions = {},
): Promise<RunResult> {
  const compiled = compileScript(script, config);
  const target = await makeTarget(config);
  try {
    return await new Run(script, config, target, compiled, options).run();
  } finally {
    await target.close();
  }
}

class Run {
  private readonly script: Script;
  private readonly config: Config;
  private readonly target: Target;
  private readonly calls: ReadonlyMap<ScriptEvent, Compiled>;
  private readonly code: CodeBlocks;
  private readonly options: RunOptions;
  private readonly words: Words;
  private readonly wire: Wire;
  private readonly flows: FlowTable;
  private readonly fds: Fds = new Fds();
  /** Protocol of each live socket. */
  private readonly protocols: Map<number, Protocol> = new Map();
  private lastFd: number | null = null;
  private readonly queue: Left[] = [];
  private waiting: Waiting[] = [];
  private readonly packets: string[] = [];
  private startUs = 0;
  /** Time of the event before, as planned, µs since the script began. */
  private lastPlannedUs = 0;
  private lastEvent: ScriptEvent | null = null;
  /** When the event before happened. In real time, looking at it took time after that. */
  private happenedUs = 0;

  constructor(
    script: Script,
    config: Config,
    target: Target,
    compiled: CompiledScript,
    options: RunOptions,
  ) {
    this.script = script;
    this.config = config;
    this.target = target;
    this.calls = compiled.calls;
    this.code = compiled.code;
    this.words = compiled.words;
    this.options = options;
    this.wire = wireOf(config);
    this.flows = new FlowTable(config.bindPort, () => this.nowUs);
  }

  async run(): Promise<RunResult> {
    let failure = await this.attempt(() => this.body());
    this.end();
    const { cleanup } = this.script;
    if (cleanup !== null) {
      const failed = await this.attempt(() => this.shell(cleanup.command, cleanup.position, ''));
      failure ??= failed;
    }
    return {
      file: this.script.file,
      failure,
      packets: this.packets,
      printed: this.code.printed,
      endUs: this.nowUs,
    };
  }

  private async attempt(part: () => Promise<void>): Promise<RunResult['failure']> {
    try {
      await part();
      return null;
    } catch (error) {
      if (error instanceof ScriptFailure) return error.failure;
      throw error;
    }
  }

  private async body(): Promise<void> {
    for (const { command, position } of this.script.init) await this.shell(command, position, '');
    this.startUs = this.target.nowUs();
    this.words.startEpochUs = this.target.epochUs + this.startUs;
    for (const event of this.script.events) {
      const plan = this.plan(event);
      this.happenedUs = Math.max(this.happenedUs, await this.event(event, plan));
      this.lastPlannedUs = plan.us;
      this.lastEvent = event;
    }
    await this.finish();
  }

  /** µs since the script began. */
  private get nowUs(): number {
    return this.target.nowUs() - this.startUs;
  }

  /** When the event is to happen: packets in that follow each other keep their distance. */
  private plan(event: ScriptEvent): Plan {
    const { at, action } = event;
    let base = 0;
    if (at.kind !== 'absolute') base = this.happenedUs;
    if (at.kind === 'relative' && isInbound(event) && this.lastEvent !== null)
      if (isInbound(this.lastEvent)) base = this.lastPlannedUs;
    const us = base + at.us;
    const since = Math.max(0, us - this.lastPlannedUs);
    const part = (since * this.config.tolerancePercent) / 100;
    return {
      us,
      endUs: at.endUs === null ? us : base + at.endUs,
      isAny: at.kind === 'any',
      toleranceUs: Math.max(this.config.toleranceUs, part),
      callEndUs: action.kind === 'call' && action.endUs !== null ? base + action.endUs : null,
    };
  }

  /** Gives when it happened. */
  private async event(event: ScriptEvent, plan: Plan): Promise<number> {
    const { action } = event;
    if (action.kind === 'packet' && action.direction === 'out')
      return this.expectPacket(event, action, plan);
    await this.waitUntil(plan.us);
    if (!plan.isAny && this.nowUs > plan.us + plan.toleranceUs)
      this.fail(event, [
        `this was to happen at ${seconds(plan.us)}, but it is ${seconds(this.nowUs)}`,
      ]);
    switch (action.kind) {
      case 'packet':
        return this.inject(action);
      case 'call':
        return this.startCall(event, action, plan);
      case 'shell':
        await this.shell(action.command, event.position, event.text);
        this.collect();
        return this.nowUs;
      default:
        this.runCode(event);
        return this.nowUs;
    }
  }

  private fail(event: ScriptEvent, reasons: readonly string[], seen: string | null = null): never {
    throw new ScriptFailure({ position: event.position, event: event.text, reasons, seen });
  }

  private note(atUs: number, line: string): void {
    const text = `${seconds(atUs)} ${line}`;
    this.packets.push(text);
    this.options.trace?.(text);
  }

  private async shell(
    command: string,
    position: ScriptEvent['position'],
    text: string,
  ): Promise<void> {
    let reason: string;
    try {
      const { status, output } = await this.target.shell(command);
      if (status === 0) return;
      reason = `the command ends with ${status}${output.trim() === '' ? '' : `: ${output.trim()}`}`;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    const event = text === '' ? `\`${command}\`` : text;
    throw new ScriptFailure({ position, event, reasons: [reason], seen: null });
  }

  private runCode(event: ScriptEvent): void {
    const fd = this.flows.current?.fd ?? this.lastFd;
    try {
      this.code.run(event, this.target, fd);
    } catch (error) {
      if (error instanceof AssertionFailed || error instanceof CodeError) {
        const { line, message } = error;
        throw new ScriptFailure({
          position: { line, column: 1 },
          event: '',
          reasons: [message],
          seen: null,
        });
      }
      throw error;
    }
  }

  /** Takes what left and what returned. */
  private collect(): void {
    for (let left = this.target.take(); left !== null; left = this.target.take()) {
      const packet = parsePacketBytes(left.bytes);
      // IGMP, neighbour discovery and the like are no part of a script.
      if (packet === null || isNeighbourDiscovery(packet)) continue;
      this.queue.push({ atUs: left.atUs - this.startUs, packet, flow: this.flowOf(packet) });
    }
    const still: Waiting[] = [];
    const { waiting } = this;
    this.waiting = still;
    for (const w of waiting) {
      if (w.pending.result === null) still.push(w);
      else this.ended(w, w.pending.result);
    }
  }

  private flowOf(packet: ParsedPacket): Flow | null {
    const { body } = packet;
    if (body.proto === 'icmp') return null;
    const isOpening = body.proto === 'udp' || (body.flags & (TH_SYN | TH_ACK)) === TH_SYN;
    return this.flows.ofLive(body.proto, body.sport, body.dport, isOpening);
  }

  /** Lets time pass until then; blocking calls that end meanwhile are checked. */
  private async waitUntil(us: number): Promise<void> {
    for (;;) {
      this.collect();
      if (this.nowUs >= us) return;
      await this.target.wait(us + this.startUs);
    }
  }

  private inject(action: PacketAction): number {
    const { body } = action;
    let flow: Flow | null;
    if (body.proto === 'tcp') {
      const isOpening = (body.flags & (TH_SYN | TH_ACK | TH_RST)) === TH_SYN;
      flow = this.flows.forInbound(action, isOpening);
      noteInbound(body, flow);
    } else flow = body.proto === 'udp' ? this.flows.forInbound(action, true) : this.flows.current;
    const bytes = inboundBytes(this.wire, action, flow);
    const packet = parsePacketBytes(bytes);
    if (packet !== null) this.note(this.nowUs, describePacket(packet, flow, 'in'));
    const { mss } = this.config;
    const isJoined = body.proto === 'tcp' && mss > 0 && body.len > mss;
    this.target.inject(bytes, isJoined ? mss : 0);
    const atUs = this.nowUs;
    this.collect();
    return atUs;
  }

  /** The next packet that left, when it comes by `limitUs`. */
  private async nextPacket(limitUs: number): Promise<Left | null> {
    for (;;) {
      this.collect();
      while (this.queue[0] !== undefined && this.isPast(this.queue[0])) this.queue.shift();
      const first = this.queue[0];
      if (first !== undefined) return first;
      if (this.nowUs >= limitUs) return null;
      await this.target.wait(limitUs + this.startUs);
    }
  }

  /** Of a connection that the script had left behind, by making another one, when the packet left. */
  private isPast(left: Left): boolean {
    return left.flow !== null && left.flow.written === null && left.atUs > left.flow.pastUs;
  }

  private async expectPacket(
    event: ScriptEvent,
    action: PacketAction,
    plan: Plan,
  ): Promise<number> {
    const anyUs = this.target.kind === 'warren' ? ANY_US : ANY_REAL_US;
    const limitUs = plan.isAny ? this.nowUs + anyUs : plan.endUs + plan.toleranceUs + LATE_US;
    const left = await this.nextPacket(limitUs);
    if (left === null) this.fail(event, [`no packet left until ${seconds(limitUs)}`]);
    const { flow } = left as Left;
    const expected = action.body.proto === 'icmp' ? null : this.flows.forOutbound(action);
    if (flow !== null && action.body.proto === 'tcp') anchor(action.body, left as Left, flow);
    const { packet: whole, atUs } = await this.joined(action, left as Left, plan, limitUs);
    const seen = describePacket(whole, flow, 'out');
    const seenAt = `${seconds((left as Left).atUs)} ${seen}`;
    if (
      action.body.proto !== 'icmp' &&
      whole.body.proto !== 'icmp' &&
      (expected === null || flow !== expected)
    )
      this.fail(event, ['this packet is of another connection'], seenAt);
    const differences = comparePacket(action, whole, flow, {
      tsTickUs: this.config.tsTickUs,
      toleranceUs: plan.toleranceUs,
    });
    const late = this.lateness(plan, (left as Left).atUs);
    if (late !== null) differences.push(late);
    if (differences.length > 0) this.fail(event, differences, seenAt);
    this.note((left as Left).atUs, seen);
    if (flow !== null) noteOutbound(action, whole, flow);
    return atUs;
  }

  private lateness(plan: Plan, atUs: number): string | null {
    if (plan.isAny) return null;
    const { us, endUs, toleranceUs } = plan;
    if (atUs >= us - toleranceUs && atUs <= endUs + toleranceUs) return null;
    const range = endUs === us ? seconds(us) : `${seconds(us)}~${seconds(endUs)}`;
    return `expected at ${range} (± ${seconds(toleranceUs)}), seen at ${seconds(atUs)}`;
  }

  /** Takes the packet from the queue, and those that continue it as the script means them as one. */
  private async joined(
    action: PacketAction,
    first: Left,
    plan: Plan,
    limitUs: number,
  ): Promise<Left> {
    this.queue.shift();
    let whole = first.packet;
    let { atUs } = first;
    const { body } = action;
    const { flow } = first;
    if (body.proto !== 'tcp' || flow === null || this.config.strictSegments) return first;
    if (!mayBeJoined(body, whole, flow, this.config.mtu)) return first;
    const unit = whole.payload.length;
    let last = unit;
    while (whole.payload.length < body.len && last === unit) {
      const next = await this.nextPacket(limitUs);
      if (next === null || next.flow !== flow || this.lateness(plan, next.atUs) !== null) break;
      const both = joinSegments(whole, next.packet);
      last = next.packet.payload.length;
      if (both === null || last > unit) break;
      this.queue.shift();
      whole = both;
      ({ atUs } = next);
    }
    return { ...first, packet: whole, atUs };
  }

  private startCall(event: ScriptEvent, action: CallAction, plan: Plan): number {
    const compiled = this.calls.get(event) as Compiled;
    const call = compiled.start(this.fds);
    if (call === null) return this.nowUs;
    this.before(call);
    const pending = this.target.call(call);
    const startedUs = this.nowUs;
    const waiting: Waiting = {
      event,
      compiled,
      call,
      pending,
      endUs: plan.callEndUs ?? startedUs,
      toleranceUs: plan.toleranceUs,
    };
    if (pending.result === null && action.endUs === null)
      this.fail(event, ['this call blocks, and the script does not say so (time...time)']);
    if (pending.result === null) this.waiting.push(waiting);
    else this.ended(waiting, pending.result);
    this.collect();
    return startedUs;
  }

  /** What a call says about the connections to come. */
  private before(call: Call): void {
    switch (call.name) {
      case 'socket':
      case 'listen':
        this.flows.fresh();
        return;
      case 'bind':
        if (call.addr.port !== 0) this.flows.localPort = call.addr.port;
        return;
      case 'connect':
        if (call.addr.family === 0) return;
        this.flows.connecting(this.protocols.get(call.fd) ?? 'tcp', call.addr.port, call.fd);
        return;
      case 'sendto': {
        if (call.to === null) return;
        const proto = this.protocols.get(call.fd) ?? 'tcp';
        if (proto === 'tcp' && (call.flags & MSG_FASTOPEN) === 0) return;
        const known = this.flows.flows.some(
          (f) =>
            f.proto === proto &&
            f.remotePort === call.to?.port &&
            (f.fd === call.fd || f.fd === null),
        );
        if (!known) this.flows.connecting(proto, call.to.port, call.fd);
        return;
      }
      default:
    }
  }

  /** A call returned: its result, what it wrote, and its time are checked. */
  private ended(w: Waiting, result: CallResult): void {
    this.after(w.call, result);
    const differences = w.compiled.check(result, this.fds);
    const endUs = result.endUs - this.startUs;
    if (Math.abs(endUs - w.endUs) > w.toleranceUs)
      differences.push(
        `the call was to return at ${seconds(w.endUs)} (± ${seconds(w.toleranceUs)}), it did at ${seconds(endUs)}`,
      );
    if (differences.length > 0) this.fail(w.event, differences);
  }

  private after(call: Call, result: CallResult): void {
    if (result.value < 0) return;
    if (call.name === 'socket') {
      this.lastFd = result.value;
      this.protocols.set(result.value, (call.type & 0xf) === 2 ? 'udp' : 'tcp');
    }
    if (call.name === 'accept') {
      this.lastFd = result.value;
      this.protocols.set(result.value, 'tcp');
      if (result.addr !== null && result.addr !== undefined)
        this.flows.accepted(result.addr.port, result.value);
    }
    // The number may be another socket's from now on.
    if (call.name === 'close') this.flows.closed(call.fd);
    if (call.name === 'connect' && this.protocols.get(call.fd) === 'udp') {
      const name = this.target.call({ name: 'getsockname', fd: call.fd }).result;
      const { current } = this.flows;
      if (current !== null && name?.addr !== null && name?.addr !== undefined)
        current.localPort = name.addr.port;
    }
  }

  /** Blocking calls must return, and nothing may have left that no event mentions. */
  private async finish(): Promise<void> {
    const lastUs = this.nowUs;
    const last = this.lastEvent as ScriptEvent;
    await this.waitUntil(lastUs);
    for (;;) {
      const [first] = this.waiting;
      if (first === undefined) break;
      const limitUs = first.endUs + first.toleranceUs;
      if (this.nowUs >= limitUs) {
        this.fail(first.event, [
          `the call was to return at ${seconds(first.endUs)}; it still blocks at ${seconds(this.nowUs)}`,
        ]);
      }
      await this.target.wait(limitUs + this.startUs);
      this.collect();
    }
    const extra = this.queue.find((left) => left.atUs < lastUs && !this.isPast(left));
    if (extra !== undefined)
      this.fail(
        last,
        ['a packet left before this event, and the script does not expect it'],
        `${seconds(extra.atUs)} ${describePacket(extra.packet, extra.flow, 'out')}`,
      );
  }

  private end(): void {
    if (this.config.sendOmitFree) return;
    for (const flow of this.flows.flows)
      if (flow.proto === 'tcp' && flow.localPort !== 0)
        this.target.inject(resetBytes(this.wire, flow));
  }
}

interface Plan {
  readonly us: number;
  readonly endUs: number;
  readonly isAny: boolean;
  readonly toleranceUs: number;
  /** When a blocking call returns; null: it does not block. */
  readonly callEndUs: number | null;
}

function isInbound(event: ScriptEvent): boolean {
  return event.action.kind === 'packet' && event.action.direction === 'in';
}

/** Router and neighbour messages, and listener reports, of IPv6. */
function isNeighbourDiscovery(packet: ParsedPacket): boolean {
  const { body, ip } = packet;
  if (ip.version !== 6 || body.proto !== 'icmp') return false;
  return (body.type >= 130 && body.type <= 137) || body.type === 143;
}

/** A SYN or SYN-ACK says where the local numbers begin, and what follows how they go on. */
function anchor(spec: TcpSpec, left: Left, flow: Flow): void {
  const { body } = left.packet;
  if (body.proto !== 'tcp') return;
  if ((body.flags & TH_SYN) === 0) {
    if (spec.ack !== null) flow.settleRemote(spec.ack, body.ack);
    flow.settleLocal(spec.seq, body.seq);
  }
  if ((body.flags & spec.flags & TH_SYN) === 0) return;
  const isOther = flow.mayReanchor && flow.script(body.seq) !== spec.seq;
  if (!flow.isAnchored || isOther) flow.anchor(spec.seq, body.seq);
}

function noteOutbound(action: PacketAction, packet: ParsedPacket, flow: Flow): void {
  const { body } = packet;
  if (body.proto !== 'tcp' || action.body.proto !== 'tcp') return;
  const extra = ((body.flags & TH_SYN) !== 0 ? 1 : 0) + ((body.flags & TH_FIN) !== 0 ? 1 : 0);
  flow.localNext = (body.seq + packet.payload.length + extra) >>> 0;
  if ((body.flags & TH_ACK) !== 0) flow.localAck = body.ack;
  const script = action.body.options?.find((o) => o.kind === 'TS');
  const at = timestampAt(body.options);
  if (script !== undefined && at !== null) flow.noteTimestamp(script.val, at);
}

/** `TS val` of options as bytes. */
function timestampAt(options: Uint8Array): number | null {
  const v = new DataView(options.buffer, options.byteOffset, options.byteLength);
  for (let i = 0; i + 1 < options.length; ) {
    const kind = options[i] as number;
    if (kind === 8 && i + 10 <= options.length) return v.getUint32(i + 2);
    i += kind <= 1 ? 1 : Math.max(2, options[i + 1] as number);
  }
  return null;
}

export function seconds(us: number): string {
  return (us / 1e6).toFixed(6);
}
