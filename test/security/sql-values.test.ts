import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';

/*
 * MikroORM 7 writes values into the text of its statements and quotes them itself: nothing is bound by the driver. So its
 * quoting is what stands between a mail and the database, and is pinned here. A new version of it must pass this.
 */

let own: TestDatabase;
let organizationId: string;
beforeAll(async () => {
  own = await cloneDatabase();
  organizationId = (await createTestOrganization(own.database)).id;
});
afterAll(() => own?.[Symbol.asyncDispose]());

/** Text made of what means something in SQL. U+0000 and half characters PostgreSQL does not take at all. */
const sql = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        "''",
        '\\',
        "\\'",
        "E'",
        '"',
        '?',
        '??',
        '\\?',
        '$1',
        '$$',
        '--',
        '/*',
        '*/',
        ';',
        '\n',
        '%',
        '::',
        'U&',
        '\u02BC',
        '\uFF07',
        ') or true --',
      ),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join('').replaceAll('\u0000', '').toWellFormed());

test('a value of a raw statement stays a value, whatever it holds', async () => {
  await fc.assert(
    fc.asyncProperty(sql, sql, async (one, other) => {
      const em = forkAcrossOrganizations(own.database);
      const rows = await em.execute<{ one: string; other: string; both: string[]; json: unknown }[]>(
        'select ?::text as one, ?::text as other, array(select t from (values (?), (?)) as v(t)) as both, ?::jsonb as json',
        [one, other, one, other, JSON.stringify({ [one]: other })],
      );
      expect(rows).toEqual([{ one, other, both: [one, other], json: { [one]: other } }]);
    }),
    { seed: 20_261_121, numRuns: 300 },
  );
});

test('a value of a condition stays a value, and finds its row and no other', async () => {
  await fc.assert(
    fc.asyncProperty(sql, async (name) => {
      const em = forkFor(own.database, organizationId);
      const contact = em.create(Contact, {
        organization: em.getReference(Organization, organizationId),
        name,
        emailAddress: `${crypto.randomUUID()} ${name}`,
      });
      await em.flush();
      const other = forkFor(own.database, organizationId);
      expect(await other.find(Contact, { emailAddress: contact.emailAddress })).toMatchObject([
        { id: contact.id, name },
      ]);
      expect(
        await other.find(Contact, { emailAddress: { $in: [contact.emailAddress, `${name}' or true --`] } }),
      ).toHaveLength(1);
      expect(await other.count(Contact, { emailAddress: `${contact.emailAddress}' or true --` })).toBe(0);
    }),
    { seed: 20_261_121, numRuns: 100 },
  );
});
