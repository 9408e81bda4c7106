/** A mail of the demo: who writes what, and whether it answers the help desk's thread so far. */
export interface DemoMail {
  from: { name: string; emailAddress: string };
  subject: string;
  text: string;
  html?: string;
  attachments?: readonly { name: string; contentType: string; contentBytes: string }[];
  /** Answers the mail that this customer wrote before. */
  isReply?: boolean;
}

const customer = (name: string, emailAddress: string) => ({ name, emailAddress });
const nadia = customer('Nadia Rahman', 'nadia.rahman@fabrikam.example');
const jonas = customer('Jonas Weber', 'jonas.weber@northwind.example');
const priya = customer('Priya Nair', 'priya@litware.example');
const tom = customer('Tom Okafor', 'tom.okafor@adatum.example');
const elena = customer('Elena Rossi', 'elena.rossi@tailspin.example');
const sofia = customer('Sofía Márquez', 'sofia@proseware.example');

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** A picture of one red pixel: the smallest real PNG. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

/** What arrives, in this order; the demo begins anew at the end. */
export const STORY: readonly DemoMail[] = [
  {
    from: nadia,
    subject: 'Printer on the 3rd floor prints blank pages',
    text: 'Hello,\n\nsince this morning the printer next to room 312 only prints blank pages. I changed the toner, no luck.\n\nRegards\nNadia',
  },
  {
    from: jonas,
    subject: 'VPN bricht alle 10 Minuten ab',
    text: 'Guten Tag,\n\nseit dem Update verliere ich im Homeoffice alle zehn Minuten die VPN-Verbindung. Das Protokoll hängt an.\n\nViele Grüße\nJonas Weber',
    attachments: [
      {
        name: 'vpn-protokoll.log',
        contentType: 'text/plain',
        contentBytes: base64(
          '09:12:04 tunnel up\n09:22:05 DPD timeout, peer not responding\n09:22:05 tunnel down\n',
        ),
      },
    ],
  },
  {
    from: priya,
    subject: 'Access to the finance share',
    text: 'Hi team,\n\nI moved to Finance on Monday and still cannot open the share \\\\files\\finance. My manager approved it.\n\nThanks, Priya',
    html: '<p>Hi team,</p><p>I moved to Finance on <b>Monday</b> and still cannot open the share <code>\\\\files\\finance</code>. My manager approved it.</p><p>Thanks, Priya</p>',
  },
  {
    from: nadia,
    subject: 'Re: Printer on the 3rd floor prints blank pages',
    text: 'One more thing: the display shows error 49.4C02. Photo attached.\n\nNadia',
    attachments: [{ name: 'display.png', contentType: 'image/png', contentBytes: PNG }],
    isReply: true,
  },
  {
    from: tom,
    subject: 'Invoice 2026-1187 has the wrong VAT number',
    text: 'Good morning,\n\nthe attached invoice shows our old VAT number. Could you send a corrected one?\n\nTom Okafor\nAdatum Ltd.',
    attachments: [
      {
        name: 'invoice-2026-1187.txt',
        contentType: 'text/plain',
        contentBytes: base64('Invoice 2026-1187\nAdatum Ltd.\nVAT GB 000 0000 00\nTotal 1,240.00\n'),
      },
    ],
  },
  {
    from: elena,
    subject: 'New laptop for a colleague starting on 1 December',
    text: 'Ciao,\n\nwe need a laptop, a headset and an account for Marco, who starts on 1 December.\n\nGrazie\nElena',
  },
  {
    from: jonas,
    subject: 'AW: VPN bricht alle 10 Minuten ab',
    text: 'Nachtrag: über das Mobilnetz bleibt die Verbindung stabil, es liegt also am Router.\n\nJonas',
    isReply: true,
  },
  {
    from: sofia,
    subject: 'No puedo restablecer mi contraseña 🔑',
    text: 'Hola,\n\nel enlace para restablecer la contraseña dice que ha caducado, aunque lo abrí enseguida.\n\nUn saludo\nSofía',
  },
  {
    from: priya,
    subject: 'RE: Access to the finance share',
    text: 'It works now, thank you for the quick help!\n\nPriya',
    isReply: true,
  },
];
