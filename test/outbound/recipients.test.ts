import { describe, expect, test } from 'vitest';
import { chooseRecipients, type RecipientFacts, type ThreadMessage } from '../../src/outbound/recipients.ts';
import { answeredByDefault, openTo } from '../../src/outbound/reply-thread.ts';
import type { Correspondent } from '../../src/ticketing/message.entity.ts';

const person = (emailAddress: string, name: string | null = null): Correspondent => ({ name, emailAddress });
const carol = person('carol@fabrikam.example', 'Carol');
const bob = person('bob@fabrikam.example', 'Bob');
const dora = person('dora@fabrikam.example');
const support = person('support@contoso.example', 'Support');
const sales = person('sales@contoso.example');
const robot = person('robot@shop.example');

const inbound = (from: Correspondent | null, mail: Partial<ThreadMessage> = {}): ThreadMessage => ({
  kind: 'INBOUND',
  from,
  replyTo: [],
  to: [support],
  cc: [],
  automatic: null,
  ...mail,
});

/** Facts of a ticket of Carol's with these mails, the newest first; the first one is answered. */
const facts = (thread: ThreadMessage[], more: Partial<RecipientFacts> = {}): RecipientFacts => ({
  requester: carol,
  answered: thread[0] ?? null,
  isNamed: false,
  isOpen: true,
  thread,
  ownAddresses: new Set([support.emailAddress, sales.emailAddress]),
  ...more,
});

const nobody = { to: null, cc: null, bcc: null };
const addresses = (people: readonly Correspondent[]) => people.map(({ emailAddress }) => emailAddress);
const short = ({ to, cc, bcc }: { to: Correspondent[]; cc: Correspondent[]; bcc: Correspondent[] }) => ({
  to: addresses(to),
  cc: addresses(cc),
  bcc: addresses(bcc),
});
const listOf = (people: { correspondent: Correspondent; reason: string }[]) =>
  people.map(({ correspondent, reason }) => `${correspondent.emailAddress} ${reason}`);

