import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, ErrorCodeEnum, enumType, errorType } from '../graphql/builder.ts';
import { errorCodeOf } from '../graphql/error-codes.ts';
import { decodeId } from '../graphql/global-id.ts';
import { microsoftErrorType } from '../graphql/microsoft-error.ts';
import { mutation } from '../graphql/mutation.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { removeMailbox } from '../sync/remove-mailbox.ts';
import type { AccessCheck } from './access-check.ts';
import { addMailbox } from './add-mailbox.ts';
import { Mailbox } from './mailbox.entity.ts';
import { MailboxAccessError, MailboxAlreadyConnectedError } from './mailbox-access-errors.ts';
import { readMailboxAddress } from './mailbox-address.ts';
import { checkSending } from './send-check.ts';
import { verifyAccess } from './verify-access.ts';

microsoftErrorType(
  MailboxAccessError,
  'Microsoft does not let the account use the mailbox; the code says why, the remedy has the steps in Entra or Exchange.',
  ({ microsoft }) => microsoft,
);
errorType(
  MailboxAlreadyConnectedError,
  'The organization has connected the mailbox already, through another account.',
);

const AccessCheckNameEnum = enumType('MailboxAccessCheckName', 'What of the access to a mailbox was tried.', {
  READ: 'Opening the Inbox.',
  WRITE: 'Filing mail: a draft is made and removed at once.',
  SEND: 'Sending as the mailbox.',
  LIMITED: 'That another mailbox, which must not be reachable, is not.',
});

const AccessCheckResultEnum = enumType('MailboxAccessCheckResult', 'What came of a check.', {
  PASSED: 'It is as it must be.',
  FAILED: 'It is not; the remedy says what to do.',
  UNKNOWN: 'It was not tried, or Microsoft did not let it be decided; the cause says why.',
});

const MailboxAccessCheckType = builder.objectRef<AccessCheck>('MailboxAccessCheck').implement({
  description:
    'One thing that an account must be able, or unable, to do with a mailbox, and whether it is so.',
  authScopes: { permission: 'mailbox:manage' },
  fields: (t) => ({
    name: t.expose('name', { type: AccessCheckNameEnum, description: 'What was tried.' }),
    result: t.expose('result', { type: AccessCheckResultEnum, description: 'What came of it.' }),
    code: t.field({
      type: ErrorCodeEnum,
      nullable: true,
      description: 'What is wrong, for programs; null when it passed or was not tried.',
      resolve: ({ code }) => (code === null ? null : errorCodeOf(code)),
    }),
    cause: t.exposeString('cause', {
      nullable: true,
      description: 'Why it failed or is unknown; null when it passed.',
    }),
    remedy: t.exposeString('remedy', {
      nullable: true,
      description: 'What to do about it, with the steps in Entra or Exchange.',
    }),
    microsoftCode: t.exposeString('microsoftCode', {
      nullable: true,
      description: 'The code that Microsoft answered with.',
    }),
    requestId: t.exposeString('requestId', {
      nullable: true,
      description: "Microsoft's id of the request, for its support.",
    }),
  }),
});

builder.objectFields(Mailbox, (t) => ({
  removedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description:
      'When it was removed; null while it is connected. A removed mailbox is in no list; its tickets and its ledger still name it.',
    resolve: ({ removedAt }) => removedAt ?? null,
  }),
}));

