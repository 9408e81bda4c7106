import type { EntityManager } from '../platform/database.ts';
import type { Notifications } from '../platform/notifications.ts';
import type { AccessTokens, AccountReference } from './access-token.ts';

/** The channel that tells every process which account's tokens are void. */
const CHANNEL = 'deskgraph_tokens';

/**
 * Tells every process, at the end of the transaction, to drop the token that it holds of an account: it was disconnected, or
 * signed in anew. Without it another process would go on with the old one for up to an hour.
 */
export async function announceTokensVoid(
  em: EntityManager,
  { organizationId, accountId }: AccountReference,
): Promise<void> {
  await em.execute(`select pg_notify('${CHANNEL}', ?)`, [`${organizationId} ${accountId}`]);
}

/** Drops tokens as they are announced to be void, and all of them whenever something may have been missed. */
export function watchTokens(notifications: Notifications, tokens: AccessTokens): () => void {
  return notifications.listen(CHANNEL, {
    onMessage(payload) {
      const [organizationId = '', accountId = ''] = payload.split(' ');
      tokens.forget({ organizationId, accountId });
    },
    onListening: () => tokens.forget(),
  });
}
