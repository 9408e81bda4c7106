import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from '../platform/database.ts';
import type { Correspondent } from './message.entity.ts';

interface ContactRow {
  id: string;
  email_address: string;
}

/**
 * The contacts of these people, by address; who is new is added. One statement, however many there are.
 *
 * Safe against others who add the same contact at the same time: the unique address decides, and a second statement, which
 * is needed then only, sees what they committed. Rows are inserted in the order of their addresses, so that two transactions with the same
 * people wait for each other and do not deadlock.
 */
export async function findOrCreateContacts(
  em: EntityManager,
  organizationId: string,
  people: readonly Correspondent[],
  now: Date,
): Promise<Map<string, string>> {
  if (people.length === 0) return new Map();
  const byAddress = new Map<string, Correspondent>();
  for (const person of people) {
    if (byAddress.get(person.emailAddress)?.name == null) byAddress.set(person.emailAddress, person);
  }
  const rows = [...byAddress.values()]
    .sort((a, b) => (a.emailAddress < b.emailAddress ? -1 : 1))
    .map(({ name, emailAddress }) => ({
      id: uuidv7(),
      name: name ?? emailAddress,
      email_address: emailAddress,
    }));
  let found = await em.execute<ContactRow[]>(
    `with known as (
       select id, email_address from contact where organization_id = ? and email_address in (?)
     ), added as (
       insert into contact (id, organization_id, name, email_address, created_at, updated_at)
       select id, ?::uuid, name, email_address, ?::timestamptz, ?::timestamptz
         from json_to_recordset(?::json) as row(id uuid, name text, email_address text)
        where email_address not in (select email_address from known)
        order by email_address
       on conflict (organization_id, email_address) do nothing
       returning id, email_address
     )
     select id, email_address from known union all select id, email_address from added`,
    [organizationId, [...byAddress.keys()], organizationId, now, now, JSON.stringify(rows)],
  );
  if (found.length < byAddress.size) {
    found = await em.execute<ContactRow[]>(
      'select id, email_address from contact where organization_id = ? and email_address in (?)',
      [organizationId, [...byAddress.keys()]],
    );
  }
  return new Map(found.map(({ id, email_address }) => [email_address, id]));
}
