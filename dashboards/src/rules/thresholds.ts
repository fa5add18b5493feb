/**
 * From when on something is worth waking somebody. Rates per second, ratios 0 to 1, times in seconds. The minimum rates
 * keep one bad request of three from being an alert.
 */
export const THRESHOLDS = {
  /** 150 requests in five minutes: a ratio of 5 % stands for eight of them. */
  requestsPerSecond: 0.5,
  serverErrorRatio: 0.05,
  /** An upper bound of a bucket, so that the quantile is exact there. */
  durationP99Seconds: 1,
  /** Within the window: one slow request of 150 is no high latency, though it is a quantile. */
  slowRequests: 5,
  /** Per sender: 600 segments in five minutes. */
  segmentsPerSecond: 2,
  /**
   * Inside a data centre fewer than one segment of a thousand is sent again. Pure acknowledgements count as segments
   * and are never sent again: a link that loses 1 % shows about this ratio.
   */
  retransmitRatio: 0.005,
  /** Within the window, whatever its length: a tail loss probe now and then is no loss, whatever its share. */
  retransmittedSegments: 5,
  /** Of connections that ended so. */
  resetsPerSecond: 0.1,
  /** Share of the connections that ended: many programs close now and then with a reset. */
  resetRatio: 0.2,
  connectsFailedPerSecond: 0.05,
  connectFailureRatio: 0.1,
  /** Packets of handshakes, 15 in five minutes: one burst is a burst. */
  acceptQueueOverflowsPerSecond: 0.05,
  /** What an edge was before and is now, when its requests went out of sight. */
  opaqueRatioBefore: 0.1,
  opaqueRatioNow: 0.9,
  /** One record of a thousand. */
  lostRecordRatio: 0.001,
  lagSeconds: 60,
  /** The API server is heard each minute at least; a connection that was silent for 150 s is made anew. */
  identityAgeSeconds: 300,
} as const;
