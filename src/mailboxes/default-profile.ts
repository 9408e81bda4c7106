import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from '../platform/database.ts';
import type { Identity } from './identity.entity.ts';
import type { Mailbox } from './mailbox.entity.ts';

/** How long the name of a sender profile may be. */
export const MAX_PROFILE_NAME = 100;

/**
 * The id of the sender profile that new identities of the mailbox get: that of its other identities, else a new one that
 * is named after the mailbox. Of mailboxes of the same name the later ones have their address in the name as well.
 */
export async function defaultProfileId(
  em: EntityManager,
  mailbox: Mailbox,
  identities: readonly Identity[],
  now: Date,
): Promise<string> {
  const primary = identities.find(({ kind }) => kind === 'PRIMARY');
  const used = [primary, ...identities].find((identity) => identity?.senderProfile);
  if (used?.senderProfile) return used.senderProfile.id;
  const names = [mailbox.displayName, `${mailbox.displayName.slice(0, 40)} ${mailbox.emailAddress}`];
  const organizationId = mailbox.organization.id;
  for (const name of names.map(profileName).filter((text) => text !== '')) {
    // Not first looked for and then made: another mailbox of the same name may be connected at the same moment.
    const [made] = await em.execute<{ id: string }[]>(
      `insert into sender_profile (id, organization_id, name, created_at, updated_at) values (?, ?, ?, ?, ?)
         on conflict (organization_id, lower(name)) do nothing returning id`,
      [uuidv7(), organizationId, name, now, now],
    );
    if (made) return made.id;
  }
  // Both names are taken, the second by this mailbox itself: somebody took its profile from every identity.
  const [own] = await em.execute<{ id: string }[]>(
    'select id from sender_profile where organization_id = ? and lower(name) = lower(?)',
    [organizationId, profileName(names[1] ?? '')],
  );
  if (!own) throw new Error('a sender profile disappeared while it was looked for');
  return own.id;
}

function profileName(text: string): string {
  return text
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, MAX_PROFILE_NAME)
    .trim();
}
