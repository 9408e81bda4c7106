import { Counter, Histogram, type Registry } from 'prom-client';
import type { GraphObserver } from './graph-client.ts';

/** Tells Prometheus what goes to Microsoft Graph: how often, how it is answered, how long it takes, what is repeated. */
export function createGraphMetrics(registry: Registry): Required<GraphObserver> {
  const duration = new Histogram({
    name: 'deskgraph_graph_request_duration_seconds',
    help: 'How long requests to Microsoft Graph took, by operation and status ("none": no answer came).',
    labelNames: ['operation', 'status'],
    buckets: [0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30],
    registers: [registry],
  });
  const retries = new Counter({
    name: 'deskgraph_graph_retries_total',
    help: 'Requests to Microsoft Graph that were repeated, by operation and the status that led to it.',
    labelNames: ['operation', 'status'],
    registers: [registry],
  });
  return {
    onRequest: ({ operation, status, seconds }) =>
      duration.observe({ operation, status: String(status ?? 'none') }, seconds),
    onRetry: ({ operation, status }) => retries.inc({ operation, status: String(status ?? 'none') }),
  };
}
