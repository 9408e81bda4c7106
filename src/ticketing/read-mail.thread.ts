/* What a thread of `read-mails.ts` runs: a mail comes in, and goes out read. */
import { parentPort } from 'node:worker_threads';
import type { IncomingMail } from '../microsoft365/mail.ts';
import { readMail } from './read-mail.ts';

parentPort?.on('message', (mail: IncomingMail) => {
  parentPort?.postMessage(readMail(mail));
});
