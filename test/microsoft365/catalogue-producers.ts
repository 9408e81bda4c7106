import type { CatalogueRow } from '../../src/graphql/error-catalogue.ts';
import { SignInError, type SignInErrorCode } from '../../src/microsoft365/sign-in-error.ts';
import { control } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { type CatalogueStage, expireAttempt, type Shown, soon, thrownBy } from './catalogue-stage.ts';

/** Makes a row of the catalogue happen, by one answer of Microsoft where there are several, and gives what is shown. */
export type Producer = (stage: CatalogueStage, microsoftCode?: string) => Promise<Shown>;

const registering: Producer = async (stage, microsoftCode = '') => {
  await stage.refuse(microsoftCode);
  return stage.register();
};

const signingIn: Producer = (stage, microsoftCode = '') =>
  stage.signIn({ between: () => stage.refuse(microsoftCode) });

/** The access token is void, and no other one is given out. */
const renewing: Producer = async (stage, microsoftCode = '') => {
  const { mailboxId, accountId, address } = await stage.mailbox();
  await control(stage.app.emulator.url, 'tokens/expire', { address });
  await stage.refuse(microsoftCode);
  const shown = await stage.makeFolder(mailboxId);
  // Before Microsoft is well again: the job that looks for the mailbox's addresses would then get a token, and heal the account.
  const account = (await stage.ask(
    'query ($id: ID!) { node(id: $id) { ... on Account { problem { code remedy microsoftCode } } } }',
    { id: accountId },
  )) as unknown as { problem: Shown };
  await stage.fault();
  if (account.problem.code !== shown.code) throw new Error(`The account says ${account.problem.code}.`);
  return { ...shown, microsoftCode: account.problem.microsoftCode ?? null };
};

/** Answers that pass by themselves. */
const PASSING =
  /busy|moveinprogress|unavailable|timeout|throttled|exceeded(hourly)?messagelimit|submissionquota|toomany|HTTP (408|429|5\d\d)/;

/** Graph answers with a code of its own, or a status alone. */
const asking: Producer = async (stage, microsoftCode = '') => {
  const { mailboxId } = await stage.mailbox();
  const [, status] = /^HTTP (\d+)$/.exec(microsoftCode) ?? [];
  await stage.fault({
    status: status ? Number(status) : 400,
    errorCode: status ? 'SomethingElse' : microsoftCode,
    message: 'Microsoft says why.',
    // Nobody waits for what is tried again; anything else must not make the mailbox wait.
    ...(PASSING.test(microsoftCode) ? { retryAfterSeconds: 3_600 } : {}),
    method: 'POST',
    pathPattern: '/mailFolders',
  });
  const shown = await stage.makeFolder(mailboxId);
  await stage.fault();
  return shown;
};

/** Microsoft refuses the subscription of a mailbox that takes mail in. */
const subscribing =
  (fault: Record<string, unknown>): Producer =>
  async (stage) => {
    const { mailboxId } = await stage.mailbox();
    await stage.fault({ method: 'POST', pathPattern: '/subscriptions$', ...fault });
    await stage.desk.desk.enable(mailboxId);
    const problem = await eventually('the subscription is refused', async () => {
      const { syncStatus } = (await stage.ask(
        `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { pushSubscription {
           problem { code remedy microsoftCode } } } } } }`,
        { id: mailboxId },
      )) as unknown as { syncStatus: { pushSubscription: { problem: Shown | null } | null } };
      return syncStatus.pushSubscription?.problem ?? undefined;
    });
    await stage.fault();
    return problem;
  };

