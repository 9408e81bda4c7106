import { type Appearance, appearanceOf, type ShownSender } from '../mailboxes/appearance.ts';
import { toSender } from '../mailboxes/choose-identity.ts';
import type { Identity } from '../mailboxes/identity.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Correspondent } from '../ticketing/message.entity.ts';

/**
 * What recipients see of mail that is sent as an identity, under the name that is set or another one that somebody thinks
 * of: as the last sent copy shows it, else what is known of Exchange.
 */
export async function loadAppearance(
  em: EntityManager,
  identity: Identity,
  fromName: string | null,
): Promise<Appearance> {
  const { mailbox, profile } = await toSender(identity);
  const name = fromName ?? profile?.fromName ?? mailbox.outgoingFromName ?? mailbox.displayName;
  return appearanceOf(identity, mailbox, name, await lastShown(em, identity));
}

async function lastShown(em: EntityManager, { id, organization }: Identity): Promise<ShownSender | null> {
  const [row] = await em.execute<
    {
      from_correspondent: Correspondent;
      shown_from: Correspondent;
      shown_sender: Correspondent | null;
      sent_at: string | Date;
    }[]
  >(
    `select from_correspondent, shown_from, shown_sender, sent_at from outbound_message
      where organization_id = ? and identity_id = ? and shown_from is not null order by sent_at desc limit 1`,
    [organization.id, id],
  );
  if (!row) return null;
  return {
    wanted: row.from_correspondent,
    shown: row.shown_from,
    sender: row.shown_sender,
    at: new Date(row.sent_at),
  };
}
