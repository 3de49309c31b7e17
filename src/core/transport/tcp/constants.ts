/**
 * Numbers of TCP: states, timings, limits (Linux `include/net/tcp.h`, `include/net/tcp_states.h`).
 * Times are microseconds.
 */

/** States, numbered as `/proc/net/tcp` prints them. */
export const TCP_ESTABLISHED = 1;
export const TCP_SYN_SENT = 2;
export const TCP_SYN_RECV = 3;
export const TCP_FIN_WAIT1 = 4;
export const TCP_FIN_WAIT2 = 5;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE = 7;
export const TCP_CLOSE_WAIT = 8;
export const TCP_LAST_ACK = 9;
export const TCP_LISTEN = 10;
export const TCP_CLOSING = 11;
/** A request sock that waits for the third segment of its handshake. */
export const TCP_NEW_SYN_RECV = 12;

export const TCPF_ESTABLISHED: number = 1 << TCP_ESTABLISHED;
export const TCPF_SYN_SENT: number = 1 << TCP_SYN_SENT;
export const TCPF_SYN_RECV: number = 1 << TCP_SYN_RECV;
export const TCPF_FIN_WAIT1: number = 1 << TCP_FIN_WAIT1;
export const TCPF_FIN_WAIT2: number = 1 << TCP_FIN_WAIT2;
export const TCPF_CLOSE: number = 1 << TCP_CLOSE;
export const TCPF_CLOSE_WAIT: number = 1 << TCP_CLOSE_WAIT;
export const TCPF_LAST_ACK: number = 1 << TCP_LAST_ACK;
export const TCPF_LISTEN: number = 1 << TCP_LISTEN;
export const TCPF_CLOSING: number = 1 << TCP_CLOSING;

/** States of congestion control (`enum tcp_ca_state`). */
export const TCP_CA_OPEN = 0;
export const TCP_CA_DISORDER = 1;
export const TCP_CA_CWR = 2;
export const TCP_CA_RECOVERY = 3;
export const TCP_CA_LOSS = 4;

/** RFC 6298 §2.1 */
export const TCP_TIMEOUT_INIT = 1_000_000;
/** Shortest timeout that the models of patience assume (`TCP_RTO_MIN`). */
export const TCP_RTO_MIN = 200_000;
/** Delayed ACK: shortest and longest wait; first estimate of the interval (`TCP_ATO_MIN`). */
export const TCP_DELACK_MIN = 40_000;
export const TCP_DELACK_MAX = 200_000;
export const TCP_ATO_MIN = 40_000;
/** Timeouts are at least this when a probe is due (`TCP_TIMEOUT_MIN`). */
export const TCP_TIMEOUT_MIN = 2_000;
/** Retry after a local resource shortage. */
export const TCP_RESOURCE_PROBE_INTERVAL = 500_000;
/** How long TIME-WAIT lasts (RFC 9293 §3.4.2 asks for 2 MSL; Linux has a minute). */
export const TCP_TIMEWAIT_LEN = 60_000_000;
/** Longest FIN_WAIT2 of an orphan that TCP_LINGER2 can ask for. */
export const TCP_FIN_TIMEOUT_MAX = 120_000_000;
/**
 * RFC 7323 §5.5: after this many seconds ts_recent is not trusted. LINUX: timestamps may count microseconds, so
 * it is 2³¹ of those and not 24 days.
 */
export const TCP_PAWS_WRAP = 2147;
/** A RST is not judged by a timestamp that is older than this, seconds. */
export const TCP_PAWS_MSL = 60;
/** A TSval may be this much older than ts_recent. */
export const TCP_PAWS_WINDOW = 1;

export const TCP_MAX_QUICKACKS = 16;
/** RFC 6928 */
export const TCP_INIT_CWND = 10;
export const TCP_INFINITE_SSTHRESH = 0x7fffffff;
/** RFC 9293 §3.7.1 */
export const TCP_MSS_DEFAULT = 536;
/** Smallest receive MSS assumed. */
export const TCP_MIN_MSS = 88;
export const MAX_TCP_WINDOW = 32767;
/** RFC 7323 §2.3 */
export const TCP_MAX_WSCALE = 14;
export const TCP_FASTRETRANS_THRESH = 3;
/** Probe timers: `icsk_pending` */
export const ICSK_TIME_NONE = 0;
export const ICSK_TIME_RETRANS = 1;
export const ICSK_TIME_PROBE0 = 3;
export const ICSK_TIME_LOSS_PROBE = 5;
export const ICSK_TIME_REO_TIMEOUT = 6;

/** `icsk_ack.pending` */
export const ICSK_ACK_SCHED = 1;
export const ICSK_ACK_TIMER = 2;
export const ICSK_ACK_PUSHED = 4;
export const ICSK_ACK_PUSHED2 = 8;
export const ICSK_ACK_NOW = 16;
export const ICSK_ACK_NOMEM = 32;

/** `tp->nonagle` */
export const TCP_NAGLE_OFF = 1;
export const TCP_NAGLE_CORK = 2;
export const TCP_NAGLE_PUSH = 4;

/** `tp->ecn_flags` */
export const TCP_ECN_OK = 1;
export const TCP_ECN_QUEUE_CWR = 2;
export const TCP_ECN_DEMAND_CWR = 4;
export const TCP_ECN_SEEN = 8;

/** `TCP_SKB_CB(skb)->sacked` */
export const TCPCB_SACKED_ACKED = 1;
export const TCPCB_SACKED_RETRANS = 2;
export const TCPCB_LOST = 4;
export const TCPCB_TAGBITS = 7;
export const TCPCB_EVER_RETRANS = 0x80;

/** Bits of `rxOpt.sackOk`. */
export const TCP_SACK_SEEN = 1;
export const TCP_DSACK_SEEN = 4;

/**
 * What Linux charges to the send buffer for a segment besides its bytes, and to the receive buffer
 * (`truesize`: `struct sk_buff`, shared info and headroom). The windows that a peer sees follow from it.
 */
export const TX_OVERHEAD = 1280;