/** How what has no code of Microsoft comes about, and what a code of Microsoft alone does not tell apart. */
const SPECIAL: Readonly<Record<string, Producer>> = {
  'REGISTRATION TENANT_NOT_FOUND': (stage) => stage.register({ tenantId: 'nobody.example' }),
  'REGISTRATION WRONG_CLOUD': (stage) => stage.register({ tenantId: 'contoso.example', cloud: 'CHINA' }),
  'REGISTRATION CREDENTIAL_REFUSED': async (stage) => {
    await stage.refuse('AADSTS53003');
    return stage.register({ authorizationMode: 'APPLICATION' });
  },
  'REGISTRATION INTEGRATION_EXISTS': async (stage) => {
    const clientId = crypto.randomUUID();
    await stage.register({ clientId });
    return stage.register({ clientId });
  },
  // Nothing is noted at these attempts: whoever brings the answer may not be the one who started it, or comes too late.
  'SIGN_IN INVALID_STATE': async (stage) =>
    onPage('INVALID_STATE', await stage.signIn({ cookie: 'another=browser' })),
  'SIGN_IN SIGN_IN_EXPIRED': async (stage) =>
    onPage('SIGN_IN_EXPIRED', await stage.signIn({ between: (id) => expireAttempt(stage, id) })),
  'SIGN_IN USER_MISMATCH': async (stage) => {
    const { accountId } = await stage.mailbox();
    return stage.signIn({ accountId, address: 'ada@contoso.example' });
  },
  'SIGN_IN PROFILE_FETCH_FAILED': (stage) =>
    stage.signIn({ between: () => stage.fault({ status: 403, pathPattern: '/v1.0/me' }) }),
  'ACCOUNT ACCOUNT_DISCONNECTED': async (stage) => {
    const { accountId, mailboxId } = await stage.mailbox();
    await stage.ask(
      `mutation ($input: DisconnectAccountInput!) { disconnectAccount(input: $input) { __typename } }`,
      { input: { accountId } },
    );
    return stage.makeFolder(mailboxId);
  },
  'MAILBOX GRAPH_TIMEOUT': async (stage) => {
    const { access } = await stage.mailbox();
    // Hardly longer than the attempt: what the emulator still has in hand counts against the mailbox.
    await stage.fault({ latencyMs: 450, pathPattern: '/messages/' });
    const { mail } = stage.impatient({ attemptMilliseconds: 300 });
    return thrownBy(mail.listAttachments(access, 'AAMkNobodyHasIt', soon()));
  },
  'MAILBOX ANSWER_TOO_LARGE': async (stage) => {
    const { access } = await stage.mailbox();
    return thrownBy(stage.impatient({ largestAnswerBytes: 100 }).mail.listFolders(access, soon()));
  },
  'MAILBOX UNEXPECTED_ANSWER': async (stage) => {
    const { mailboxId } = await stage.mailbox();
    await stage.fault({ status: 200, pathPattern: '/mailFolders' });
    return stage.makeFolder(mailboxId);
  },
  'MAILBOX ITEM_NOT_FOUND': async (stage) => {
    const { access } = await stage.mailbox();
    return thrownBy(stage.impatient().mail.listAttachments(access, 'AAMkNobodyHasIt', soon()));
  },
  'MAILBOX PAGE_UNREADABLE': async (stage) => {
    const { access, address } = await stage.mailbox();
    const { immutableId } = await control<{ immutableId: string }>(stage.app.emulator.url, 'mail', {
      to: address,
      from: 'carol@fabrikam.example',
      subject: 'Damaged',
      text: 'Hello',
    });
    const quirks = { corruptMessages: [immutableId] };
    await control(stage.app.emulator.url, `mailboxes/${address}/quirks`, quirks, 'PUT');
    const request = { folderId: 'inbox', receivedFrom: new Date('2020-01-01T00:00:00Z') };
    return thrownBy(stage.impatient().mail.readDelta(access, request, soon()));
  },
  'MAILBOX FOLDER_NOT_FOUND': async (stage) => {
    const { mailboxId } = await stage.mailbox();
    await stage.desk.desk.enable(mailboxId);
    await stage.fault({ status: 404, errorCode: 'ErrorFolderNotFound', pathPattern: '/mailFolders/' });
    const { problem } = await stage.desk.desk.sync(mailboxId);
    return problem ?? { code: '', remedy: '' };
  },
  // Of a folder the same status says that there is one of this name.
  'MAILBOX GRAPH_UNAVAILABLE': async (stage, microsoftCode = '') => {
    if (microsoftCode !== 'HTTP 409') return asking(stage, microsoftCode);
    const { access } = await stage.mailbox();
    await stage.fault({ status: 409, pathPattern: '/messages/' });
    return thrownBy(stage.impatient().mail.listAttachments(access, 'AAMkNobodyHasIt', soon()));
  },
  'MAILBOX MAILBOX_NOT_FOUND': (stage, microsoftCode = '') =>
    microsoftCode.startsWith('HTTP')
      ? adding(stage, 'nobody-here@contoso.example')
      : asking(stage, microsoftCode),
  'MAILBOX MAILBOX_IS_GROUP': async (stage) => {
    const address = `list-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    await stage.desk.exchange('groups', { address, members: 7 });
    return adding(stage, address);
  },
  'MAILBOX ALREADY_CONNECTED': async (stage) => {
    const shared = await stage.desk.newMailbox({
      kind: 'shared',
      fullAccess: ['sam@contoso.example', 'ada@contoso.example'],
    });
    await adding(stage, shared);
    return adding(stage, shared, 'ada@contoso.example');
  },
  'MAILBOX ACCESS_NOT_LIMITED': async (stage) => {
    const { accountId } = await stage.desk.connectTenant();
    const { checks = [] } = await stage.desk.run('verifyMailboxAccess', {
      accountId,
      emailAddress: await stage.desk.newMailbox(),
      mailboxThatMustNotBeReachable: await stage.desk.newMailbox(),
    });
    const limited = checks.find(({ name }) => name === 'LIMITED');
    return { code: limited?.code ?? '', remedy: limited?.remedy ?? '' };
  },
  'PUSH PUSH_VALIDATION_FAILED': subscribing({
    status: 400,
    errorCode: 'ValidationError',
    message: 'Subscription validation request failed. Notification endpoint must respond with 200 OK.',
  }),
  'PUSH PUSH_REFUSED': subscribing({ status: 403, errorCode: 'AccessDenied', message: 'Not allowed.' }),
  'PUSH PUSH_DUPLICATE': subscribing({ status: 409, errorCode: 'Conflict', message: 'It exists.' }),
  'PUSH PUSH_QUOTA': subscribing({ status: 403, errorCode: 'Forbidden', message: 'The limit is exceeded.' }),
  'PUSH SUBSCRIPTION_NOT_FOUND': async (stage) => {
    const { access } = await stage.mailbox();
    const inAnHour = new Date('2027-01-01T00:00:00Z');
    return thrownBy(stage.impatient().push.renew(access, crypto.randomUUID(), inAnHour, soon()));
  },
};

/** What the page alone says. */
function onPage(code: SignInErrorCode, { page = '' }: Shown): Shown {
  return { code: page.includes(code) ? code : '', remedy: new SignInError(code).remedy, page };
}

async function adding(
  stage: CatalogueStage,
  emailAddress: string,
  by = 'sam@contoso.example',
): Promise<Shown> {
  await stage.fault();
  const { accountId } = await stage.desk.connect(by, 'SHARED_MAILBOXES');
  const answer = await stage.desk.run('addSharedMailbox', { accountId, emailAddress });
  return { code: answer.code ?? '', remedy: answer.remedy ?? '' };
}

const GENERAL = {
  REGISTRATION: registering,
  SIGN_IN: signingIn,
  ACCOUNT: renewing,
  MAILBOX: asking,
  SENDING: asking,
  PUSH: null,
} as const;

/** What makes a row happen; null when nothing does, which is a fault of these tests. */
export function producerOf({ area, code, microsoftCodes }: CatalogueRow): Producer | null {
  return SPECIAL[`${area} ${code}`] ?? (microsoftCodes.length > 0 ? GENERAL[area] : null);
}

/** The rows that somebody thought of: one that is no longer in the catalogue is to be taken away here. */
export const SPECIAL_ROWS = Object.keys(SPECIAL);
