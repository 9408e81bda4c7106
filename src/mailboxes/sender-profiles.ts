import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import { z } from 'zod';
import { Organization } from '../access/organization.entity.ts';
import { lockOrganization } from '../access/organizations.ts';
import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { oneLine, parseInput } from '../platform/parse-input.ts';
import { recordEvents } from '../realtime/record.ts';
import { MAX_PROFILE_NAME } from './default-profile.ts';
import { Identity } from './identity.entity.ts';
import { readMailboxAddress } from './mailbox-address.ts';
import { SenderProfile } from './sender-profile.entity.ts';
import {
  SenderProfileInUseError,
  SenderProfileNameTakenError,
  TooManySenderProfilesError,
} from './sending-errors.ts';
import { sanitizeSignature } from './signature-html.ts';

/** The most sender profiles of one organization. */
export const MAX_SENDER_PROFILES = 1_000;
/** How long a from name may be; mail programs cut longer ones. */
export const MAX_FROM_NAME = 100;
export const MAX_SIGNATURE_TEXT = 5_000;
export const MAX_SIGNATURE_HTML = 20_000;

/**
 * A name that becomes part of a header: one line, and neither characters that would end it (RFC 5322 section 2.2) nor
 * those that turn the direction of what follows, with which one name looks like another.
 */
export const headerName = oneLine
  .max(MAX_FROM_NAME)
  .regex(/^[^\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]*$/u, 'it holds characters that names may not have')
  .transform((text) => text || null);

// Lines may end here; every other control character is refused: PostgreSQL stores no U+0000.
const signatureText = z
  .string()
  .max(MAX_SIGNATURE_TEXT)
  .regex(/^[\P{Cc}\t\n\r]*$/u, 'it holds control characters')
  .transform((text) => text.replaceAll(/\r\n?/g, '\n').trim() || null);
const signatureHtml = z
  .string()
  .max(MAX_SIGNATURE_HTML)
  .regex(/^[\P{Cc}\t\n\r]*$/u, 'it holds control characters')
  .transform((html) => sanitizeSignature(html) || null);
const name = oneLine.min(1).max(MAX_PROFILE_NAME);
const fields = {
  fromName: headerName.nullish(),
  replyTo: z
    .string()
    .transform((text) => (text.trim() === '' ? null : readMailboxAddress(text, 'replyTo')))
    .nullish(),
  signatureText: signatureText.nullish(),
  signatureHtml: signatureHtml.nullish(),
};
const newProfile = z.object({ name, ...fields });
const profileChange = z.object({ name: name.nullish(), ...fields });

export type NewSenderProfile = z.input<typeof newProfile>;
/** What is left out stays; null takes it away, but for the name. */
export type SenderProfileChange = z.input<typeof profileChange>;

/** The organization's sender profiles by name. Throws as `findPage` does. */
export function listSenderProfiles(em: EntityManager, page: PageArguments): Promise<Page<SenderProfile>> {
  return findPage(em, SenderProfile, {}, { key: 'name', direction: 'asc' }, page);
}

/** Makes a sender profile. Throws InvalidInputError, {@link SenderProfileNameTakenError}, {@link TooManySenderProfilesError}. */
export async function createSenderProfile(
  em: EntityManager,
  organizationId: string,
  input: NewSenderProfile,
): Promise<SenderProfile> {
  const given = parseInput(newProfile, input);
  return await withUniqueName(() =>
    em.transactional(async (tx) => {
      await lockOrganization(tx, organizationId); // two at once would both be the thousandth
      if ((await tx.count(SenderProfile, {})) >= MAX_SENDER_PROFILES)
        throw new TooManySenderProfilesError(MAX_SENDER_PROFILES);
      const profile = tx.create(SenderProfile, {
        organization: tx.getReference(Organization, organizationId),
        name: given.name,
        fromName: given.fromName ?? null,
        replyTo: given.replyTo ?? null,
        signatureText: given.signatureText ?? null,
        signatureHtml: given.signatureHtml ?? null,
      });
      await tx.flush();
      return profile;
    }),
  );
}

/**
 * Changes a sender profile, for mail that is written from now on: what is queued already keeps what it was made with.
 * Throws InvalidInputError, NotFoundError, {@link SenderProfileNameTakenError}.
 */
export async function updateSenderProfile(
  em: EntityManager,
  id: string,
  change: SenderProfileChange,
): Promise<SenderProfile> {
  const { name: newName, ...rest } = parseInput(profileChange, change);
  return await withUniqueName(() =>
    em.transactional(async (tx) => {
      const profile = await lockProfile(tx, id);
      if (newName != null) profile.name = newName;
      if (rest.fromName !== undefined) profile.fromName = rest.fromName;
      if (rest.replyTo !== undefined) profile.replyTo = rest.replyTo;
      if (rest.signatureText !== undefined) profile.signatureText = rest.signatureText;
      if (rest.signatureHtml !== undefined) profile.signatureHtml = rest.signatureHtml;
      await tx.flush();
      return profile;
    }),
  );
}

/** Deletes a sender profile that no identity uses. Throws NotFoundError and {@link SenderProfileInUseError}. */
export async function deleteSenderProfile(em: EntityManager, id: string): Promise<void> {
  await em.transactional(async (tx) => {
    await lockProfile(tx, id);
    // Of removed identities it is taken away: they get one again when they are added again.
    await tx.nativeUpdate(Identity, { senderProfile: id, removedAt: { $ne: null } }, { senderProfile: null });
    const users = await tx.count(Identity, { senderProfile: id });
    if (users > 0) throw new SenderProfileInUseError(users);
    await tx.nativeDelete(SenderProfile, { id });
  });
}

/** Gives an identity its sender profile; null takes it away, and it no longer sends. Throws NotFoundError. */
export async function assignSenderProfile(
  em: EntityManager,
  identityId: string,
  senderProfileId: string | null,
): Promise<Identity> {
  return await em.transactional(async (tx) => {
    // First, and locked: it must not be deleted meanwhile.
    const profile = senderProfileId === null ? null : await lockProfile(tx, senderProfileId);
    const identity = await tx.findOne(
      Identity,
      { id: identityId, removedAt: null },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    if (!identity) throw new NotFoundError('The identity');
    if ((identity.senderProfile?.id ?? null) === senderProfileId) return identity;
    tx.assign(identity, { senderProfile: profile });
    await tx.flush();
    await recordEvents(tx, identity.organization.id, [
      { type: 'mailbox.changed', mailboxId: identity.mailbox.id },
    ]);
    return identity;
  });
}

async function lockProfile(em: EntityManager, id: string): Promise<SenderProfile> {
  const profile = await em.findOne(
    SenderProfile,
    { id },
    { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
  );
  if (!profile) throw new NotFoundError('The sender profile');
  return profile;
}

async function withUniqueName<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof UniqueConstraintViolationException) throw new SenderProfileNameTakenError();
    throw thrown;
  }
}
