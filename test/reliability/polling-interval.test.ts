import { expect, test } from 'vitest';
import { MINUTE, systemClock } from '../../src/platform/clock.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { statusBecomes } from '../sync/push-harness.ts';
import {
  type Fleet,
  manyMails,
  rawId,
  runsOf,
  settled,
  sortedSubjects,
  startFleet,
  ticketSubjects,
} from './harness.ts';
import { announced, atRest, setPush, watchTogether } from './push-fleet.ts';

const INTERVAL = 5 * MINUTE;

/** A clock that can be put forward. */
function movableClock() {
  let ahead = 0;
  return {
    now: () => new Date(systemClock.now().getTime() + ahead),
    forward(milliseconds: number) {
      ahead += milliseconds;
    },
  };
}

test.each([
  ['off', false, async () => undefined],
  ['refused by Microsoft', true, ({ emulator }: Fleet) => setPush(emulator.url, { handshake: 'fail' })],
  ['silent', true, ({ emulator }: Fleet) => setPush(emulator.url, { lossProbability: 1 })],
])(
  'with push %s every mail is a ticket within one polling interval, and the status says that the folder is polled',
  async (_how, push, breakPush) => {
    const clock = movableClock();
    await using fleet = await startFleet(['api,worker'], undefined, { push, clock });
    const [process] = fleet.processes;
    if (!process) throw new Error('no process');
    const desk = (await fleet.newDesk())(process);
    const { mailboxId, address } = await desk.connectMailbox();
    await breakPush(fleet);
    await desk.enable(mailboxId, { intervalMinutes: 'MINUTES_5' });
    await atRest(fleet, { uuid: rawId(mailboxId) });
    const before = (await runsOf(fleet, mailboxId)).length;
    const mails: { to: string; subject: string }[] = [];
    for (let round = 0; round < 3; round += 1) {
      const batch = manyMails(address, 3, `Round ${round} mail`);
      mails.push(...batch);
      await deliverMany(fleet.emulator.url, batch);
      await announced(fleet.emulator.url);
      // The control: nothing but the clock brings the mail.
      expect(await ticketSubjects(fleet, desk.organizationId)).toHaveLength(mails.length - batch.length);
      clock.forward(INTERVAL);
      // The clock that asks who is due ticks every five seconds.
      await eventually(
        'every mail is a ticket',
        async () => (await ticketSubjects(fleet, desk.organizationId)).length === mails.length,
      );
      await settled(fleet, mailboxId);
      // At the full minute a silent subscription would be made anew, and the folder read: that would bring the next mails.
      await watchTogether(fleet, 1);
      await atRest(fleet, { uuid: rawId(mailboxId) });
    }
    expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
    const triggers = (await runsOf(fleet, mailboxId)).slice(before).map(({ trigger }) => trigger);
    // Never push or a person: the interval, or the catching up after a subscription was made anew.
    expect(triggers).toContain('POLL');
    expect(triggers.filter((trigger) => trigger !== 'POLL' && trigger !== 'RECOVERY')).toEqual([]);
    // What the clock asks for every minute: whether mail came that was not announced.
    await watchTogether(fleet, 1);
    const status = await statusBecomes(
      desk,
      mailboxId,
      'it is polled, with a remedy',
      ({ delivery, deliveryRemedy }) => delivery === 'POLLING' && deliveryRemedy !== null,
    );
    expect(status).toMatchObject({
      delivery: 'POLLING',
      deliveryReason: expect.stringContaining('every 5 min'),
      deliveryRemedy: expect.any(String),
    });
  },
);
