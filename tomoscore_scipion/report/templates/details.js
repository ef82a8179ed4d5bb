let shownNow = null, shownAmong = [];

function showDetails(t, among) {
  shownNow = t;
  shownAmong = among;
  byId('details-head').textContent = t.id;
  byId('details-body').replaceChildren(...detailsOf(t));
  paintVerdict(byId('details-verdict'), t);
  const place = among.indexOf(t);
  byId('previous').disabled = place <= 0;
  byId('next').disabled = place >= among.length - 1;
  const dialog = byId('details');
  if (!dialog.open) dialog.showModal();
  byId('details-body').parentElement.scrollTop = 0;
}

function step(by) {
  const next = shownAmong[shownAmong.indexOf(shownNow) + by];
  if (next) showDetails(next, shownAmong);
}

function detailsOf(t) {
  const head = element('p', {},
    element('strong', {}, `TomoScore ${t.score.toFixed(2)}`),
    ` (90 % interval ${t.interval.map((v) => v.toFixed(2)).join(' to ')}), resolvable scale ${t.scale}. `,
    element('span', { id: 'details-verdict' }));
  const hand = element('p', { class: 'actions' }, ...handButtons(t));
  const scores = new Map(t.slices);
  const three = element('div', { class: 'three' }, ...DETAILS.filter((k) => k in t.chosen)
    .map((kind) => figure(frameOf(t, t.chosen[kind]),
      `${kind} slice of the slab: slice ${t.chosen[kind]}, ${scores.get(t.chosen[kind]).toFixed(2)}; shown: ${t.shown}`)));
  const two = element('div', { class: 'two' },
    figure(profile(t), 'Slice by slice; the slab is shaded, the slices above are circled.'),
    figure(curve(t), 'Resolvability of the slab per octave; the last band is reported only.'
      + (t.halves && t.halves.curve ? ' Diamonds: measured from its halves.' : '')));
  const why = t.reasons.map(([code, text, confidence]) => element('p', { class: 'reason' },
    element('b', {}, code), ` (${confidence} confidence). `, text));
  if (why.length) why.unshift(element('h3', {}, 'Likely reasons for a low score'));
  const warnings = t.warnings.length ? [element('h3', {}, 'Warnings'),
    element('ul', {}, ...t.warnings.map((w) => element('li', {}, w)))] : [];
  const facts = [['file', t.path || 'in memory'], ['content', t.content === null ? 'unknown' : `${(100 * t.content).toFixed(0)} % of the slab contains specimen`],
    ['slab', slabOf(t)],
    ['size', `${[...t.shape].reverse().join(' x ')} voxels of ${t.voxel} A`],
    ...t.facts,
    ['model', t.model], ['engine', `${t.engine} on ${t.device}, ${t.seconds} s`]];
  const list = element('dl', {}, ...facts.flatMap(([k, v]) => [element('dt', {}, k), element('dd', {}, v)]));
  const map = element('div', {});
  showMap(map, t);
  return [head, hand, three, ...why, two, ...halvesOf(t), map, ...warnings, list];
}

// Score measured from half maps: "2.41 (2.10 to 2.60)", with the number of octaves if some are left out.
function measuredText(t) {
  const of = t.halves.octaves < content.largest ? ` of ${t.halves.octaves} octaves` : '';
  return `${t.halves.tomoscore.toFixed(2)} (${t.halves.interval.map((v) => v.toFixed(2)).join(' to ')})${of}`;
}

function halvesOf(t) {
  if (!t.halves) return [];
  if (t.halves.tomoscore === null) return [element('p', {}, `Its half maps are refused: ${t.halves.error}.`)];
  return [element('p', {}, element('strong', {}, `Measured from half maps (${t.halves.kind}): ${measuredText(t)}. `),
    ...t.halves.warnings.map((w) => `${w}. `))];
}

async function showMap(place, t) {
  const picture = (await picturesOf(t)).map;
  if (!picture) return;
  place.replaceChildren(figure(
    element('img', { class: 'map', src: picture, alt: `Quality map of ${t.id}` }),
    'Quality map: TomoScore per place, the mean over the slab; colour scale on the right, 0 to 5.'));
}

function figure(node, caption) {
  return element('figure', {}, node, element('figcaption', {}, caption));
}
