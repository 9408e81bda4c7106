import { Hono } from 'hono';
import { z } from 'zod';
import { readBody } from './graph-body.ts';
import { openMailbox } from './mail-access.ts';
import { findUser } from './state.ts';
import type { GraphEnv, World } from './world.ts';

const requestSchema = z.object({
  emailAddresses: z.array(z.string().max(320)).min(1).max(100),
  mailTipsOptions: z.string().max(1_000),
});

/**
 * `getMailTips`, as far as it tells groups from people: how many recipients stand behind an address. See
 * learn.microsoft.com/graph/api/user-getmailtips.
 */
export function mailTipsRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  routes.post('/v1.0/users/:user/getMailTips', async (c) => {
    const { caller } = openMailbox(c, world, 'read');
    const { emailAddresses } = await readBody(c, requestSchema);
    const value = emailAddresses.map((address) => {
      const group = world.state.exchange.groups.get(address.toLowerCase());
      const isOurs = group?.tenantId === caller.tenantId;
      const user = findUser(world.state, caller.tenantId, address);
      return {
        emailAddress: { name: '', address },
        totalMemberCount: isOurs ? group.members : 1,
        externalMemberCount: isOurs || user !== undefined ? 0 : 1,
      };
    });
    return c.json({ value });
  });
  return routes;
}
