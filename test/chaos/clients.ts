import { eventually } from '../support/wait.ts';
import type { Fleet } from './fleet.ts';
import { Listener } from './listener.ts';
import type { ReadyOrganization, Stage } from './organizations.ts';
import { createDice } from './random.ts';
import { WARM_UP } from './record.ts';
import { CLIENTS } from './stage.ts';
import { connectSocket } from './streams.ts';

/** Starts every client from a cursor of now. */
export async function startListeners(fleet: Fleet, stage: Stage, seed: number): Promise<Listener[]> {
  const urls = fleet.members.slice(0, 2).map(({ url }) => url);
  const cursors = {
    A: await firstCursor(urls[0] ?? '', stage.organizations.A),
    B: await firstCursor(urls[0] ?? '', stage.organizations.B),
  };
  return CLIENTS.map((staged) => {
    const { organizationId, desk } = stage.organizations[staged.organization];
    const cursor = cursors[staged.organization];
    const dice = createDice(seed, staged.name);
    return new Listener({ staged, organizationId, apiKey: desk.apiKey, urls, cursor, dice });
  });
}

/** The cursor of a ticket that is opened by hand: a subscription without one begins at a moment that nobody knows. */
async function firstCursor(url: string, { desk }: ReadyOrganization): Promise<string> {
  let cursor: string | undefined;
  const connection = connectSocket({
    url,
    apiKey: desk.apiKey,
    query: 'subscription { ticketCreated { cursor } }',
    onResult: ({ data }) => {
      cursor = (data?.['ticketCreated'] as { cursor: string } | undefined)?.cursor ?? cursor;
    },
  });
  await eventually('the first event', async () => {
    await desk.request(
      `mutation { createTicket(input: { subject: "${WARM_UP}", requesterEmail: "desk@example.com", text: "x" }) { __typename } }`,
    );
    return cursor !== undefined;
  });
  connection.destroy();
  return cursor ?? '';
}
