import type { InboundChannel, Organization } from '../access/organization.entity.ts';
import { lockOrganization } from '../access/organizations.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { Mailbox } from './mailbox.entity.ts';
import { MailboxReceivesError } from './mailbox-errors.ts';

/** What enabling a mailbox did to the organization's channel. */
export interface InboundChannelChange {
  from: InboundChannel;
  to: InboundChannel;
}

/**
 * Sets where the organization's mail comes from. What is so already changes nothing and nobody is told.
 *
 * Throws {@link MailboxReceivesError} for anything but `MICROSOFT_365` while a mailbox takes mail in. The organization is
 * locked before the mailboxes are looked at, and {@link chooseMicrosoft365} takes the same lock after a mailbox was
 * enabled: whichever comes second sees what the first committed, so the two are never on together.
 */
export async function setInboundChannel(
  em: EntityManager,
  organizationId: string,
  channel: InboundChannel,
): Promise<Organization> {
  return em.transactional(async (tx) => {
    const organization = await lockOrganization(tx, organizationId);
    if (organization.inboundChannel === channel) return organization;
    if (channel !== 'MICROSOFT_365') {
      const receiving = await tx.findOne(
        Mailbox,
        { incomingEnabled: true },
        { orderBy: { emailAddress: 'asc' } },
      );
      if (receiving) throw new MailboxReceivesError(receiving.emailAddress);
    }
    organization.inboundChannel = channel;
    await tx.flush();
    await recordEvents(tx, organizationId, [{ type: 'organization.changed' }]);
    return organization;
  });
}

/**
 * Makes Microsoft 365 the organization's channel, in the transaction that enables a mailbox, whose lock it must hold
 * already: mail is stored under the mailbox's lock and then the organization's. Null when it was the channel before.
 */
export async function chooseMicrosoft365(
  tx: EntityManager,
  organizationId: string,
): Promise<InboundChannelChange | null> {
  const organization = await lockOrganization(tx, organizationId);
  const from = organization.inboundChannel;
  if (from === 'MICROSOFT_365') return null;
  organization.inboundChannel = 'MICROSOFT_365';
  await tx.flush();
  await recordEvents(tx, organizationId, [{ type: 'organization.changed' }]);
  return { from, to: 'MICROSOFT_365' };
}
