const WIDTH = 1160;

// A drawing with axes: x and y turn values into pixels.
function chart(o) {
  const m = { left: 48, right: 14, top: 10, bottom: o.bottom || 40 };
  const width = o.width || WIDTH, height = o.height || 230;
  const x = (v) => m.left + (v - o.x[0]) / (o.x[1] - o.x[0]) * (width - m.left - m.right);
  const y = (v) => height - m.bottom - (v - o.y[0]) / (o.y[1] - o.y[0]) * (height - m.top - m.bottom);
  const root = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: o.role || 'img', 'aria-label': o.label });
  for (const v of o.yTicks) {
    root.append(svg('line', { class: 'grid', x1: m.left, x2: width - m.right, y1: y(v), y2: y(v) }));
    root.append(svg('text', { x: m.left - 7, y: y(v) + 4, 'text-anchor': 'end' }, String(v)));
  }
  root.append(svg('path', { class: 'axis', d: `M${m.left} ${m.top}V${height - m.bottom}H${width - m.right}` }));
  for (const [v, name] of o.xNames || []) {
    const left = x(v) + 4, top = height - m.bottom + 13;
    root.append(svg('text', { x: left, y: top, 'text-anchor': 'end', transform: `rotate(-45 ${left} ${top})` },
      name.length > 14 ? `\u2026${name.slice(-13)}` : name, svg('title', {}, name)));
  }
  for (const [v, ...lines] of o.xTicks) {
    lines.forEach((line, i) => root.append(
      svg('text', { x: x(v), y: height - m.bottom + 15 + 13 * i, 'text-anchor': 'middle' }, line)));
  }
  root.append(svg('text', { x: (m.left + width - m.right) / 2, y: height - 5, 'text-anchor': 'middle' }, o.xName));
  root.append(svg('text', {
    x: -(m.top + height - m.bottom) / 2, y: 12, 'text-anchor': 'middle', transform: 'rotate(-90)',
  }, o.yName));
  return { root, x, y, width, height, m };
}

function octaveTicks() {
  return Array.from({ length: content.largest + 1 }, (_, i) => [i, String(i), i ? scaleOf(i) : '']);
}

function niceTicks(low, high, count) {
  const rough = Math.max(high - low, 1e-9) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) ticks.push(Number(v.toPrecision(6)));
  return ticks;
}

// Bars of a quarter of an octave; the bar that holds the threshold is split.
function histogram() {
  const bins = Array.from({ length: 4 * content.largest }, () => ({ accepted: 0, rejected: 0 }));
  for (const t of scored) bins[Math.min(Math.floor(t.score * 4), bins.length - 1)][verdictOf(t)] += 1;
  const top = Math.max(1, ...bins.map((b) => b.accepted + b.rejected));
  const c = chart({
    x: [0, content.largest], y: [0, top], height: 220, bottom: 50, xTicks: octaveTicks(),
    yTicks: niceTicks(0, top, 4).filter(Number.isInteger), xName: 'TomoScore (octaves), resolvable scale',
    yName: 'tomograms', label: 'Histogram of the scores',
  });
  c.root.append(svg('defs', {}, svg('pattern', {
    id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)',
  }, svg('rect', { width: 6, height: 6, fill: '#f3d3bd' }), svg('rect', { width: 3, height: 6, fill: '#d55e00' }))));
  bins.forEach((bin, i) => {
    let base = 0;
    for (const verdict of ['rejected', 'accepted']) {
      if (!bin[verdict]) continue;
      const bar = svg('rect', {
        class: verdict, x: c.x(i / 4) + 1, width: c.x(0.25) - c.x(0) - 2,
        y: c.y(base + bin[verdict]), height: c.y(base) - c.y(base + bin[verdict]),
      }, svg('title', {}, `${i / 4} to ${(i + 1) / 4}: ${bin[verdict]} ${verdict}`));
      if (verdict === 'rejected') bar.style.fill = 'url(#hatch)';
      c.root.append(bar);
      base += bin[verdict];
    }
  });
  c.root.append(svg('line', {
    class: 'threshold', x1: c.x(state.threshold), x2: c.x(state.threshold), y1: c.m.top, y2: c.height - c.m.bottom,
  }));
  byId('histogram').replaceChildren(c.root, element('p', { class: 'legend' }, ...keyOf('accepted', 'accepted'),
    ...keyOf('rejected', 'rejected, hatched'), 'line: the threshold'));
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// A spot of a verdict's colour and what it means.
function keyOf(verdict, text) {
  return [element('span', { class: `key ${verdict}` }), ` ${text}\u2003`];
}

