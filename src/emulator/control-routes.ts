import { Hono } from 'hono';
import { z } from 'zod';
import { graphDateTime } from './clock.ts';
import { ControlFault, controlFaultResponse, readControlBody } from './control-answer.ts';
import { controlExchangeRoutes } from './control-exchange.ts';
import { controlMailRoutes } from './control-mail.ts';
import { controlMailboxRoutes } from './control-mailboxes.ts';
import { controlSendingRoutes } from './control-sending.ts';
import { faultSchema } from './faults.ts';
import { pushControlRoutes } from './push-control.ts';
import { controlSignInRoutes } from './sign-in-control.ts';
import { findUserByAddress, resetState } from './state.ts';
import type { World } from './world.ts';

const LONGEST_LATENCY_MS = 600_000;
const settingsSchema = z.strictObject({
  latencyMs: z.int().min(0).max(LONGEST_LATENCY_MS).optional(),
  pageSize: z.int().min(1).max(1000).optional(),
  concurrentRequests: z.int().min(1).max(10_000).optional(),
  requestsPerWindow: z.int().min(1).optional(),
  retryAfterSeconds: z.number().min(0).max(3600).optional(),
  /** The chances of faults and of push follow from it; null for real chance. */
  randomSeed: z.int().min(0).max(0xffff_ffff).nullable().optional(),
  linkRoot: z
    .url({ protocol: /^https?$/ })
    .nullable()
    .optional(),
});
const YEAR_SECONDS = 366 * 24 * 60 * 60;
const clockSchema = z.strictObject({
  advanceSeconds: z
    .number()
    .min(0)
    .max(10 * YEAR_SECONDS),
});

/**
 * The control API under `/_emulator`: what no Microsoft API has, for people and tests to steer the emulated world. It
 * asks for no credentials; injected faults, latency and throttling do not touch it. The README documents it.
 */
export function controlRoutes(world: World): Hono {
  const routes = new Hono();
  routes.onError(controlFaultResponse);
  routes.route('/', controlMailRoutes(world));
  routes.route('/', controlMailboxRoutes(world));
  routes.route('/', controlExchangeRoutes(world));
  routes.route('/', controlSendingRoutes(world));
  routes.route('/', controlSignInRoutes(world.state, world.push));
  routes.route('/', pushControlRoutes(world));

  routes.get('/faults', (c) => c.json(world.faults.list()));
  routes.post('/faults', async (c) => c.json(world.faults.add(await readControlBody(c, faultSchema)), 201));
  routes.delete('/faults', (c) => {
    world.faults.clear();
    return c.body(null, 204);
  });
  routes.delete('/faults/:id', (c) => {
    if (!world.faults.clear(c.req.param('id')))
      throw new ControlFault(404, 'notFound', 'There is no such fault.');
    return c.body(null, 204);
  });

  routes.get('/requests', (c) => {
    const report = world.requests.report();
    const address = c.req.query('mailbox');
    if (address === undefined) return c.json(report);
    const user = findUserByAddress(world.state, address);
    if (user === undefined) throw new ControlFault(404, 'notFound', `Nobody has the address ${address}.`);
    return c.json(
      report.mailboxes[user.id] ?? { requests: 0, peakConcurrency: 0, throttled: 0, operations: {} },
    );
  });
  routes.delete('/requests', (c) => {
    world.requests.reset();
    return c.body(null, 204);
  });

  routes.get('/settings', (c) => c.json(settingsJson(world)));
  routes.post('/settings', async (c) => {
    const input = await readControlBody(c, settingsSchema);
    const { settings } = world;
    settings.latencyMs = input.latencyMs ?? settings.latencyMs;
    settings.pageSize = input.pageSize ?? settings.pageSize;
    settings.limits.concurrentRequests = input.concurrentRequests ?? settings.limits.concurrentRequests;
    settings.limits.requestsPerWindow = input.requestsPerWindow ?? settings.limits.requestsPerWindow;
    settings.limits.retryAfterSeconds = input.retryAfterSeconds ?? settings.limits.retryAfterSeconds;
    if (input.linkRoot !== undefined) settings.linkRoot = input.linkRoot;
    if (input.randomSeed !== undefined) world.randomness.seed(input.randomSeed);
    return c.json(settingsJson(world));
  });

  routes.get('/clock', (c) => c.json(clockJson(world)));
  routes.post('/clock', async (c) => {
    const { advanceSeconds } = await readControlBody(c, clockSchema);
    world.state.clock.advance(advanceSeconds);
    return c.json(clockJson(world));
  });
  routes.post('/delta/expire', (c) => {
    world.state.deltaGeneration += 1;
    return c.body(null, 204);
  });
  routes.post('/reset', (c) => {
    world.push.reset();
    world.uploads.clear();
    resetState(world.state);
    world.faults.clear();
    world.requests.reset();
    world.throttle.reset();
    world.quirks.clear();
    return c.body(null, 204);
  });
  routes.all('*', (c) =>
    c.json(
      { error: { code: 'notFound', message: `The control API has no ${c.req.method} ${c.req.path}.` } },
      404,
    ),
  );
  return routes;
}

function settingsJson({ settings }: World) {
  const { concurrentRequests, requestsPerWindow, retryAfterSeconds } = settings.limits;
  const { latencyMs, pageSize, linkRoot } = settings;
  return { latencyMs, pageSize, concurrentRequests, requestsPerWindow, retryAfterSeconds, linkRoot };
}

function clockJson({ state: { clock } }: World) {
  return { now: graphDateTime(clock.now()), aheadSeconds: clock.offsetMilliseconds() / 1000 };
}
