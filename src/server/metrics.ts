import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the process tells Prometheus. Domains add their own metrics to `registry`, which `app.ts` hands them. */
export interface Metrics {
  readonly registry: Registry;
  /** How long requests took, by route and status. */
  readonly httpDuration: Histogram<'method' | 'route' | 'status'>;
  /** Says where to read the number of open streams whenever Prometheus asks. */
  readonly observeOpenStreams: (count: () => number) => void;
}

/** Makes a registry of its own, with the metrics of the process and of HTTP. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    httpDuration: new Histogram({
      name: 'deskgraph_http_request_duration_seconds',
      help: 'How long HTTP requests took, from the request to the head of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers: [registry],
    }),
    observeOpenStreams(count) {
      new Gauge({
        name: 'deskgraph_open_streams',
        help: 'WebSockets and event streams over HTTP that are open.',
        registers: [registry],
        collect() {
          this.set(count());
        },
      });
    },
  };
}

/** The page that Prometheus reads, in its text exposition format. */
export async function metricsPage({ registry }: Metrics): Promise<Response> {
  return new Response(await registry.metrics(), { headers: { 'Content-Type': registry.contentType } });
}
