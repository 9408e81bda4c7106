/** Ids of one organization, as its clients see them, by what they name. */
export interface Ids {
  Organization: string;
  User: string;
  ApiKey: string;
  Integration: string;
  Account: string;
  SignInAttempt: string;
  Mailbox: string;
  SyncRun: string;
  Reconciliation: string;
  MailImport: string;
  InboundMessage: string;
  Ticket: string;
  Message: string;
  Contact: string;
  Attachment: string;
  Group: string;
  MailRule: string;
  Identity: string;
  SenderProfile: string;
  OutboundMessage: string;
  Notification: string;
}

/** An operation of the schema, with one root field, as a client would send it. */
export interface Operation {
  document: string;
  /** Its variables, with these ids wherever it takes one. */
  variables: (ids: Ids) => Record<string, unknown>;
  /** Which kinds of ids it takes. */
  takes: readonly (keyof Ids)[];
}

const query = (
  field: string,
  variables: (ids: Ids) => Record<string, unknown> = () => ({}),
  declaration = '',
  takes: readonly (keyof Ids)[] = [],
): Operation => ({ document: `query ${declaration} { ${field} }`, variables, takes });

const list = (name: string) => query(`${name}(first: 100) { edges { node { __typename id } } }`);

const mutation = (
  name: string,
  input: (ids: Ids) => Record<string, unknown>,
  takes: readonly (keyof Ids)[] = [],
): Operation => {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return {
    document: `mutation ($input: ${type}Input!) {
      ${name}(input: $input) { __typename ... on Error { code message remedy } } }`,
    variables: (ids) => ({ input: input(ids) }),
    takes,
  };
};

/** Every event since the organization began: a stream that is allowed brings one at once. */
const FROM_THE_BEGINNING = Buffer.from('0.0').toString('base64url');

const subscription = (
  selection: string,
  variables: (ids: Ids) => Record<string, unknown> = () => ({}),
  declaration = '',
  takes: readonly (keyof Ids)[] = [],
): Operation => ({
  document: `subscription ($after: String ${declaration}) { ${selection} }`,
  variables: (ids) => ({ after: FROM_THE_BEGINNING, ...variables(ids) }),
  takes,
});

const unique = () => crypto.randomUUID().slice(0, 8);

/** A mail rule that matches nothing. */
const RULE = {
  name: 'Draft',
  conditions: [{ field: 'SUBJECT', operator: 'EQUALS', value: 'nothing' }],
  stop: true,
};

