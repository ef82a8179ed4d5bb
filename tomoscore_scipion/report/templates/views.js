const cards = new Map(), rows = new Map();
const COLUMNS = [
  ['Tomogram', (t) => t.id],
  ['TomoScore', (t) => t.score, (t) => t.score.toFixed(2)],
  ['90 % interval', (t) => t.interval && t.interval[0], (t) => t.interval.map((v) => v.toFixed(2)).join(' to ')],
  ...(tomograms.some((t) => t.halves) ? [['By halves', (t) => (t.halves ? t.halves.tomoscore : null), (t) => measuredText(t)]] : []),
  ['Scale', (t) => t.score, (t) => t.scale],
  ['Content (%)', (t) => t.content, (t, v) => (100 * v).toFixed(0)],
  ['Slab (nm)', (t) => t.slab && (t.slab[1] - t.slab[0] + 1) * t.voxel / 10, (t, v) => v.toFixed(0)],
  ['Verdict', (t) => verdictText(t)],
  ['Likely reason', (t) => (t.reasons && t.reasons.length ? t.reasons[0][0] : '')],
  ['Warnings', (t) => t.warnings.length, (t, v) => (v ? String(v) : '')],
];
const WORDS = ['Tomogram', 'Verdict', 'Likely reason'];  // columns of words, the others of numbers
const sorting = { column: 1, up: false };

function gallery() {
  byId('cards').replaceChildren(...byScore.map((t) => {
    const verdict = element('span', {});
    cards.set(t.number, verdict);
    return element('button', { type: 'button', class: 'card', 'data-number': t.number, onclick: () => showDetails(t, byScore) },
      frameOf(t, 'thumbnail'),
      element('span', { class: 'text' },
        element('span', { class: 'name', title: t.id }, t.id),
        element('span', { class: 'value' }, t.score.toFixed(2)), verdict, element('br'),
        element('small', {}, `${t.scale}`, element('br'), `slab ${slabOf(t)}`)));
  }));
  if (!byScore.length) byId('cards').append('No tomogram is scored.');
}

function heads() {
  byId('heads').replaceChildren(...COLUMNS.map(([name], i) => element('th', {
    scope: 'col', class: WORDS.includes(name) ? undefined : 'n', 'aria-sort': i !== sorting.column ? 'none' : sorting.up ? 'ascending' : 'descending',
  }, element('button', { type: 'button', onclick: () => sortBy(i) },
    name + (i !== sorting.column ? '' : sorting.up ? ' \u25b2' : ' \u25bc')))));
}

function sortBy(column) {
  sorting.up = column === sorting.column ? !sorting.up : column === 0;
  sorting.column = column;
  heads();
  table();
  byId('heads').children[column].firstChild.focus();
}

function compare(a, b) {
  const value = COLUMNS[sorting.column][1], x = value(a), y = value(b), sign = sorting.up ? 1 : -1;
  if (typeof x === 'string') return sign * x.localeCompare(y, 'en', { numeric: true }) || a.number - b.number;
  const missing = [x, y].map((v) => v === null || v === undefined);
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  return sign * (x - y) || a.number - b.number;
}

function textOf(t) {
  const reasons = (t.reasons || []).flatMap(([code, text]) => [code, text]);
  return [t.id, t.path || '', t.error || '', ...t.warnings, ...reasons].join('\n').toLowerCase();
}

function wanted() {
  const query = byId('query').value.trim().toLowerCase(), verdict = byId('verdict').value;
  const isShown = { borderline: isBorderline, hand: (t) => state.hand.has(t.id) }[verdict] || ((t) => verdictOf(t) === verdict);
  return tomograms.filter((t) => (!verdict || isShown(t)) && (!query || textOf(t).includes(query)))
    .sort(compare);
}

function table() {
  const list = wanted(), among = list.filter((t) => t.score !== null);
  rows.clear();
  byId('rows').replaceChildren(...list.map((t) => rowOf(t, among)));
  byId('shown').textContent = `${list.length} of ${tomograms.length} shown`;
}

function rowOf(t, among) {
  const name = t.score === null ? t.id
    : element('button', { type: 'button', 'data-number': t.number, onclick: () => showDetails(t, among) }, t.id);
  const verdict = element('span', {});
  rows.set(t.number, verdict);
  paintVerdict(verdict, t);
  const cells = COLUMNS.slice(1).map(([title, value, show]) => {
    if (title === 'Verdict') return element('td', {}, verdict);
    if (title === 'Likely reason') {
      return element('td', { class: 'wide' }, t.score === null ? t.error : value(t),
        t.reasons && t.reasons.length ? element('span', { class: 'small' }, ` (${t.reasons[0][2]})`) : '');
    }
    const found = value(t);
    return element('td', { class: 'n' }, found === null || found === undefined ? '\u2013' : show(t, found));
  });
  return element('tr', {}, element('td', { class: 'id' }, name), ...cells);
}

function paintVerdict(node, t) {
  const verdict = verdictOf(t);
  node.className = `verdict ${verdict}${isBorderline(t) ? ' borderline' : ''}`;
  node.textContent = verdictText(t);
}

function remarks() {
  const parts = [], failed = tomograms.filter((t) => t.score === null), texts = new Map();
  for (const t of tomograms) for (const w of t.warnings) texts.set(w, [...(texts.get(w) || []), t.id]);
  if (failed.length) parts.push(element('h3', {}, `Failed (${failed.length})`), element('ul', {},
    ...failed.map((t) => element('li', {}, element('strong', {}, t.id), `: ${t.error}`))));
  if (texts.size) parts.push(element('h3', {}, 'Warnings'), element('ul', {}, ...[...texts].map(([w, ids]) => element('li', {},
    `${w} `, element('span', { class: 'small' }, `(${ids.length}: ${ids.slice(0, 12).join(', ')}${ids.length > 12 ? ', \u2026' : ''})`)))));
  if (!parts.length) parts.push(element('p', {}, 'None.'));
  byId('remark-lists').replaceChildren(...parts);
}
