import type { DemoClient } from './client.ts';

const SUBSCRIPTION = `subscription {
  ticketCreated { cursor ticket { number subject priority requester { name emailAddress } } }
}`;

const REPLIES = `subscription {
  messageAdded { cursor message { kind from { name emailAddress } strippedText attachments { name } ticket { number } } }
}`;

interface Created {
  ticketCreated: {
    ticket: { number: number; subject: string; requester: { name: string; emailAddress: string } };
  };
}

interface Added {
  messageAdded: {
    message: {
      from: { name: string | null; emailAddress: string } | null;
      strippedText: string;
      attachments: { name: string }[];
      ticket: { number: number };
    };
  };
}

/** Prints every new ticket and every message that joins one, as the subscriptions bring them. */
export async function showTickets(client: DemoClient, print: (line: string) => void): Promise<void> {
  const tickets = async () => {
    for await (const { ticketCreated } of client.subscribe<Created>(SUBSCRIPTION)) {
      const { number, subject, requester } = ticketCreated.ticket;
      print(
        `  new ticket  #${String(number).padEnd(4)} ${subject}\n${' '.repeat(20)}${requester.name} <${requester.emailAddress}>`,
      );
    }
  };
  const replies = async () => {
    const seen = new Set<number>();
    for await (const { messageAdded } of client.subscribe<Added>(REPLIES)) {
      const { from, strippedText, ticket, attachments } = messageAdded.message;
      // The first message of a ticket is the ticket itself, and announced as such.
      if (!seen.has(ticket.number)) {
        seen.add(ticket.number);
        continue;
      }
      const [line = ''] = strippedText.trim().split('\n');
      const files = attachments.map(({ name }) => ` [${name}]`).join('');
      print(
        `  reply       #${String(ticket.number).padEnd(4)} ${from?.name ?? from?.emailAddress ?? ''}: ${line}${files}`,
      );
    }
  };
  await Promise.all([tickets(), replies()]);
}
