function counts() {
  const number = { accepted: 0, rejected: 0, failed: 0 };
  for (const t of tomograms) number[verdictOf(t)] += 1;
  const share = scored.length ? ` (${Math.round(100 * number.accepted / scored.length)} %)` : '';
  const borderline = scored.filter(isBorderline).length;
  byId('counts').replaceChildren(
    tile('accepted', number.accepted, SIGNS.accepted + share), tile('rejected', number.rejected, SIGNS.rejected),
    tile('failed', number.failed, SIGNS.failed), tile('borderline', borderline, 'borderline, among both'),
    tile('', scored.length ? median(scored.map((t) => t.score)).toFixed(2) : '\u2013', 'median TomoScore'));
  byId('scale').textContent = `octaves, resolvable scale ${scaleOf(state.threshold)}`;
}

function tile(kind, value, text) {
  return element('div', { class: `tile ${kind}`, 'data-count': kind }, element('b', {}, String(value)), text);
}

function setThreshold(value) {
  if (!Number.isFinite(value)) return;
  state.threshold = Math.min(Math.max(value, 0), content.largest);
  repaint();
}

// Show all verdicts as they are now.
function repaint() {
  counts();
  histogram();
  paintThreshold();
  for (const t of scored) {
    paintDot(t);
    paintVerdict(cards.get(t.number), t);
    if (rows.has(t.number)) paintVerdict(rows.get(t.number), t);
  }
  if (shownNow && byId('details').open) paintVerdict(byId('details-verdict'), shownNow);
  if (byId('verdict').value || COLUMNS[sorting.column][0] === 'Verdict') table();
}

function saveIds(verdict) {
  const ids = tomograms.filter((t) => verdictOf(t) === verdict).map((t) => t.id);
  save(`${verdict}.txt`, 'text/plain', ids.map((id) => `${csvQuoted(id)}\n`).join(''));
}

// A spreadsheet would take a cell that begins so for a formula.
function csvCell(value) {
  const text = value === null || value === undefined ? '' : String(value);
  return csvQuoted(typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
}

function saveTable() {
  const bands = content.periods.map((p) => `r_${p.replace('\u2013', '_')}_nm`);
  const lines = [['ts_id', 'tomoscore', 'low', 'high', 'scale_nm', 'verdict', 'decided_by', 'borderline', ...bands,
    'content', 'slab_first', 'slab_last', 'slab_nm', 'voxel_size_angstrom', 'acquired', 'reason', 'confidence', 'error', 'path']];
  for (const t of wanted()) {
    const [low, high] = t.interval || [], [first, last] = t.slab || [], [reason, , sure] = (t.reasons || [])[0] || [];
    const slab = t.slab ? Number(((last - first + 1) * t.voxel / 10).toPrecision(6)) : null;
    lines.push([t.id, t.score, low, high, t.scale_nm, verdictOf(t), t.score === null ? '' : decidedBy(t),
      t.score === null ? '' : isBorderline(t) ? 'yes' : 'no', ...(t.curve || bands.map(() => null)),
      t.content, first, last, slab, t.voxel, t.acquired, reason, sure, t.error, t.path]);
  }
  save('tomoscore.csv', 'text/csv', lines.map((cells) => `${cells.map(csvCell).join(',')}\n`).join(''));
}

function connect() {
  const slider = byId('slider'), number = byId('number');
  slider.addEventListener('input', () => { number.value = slider.value; setThreshold(Number(slider.value)); });
  number.addEventListener('input', () => {
    if (number.value === '') return;
    slider.value = number.value;
    setThreshold(Number(number.value));
  });
  byId('export-accepted').addEventListener('click', () => saveIds('accepted'));
  byId('export-rejected').addEventListener('click', () => saveIds('rejected'));
  byId('export-verdicts').addEventListener('click', saveVerdicts);
  byId('forget').addEventListener('click', forgetHand);
  document.addEventListener('keydown', onKey);
  byId('export-table').addEventListener('click', saveTable);
  byId('query').addEventListener('input', table);
  byId('verdict').addEventListener('change', table);
  byId('order-by').addEventListener('change', session);
  byId('previous').addEventListener('click', () => step(-1));
  byId('next').addEventListener('click', () => step(1));
  byId('close').addEventListener('click', () => byId('details').close());
  byId('details').addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
  });
}

const noun = tomograms.length === 1 ? 'tomogram' : 'tomograms';
byId('summary').textContent = `${tomograms.length} ${noun}, ${scored.length} scored, `
  + `${tomograms.length - scored.length} failed. ${content.created}`;
readHand();
showHand(true);
gallery();
heads();
table();
remarks();
session();
comparison();
agreement();
counts();
histogram();
connect();
scored.forEach((t) => paintVerdict(cards.get(t.number), t));
// The pictures come after this program: the page is of use before they are read.
document.documentElement.dataset.readyAfterMs = Math.round(performance.now());
document.documentElement.dataset.ready = 'yes';
