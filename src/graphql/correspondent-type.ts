import type { Correspondent } from '../ticketing/message.entity.ts';
import { builder } from './builder.ts';

/** Who wrote a mail, or got it; here, since the outbox shows them as well. */
export const CorrespondentType = builder.objectRef<Correspondent>('Correspondent');
