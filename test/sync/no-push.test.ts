import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import {
  query,
  startPushApp,
  statusOf,
  subjectsOf,
  subscriptionsAtMicrosoft,
  watch,
} from './push-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const SETUP = `{ microsoft365Setup { push { isPossible notificationUrl lifecycleNotificationUrl reason remedy } } }`;

test('without PUBLIC_URL mail is polled, the status and the setup say why, and Microsoft is asked for nothing', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await watch(app);
  expect(await statusOf(desk, mailboxId)).toMatchObject({
    delivery: 'POLLING',
    deliveryReason: expect.stringMatching(/PUBLIC_URL is not set.*every 60 min/),
    deliveryRemedy: expect.stringMatching(/Set PUBLIC_URL/),
    pushSubscription: null,
  });
  expect(await desk.request(SETUP)).toMatchObject({
    microsoft365Setup: {
      push: {
        isPossible: false,
        notificationUrl: null,
        reason: expect.stringMatching(/PUBLIC_URL is not set/),
      },
    },
  });
  expect(await query(app, 'select 1 from push_subscription')).toEqual([]);
  expect(await subscriptionsAtMicrosoft(app)).toEqual([]);
  await deliver(app.emulator.url, { to: address, subject: 'Polled' });
  await desk.sync(mailboxId);
  expect(await subjectsOf(desk)).toEqual(['Polled']);
});

test('with a PUBLIC_URL the setup names both addresses', async () => {
  const pushed = await startPushApp();
  try {
    const desk = await pushed.newDesk();
    expect(await desk.request(SETUP)).toEqual({
      microsoft365Setup: {
        push: {
          isPossible: true,
          notificationUrl: `${pushed.url}/webhooks/microsoft-graph`,
          lifecycleNotificationUrl: `${pushed.url}/webhooks/microsoft-graph/lifecycle`,
          reason: null,
          remedy: null,
        },
      },
    });
  } finally {
    await pushed[Symbol.asyncDispose]();
  }
});