/** Every root field of the schema, by `Type.field`. A test fails when one is missing here. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'Query.apiKeys': list('apiKeys'),
  'Query.contacts': list('contacts'),
  'Query.groups': list('groups'),
  'Query.inboundMessages': query(
    'inboundMessages(first: 100, filter: $filter) { edges { node { id subject } } }',
    ({ Mailbox }) => ({ filter: { mailboxId: Mailbox } }),
    '($filter: InboundMessageFilter)',
    ['Mailbox'],
  ),
  'Query.integrations': list('integrations'),
  'Query.mailRules': list('mailRules'),
  'Query.mailboxes': list('mailboxes'),
  'Query.microsoft365Setup': query('microsoft365Setup { redirectUri }'),
  'Query.node': query('node(id: $id) { __typename id }', ({ Ticket }) => ({ id: Ticket }), '($id: ID!)', [
    'Ticket',
  ]),
  'Query.signInAttempt': query(
    'signInAttempt(id: $id) { id status }',
    ({ SignInAttempt }) => ({ id: SignInAttempt }),
    '($id: ID!)',
    ['SignInAttempt'],
  ),
  'Query.senderProfiles': list('senderProfiles'),
  'Query.outboundMessages': list('outboundMessages'),
  'Query.organization': query('organization { id name }'),
  'Query.previewReply': query(
    'previewReply(input: $input) { __typename ... on Error { code message remedy } }',
    ({ Ticket, Attachment, Identity, Message }) => ({
      input: {
        ticketId: Ticket,
        text: 'A reply',
        attachmentIds: [Attachment],
        identityId: Identity,
        inReplyToMessageId: Message,
      },
    }),
    '($input: PreviewReplyInput!)',
    ['Ticket', 'Attachment', 'Identity', 'Message'],
  ),
  'Query.syncRuns': query(
    'syncRuns(first: 100, mailboxId: $id) { edges { node { id } } }',
    ({ Mailbox }) => ({ id: Mailbox }),
    '($id: ID)',
    ['Mailbox'],
  ),
  'Query.testMailRule': query(
    'testMailRule(input: $input) { outcome steps { name mailRule { id } } }',
    ({ Mailbox, MailRule }) => ({
      input: {
        sample: { mailboxId: Mailbox, subject: 'A' },
        draft: { ...RULE, replacesMailRuleId: MailRule },
      },
    }),
    '($input: TestMailRuleInput!)',
    ['Mailbox', 'MailRule'],
  ),
  'Query.ticket': query('ticket(id: $id) { id subject }', ({ Ticket }) => ({ id: Ticket }), '($id: ID)', [
    'Ticket',
  ]),
  'Query.tickets': query(
    'tickets(first: 100, filter: $filter) { edges { node { id subject } } }',
    ({ Mailbox }) => ({ filter: { mailboxId: Mailbox } }),
    '($filter: TicketFilter)',
    ['Mailbox'],
  ),
  'Query.users': list('users'),
  'Query.viewer': query('viewer { role permissions }'),

  'Mutation.addNote': mutation('addNote', ({ Ticket }) => ({ ticketId: Ticket, text: 'A note' }), ['Ticket']),
  'Mutation.createApiKey': mutation('createApiKey', ({ User }) => ({ userId: User, name: 'Another' }), [
    'User',
  ]),
  'Mutation.createIntegration': mutation('createIntegration', () => ({
    tenantId: 'organizations',
    clientId: crypto.randomUUID(),
    clientSecret: 'a secret of the test',
  })),
  'Mutation.createGroup': mutation('createGroup', () => ({ name: `Group ${unique()}` })),
  'Mutation.updateGroup': mutation(
    'updateGroup',
    ({ Group }) => ({ groupId: Group, description: 'Changed' }),
    ['Group'],
  ),
  // It is refused: a mail rule uses it.
  'Mutation.deleteGroup': mutation('deleteGroup', ({ Group }) => ({ groupId: Group }), ['Group']),
  'Mutation.createMailRule': mutation(
    'createMailRule',
    ({ Group }) => ({ ...RULE, name: `Rule ${unique()}`, actions: { groupId: Group } }),
    ['Group'],
  ),
  'Mutation.updateMailRule': mutation(
    'updateMailRule',
    ({ MailRule, Group }) => ({ mailRuleId: MailRule, stop: true, actions: { groupId: Group } }),
    ['MailRule', 'Group'],
  ),
  'Mutation.moveMailRule': mutation(
    'moveMailRule',
    ({ MailRule }) => ({ mailRuleId: MailRule, position: 1 }),
    ['MailRule'],
  ),
  'Mutation.deleteMailRule': mutation('deleteMailRule', ({ MailRule }) => ({ mailRuleId: MailRule }), [
    'MailRule',
  ]),
  'Mutation.createMailFolder': mutation(
    'createMailFolder',
    ({ Mailbox }) => ({ mailboxId: Mailbox, displayName: 'processed' }),
    ['Mailbox'],
  ),
  'Mutation.createTicket': mutation(
    'createTicket',
    ({ User }) => ({
      subject: 'By hand',
      text: 'Hello',
      requesterEmail: `${unique()}@fabrikam.example`,
      assigneeId: User,
    }),
    ['User'],
  ),
  'Mutation.addSharedMailbox': mutation(
    'addSharedMailbox',
    ({ Account }) => ({ accountId: Account, emailAddress: 'nobody-has-this@contoso.example' }),
    ['Account'],
  ),
  'Mutation.addSendAsAddress': mutation(
    'addSendAsAddress',
    ({ Mailbox }) => ({ mailboxId: Mailbox, emailAddress: 'nobody-has-this@contoso.example' }),
    ['Mailbox'],
  ),
  // It is refused: it is the primary address.
  'Mutation.removeIdentity': mutation('removeIdentity', ({ Identity }) => ({ identityId: Identity }), [
    'Identity',
  ]),
  'Mutation.assignSenderProfile': mutation(
    'assignSenderProfile',
    ({ Identity, SenderProfile }) => ({ identityId: Identity, senderProfileId: SenderProfile }),
    ['Identity', 'SenderProfile'],
  ),
  'Mutation.createSenderProfile': mutation('createSenderProfile', () => ({ name: `Profile ${unique()}` })),
  'Mutation.updateSenderProfile': mutation(
    'updateSenderProfile',
    ({ SenderProfile }) => ({ senderProfileId: SenderProfile, fromName: 'Changed' }),
    ['SenderProfile'],
  ),
  // It is refused: an identity uses it.
  'Mutation.deleteSenderProfile': mutation(
    'deleteSenderProfile',
    ({ SenderProfile }) => ({ senderProfileId: SenderProfile }),
    ['SenderProfile'],
  ),
  // It is refused: the organization allows no personal senders.
  'Mutation.updateOutgoingSettings': mutation(
    'updateOutgoingSettings',
    ({ Mailbox, Identity, User }) => ({
      mailboxId: Mailbox,
      defaultIdentityId: Identity,
      personalUserId: User,
    }),
    ['Mailbox', 'Identity', 'User'],
  ),
  'Mutation.updateOutgoingPolicy': mutation(
    'updateOutgoingPolicy',
    ({ Identity }) => ({ defaultIdentityId: Identity }),
    ['Identity'],
  ),
  'Mutation.createUpload': mutation('createUpload', () => ({
    name: 'a.txt',
    contentType: 'text/plain',
    sizeBytes: 5,
  })),
  'Mutation.replyToTicket': mutation(
    'replyToTicket',
    ({ Ticket, Attachment, Identity, Message }) => ({
      ticketId: Ticket,
      text: 'A reply',
      attachmentIds: [Attachment],
      identityId: Identity,
      inReplyToMessageId: Message,
    }),
    ['Ticket', 'Attachment', 'Identity', 'Message'],
  ),
  'Mutation.sendTestEmail': mutation(
    'sendTestEmail',
    ({ Identity }) => ({ identityId: Identity, to: 'nobody@fabrikam.example' }),
    ['Identity'],
  ),
  'Mutation.retryOutboundMessage': mutation(
    'retryOutboundMessage',
    ({ OutboundMessage }) => ({ outboundMessageId: OutboundMessage }),
    ['OutboundMessage'],
  ),
  'Mutation.cancelOutboundMessage': mutation(
    'cancelOutboundMessage',
    ({ OutboundMessage }) => ({ outboundMessageId: OutboundMessage }),
    ['OutboundMessage'],
  ),
  'Mutation.verifyMailboxAccess': mutation('verifyMailboxAccess', ({ Mailbox }) => ({ mailboxId: Mailbox }), [
    'Mailbox',
  ]),
  // Nothing is there under this id: the rows that follow need the mailbox.
  'Mutation.removeMailbox': mutation('removeMailbox', () => ({ mailboxId: 'gone' })),
  // Nothing is there under this id: the rows that follow need the integration.
  'Mutation.deleteIntegration': mutation('deleteIntegration', () => ({ integrationId: 'gone' })),
  // It is refused whatever the version: the rows that follow need the ticket.
  'Mutation.deleteTicket': mutation(
    'deleteTicket',
    ({ Ticket }) => ({ ticketId: Ticket, expectedVersion: 0 }),
    ['Ticket'],
  ),
  'Mutation.mergeTickets': mutation(
    'mergeTickets',
    ({ Ticket }) => ({ ticketId: Ticket, intoTicketId: Ticket }),
    ['Ticket'],
  ),
  'Mutation.moveMessageToTicket': mutation(
    'moveMessageToTicket',
    ({ Message, Ticket }) => ({ messageId: Message, ticketId: Ticket }),
    ['Message', 'Ticket'],
  ),
  'Mutation.setInboundChannel': mutation('setInboundChannel', () => ({ channel: 'MICROSOFT_365' })),
  'Mutation.setTicketRequester': mutation(
    'setTicketRequester',
    ({ Ticket, Contact }) => ({ ticketId: Ticket, contactId: Contact }),
    ['Ticket', 'Contact'],
  ),
  'Mutation.updateMailSettings': mutation('updateMailSettings', () => ({ reopenWithinDays: 14 })),
  'Mutation.createUser': mutation('createUser', () => ({ name: `User ${unique()}`, role: 'VIEWER' })),
  // It has ended, so both are refused.
  'Mutation.cancelImport': mutation('cancelImport', ({ MailImport }) => ({ mailImportId: MailImport }), [
    'MailImport',
  ]),
  'Mutation.resumeImport': mutation('resumeImport', ({ MailImport }) => ({ mailImportId: MailImport }), [
    'MailImport',
  ]),
  'Mutation.importExistingMail': mutation(
    'importExistingMail',
    ({ Mailbox }) => ({ mailboxId: Mailbox, mode: 'ARCHIVE' }),
    ['Mailbox'],
  ),
  'Mutation.reconcileMailbox': mutation('reconcileMailbox', ({ Mailbox }) => ({ mailboxId: Mailbox }), [
    'Mailbox',
  ]),
  'Mutation.retryAttachment': mutation(
    'retryAttachment',
    ({ Attachment }) => ({ attachmentId: Attachment }),
    ['Attachment'],
  ),
  'Mutation.retryInboundMessage': mutation(
    'retryInboundMessage',
    ({ InboundMessage }) => ({ inboundMessageId: InboundMessage }),
    ['InboundMessage'],
  ),
  'Mutation.revokeApiKey': mutation('revokeApiKey', ({ ApiKey }) => ({ apiKeyId: ApiKey }), ['ApiKey']),
  'Mutation.rotateCredential': mutation(
    'rotateCredential',
    ({ Integration }) => ({ integrationId: Integration, clientSecret: 'another secret of the test' }),
    ['Integration'],
  ),
  'Mutation.probePush': mutation('probePush', ({ Mailbox }) => ({ mailboxId: Mailbox }), ['Mailbox']),
  'Mutation.runSyncNow': mutation('runSyncNow', ({ Mailbox }) => ({ mailboxId: Mailbox }), ['Mailbox']),
  'Mutation.startAdminConsent': mutation(
    'startAdminConsent',
    ({ Integration }) => ({ integrationId: Integration }),
    ['Integration'],
  ),
  'Mutation.disconnectAccount': mutation('disconnectAccount', ({ Account }) => ({ accountId: Account }), [
    'Account',
  ]),
  'Mutation.refreshAccount': mutation('refreshAccount', ({ Account }) => ({ accountId: Account }), [
    'Account',
  ]),
  'Mutation.reauthenticate': mutation('reauthenticate', ({ Account }) => ({ accountId: Account }), [
    'Account',
  ]),
  'Mutation.startSignIn': mutation('startSignIn', ({ Integration }) => ({ integrationId: Integration }), [
    'Integration',
  ]),
  'Mutation.updateIncomingSettings': mutation(
    'updateIncomingSettings',
    ({ Mailbox, Group }) => ({
      mailboxId: Mailbox,
      enabled: true,
      intervalMinutes: 'MINUTES_60',
      groupId: Group,
    }),
    ['Mailbox', 'Group'],
  ),
  'Mutation.updateTicket': mutation(
    'updateTicket',
    ({ Ticket, User, Group }) => ({ ticketId: Ticket, assigneeId: User, groupId: Group, priority: 'HIGH' }),
    ['Ticket', 'User', 'Group'],
  ),
  'Query.mailTemplates': query('mailTemplates { kind subject html text variables { name } }'),
  'Query.notifications': query(
    'notifications(ticketId: $id, first: 10) { edges { node { id kind ticket { id } outboundMessage { id } } } }',
    ({ Ticket }) => ({ id: Ticket }),
    '($id: ID!)',
    ['Ticket'],
  ),
  'Query.previewMailTemplate': query(
    'previewMailTemplate(kind: RECEIVED, ticketId: $id) { __typename ... on MailTemplatePreview { subject } ... on Error { code } }',
    ({ Ticket }) => ({ id: Ticket }),
    '($id: ID!)',
    ['Ticket'],
  ),
  'Mutation.updateMailTemplate': mutation('updateMailTemplate', () => ({ kind: 'RECEIVED', text: 'Hello' })),
  'Mutation.resetMailTemplate': mutation('resetMailTemplate', () => ({ kind: 'RECEIVED' })),
  'Mutation.updateNotificationPolicy': mutation('updateNotificationPolicy', () => ({
    receivedPauseMinutes: 30,
  })),
  'Mutation.updateNotificationSettings': mutation(
    'updateNotificationSettings',
    ({ Mailbox }) => ({ mailboxId: Mailbox, kind: 'CLOSED', enabled: false }),
    ['Mailbox'],
  ),
  'Mutation.updateUser': mutation('updateUser', ({ User }) => ({ userId: User, name: 'Renamed' }), ['User']),

  'Subscription.accountStatusChanged': subscription(
    'accountStatusChanged(after: $after) { cursor account { id } }',
  ),
  'Subscription.credentialExpiring': subscription(
    'credentialExpiring(after: $after) { cursor integration { id } }',
  ),
  'Subscription.signInEnded': subscription('signInEnded(after: $after) { cursor signInAttempt { id } }'),
  'Subscription.outboundMessageChanged': subscription(
    'outboundMessageChanged(after: $after, ticketId: $id) { cursor outboundMessage { id } }',
    ({ Ticket }) => ({ id: Ticket }),
    '$id: ID',
    ['Ticket'],
  ),
  'Subscription.messageAdded': subscription(
    'messageAdded(after: $after, ticketId: $id) { cursor message { id } }',
    ({ Ticket }) => ({ id: Ticket }),
    '$id: ID',
    ['Ticket'],
  ),
  'Subscription.importProgressed': subscription(
    'importProgressed(after: $after, mailboxId: $id) { cursor mailImport { id } }',
    ({ Mailbox }) => ({ id: Mailbox }),
    '$id: ID',
    ['Mailbox'],
  ),
  'Subscription.organizationChanged': subscription(
    'organizationChanged(after: $after) { cursor organization { id } }',
  ),
  'Subscription.syncStatusChanged': subscription(
    'syncStatusChanged(after: $after, mailboxId: $id) { cursor mailbox { id } }',
    ({ Mailbox }) => ({ id: Mailbox }),
    '$id: ID',
    ['Mailbox'],
  ),
  // Its filter finds nothing by a foreign id, as a list does: silence, which cannot be waited for. See organizations.test.ts.
  'Subscription.ticketCreated': subscription('ticketCreated(after: $after) { cursor ticket { id } }'),
  'Subscription.ticketUpdated': subscription(
    'ticketUpdated(after: $after, ticketId: $id) { cursor ticket { id } }',
    ({ Ticket }) => ({ id: Ticket }),
    '$id: ID',
    ['Ticket'],
  ),
};
