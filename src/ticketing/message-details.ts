import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { PreparedMail } from './prepare-mail.ts';
import type { Protection } from './protection.ts';

/** What is told of a message besides its bodies; reading it costs no body. */
export interface MessageDetails {
  hasQuotedText: boolean;
  hasSignature: boolean;
  protection: Protection | null;
}

const NONE: MessageDetails = { hasQuotedText: false, hasSignature: false, protection: null };

/** Writes what was folded away of new messages, and how they are protected: one statement, or none. */
export async function storeDetails(
  em: EntityManager,
  organizationId: string,
  stored: readonly { messageId: string; mail: Pick<PreparedMail, 'bodies' | 'protection'> }[],
): Promise<void> {
  const rows = stored.flatMap(({ messageId, mail: { bodies, protection } }) => {
    const { quotedText, signature } = bodies;
    if (quotedText === null && signature === null && protection === null) return [];
    return [{ message_id: messageId, quoted_text: quotedText, signature, protection }];
  });
  if (rows.length === 0) return;
  await em.execute(
    `insert into message_detail (organization_id, message_id, quoted_text, signature, protection)
     select ?::uuid, message_id, quoted_text, signature, protection
     from json_to_recordset(?::json) as row(message_id uuid, quoted_text text, signature text, protection text)
     on conflict (organization_id, message_id) do nothing`,
    [organizationId, JSON.stringify(rows)],
  );
}

/** What is told of a message. For a page of messages it is one query. */
export async function detailsOf(
  em: EntityManager,
  organizationId: string,
  messageId: string,
): Promise<MessageDetails> {
  return (await loadDetails(em, `${organizationId} ${messageId}`)) ?? NONE;
}

const loadDetails = batching(async (em, keys: readonly string[]) => {
  const asked = keys.map((key) => key.split(' '));
  const rows = await em.execute<(MessageDetails & { key: string })[]>(
    `select organization_id || ' ' || message_id as key, quoted_text is not null as "hasQuotedText",
       signature is not null as "hasSignature", protection
     from message_detail
     where organization_id in (?) and message_id in (?)`,
    [[...new Set(asked.map(([organizationId]) => organizationId))], asked.map(([, messageId]) => messageId)],
  );
  return new Map(rows.map(({ key, ...details }) => [key, details]));
});