describe('whom nobody named', () => {
  test('is the requester, with the name that they go by', () => {
    const chosen = chooseRecipients(nobody, facts([inbound(carol)]));
    expect(chosen.to).toEqual([carol]);
    expect(chosen.cc).toEqual([]);
    expect(listOf(chosen.added)).toEqual(['carol@fabrikam.example REQUESTER']);
    expect(chosen.dropped).toEqual([]);
  });

  test('is the Reply-To of the requester’s last mail, and then not their From', () => {
    const office = person('office@fabrikam.example');
    const last = inbound(carol, { replyTo: [office], cc: [bob] });
    const chosen = chooseRecipients(nobody, facts([last, inbound(carol)]));
    expect(short(chosen)).toEqual({ to: [office.emailAddress], cc: [bob.emailAddress], bcc: [] });
    expect(listOf(chosen.added)).toContain('office@fabrikam.example REPLY_TO');
  });

  test('is the From where an earlier mail had a Reply-To and the last one has none', () => {
    const earlier = inbound(carol, { replyTo: [dora] });
    expect(short(chooseRecipients(nobody, facts([inbound(carol), earlier]))).to).toEqual([
      carol.emailAddress,
    ]);
  });

  test('a Reply-To that leads back to us is not followed', () => {
    const last = inbound(carol, { replyTo: [support] });
    expect(short(chooseRecipients(nobody, facts([last]))).to).toEqual([carol.emailAddress]);
  });

  test('gets a copy with everybody else of the message, but for our own addresses', () => {
    const last = inbound(carol, { to: [support, bob], cc: [sales, dora, bob] });
    const chosen = chooseRecipients(nobody, facts([last]));
    expect(short(chosen)).toEqual({
      to: [carol.emailAddress],
      cc: [bob.emailAddress, dora.emailAddress],
      bcc: [],
    });
    expect(chosen.dropped).toEqual([]);
  });

  test('whom the sender left out stays left out', () => {
    const earlier = inbound(carol, { cc: [bob] });
    expect(short(chooseRecipients(nobody, facts([inbound(carol), earlier]))).cc).toEqual([]);
  });

  test('stays the requester when a colleague of theirs wrote last, who gets a copy', () => {
    const chosen = chooseRecipients(nobody, facts([inbound(bob), inbound(carol)]));
    expect(short(chosen)).toEqual({ to: [carol.emailAddress], cc: [bob.emailAddress], bcc: [] });
  });

  test('is the sender of the message that was named, and the requester gets a copy', () => {
    const chosen = chooseRecipients(nobody, facts([inbound(bob), inbound(carol)], { isNamed: true }));
    expect(short(chosen)).toEqual({ to: [bob.emailAddress], cc: [carol.emailAddress], bcc: [] });
    expect(listOf(chosen.added)).toEqual(['bob@fabrikam.example SENDER', 'carol@fabrikam.example REPLY_ALL']);
  });

  test('is a supplier who was named, and not the requester, who may not see what they wrote', () => {
    const isClosed = { isNamed: true, isOpen: false };
    expect(short(chooseRecipients(nobody, facts([inbound(bob), inbound(carol)], isClosed)))).toEqual({
      to: [bob.emailAddress],
      cc: [],
      bcc: [],
    });
  });

  test('is whom our own message went to, when that one is named', () => {
    const own: ThreadMessage = { ...inbound(support, { to: [carol], cc: [bob] }), kind: 'OUTBOUND' };
    expect(short(chooseRecipients(nobody, facts([own], { isNamed: true })))).toEqual({
      to: [carol.emailAddress],
      cc: [bob.emailAddress],
      bcc: [],
    });
  });

  test('is the requester of a ticket without mail', () => {
    expect(short(chooseRecipients(nobody, facts([]))).to).toEqual([carol.emailAddress]);
  });

  test.each(['AUTO_GENERATED', 'AUTO_REPLY', 'BOUNCE', 'LIST_MAIL', 'STORM'] as const)(
    'is never a machine: %s',
    (automatic) => {
      const thread = [inbound(carol, { cc: [robot] }), inbound(robot, { automatic })];
      const chosen = chooseRecipients(nobody, facts(thread));
      expect(short(chosen)).toEqual({ to: [carol.emailAddress], cc: [], bcc: [] });
      expect(listOf(chosen.dropped)).toEqual(['robot@shop.example MACHINE']);
    },
  );

  test('is a person whose mailbox has answered by itself once', () => {
    const away = inbound(carol, { automatic: 'OUT_OF_OFFICE' });
    expect(short(chooseRecipients(nobody, facts([inbound(carol), away]))).to).toEqual([carol.emailAddress]);
    const robotOnce = inbound(carol, { automatic: 'AUTO_REPLY' });
    expect(short(chooseRecipients(nobody, facts([robotOnce, inbound(carol)]))).to).toEqual([
      carol.emailAddress,
    ]);
  });

  test('nobody, where only a machine has written: the caller is told', () => {
    const thread = [inbound(robot, { automatic: 'AUTO_GENERATED' })];
    const attempt = () => chooseRecipients(nobody, facts(thread, { requester: robot }));
    expect(attempt).toThrow(expect.objectContaining({ code: 'NO_RECIPIENT' }));
  });

  test('nobody, where the sender is not known', () => {
    const unknown = person('unknown@sender.invalid');
    const attempt = () => chooseRecipients(nobody, facts([inbound(null)], { requester: unknown }));
    expect(attempt).toThrow(expect.objectContaining({ code: 'NO_RECIPIENT' }));
  });
});

describe('what is answered where nobody says', () => {
  const supplier = person('sales@supplier.example');
  const ours = (to: Correspondent[]): ThreadMessage => ({ ...inbound(support, { to }), kind: 'OUTBOUND' });
  const answeredOf = (thread: ThreadMessage[], isWhole = true) =>
    answeredByDefault(openTo(carol.emailAddress, thread, isWhole));

  test('is nothing between us and somebody whom the requester does not know of', () => {
    const asked = inbound(carol);
    expect(answeredOf([inbound(supplier), ours([supplier]), asked])).toBe(asked);
    expect(answeredOf([inbound(supplier), ours([supplier])])).toBeNull();
    const told = ours([carol]);
    expect(answeredOf([inbound(supplier), ours([supplier]), told])).toBe(told);
  });

  test('is what somebody wrote who stands in one mail with the requester, or opened the ticket for them', () => {
    const bobs = inbound(bob);
    expect(answeredOf([bobs, inbound(carol, { cc: [bob] })])).toBe(bobs);
    expect(answeredOf([bobs, ours([carol, bob]), inbound(carol)])).toBe(bobs);
    expect(answeredOf([bobs])).toBe(bobs);
    expect(answeredOf([bobs], false)).toBeNull();
  });
});

