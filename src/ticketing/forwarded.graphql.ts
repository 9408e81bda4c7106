import { builder } from '../graphql/builder.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { MAX_MESSAGE_BYTES } from '../graphql/limits.ts';
import { Message } from './message.entity.ts';
import { messageBodies } from './message-bodies.ts';
import { forwardedSender } from './message-forwarded.ts';
import { isForwardSubject } from './subject.ts';

const bodyOf = messageBodies(MAX_MESSAGE_BYTES);

builder.objectField(Message, 'forwardedFrom', (t) =>
  t.field({
    type: CorrespondentType,
    nullable: true,
    description:
      'Who wrote the mail that this one forwards, by the words of its text, or by the header of the mail that is attached: an offer for who should be answered. Null for mail that forwards nothing.',
    complexity: 5, // an attached mail is read
    resolve: async ({ id, subject }, _args, { em, actor: { organizationId }, services, signal }) => {
      // Read from the text when it is asked for; the text of other mail is not even loaded.
      if (!isForwardSubject(subject)) return null;
      const text = await bodyOf(em, { organizationId, messageId: id, field: 'text' });
      return forwardedSender(em, services.storages, { id, subject, text }, signal);
    },
  }),
);
