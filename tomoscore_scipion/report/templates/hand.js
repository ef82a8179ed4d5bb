// What a person decides overrules the score. It is kept in the browser under the page's own
// address, so that it outlives a reload, and a report that is made anew.
const STORE = `tomoscore-verdicts:${location.pathname}`;
const KEYS = { a: 'accepted', r: 'rejected', u: null };

function readHand() {
  const known = new Set(scored.map((t) => t.id));
  for (const [id, verdict] of Object.entries(keptInBrowser())) {
    if (known.has(id) && ['accepted', 'rejected'].includes(verdict)) state.hand.set(id, verdict);
  }
}

function keptInBrowser() {
  try { return JSON.parse(localStorage.getItem(STORE)) || {}; } catch (error) { return {}; }
}

// Whether the browser keeps it: some do not for pages from a disk, and the page says so then.
function keepHand() {
  try {
    localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(state.hand)));
    return true;
  } catch (error) { return false; }
}

// Decide about a tomogram; null gives it back to the score.
function decide(t, verdict) {
  if (t.score === null) return;
  if (verdict) state.hand.set(t.id, verdict); else state.hand.delete(t.id);
  handChanged();
}

function forgetHand() {
  state.hand.clear();
  handChanged();
}

function handChanged() {
  showHand(keepHand());
  repaint();
}

function showHand(isKept) {
  const many = state.hand.size;
  byId('hand').hidden = !many;
  byId('hand-count').textContent = `${many} decided by hand. `
    + (isKept ? '' : 'This browser does not keep it: save the verdicts before you leave the page. ');
}

// Which tomogram a key is for: the one that is open, or the one that has the focus.
function tomogramAtHand() {
  if (byId('details').open) return shownNow;
  const node = document.activeElement.closest('[data-number]');
  return node ? tomograms[Number(node.dataset.number)] : null;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select')) return;
  const t = event.key in KEYS ? tomogramAtHand() : null;
  if (t) decide(t, KEYS[event.key]);
  const step = { ArrowRight: 'nextElementSibling', ArrowLeft: 'previousElementSibling' }[event.key];
  const card = step && !byId('details').open && document.activeElement.closest('.card');
  if (card && card[step]) { event.preventDefault(); card[step].focus(); }
}

function handButtons(t) {
  const button = (key, text) => element('button', { type: 'button', 'data-key': key, 'aria-keyshortcuts': key,
    onclick: () => decide(t, KEYS[key]) }, `${text} (${key})`);
  return [button('a', 'Accept'), ' ', button('r', 'Reject'), ' ', button('u', 'Decide by the score')];
}

// Lines of ts_id,verdict,decided_by, which "TomoScore - filter by score" and "TomoScore - threshold
// from examples" read.
function saveVerdicts() {
  const lines = scored.map((t) => `${csvQuoted(t.id)},${verdictOf(t)},${csvQuoted(decidedBy(t))}\n`);
  save('tomoscore-verdicts.csv', 'text/csv', `ts_id,verdict,decided_by\n${lines.join('')}`);
}
