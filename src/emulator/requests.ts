/** What the emulator counted since the start or the last reset of its counters. */
export interface RequestReport {
  /** HTTP requests that came over the wire; a `$batch` is one. */
  httpRequests: number;
  /** What Microsoft counts against the limits: like `httpRequests`, but each part of a batch for itself. */
  countedRequests: number;
  operations: Record<string, number>;
  mailboxes: Record<string, MailboxReport>;
}

/** The counts of one mailbox, over all apps. */
export interface MailboxReport {
  requests: number;
  /** Most requests that one app had under way at one time. */
  peakConcurrency: number;
  throttled: number;
  operations: Record<string, number>;
}

/** Counts requests by operation and by mailbox. */
export interface RequestCounter {
  count(operation: string, mailbox: string | null, isBatchPart: boolean): void;
  sawConcurrency(mailbox: string, concurrent: number): void;
  sawThrottling(mailbox: string): void;
  report(): RequestReport;
  reset(): void;
}

/** A counter at zero. Mailboxes are named by user id. */
export function createRequestCounter(): RequestCounter {
  let report = emptyReport();
  const mailboxReport = (mailbox: string): MailboxReport => {
    const known = report.mailboxes[mailbox];
    if (known !== undefined) return known;
    const fresh: MailboxReport = { requests: 0, peakConcurrency: 0, throttled: 0, operations: {} };
    report.mailboxes[mailbox] = fresh;
    return fresh;
  };
  return {
    count(operation, mailbox, isBatchPart) {
      if (!isBatchPart) report.httpRequests += 1;
      if (!operation.endsWith('/$batch')) report.countedRequests += 1;
      increase(report.operations, operation);
      if (mailbox === null) return;
      const own = mailboxReport(mailbox);
      own.requests += 1;
      increase(own.operations, operation);
    },
    sawConcurrency(mailbox, concurrent) {
      const own = mailboxReport(mailbox);
      own.peakConcurrency = Math.max(own.peakConcurrency, concurrent);
    },
    sawThrottling(mailbox) {
      mailboxReport(mailbox).throttled += 1;
    },
    report: () => structuredClone(report),
    reset() {
      report = emptyReport();
    },
  };
}

function emptyReport(): RequestReport {
  return { httpRequests: 0, countedRequests: 0, operations: {}, mailboxes: {} };
}

function increase(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
