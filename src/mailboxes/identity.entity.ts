import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { Mailbox } from './mailbox.entity.ts';
import { SenderProfile } from './sender-profile.entity.ts';

/** `PRIMARY`: the mailbox's own address. `ALIAS`: another of its addresses. `SEND_AS`: added by an administrator. */
export const IDENTITY_KINDS = ['PRIMARY', 'ALIAS', 'SEND_AS'] as const;
export type IdentityKind = (typeof IDENTITY_KINDS)[number];

/**
 * `ACTIVE`: it may be sent as. `UNVERIFIED`: nobody knows before the first mail is sent. `DENIED`: Microsoft refused to
 * send as it. `GONE`: the mailbox no longer has the address.
 */
export const IDENTITY_STATUSES = ['ACTIVE', 'UNVERIFIED', 'DENIED', 'GONE'] as const;
export type IdentityStatus = (typeof IDENTITY_STATUSES)[number];

/** An address that a mailbox can send as. */
export const IdentitySchema = defineEntity({
  name: 'Identity',
  tableName: 'identity',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    /** In lower case. */
    emailAddress: p.text(),
    kind: p.string().$type<IdentityKind>(),
    status: p.string().$type<IdentityStatus>(),
    /** Why it cannot send; null while it can. */
    problem: p.json<Problem>().nullable(),
    /** What it is sent with; without one it does not send. */
    senderProfile: () => p.manyToOne(SenderProfile).ref().nullable(),
    /** When Microsoft last told whether it may be sent as. */
    checkedAt: p.datetime().nullable(),
    /** When it was removed; the row stays, since mail that was sent names it. */
    removedAt: p.datetime().nullable(),
  },
});

export class Identity extends IdentitySchema.class {}
IdentitySchema.setClass(Identity);
