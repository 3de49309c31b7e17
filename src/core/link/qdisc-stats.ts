/** Counters of a queueing discipline (Linux `struct gnet_stats_basic`, `gnet_stats_queue`). */

/** What `tc -s qdisc show` counts. */
export class QdiscStats {
  sentPackets = 0;
  sentBytes = 0;
  dropped = 0;
  overlimits = 0;
  /** Packets that overtook the queue. */
  requeues = 0;
  backlogPackets = 0;
  backlogBytes = 0;
}
