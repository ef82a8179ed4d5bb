const content = JSON.parse(document.getElementById('content').textContent);
const tomograms = content.tomograms.map((t, number) => Object.assign(t, { number }));
const scored = tomograms.filter((t) => t.score !== null);
const state = { threshold: content.threshold, hand: new Map() };  // hand: id to verdict
const SIGNS = { accepted: '\u2713 accepted', rejected: '\u25bc rejected', failed: '\u2715 failed' };
const byScore = [...scored].sort((a, b) => b.score - a.score || a.number - b.number);

const DETAILS = ['best', 'median', 'worst'];  // the slices that are shown in detail

function byId(id) { return document.getElementById(id); }

// An element with attributes and children; text becomes text, never markup.
function element(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'onclick') node.addEventListener('click', value);
    else if (value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function verdictOf(t) {
  if (t.score === null) return 'failed';
  if (state.hand.has(t.id)) return state.hand.get(t.id);
  return isGood(t) && isAmongBest(t) ? 'accepted' : 'rejected';
}

// Whether a tomogram is accepted as long as no other one is better.
function isGood(t) {
  if (t.faults.length) return false;
  if (isUncertain(t) && content.borderline !== 'score') return content.borderline === 'accepted';
  return t.score >= state.threshold;
}

// The 90 % interval contains the threshold: the score alone does not settle it.
function isUncertain(t) { return t.interval[0] <= state.threshold && state.threshold <= t.interval[1]; }

// Of equal scores the first by name is better, as in the protocol.
const best = { threshold: null, chosen: null };
function isAmongBest(t) {
  if (!content.at_most) return true;
  if (best.threshold !== state.threshold) {
    best.threshold = state.threshold;
    const ranked = scored.filter(isGood).sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    best.chosen = new Set(ranked.slice(0, content.at_most));
  }
  return best.chosen.has(t);
}

function decidedBy(t) { return state.hand.has(t.id) ? 'hand' : t.faults.join(', ') || 'score'; }

function isBorderline(t) { return t.score !== null && !state.hand.has(t.id) && isUncertain(t); }

function verdictText(t) {
  const text = SIGNS[verdictOf(t)];
  if (t.score === null) return text;
  if (state.hand.has(t.id)) return `${text} by hand`;
  if (t.faults.length) return `${text}: ${t.faults.join(', ')}`;
  const limit = isGood(t) && !isAmongBest(t) ? `, not among the best ${content.at_most}` : '';
  return text + (isBorderline(t) ? ', borderline' : '') + limit;
}

function scaleOf(score) {
  return score > 0 ? `${Number((128 / 2 ** score).toPrecision(3))} nm` : 'coarser than 128 nm';
}

function slabOf(t) {
  const nm = (t.slab[1] - t.slab[0] + 1) * t.voxel / 10;
  return `${nm.toFixed(0)} nm (slices ${t.slab[0]} to ${t.slab[1]})`;
}

function naturally(a, b) {
  return a.id.localeCompare(b.id, 'en', { numeric: true }) || a.number - b.number;
}

// A text as a CSV cell, in quotes where it needs them.
function csvQuoted(text) {
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

function save(name, type, text) {
  const link = element('a', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
