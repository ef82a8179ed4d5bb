// A line for each tilt series, from set to set; of two sets, dashed where the second is lower.
function compared(c) {
  const last = c.names.length - 1, two = last === 1;
  const d = chart({
    x: [-0.4, last + 0.4], y: [0, content.largest], width: 680, height: 330, yName: 'TomoScore',
    xTicks: c.names.map((name, i) => [i, short(name)]), yTicks: [0, 1, 2, 3, 4, 5].slice(0, content.largest + 1),
    xName: `${c.ts_ids.length} tilt series, a line each; squares: means`, label: 'Scores of each tilt series in every set',
  });
  c.ts_ids.forEach((id, n) => {
    const values = c.scores.map((one) => one[n]), rise = values[last] - values[0];
    const kind = !two || Math.abs(rise) < 0.005 ? 'even' : rise > 0 ? 'up' : 'down';
    const points = values.map((v, i) => `${d.x(i)} ${d.y(v)}`).join(',');
    d.root.append(svg('polyline', { class: `pair ${kind}`, points },
      svg('title', {}, `${id}: ${values.map((v) => v.toFixed(2)).join(', ')}`)));
  });
  c.means.forEach((mean, i) => d.root.append(svg('rect', { class: 'mean', x: d.x(i) - 5, y: d.y(mean) - 5, width: 10, height: 10 },
    svg('title', {}, `${c.names[i]}: mean ${mean.toFixed(2)}`))));
  return d.root;
}

// What the leader gains over each other set: mean and interval.
function gains(c) {
  const ends = c.gains.flatMap((g) => [0, g.mean, ...(g.interval || [])]);
  const low = Math.min(...ends), high = Math.max(...ends), room = 0.15 * (high - low) || 0.5;
  const d = chart({
    x: [low - room, high + room], y: [-0.6, c.gains.length - 0.3], width: 460, height: 330, yTicks: [], yName: '',
    xTicks: niceTicks(low - room, high + room, 5).map((v) => [v, String(v)]), xName: `${short(c.leader)} gains (octaves)`,
    label: 'What the leader gains over each other set',
  });
  d.root.append(svg('line', { class: 'limit', x1: d.x(0), x2: d.x(0), y1: d.m.top, y2: d.height - d.m.bottom }));
  c.gains.forEach((g, i) => {
    const y = d.y(i);
    if (g.interval) d.root.append(svg('line', { class: 'interval', x1: d.x(g.interval[0]), x2: d.x(g.interval[1]), y1: y, y2: y }));
    d.root.append(svg('rect', { class: 'mean', x: d.x(g.mean) - 5, y: y - 5, width: 10, height: 10 }));
    d.root.append(svg('text', { x: d.m.left + 8, y: y - 14 }, `over ${short(g.over)}`));
  });
  return d.root;
}

function short(name) { return name.length > 24 ? `${name.slice(0, 23)}\u2026` : name; }

function comparison() {
  const c = content.comparison;
  if (!c) return;
  byId('verdict-of-sets').textContent = c.said[0];
  byId('sets').replaceChildren(compared(c), gains(c));
  byId('said-of-sets').replaceChildren(...c.said.slice(1).map((line) => element('li', {}, line)));
}

function agreement() {
  const a = content.agreement;
  if (!a) return;
  byId('verdict-of-halves').textContent = a.said[0];
  byId('plot-of-halves').src = a.plot;
  byId('said-of-halves').replaceChildren(...a.said.slice(1).map((line) => element('li', {}, line)));
}
