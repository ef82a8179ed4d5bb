// Pictures stand at the end of the page and are read when they come into view.
const found = new Map();
const whole = new Promise((resolve) => {
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', () => resolve());
  else resolve();
});

async function picturesOf(t) {
  if (!found.has(t.number)) {
    // An element is there before all of its text is: not so once another one has followed it.
    if (!byId(`pictures-${t.number}`)?.nextElementSibling) await whole;
    const node = byId(`pictures-${t.number}`);
    found.set(t.number, node ? JSON.parse(node.textContent) : {});
  }
  return found.get(t.number);
}

async function load(frame, t, name) {
  const picture = (await picturesOf(t))[name];
  if (!picture) {
    frame.replaceChildren(element('span', { class: 'none' }, 'no picture'));
    return;
  }
  const image = element('img', { src: picture, alt: `Slice ${name === 'thumbnail' ? t.chosen.central : name} of ${t.id}` });
  frame.replaceChildren(image, scalebar(t));
}

// A bar of a round length, a fifth to a half of the picture's width.
function scalebar(t) {
  const [, height, width] = t.shape, nm = width * t.voxel / 10;
  const length = niceTicks(0, nm, 3)[1];
  const bar = element('span', { class: 'scalebar' }, length >= 1000 ? `${length / 1000} \u00b5m` : `${length} nm`);
  bar.style.width = `${100 * length / nm * Math.min(1, width / height)}%`;
  return bar;
}

const waiting = new Map();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    load(entry.target, ...waiting.get(entry.target));
    waiting.delete(entry.target);
  }
}, { rootMargin: '400px' });

// The picture "thumbnail" of a tomogram, or that of a slice.
function frameOf(t, name) {
  const frame = element('span', { class: 'frame' });
  waiting.set(frame, [t, name]);
  watcher.observe(frame);
  return frame;
}
