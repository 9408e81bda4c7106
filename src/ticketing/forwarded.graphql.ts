import { builder } from '../graphql/builder.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { MAX_MESSAGE_BYTES } from '../graphql/limits.ts';
import { forwardedFrom } from './forwarded.ts';
import { Message } from './message.entity.ts';
import { messageBodies } from './message-bodies.ts';
import { isForwardSubject } from './subject.ts';

const bodyOf = messageBodies(MAX_MESSAGE_BYTES);

builder.objectField(Message, 'forwardedFrom', (t) =>
  t.field({
    type: CorrespondentType,
    nullable: true,
    description:
      'Who wrote the mail that this one forwards, by the words of its text: an offer for who should be answered. Null for mail that forwards nothing.',
    resolve: async ({ id: messageId, subject }, _args, { em, actor: { organizationId } }) => {
      // Read from the text when it is asked for; the text of other mail is not even loaded.
      if (!isForwardSubject(subject)) return null;
      return forwardedFrom(subject, await bodyOf(em, { organizationId, messageId, field: 'text' }));
    },
  }),
);
