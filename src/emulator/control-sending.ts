import { Hono } from 'hono';
import { graphDateTime } from './clock.ts';
import { ControlFault, controlFaultResponse, readControlBody } from './control-answer.ts';
import { findDeliveries } from './delivery-ledger.ts';
import type { DirectoryUser } from './directory-user.ts';
import { usedOf } from './sending-limits.ts';
import { sendingRulesSchema, USUAL_SENDING_RULES } from './sending-rules.ts';
import { rulesOf } from './sending-state.ts';
import { type EmulatorState, findUserByAddress } from './state.ts';
import type { World } from './world.ts';

/** An answer holds no more deliveries than this. */
const MOST_ANSWERED = 100_000;

/** How Exchange treats what is sent, and what came of it. */
export function controlSendingRoutes({ state }: World): Hono {
  const routes = new Hono();
  routes.onError(controlFaultResponse);

  routes.get('/sending', (c) => c.json({ ...USUAL_SENDING_RULES, ...state.sending.everywhere }));
  routes.put('/sending', async (c) => {
    state.sending.everywhere = await readControlBody(c, sendingRulesSchema);
    return c.json({ ...USUAL_SENDING_RULES, ...state.sending.everywhere });
  });
  routes.get('/mailboxes/:address/sending', (c) =>
    c.json(sendingJson(state, requireUser(state, c.req.param('address')))),
  );
  routes.put('/mailboxes/:address/sending', async (c) => {
    const user = requireUser(state, c.req.param('address'));
    state.sending.byMailbox.set(user.id, await readControlBody(c, sendingRulesSchema));
    return c.json(sendingJson(state, user));
  });

  routes.get('/deliveries', (c) => {
    const found = findDeliveries(state.sending.deliveries, {
      outboundMessage: c.req.query('outboundMessage'),
      internetMessageId: c.req.query('internetMessageId'),
      recipient: c.req.query('recipient')?.toLowerCase(),
      from: c.req.query('from')?.toLowerCase(),
    });
    const deliveries = found.slice(0, MOST_ANSWERED).map(({ firstAt, lastAt, ...delivery }) => ({
      ...delivery,
      first: graphDateTime(firstAt),
      last: graphDateTime(lastAt),
    }));
    return c.json({ total: found.length, underWay: state.sending.underWay.length, deliveries });
  });
  routes.delete('/deliveries', (c) => {
    state.sending.deliveries.clear();
    return c.body(null, 204);
  });
  return routes;
}

function sendingJson(state: EmulatorState, user: DirectoryUser) {
  return {
    rules: rulesOf(state, user.id),
    ...usedOf(state.sending, user.id, state.clock.now()),
    underWay: state.sending.underWay.filter(({ ownerId }) => ownerId === user.id).length,
  };
}

function requireUser(state: EmulatorState, address: string): DirectoryUser {
  const user = findUserByAddress(state, address);
  if (user === undefined) throw new ControlFault(404, 'notFound', `Nobody has the address ${address}.`);
  return user;
}