describe('whom the caller named', () => {
  test('gets it, and nobody else of the thread', () => {
    const last = inbound(carol, { cc: [bob] });
    const chosen = chooseRecipients({ to: [dora], cc: null, bcc: null }, facts([last]));
    expect(short(chosen)).toEqual({ to: [dora.emailAddress], cc: [], bcc: [] });
    expect(chosen.added).toEqual([]);
  });

  test('an empty Cc is nobody, not the thread', () => {
    const last = inbound(carol, { cc: [bob] });
    expect(short(chooseRecipients({ to: null, cc: [], bcc: null }, facts([last]))).cc).toEqual([]);
  });

  test('is never doubled, over all three lists', () => {
    const wanted = { to: [carol, carol], cc: [bob, carol], bcc: [bob, dora] };
    expect(short(chooseRecipients(wanted, facts([inbound(carol)])))).toEqual({
      to: [carol.emailAddress],
      cc: [bob.emailAddress],
      bcc: [dora.emailAddress],
    });
  });

  test('our own addresses are left out, and it is said', () => {
    const chosen = chooseRecipients(
      { to: [carol, support], cc: [sales], bcc: null },
      facts([inbound(carol)]),
    );
    expect(short(chosen)).toEqual({ to: [carol.emailAddress], cc: [], bcc: [] });
    expect(listOf(chosen.dropped)).toEqual([
      'support@contoso.example OWN_ADDRESS',
      'sales@contoso.example OWN_ADDRESS',
    ]);
  });

  test('our own addresses are known with a tag behind a plus, and in both spellings of a domain', () => {
    const ownAddresses = new Set(['support@contoso.example', 'büro@bücher.example', 'a+b@contoso.example']);
    const others = ['support+de@contoso.example', 'büro@xn--bcher-kva.example', 'a+b@contoso.example'];
    const last = inbound(carol, {
      replyTo: [person('support+x@contoso.example')],
      cc: others.map((one) => person(one)),
    });
    expect(short(chooseRecipients(nobody, facts([last], { ownAddresses })))).toEqual({
      to: [carol.emailAddress],
      cc: [],
      bcc: [],
    });
    const cc = [person('a+c@contoso.example'), person('supporters@contoso.example')];
    expect(short(chooseRecipients({ to: null, cc, bcc: null }, facts([last], { ownAddresses }))).cc).toEqual(
      addresses(cc),
    );
  });

  test('is written to once in either spelling of a domain, of whatever script', () => {
    const wanted = {
      to: [person('info@bücher.example'), person('info@xn--bcher-kva.example')],
      cc: [person('ผู้ใช้@ตัวอย่าง.ไทย'), person('संपर्क@हिन्दी.भारत')],
      bcc: null,
    };
    expect(short(chooseRecipients(wanted, facts([inbound(carol)])))).toEqual({
      to: ['info@bücher.example'],
      cc: addresses(wanted.cc),
      bcc: [],
    });
  });

  test('a machine that is named gets it', () => {
    const thread = [inbound(robot, { automatic: 'AUTO_GENERATED' })];
    expect(short(chooseRecipients({ to: [robot], cc: null, bcc: null }, facts(thread))).to).toEqual([
      robot.emailAddress,
    ]);
  });

  test('500 recipients are sent to, 501 are refused', () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => person(`p${i}@fabrikam.example`));
    const wanted = (count: number) => ({ to: [carol], cc: many(count), bcc: null });
    expect(chooseRecipients(wanted(499), facts([inbound(carol)])).cc).toHaveLength(499);
    const attempt = () => chooseRecipients(wanted(500), facts([inbound(carol)]));
    expect(attempt).toThrow(expect.objectContaining({ code: 'TOO_MANY_RECIPIENTS' }));
  });
});