const dots = new Map();
let thresholdLine = null;

function paintThreshold() {
  const { line, y } = thresholdLine;
  line.setAttribute('y1', y(state.threshold));
  line.setAttribute('y2', y(state.threshold));
}

function paintDot(t) {
  const place = dots.get(t.number);
  if (!place) return;
  const { x, y, node } = place, verdict = verdictOf(t);
  node.setAttribute('class', `dot ${verdict}${isBorderline(t) ? ' borderline' : ''}`);
  node.setAttribute('d', verdict === 'accepted'
    ? `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0`
    : `M${x - 5} ${y - 4}H${x + 5}L${x} ${y + 5}Z`);
}

const MOST_NAMES = 40;  // so many find room on the axis

// Every tomogram in its order; failed ones as crosses below the axis.
function session() {
  const order = byId('order-by').value === 'name' ? [...tomograms].sort(naturally) : tomograms;
  const c = chart({
    x: [0, Math.max(order.length, 1) + 1], y: [0, content.largest], height: 320, bottom: 108, role: 'group',
    xTicks: [], xNames: order.map((t, i) => [i + 1, t.id]).filter((_, i) => i % Math.ceil(order.length / MOST_NAMES) === 0),
    yTicks: [0, 1, 2, 3, 4, 5].slice(0, content.largest + 1), yName: 'TomoScore (octaves)',
    xName: `tomogram, in the order ${byId('order-by').selectedOptions[0].textContent}`, label: 'Scores in their order',
  });
  thresholdLine = { y: c.y, line: svg('line', { class: 'limit', x1: c.m.left, x2: c.width - c.m.right }) };
  c.root.append(thresholdLine.line);
  paintThreshold();
  dots.clear();
  const run = [], marks = [];
  order.forEach((t, i) => {
    const x = c.x(i + 1), open = () => showDetails(t, order.filter((u) => u.score !== null));
    if (t.score === null) {
      const y = c.y(0) - 5;
      c.root.append(svg('path', { class: 'mark', d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` }, svg('title', {}, `${t.id}: failed`)));
      return;
    }
    c.root.append(svg('line', { class: 'whisker', x1: x, x2: x, y1: c.y(t.interval[0]), y2: c.y(t.interval[1]) }));
    const text = `${t.id}: ${t.score.toFixed(2)}${t.acquired ? `, ${t.acquired}` : ''}`;
    const node = svg('path', { onclick: open, tabindex: -1, role: 'button', 'data-number': t.number, 'aria-label': text }, svg('title', {}, text));
    node.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') { event.preventDefault(); open(); }
      if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
        const step = event.key === 'ArrowRight' ? 1 : -1;
        const next = marks[marks.indexOf(node) + step];
        if (next) { event.preventDefault(); next.focus(); }
      }
    });
    marks.push(node);
    dots.set(t.number, { x, y: c.y(t.score), node });
    run.push([x, t.score]);
  });
  if (run.length >= 9) {
    const points = run.map(([x], i) => [x, c.y(median(run.slice(Math.max(0, i - 4), i + 5).map((p) => p[1])))]);
    c.root.append(svg('polyline', { class: 'median', points: points.map((p) => p.join(' ')).join(',') }));
  }
  if (marks.length) marks[0].setAttribute('tabindex', 0);
  c.root.append(...marks);
  scored.forEach(paintDot);
  byId('session').replaceChildren(c.root, element('p', { class: 'legend' },
    '\u25cf accepted, \u25bc rejected, hollow: borderline, \u2715 failed; bars: 90 % intervals; '
    + 'solid line: running median of nine; dashed line: the threshold'));
}

// The score of every slice over the depth, the slab shaded.
function profile(t) {
  const depth = t.shape[0], last = Math.max(depth - 1, 1);
  const c = chart({
    width: 520, height: 250, x: [-0.5, last + 0.5], y: [0, content.largest],
    xTicks: niceTicks(0, last, 6).filter(Number.isInteger).map((v) => [v, String(v)]), yTicks: [0, 1, 2, 3, 4, 5],
    xName: 'slice z (from 0)', yName: 'TomoScore (octaves)', label: `Score of each slice of ${t.id}`,
  });
  const left = c.x(t.slab[0] - 0.5);
  c.root.insertBefore(svg('rect', {
    class: 'slab', x: left, width: c.x(t.slab[1] + 0.5) - left, y: c.m.top, height: c.height - c.m.top - c.m.bottom,
  }, svg('title', {}, 'slab')), c.root.firstChild);
  c.root.append(svg('polyline', { class: 'line', points: t.slices.map(([z, s]) => `${c.x(z)} ${c.y(s)}`).join(',') }));
  const shown = new Set(DETAILS.map((kind) => t.chosen[kind]));
  for (const [z, s] of t.slices) {
    c.root.append(svg('circle', { class: 'accepted', cx: c.x(z), cy: c.y(s), r: 3.5 }, svg('title', {}, `slice ${z}: ${s.toFixed(2)}`)));
    if (shown.has(z)) c.root.append(svg('circle', { class: 'mark', cx: c.x(z), cy: c.y(s), r: 6.5 }));
  }
  return c.root;
}

// R per octave, as bars, and as diamonds where halves say it; hatched bands are reported and do not count.
function curve(t) {
  const c = chart({
    width: 520, height: 250, x: [0, content.periods.length], y: [0, 1],
    xTicks: content.periods.map((p, i) => [i + 0.5, p]), yTicks: [0, 0.2, 0.4, 0.6, 0.8, 1],
    xName: 'feature size (nm)', yName: 'resolvability R', label: `Resolvability curve of ${t.id}`,
  });
  t.curve.forEach((r, i) => {
    if (r === null) {
      ['beyond', 'Nyquist'].forEach((word, line) => c.root.append(
        svg('text', { x: c.x(i + 0.5), y: c.y(0.08) + 13 * line, 'text-anchor': 'middle' }, word)));
      return;
    }
    const bar = svg('rect', {
      class: 'accepted', x: c.x(i) + 8, width: c.x(1) - c.x(0) - 16, y: c.y(r), height: c.y(0) - c.y(r),
    }, svg('title', {}, `${content.periods[i]} nm: R = ${r}`));
    if (i >= content.largest) bar.style.opacity = 0.4;
    c.root.append(bar, svg('text', { x: c.x(i + 0.5), y: c.y(r) - 4, 'text-anchor': 'middle' }, r.toFixed(2)));
  });
  const measured = (t.halves && t.halves.curve) || [];
  measured.forEach((r, i) => {
    if (r === null) return;
    const x = c.x(i + 0.5), y = c.y(r);
    c.root.append(svg('path', { class: 'measured', d: `M${x} ${y - 6}l6 6l-6 6l-6 -6Z` },
      svg('title', {}, `${content.periods[i]} nm: R = ${r} by halves`)));
  });
  for (const [level, name] of [[content.nothing_seen, 'seen from here'], [content.readily_seen, 'counts in full']]) {
    c.root.append(svg('line', { class: 'limit', x1: c.m.left, x2: c.width - c.m.right, y1: c.y(level), y2: c.y(level) }));
    c.root.append(svg('text', { x: c.width - c.m.right, y: c.y(level) - 3, 'text-anchor': 'end' }, name));
  }
  return c.root;
}