mutation('addSharedMailbox', {
  description:
    'Connects a mailbox that is shared with the account or, through the account of an integration in application mode, any mailbox of the tenant. Nothing is saved before Microsoft has let the account in. A mailbox that the account has already is given back, also when an alias is given; a removed one is connected again with its settings, switched off, and takes no mail in twice.',
  permission: 'mailbox:manage',
  input: (t) => ({
    accountId: t.id({ required: true, description: 'The account that shall read it.' }),
    emailAddress: t.string({ required: true, description: 'The address of the mailbox.' }),
    testMessageTo: t.string({
      description:
        'Sends a message of one sentence from the mailbox to this address, to learn whether the account may send as it. Microsoft tells in no other way.',
    }),
  }),
  payload: {
    mailbox: { type: Mailbox, description: 'The mailbox, switched off when it is new here.' },
    sending: {
      type: MailboxAccessCheckType,
      description:
        'Whether the account may send as the mailbox (Send As). A failure is a warning: the mailbox is connected, and can be read.',
    },
  },
  errors: [NotFoundError, InvalidInputError, MailboxAccessError, MailboxAlreadyConnectedError, GraphError],
  resolve: async ({ accountId, emailAddress, testMessageTo }, { em, services, signal }) => {
    const { clock, microsoft365 } = services;
    const deps = { inspection: microsoft365.inspection, clock, signal };
    const recipient = testMessageTo == null ? null : readMailboxAddress(testMessageTo, 'testMessageTo');
    const mailbox = await addMailbox(em, deps, {
      accountId: decodeId('Account', accountId),
      emailAddress: readMailboxAddress(emailAddress, 'emailAddress'),
    });
    return { mailbox, sending: await checkSending(em, deps, mailbox, recipient) };
  },
});

mutation('removeMailbox', {
  description:
    'Disconnects a mailbox: nothing is read from it, sent from it, moved or deleted in it any more, and its subscription at Microsoft is ended. Tickets, messages, files and the ledger stay readable. Adding it again with addSharedMailbox, or by signing in with another account, goes on without taking any mail in twice.',
  permission: 'mailbox:manage',
  input: (t) => ({ mailboxId: t.id({ required: true, description: 'Which mailbox.' }) }),
  payload: { mailbox: { type: Mailbox, description: 'The mailbox, as its tickets still name it.' } },
  errors: [NotFoundError],
  resolve: async ({ mailboxId }, { em, services }) => ({
    mailbox: await removeMailbox(em, services.clock, decodeId('Mailbox', mailboxId)),
  }),
});

mutation('verifyMailboxAccess', {
  description:
    'Tries what an account may do with a mailbox, connected or not: read, file, send, and whether a mailbox that must not be reachable is not. Nothing stays in the mailbox. Where Microsoft had denied sending as the primary address, a check SEND that passes makes that identity ACTIVE again.',
  permission: 'mailbox:manage',
  input: (t) => ({
    mailboxId: t.id({ description: 'A connected mailbox. Or give `accountId` and `emailAddress`.' }),
    accountId: t.id({ description: 'The account to try with.' }),
    emailAddress: t.string({ description: 'The address of the mailbox to try.' }),
    mailboxThatMustNotBeReachable: t.string({
      description:
        'The address of a mailbox of the tenant that the account must not be able to open: shows whether an application access policy, a role assignment in Exchange, or the lack of Full Access limits it.',
    }),
    testMessageTo: t.string({
      description:
        'Sends a message of one sentence from the mailbox to this address. Microsoft tells in no other way whether the account may send.',
    }),
  }),
  payload: {
    checks: { type: [MailboxAccessCheckType], description: 'The checks, in the order of the trying.' },
  },
  errors: [NotFoundError, InvalidInputError],
  resolve: async (input, { em, services, signal }) => {
    const address = (field: 'emailAddress' | 'mailboxThatMustNotBeReachable' | 'testMessageTo') =>
      input[field] == null ? null : readMailboxAddress(input[field], field);
    const deps = { inspection: services.microsoft365.inspection, clock: services.clock, signal };
    const checks = await verifyAccess(em, deps, {
      mailboxId: input.mailboxId == null ? null : decodeId('Mailbox', input.mailboxId),
      accountId: input.accountId == null ? null : decodeId('Account', input.accountId),
      emailAddress: address('emailAddress'),
      forbiddenAddress: address('mailboxThatMustNotBeReachable'),
      testMessageTo: address('testMessageTo'),
    });
    return { checks };
  },
});
