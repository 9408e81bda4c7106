import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { builder } from './builder.ts';

/** The settings of outgoing mail; here, since the outbox adds to them how much of its limits a mailbox uses. */
export const OutgoingSettingsType = builder.objectRef<Mailbox>('OutgoingSettings');
