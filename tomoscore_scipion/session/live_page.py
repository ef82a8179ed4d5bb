# SPDX-License-Identifier: GPL-3.0-or-later
"""The page around the report of a running session, which shows when there is a newer report.

The report is reloaded on request only, or if it was empty: somebody may be reading it.
"""

from __future__ import annotations

import base64
import hashlib

STYLE = """
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; font: 15px/1.5 sans-serif; }
header { display: flex; gap: 1.5em; align-items: center; padding: .4em 1em; background: #e8eef4; }
iframe { flex: 1; border: 0; width: 100%; }
"""

PROGRAM = """
'use strict';
const EVERY_MS = 3000;
const byId = (id) => document.getElementById(id);
let shown = null, latest = null, count = 0, countShown = 0;

function show() {
  shown = latest;
  countShown = count;
  byId('newer').hidden = true;
  byId('report').contentWindow.location.replace('/report.html');
}

async function look() {
  try {
    const answer = await fetch('/state', { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    const state = await answer.json();
    latest = state.report;
    count = state.tomograms;
    byId('state').textContent = state.report === null
      ? 'Nothing is scored yet.' : `${state.tomograms} tomograms, ${state.failed} of them failed.`;
    if (latest !== null && latest !== shown) {
      if (countShown === 0 || byId('at-once').checked) show(); else byId('newer').hidden = false;
    }
  } catch (error) {
    byId('state').textContent = 'The watch does not answer: it has ended, or is busy.';
  }
  setTimeout(look, EVERY_MS);
}

byId('newer').addEventListener('click', show);
look();
"""


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


POLICY = (
    f"default-src 'none'; script-src 'sha256-{_hash(PROGRAM)}'; style-src 'sha256-{_hash(STYLE)}'; "
    "connect-src 'self'; frame-src 'self'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""The page's policy: its own program and style, its own report, and nothing else."""

PAGE = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>TomoScore: running session</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{STYLE}</style></head>
<body><header><strong>TomoScore</strong> <span id="state" role="status">Looking ...</span>
<button type="button" id="newer" hidden>Show the newer report</button>
<label><input type="checkbox" id="at-once"> show newer ones at once</label></header>
<iframe id="report" title="Report"></iframe>
<script>{PROGRAM}</script></body></html>
"""
