/**
 * What became of change notifications. At rest `raised + duplicated` is the sum of `delivered`, `failed`, `lost`,
 * `dropped` and `discarded` and what is queued; lifecycle events are counted for themselves.
 */
export interface PushCounts {
  raised: number;
  /** Second copies, by `duplicateProbability`. */
  duplicated: number;
  delivered: number;
  /** Given up after four hours. */
  failed: number;
  /** By `lossProbability`. */
  lost: number;
  /** The endpoint was too slow, or the queue was full; a `missed` event follows. */
  dropped: number;
  /** Their subscription was gone before they went out. */
  discarded: number;
  lifecycleRaised: number;
  lifecycleDelivered: number;
  lifecycleFailed: number;
}

/** What is counted for one subscription, and for all of them together. */
export type PushCount = keyof PushCounts;

/** Counters at zero. */
export function noCounts(): PushCounts {
  return {
    raised: 0,
    duplicated: 0,
    delivered: 0,
    failed: 0,
    lost: 0,
    dropped: 0,
    discarded: 0,
    lifecycleRaised: 0,
    lifecycleDelivered: 0,
    lifecycleFailed: 0,
  };
}

/** The requests that were made, and how full it was at worst. */
export interface PushTraffic {
  requests: number;
  failedRequests: number;
  slowRequests: number;
  queued: number;
  peakQueued: number;
  underWay: number;
  peakUnderWay: number;
}

/** No request made yet. */
export function noTraffic(): PushTraffic {
  return {
    requests: 0,
    failedRequests: 0,
    slowRequests: 0,
    queued: 0,
    peakQueued: 0,
    underWay: 0,
    peakUnderWay: 0,
  };
}
